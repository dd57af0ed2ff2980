"""The commands and programs in `docs/sync.md` print what the page shows."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.conftest import (
    ROOT,
    archive,
    configuration,
    dcmqrscp_archive,
    dcmqrscp_node,
    objects,
    orthanc_node,
    orthanc_program,
)
from net.peers import dcmqrscp
from support.shown import CONFIGURATION, configure, environment

from dcm.conf import Configuration
from dcm.net import DcmNode

__all__ = [
    "archive", "configuration", "dcmqrscp_archive", "dcmqrscp_node", "objects", "orthanc_node",
    "orthanc_program",
]  # fmt: skip

PAGE = (ROOT / "docs" / "sync.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SESSIONS = re.findall(r"^((?:    \$ .*\n(?:    (?!\$).*\n)*)+)", PAGE, re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, objects: Path, dcmqrscp_archive: DcmNode) -> Iterator[Path]:
    """A folder with `scans`, and a configuration in which mypacs, mirror and other are archives."""
    work = tmp_path / "work"
    work.mkdir()
    shutil.copytree(objects, work / "scans")
    with dcmqrscp(tmp_path / "mirror") as mirror, dcmqrscp(tmp_path / "other") as other:
        nodes = {"mypacs": dcmqrscp_archive, "mirror": mirror, "other": other}
        configure(work, nodes)
        yield work


def test_commands_print_what_is_shown(folder: Path) -> None:
    """All sessions of the page, one after the other; only the addresses of nodes differ."""
    assert len(SESSIONS) == 3
    known = Configuration.read(str(folder / CONFIGURATION))
    names = {
        str(known.remote(name)): f"{name}.org:{name.upper()}:11112"
        for name in ("mypacs", "mirror", "other")
    }
    for session in SESSIONS:
        for command, shown in re.findall(r"    \$ (.*)\n((?:    (?!\$).*\n)*)", session):
            done = subprocess.run(
                ["/bin/sh", "-c", command], cwd=folder, env=environment(folder), timeout=60,
                capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            out = done.stdout
            for address, name in names.items():
                out = out.replace(address, name)
            assert out.splitlines() == [line[4:] for line in shown.splitlines()], command


def test_configuration_can_be_used() -> None:
    """Unchanged."""
    [text] = re.findall(r"^    (\[remote_nodes\..*?)\n\n", PAGE, re.DOTALL | re.MULTILINE)
    known = Configuration.parse(text.replace("\n    ", "\n"), "conf.toml")
    assert known.paces["mypacs"][0] == 20e6


def run(number: int, folder: Path, node: DcmNode) -> list[str]:
    """Run a program of the page to its end; return the lines that it prints."""
    program = PROGRAMS[number].replace("mypacs.org:MYPACS:11112", str(node))
    assert ".org" not in program
    (folder / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py"], cwd=folder, env=environment(folder),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_programs(folder: Path, dcmqrscp_archive: DcmNode) -> None:
    """They copy, and print the results."""
    assert len(PROGRAMS) == 3
    assert run(0, folder, dcmqrscp_archive) == ["archive/: 3 stored"]
    assert len([*(folder / "archive").rglob("*.dcm")]) == 3
    shutil.rmtree(folder / "archive")
    assert run(1, folder, dcmqrscp_archive)[0].startswith("archive/: 4 stored")
    assert not (folder / "quarantine").exists()
    shutil.rmtree(folder / "archive")
    assert run(2, folder, dcmqrscp_archive) == ["1 studies", "archive/: 3 stored"]
