"""`LocalEntity.upload`: files and folders, but only instances that the archive lacks."""

import asyncio
import os
import tempfile
from pathlib import Path

import pytest
from net.files import data_sets, make
from net.peers import QUICK, US
from net.scp import Scp

from dcm.net import DcmNode, LocalEntity
from dcm.outcome import Outcome, Report

ENTITY = LocalEntity(US, QUICK)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Nested folders with various other files."""
    root = tmp_path / "tree"
    (root / "b" / "deep").mkdir(parents=True)
    make(root, 1)
    make(root / "b", 2)
    make(root / "b" / "deep", 3).rename(root / "b" / "deep" / ".hidden")
    (root / "a.txt").write_text("What is this?")
    (root / "empty").mkdir()
    (root / "b" / "around").symlink_to(root)
    (root / "dangling").symlink_to(root / "nothing")
    os.mkfifo(root / "pipe")
    return root


def test_all_in_a_folder_is_sent_or_told(tree: Path) -> None:
    """Folders of any depth, with hidden files; what is not DICOM has an outcome with a reason."""

    async def scenario() -> tuple[Report, dict[str, bytes]]:
        async with Scp() as peer:
            return await ENTITY.upload(peer.node, [tree, tree / "00001.dcm"]), peer.data_sets()

    report, held = asyncio.run(scenario())
    found = {Path(result.path).name: result for result in report.results}
    assert set(held) == {"1.2.3.1", "1.2.3.2", "1.2.3.3"}
    assert [result.path for result in report.results].count(str(tree / "00001.dcm")) == 2
    assert {name for name, result in found.items() if result.stored} == {
        "00001.dcm", "00002.dcm", ".hidden",
    }  # fmt: skip
    assert "neither the prefix DICM" in found["a.txt"].words
    assert "No such file" in found["dangling"].words
    assert "Illegal seek" in found["pipe"].words
    assert report.counts() == {Outcome.STORED: 3, Outcome.ALREADY_THERE: 1, Outcome.NOT_TRIED: 3}


def test_a_folder_is_no_file(tree: Path) -> None:
    """`store` takes files: a folder among them has an outcome."""

    async def scenario() -> Report:
        async with Scp() as peer:
            return await ENTITY.store(peer.node, [tree])

    (result,) = asyncio.run(scenario()).results
    assert result.outcome is Outcome.NOT_TRIED
    assert "Is a directory" in result.words


def test_what_may_not_be_read_is_told() -> None:
    """A folder and a file without permission have an outcome each."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "closed").mkdir()
        make(root / "closed", 1)
        make(root, 2)
        root.chmod(0o755)
        (root / "closed").chmod(0)
        (root / "00002.dcm").chmod(0)

        async def scenario() -> Report:
            async with Scp() as peer:
                return await ENTITY.upload(peer.node, [root])

        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            report = asyncio.run(scenario())
        finally:
            os.seteuid(user)
            (root / "closed").chmod(0o700)
    assert [Path(result.path).name for result in report.results] == ["00002.dcm", "closed"]
    assert [result.words for result in report.results] == ["Permission denied"] * 2


@pytest.mark.parametrize("server", ["orthanc_node", "dcmqrscp_node"])
def test_what_is_there_is_not_sent_again(
    server: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The archive is queried for each series; only what it does not list is sent."""
    node: DcmNode = request.getfixturevalue(server)
    first = [make(tmp_path, number) for number in (70, 71)]
    assert asyncio.run(ENTITY.store(node, first)).complete
    every = [*first, make(tmp_path, 72)]
    report = asyncio.run(ENTITY.store(node, every, skip_existing=True))
    there = Outcome.ALREADY_THERE
    assert [result.outcome for result in report.results] == [there, there, Outcome.STORED]
    assert report.complete
    again = asyncio.run(ENTITY.upload(node, [tmp_path], skip_existing=True))
    assert again.counts() == {there: 3}


def test_who_cannot_be_asked_gets_all(tmp_path: Path) -> None:
    """A peer without a query service: its content is unknown, so nothing is left out."""
    paths = [make(tmp_path, number) for number in range(2)]

    async def scenario() -> tuple[Report, dict[str, bytes]]:
        async with Scp(syntaxes=("1.2.840.10008.1.2.1",)) as peer:
            report = await ENTITY.store(peer.node, paths, skip_existing=True)
            return report, peer.data_sets()

    report, held = asyncio.run(scenario())
    assert report.counts() == {Outcome.STORED: 2}
    assert held == data_sets(tmp_path)
