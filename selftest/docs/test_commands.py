"""Every command on a page is valid: options and arguments are right, and commands of `dcm` run."""

import os
import re
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cli.conftest import (
    ROOT,
    configuration,
    dcmqrscp_archive,
    dcmqrscp_node,
    objects,
)
from net.peers import answers, dcmqrscp, free_port
from support.shown import (
    PAGES,
    Shown,
    blocks,
    configure,
    environment,
    help_of,
    inline,
    known_options,
    options,
    troubles,
)

from dcm.net import DcmNode
from harness.cli.run import sources
from harness.waiting import wait_until

__all__ = ["configuration", "dcmqrscp_archive", "dcmqrscp_node", "objects"]

SCRIPTS = ("run-local.sh", "run-docker.sh", "run-tests.sh", "build.sh", "generate_config.py")
OTHERS = {
    "--filter": "docker", "--init": "docker", "--lf": "pytest", "--network": "docker", "--no-deps": "pip",
    "--volumes": "docker",
}  # fmt: skip
"""Options in sentences that belong to other programs."""


def test_pages_have_commands() -> None:
    """The patterns still match."""
    pages = {each.page for each in blocks()}
    assert {"README.md", "docs/cookbook.md", "docs/first-run.md", "docs/index.md"} <= pages
    assert {page for page in PAGES if "dcm" in page} <= pages
    assert len(blocks()) > 120
    assert len(inline()) > 60


@pytest.mark.parametrize("shown", blocks(), ids=str)
def test_command_can_be_given(shown: Shown) -> None:
    """The parsers know its options, and accept its arguments unless it is a synopsis."""
    commands = [shown.text.split()] if shown.is_synopsis else shown.parts
    found = [each for words in commands for each in troubles(words, whole=not shown.is_synopsis)]
    assert found == [], shown.text


def test_commands_in_sentences_can_be_given() -> None:
    """The same for commands in sentences and tables."""
    found = {
        f"{each}: {each.text}": wrong
        for each in inline()
        if (wrong := troubles(each.text.split(), whole=False))
    }
    assert found == {}


def test_options_in_sentences_are_there() -> None:
    """Each belongs to a command, to a script, or to a program of another project."""
    scripts = "".join(map(help_of, SCRIPTS))
    known = known_options() | OTHERS.keys()
    found = [f"{each}: {each.text}" for each in options() if each.text not in known]
    assert [each for each in found if each.rpartition(" ")[2] not in scripts] == []


def test_extras_that_pip_is_told_are_there() -> None:
    """`pip install 'NAME[EXTRA]'`, on any page."""
    extras = {
        told["project"]["name"]: told["project"]["optional-dependencies"]
        for folder in ("", "dcm")
        if (told := tomllib.loads((ROOT / folder / "pyproject.toml").read_text()))
    }
    text = "".join((ROOT / page).read_text() for page in PAGES)
    asked = re.findall(r"(dicom-[a-z]+)\[([a-z,-]+)\]", text)
    assert asked
    assert [
        (name, extra)
        for name, some in asked
        for extra in some.split(",")
        if extra not in extras[name]
    ] == []


def test_cases_that_are_named_are_there() -> None:
    """On the pages, and in the changelog."""
    ids = {name for case in sources() for name in case.names if re.fullmatch(r"[A-Z]+-\d{3}", name)}
    named = {
        f"{page}: {case}"
        for page in (*PAGES, "CHANGELOG.md")
        for case in re.findall(r"\b(?!SHA-)[A-Z]{3,}-\d{3}\b", (ROOT / page).read_text())
    }
    assert named
    gone = (ROOT / "tests" / "withdrawn.txt").read_text()
    assert [
        each
        for each in sorted(named)
        if each.split()[-1] not in ids and each.split()[-1] not in gone
    ] == []


SERVERS = {"listen", "forward", "serve"}
SOURCES = ("mypacs", "old", "oldpacs")
TARGETS = {
    "A": ("mirror", "new", "newpacs", "other", "archive", "backup", "by_modality"),
    "B": ("research", "teaching"),
}
NOW = datetime.now().astimezone()
PLACEHOLDERS = {
    r"(query|get) REMOTE \[KEY=VALUE \.\.\.\]": r"\1 REMOTE PatientID=CLI1",
    r"\[[^]]*\](?=\s|$)": "",
    r"\bREMOTE\b": "mypacs",
    r"\b(PATH|DIR) \.\.\.": "scans",
    r"\bDEST \.\.\.": "taken/",
    r"\bforward \.\.\.": "forward taken/ --spool spool",
    r"\bindex FOLDER\b": "index scans",
    r"\bserve FOLDER\b": "serve scans",
    r"\bsync +-s SOURCE\b": "sync -y -s scans taken/",
    r"\b(FOLDER|TARGET)\b": "out",
    r"\bLEFT RIGHT\b": "scans scans",
    r"--only-between \S+": f"--only-between {NOW:%H:%M}-{NOW + timedelta(hours=1):%H:%M}",
    r"/(var|etc|data|srv)/\S*?([^/\s]+/?)(?=\s|$)": r"\2",
}  # fmt: skip
"""Placeholders for the users' own names, and their replacements here."""
UNLIKE = {
    "dcm query mypacs PatientID=4711 | dcm view": "nothing is found, and so nothing shown",
}
NOT_RUN = {
    "--workers dask://": "selftest/sync/test_cluster.py has a cluster",
}


