"""Manual pages and completion are generated from the parsers, and work."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli.conftest import ROOT

import dcm.cli
import harness.cli

COMMANDS = {"dcm": dcm.cli.COMMANDS, "harness": harness.cli.COMMANDS}
_BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
complete=$(complete -p "$1" | sed -n 's/.*-F \\([^ ]*\\).*/\\1/p')
"$complete" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
_FISH = """
source $argv[1]
complete --do-complete=(string join -- " " $argv[2..])
"""
_ZSH = """
fpath=("$1" $fpath)
autoload -Uz compinit && compinit -u -d "$3" && autoload +X "_$2" && print "$_comps[$2]"
"""


def made(folder: Path, **environment: str) -> Path:
    """Generate everything in a folder with the structure of /usr/share."""
    for program in COMMANDS:
        subprocess.run(
            [sys.executable, str(ROOT / "docs" / "manual.py"), program, str(folder)],
            check=True, timeout=60,
            env={**os.environ, "PYTHONPATH": str(ROOT), "SOURCE_DATE_EPOCH": "86000", **environment},
        )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated folder."""
    return made(tmp_path_factory.mktemp("share"))


@pytest.mark.parametrize("program", COMMANDS)
def test_each_command_has_a_page_without_a_mistake(share: Path, program: str) -> None:
    """The formatter has no warning, and its output is complete."""
    pages = share / "man" / "man1"
    names = {f"{program}.1", *(f"{program}-{name}.1" for name in COMMANDS[program])}
    assert {path.name for path in pages.glob(f"{program}*")} == names
    if groff := shutil.which("groff"):
        for name in names:
            command = [groff, "-man", "-Tutf8", "-ww", str(pages / name)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            assert done.stderr == "", name


def test_page_names_the_command_as_people_type_it(share: Path) -> None:
    """Commands with options only, with their own usage, and with subcommands."""
    pages = {path.stem: path.read_text() for path in (share / "man" / "man1").iterdir()}
    assert '.TH DCM\\-SYNC "1" "1970\\-01\\-01"' in pages["dcm-sync"]
    assert ".B dcm sync\n" in pages["dcm-sync"]
    assert ".B harness run\n[CASE ...] [options] [pytest options]\n" in pages["harness-run"]
    assert "\\fBharness known\\fR \\fI\\,add\\/\\fR" in pages["harness-known"]


def test_page_of_run_has_the_options_of_the_harness(share: Path) -> None:
    """Rarely used options of pytest are left to its own help; examples keep their lines."""
    page = (share / "man" / "man1" / "harness-run.1").read_text()
    assert "\\-\\-orthanc\\-root" in page
    assert "junit" not in page
    assert "\n.nf\n  harness run   " in page


def test_the_same_source_gives_the_same_bytes(share: Path, tmp_path: Path) -> None:
    """They do not depend on terminal, home and number of processors."""
    again = tmp_path / "again"
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    try:
        made(again, COLUMNS="40", HOME=str(tmp_path), PYTHONHASHSEED="7", TZ="Asia/Tokyo")
    finally:
        os.sched_setaffinity(0, processors)
    files = [path.relative_to(share) for path in share.rglob("*") if path.is_file()]
    assert [
        path for path in files if (again / path).read_bytes() != (share / path).read_bytes()
    ] == []


COMPLETED = pytest.mark.parametrize(
    ("words", "found"),
    [
        (("dcm", "sy"), {"sync"}),
        (("dcm", "de"), {"deidentify"}),
        (("dcm", "sync", "--only-b"), {"--only-between"}),
        (("dcm", "query", "--out-format", ""), {"tree", "json", "csv"}),
        (("dcm", "store", "mypacs", "sca"), {"scans"}),
        (("harness", "bis"), {"bisect"}),
        (("harness", "run", "--orthanc-r"), {"--orthanc-root"}),
        (("harness", "run", "--level", "s"), {"should"}),
        (("harness", "probe", "--mem"), {"--memory"}),
        (("harness", "known", "ch"), {"check"}),
        (("harness", "diff", "sca"), {"scans"}),
    ],
)
"""Commands, options, values of options with few of them, and files."""


@COMPLETED
def test_bash_completes(
    share: Path, tmp_path: Path, words: tuple[str, ...], found: set[str]
) -> None:
    """All valid continuations, and nothing else."""
    (tmp_path / "scans").mkdir()
    script = share / "bash-completion" / "completions" / words[0]
    done = subprocess.run(
        ["bash", "-c", _BASH, "bash", str(script), *words],
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert set(done.stdout.split()) == found, done.stderr


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@COMPLETED
def test_fish_completes(
    share: Path, tmp_path: Path, words: tuple[str, ...], found: set[str]
) -> None:
    """The same; a folder ends with a slash, and explanations follow a tab."""
    (tmp_path / "scans").mkdir()
    script = share / "fish" / "vendor_completions.d" / f"{words[0]}.fish"
    done = subprocess.run(
        ["fish", "--no-config", "-c", _FISH, str(script), *words],
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30,
        env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    shown = {line.partition("\t")[0].rstrip("/") for line in done.stdout.splitlines()}
    assert shown == found, done.stderr


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize("program", COMMANDS)
def test_zsh_takes_the_script(share: Path, tmp_path: Path, program: str) -> None:
    """It is found in its folder, and has no syntax error."""
    words = [str(share / "zsh" / "site-functions"), program, str(tmp_path / "dump")]
    done = subprocess.run(
        ["zsh", "-f", "-c", _ZSH, "zsh", *words],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, f"_{program}\n", "")
