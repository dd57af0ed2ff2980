"""The programs in `docs/api.md` are complete, and do what the page says."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
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
    storescp_node,
)
from net.files import data_sets
from net.peers import answers, free_port, storescp

from dcm.net import DcmNode
from harness.waiting import wait_until

__all__ = [
    "archive", "configuration", "dcmqrscp_archive", "dcmqrscp_node", "objects", "orthanc_node",
    "orthanc_program", "storescp_node",
]  # fmt: skip

PAGE = (ROOT / "docs" / "api.md").read_text()
PROGRAMS = {
    int(number): program
    for number, program in re.findall(
        r"^## (\d)\. .*?```python\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE
    )
}


def written(number: int, folder: Path, places: Mapping[str, str]) -> list[str]:
    """Write a program of the page with the test's `places`; return the command that runs it."""
    program = PROGRAMS[number]
    for place, ours in places.items():
        assert place in program
        program = program.replace(place, ours)
    assert ".org" not in program
    (folder / "program.py").write_text(program)
    return [sys.executable, "-W", "error", "program.py"]


def run(number: int, folder: Path, places: Mapping[str, str]) -> list[str]:
    """Run a program to its end; return the lines that it prints."""
    command = written(number, folder, places)
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@contextmanager
def serving(
    number: int, folder: Path, places: Mapping[str, str]
) -> Iterator[tuple[int, Iterator[str]]]:
    """Run a program that listens until the block ends; yield its port, and the lines that it prints."""
    port = free_port()
    here = {'"0.0.0.0"': '"127.0.0.1"', "11112": str(port)}
    command = written(number, folder, {**places, **here})
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            wait_until(lambda: answers(port), what="it listens", within=30)
            yield port, process.stdout
        finally:
            process.kill()


def send(port: int, source: Path, calling_ae_title: str) -> int:
    """Send all files with dcmtk's program."""
    program = shutil.which("storescu")
    if program is None:
        pytest.skip("storescu is not installed")
    titles = ["-aet", calling_ae_title, "-aec", "ANY"]
    command = [program, *titles, "127.0.0.1", str(port), "+sd", str(source)]
    return subprocess.run(command, check=False, timeout=60).returncode


def test_page_has_five_programs() -> None:
    """All of them are tested here."""
    assert sorted(PROGRAMS) == [1, 2, 3, 4, 5]


def test_echo(storescp_node: DcmNode, tmp_path: Path) -> None:
    """It prints the duration of the answer, or why there is none."""
    (line,) = run(1, tmp_path, {"mypacs.org:MYPACS:11112": str(storescp_node)})
    assert re.fullmatch(r"answered in \d+\.\d ms", line)
    nobody = f"127.0.0.1:NOBODY:{free_port()}"
    (line,) = run(1, tmp_path, {"mypacs.org:MYPACS:11112": nobody})
    assert line.startswith(f"{nobody}: connection: Connection refused")


def test_query_and_download(archive: DcmNode, objects: Path, tmp_path: Path) -> None:
    """The tree, the counts, and the files in a folder that did not exist."""
    places = {
        '"mypacs.org", "MYPACS", 11112': f'"{archive.host}", "{archive.ae_title}", {archive.port}'
    }
    lines = run(2, tmp_path, places)
    assert lines[-1] == "2 stored"
    assert any("ID: CLI1" in line for line in lines)
    sent = data_sets(objects)
    came = data_sets(tmp_path / "downloads" / "new")
    assert came == {uid: sent[uid] for uid in ("1.2.3.101", "1.2.3.102")}


def test_receive_and_react(objects: Path, tmp_path: Path) -> None:
    """An unknown sender's objects are refused, and each sender is named."""
    with serving(3, tmp_path, {}) as (port, printed):
        assert send(port, objects, "STRANGER") != 0
        assert list((tmp_path / "incoming").glob("*.dcm")) == []
        assert send(port, objects, "CT1") == 0
        lines = list(islice(printed, 4))
    assert all(line.startswith("CT1 sent incoming/1.2.3.10") for line in lines)
    assert data_sets(tmp_path / "incoming") == data_sets(objects)


def test_forward(objects: Path, tmp_path: Path) -> None:
    """Everything arrives, and the spool is empty afterwards."""
    target = tmp_path / "target"
    with storescp(target) as node:
        places = {"mypacs.org:MYPACS:11112": str(node)}
        with serving(4, tmp_path, places) as (port, printed):
            assert send(port, objects, "CT1") == 0
            lines = list(islice(printed, 4))
    assert {line.split()[1] for line in lines} == {"stored"}
    assert data_sets(target) == data_sets(objects)
    assert list((tmp_path / "spool").glob("*.dcm")) == []


def test_send_from_memory(archive: DcmNode, tmp_path: Path) -> None:
    """The copies have new UIDs and another name."""
    target = tmp_path / "target"
    with storescp(target) as node:
        places = {"mypacs.org:MYPACS:11112": str(archive), "other.org:OTHER:11112": str(node)}
        assert run(5, tmp_path, places) == ["3 stored"]
    sent = data_sets(target)
    assert len(sent) == 3
    assert not any(uid.startswith("1.2.3.") for uid in sent)
    assert all(b"Anonymous" in data for data in sent.values())