@pytest.fixture
def folder(tmp_path: Path, objects: Path, dcmqrscp_archive: DcmNode) -> Iterator[Path]:
    """A folder with files, and a configuration in which the names of the pages are archives."""
    work = tmp_path / "work"
    (work / "archive").mkdir(parents=True)
    shutil.copytree(objects, work / "scans")
    shutil.copy(next(objects.iterdir()), work / "one-more.dcm")
    (work / "edits.json").write_text('{"set": {"PatientID": "4711"}, "delete": ["0010,1000"]}')
    with dcmqrscp(tmp_path / "A") as first, dcmqrscp(tmp_path / "B") as second:
        nodes = dict.fromkeys(SOURCES, dcmqrscp_archive)
        nodes |= dict.fromkeys(TARGETS["A"], first) | dict.fromkeys(TARGETS["B"], second)
        configure(work, nodes)
        yield work


def as_run(shown: Shown, source: DcmNode) -> str:
    """Return a command with paths of this test."""
    text = shown.text
    for pattern, ours in PLACEHOLDERS.items():
        text = re.sub(pattern, ours, text)
    return re.sub(r"(my)?pacs\.org:(MY)?PACS:11112", str(source), text)


COMMANDS = [each for each in blocks() if each.text.startswith("dcm ") and not each.prints]
WEB = [each for each in COMMANDS if "https://" in each.text]


@pytest.mark.parametrize("shown", [each for each in COMMANDS if each not in WEB], ids=str)
def test_command_of_dcm_runs(shown: Shown, folder: Path, dcmqrscp_archive: DcmNode) -> None:
    """It succeeds; a server runs until it is stopped."""
    if any(part in shown.text for part in NOT_RUN):
        pytest.skip(next(why for part, why in NOT_RUN.items() if part in shown.text))
    command = as_run(shown, dcmqrscp_archive)
    words = {*command.split()}
    of_spool = words & {"--status", "--retry-dead"}
    if words & SERVERS and not of_spool:
        with serving(command, folder):
            pass
        return
    if of_spool:
        with serving("dcm forward taken/ --spool dcm", folder):
            pass
    assert run(command, folder) in (0, 1 if shown.text.startswith(tuple(UNLIKE)) else 0)


@pytest.mark.parametrize("shown", WEB, ids=str)
def test_command_with_a_web_service_runs(
    shown: Shown, folder: Path, dcmqrscp_archive: DcmNode
) -> None:
    """The same with the project's own service."""
    pytest.importorskip("starlette")
    with serving("dcm serve archive --writable", folder) as port:
        command = as_run(shown, dcmqrscp_archive)
        command = re.sub(r"https://[a-z]+\.org/", f"http://127.0.0.1:{port}/", command)
        assert run(command, folder) == 0


def run(command: str, folder: Path) -> int:
    """Run a command line, and return its exit status."""
    with subprocess.Popen(
        ["/bin/sh", "-c", command], cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            said, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # a pipe is several processes
            raise
    print(command, said, sep="\n")  # noqa: T201 - shown if the test fails
    return process.returncode


@contextmanager
def serving(command: str, folder: Path) -> Iterator[int]:
    """Run a command that listens, stop it cleanly after the block; yield its port."""
    port = free_port()
    command = re.sub(r"--metrics-port \d+", f"--metrics-port {free_port()}", command)
    command += f" --dicom-port {free_port()}" if " serve " in command else ""
    log = folder / "log.txt"
    with log.open("w") as said, subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command} --host 127.0.0.1 --port {port}"], cwd=folder,
        env=environment(folder), stdin=subprocess.DEVNULL, stderr=said,
    ) as process:  # fmt: skip
        try:
            wait_until(
                lambda: answers(port) or process.poll() is not None, what="it listens", within=30
            )
            yield port
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0, log.read_text()
