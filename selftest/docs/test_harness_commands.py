"""Every harness command on a page runs; one that would run all cases runs a single one."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from net.conftest import orthanc_program
from support.shown import ROOT, Shown, blocks

__all__ = ["orthanc_program"]

CASE = "CFIND-014"
OURS = re.compile(
    r"(?:[A-Z_]+=\S+ )*(?:(?:\.venv/bin/)?harness |\./run-local\.sh|\.venv/bin/python tests)"
)
COMMANDS = list(
    {
        each.text.removeprefix(".venv/bin/"): each for each in blocks() if OURS.match(each.text)
    }.values()
)
SLOW = (
    *("probe", "--repeat", "'PS3.8 9.3*'", "valgrind", "gdb -batch", "--server qrscp"),
    *("--keep-conversations", "--from said"),
)
PLACES = {
    r"\.venv/bin/": "",
    r"\./run-local\.sh": "harness run",  # the script executes it at its end: selftest/setup
    r"python tests": f"python {ROOT / 'tests'}",
    r"runs/(OLD-RUN|OLDER|\d{8}-\d{6}-orthanc-[\d.]+)": "runs/old",
    r"\bRUN\b": "runs/old",
    r"orthanc:(bookworm|trixie)": "dcmqrscp",
    r"(replay CFIND-014)$": r"\1 --run runs/old",
    r"--repeat \d+": "--repeat 2",
    r"--for \d+m": "--for 2s",
    r"fuzz orthanc --from said": "fuzz dcmqrscp --for 2s --from said",
}
"""Placeholders, and options that take long, with their replacements here."""
ELSEWHERE = {
    "--image": "selftest/containers runs servers in images",
    "192.0.2.7": "selftest/plugin/test_attached.py runs against a server that runs already",
    "--to HOST": "selftest/replay sends to a server that runs already",
    "localhost:ORTHANC:4242": "selftest/plugin/test_attached.py runs against a server that runs already",
    "pacs.example:": "selftest/plugin/test_attached.py runs against a server that runs already",
    "./receiver.py": "selftest/plugin/test_remote.py runs the program of the page",
    "bisect": "selftest/cli/test_bisect.py has a server that became worse",
    "findings/death-...": "selftest/fuzz plays findings again",
}
PROGRAMS = ("gdb", "valgrind")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the commands, two runs, and recorded data of a run."""
    work = tmp_path_factory.mktemp("work")
    (work / "bin").mkdir()
    for name, words in {"harness": "-m harness ", "python": ""}.items():
        (work / "bin" / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words}"$@"\n')
        (work / "bin" / name).chmod(0o755)
    # There is an answer to replay, and a conversation to start from.
    options = "--remote dcmqrscp --keep-exchanges --keep-conversations said"
    assert run(f"harness run {CASE} {options}", work) == 0
    old = (work / "runs" / "latest").resolve()
    shutil.copytree(old, work / "runs" / "old")
    return work


def as_run(shown: Shown, orthanc: str) -> str:
    """Return a command with paths of this test, and with one case if it names none."""
    text = shown.text
    plugin = Path(orthanc).parents[1] / "share/orthanc/plugins/libOrthancDicomWeb.so"
    places = {r"\S*build/Orthanc": orthanc, r"\S*build/libOrthancDicomWeb\.so": str(plugin)}
    for pattern, ours in (PLACES | places).items():
        text = re.sub(pattern, ours, text)
    program, command, *rest = text.split(" ")
    if command == "run" and not {"-k", "--help", "--profile"} & {*rest}:
        named = [] if rest and not rest[0].startswith("-") else [CASE]
        return " ".join([program, command, *named, *rest])
    if "--profile" in rest:
        return f"{text} --collect-only"
    if command == "matrix":
        runs = [each for each in rest if each == "runs/old"]
        servers = [each for each in rest if each != "runs/old"]
        return " ".join(
            [program, command, *runs, *([CASE] if "--server" in rest else []), *servers]
        )
    return text


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(
            each, marks=[pytest.mark.slow] if any(part in each.text for part in SLOW) else []
        )
        for each in COMMANDS
    ],
    ids=str,
)
def test_command_runs(shown: Shown, folder: Path, request: pytest.FixtureRequest) -> None:
    """It succeeds."""
    if reasons := [why for part, why in ELSEWHERE.items() if part in shown.text]:
        pytest.skip(reasons[0])
    for program in PROGRAMS:
        if f"'{program} " in shown.text and shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    orthanc = str(request.getfixturevalue("orthanc_program"))
    assert run(as_run(shown, orthanc), folder) == 0


def run(command: str, folder: Path) -> int:
    """Run a command line, and return its exit status."""
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    with subprocess.Popen(
        ["/bin/sh", "-c", command], cwd=folder, env={**kept, "PYTHONPATH": str(ROOT), "PATH": path},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            said, _ = process.communicate(timeout=180)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)  # so that servers end cleanly
            raise
    print(command, said, sep="\n")  # noqa: T201 - shown if the test fails
    return process.returncode
