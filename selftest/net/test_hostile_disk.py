"""Full disks, read-only folders, killed processes: no partial instance has a name."""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from net.files import CT, being_written, data_sets, make
from net.getting import got
from net.peers import QUICK, US, hasty
from net.scp import Scp

from dcm.net import DcmNode, LocalEntity, Remote
from dcm.net.association import Association
from dcm.net.errors import NetworkError
from dcm.net.folders import files_in
from dcm.outcome import Outcome, Report
from dcm.sinks import NotKept, ReceivedInstance
from dcm.wire import Command, CStoreRQ, DataFragment, PresentationContextRQ
from harness.waiting import wait_until

pytestmark = pytest.mark.timeout(60)

ENTITY = LocalEntity(US, QUICK)
STUDY = "1.2.3.99"
STUDY_LEVEL = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": STUDY}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No space becomes free during a test, so do not wait for it."""
    hasty(monkeypatch)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large instance between two small ones."""
    folder = tmp_path_factory.mktemp("source")
    for number, size in enumerate((2_000, 2_000_000, 2_000)):
        make(folder, number, study=STUDY, size=size)
    return folder


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    mounted = tmp_path / "full"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(mounted)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system is not allowed here")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Drop root's permission to write everywhere."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


async def _listen_into(folder: Path, source: Path) -> Report:
    async with ENTITY.listen(folder) as listener:
        return await ENTITY.store(listener.node, files_in([source]))


async def _retrieve_into(folder: Path, node: DcmNode) -> tuple[set[str], set[str]]:
    """Return what was kept, and the errors for the rest."""
    kept, words = set(), set()
    with contextlib.suppress(NetworkError):
        async for each in got(node, STUDY_LEVEL, folder):
            if isinstance(each, NotKept):
                words.add(each.words)
            else:
                assert isinstance(each, ReceivedInstance)
                kept.add(each.sop_instance_uid)
    return kept, words


@pytest.fixture
def archive(dcmqrscp_node: DcmNode, source: Path) -> DcmNode:
    """An archive with the instances."""
    assert asyncio.run(ENTITY.store(dcmqrscp_node, files_in([source]))).complete
    return dcmqrscp_node


def _whole(folder: Path, source: Path) -> set[str]:
    """Return the content of a folder; none of its files may be partial."""
    kept, sent = data_sets(folder), data_sets(source)
    assert kept == {uid: sent[uid] for uid in kept}
    assert {path.suffix for path in folder.iterdir()} <= {".dcm"}
    return set(kept)


def test_a_full_disk_under_a_listener(full: Path, source: Path) -> None:
    """What does not fit is refused, the rest is stored, and the sender knows which is which."""
    report = asyncio.run(_listen_into(full, source))
    outcomes = [result.outcome for result in report.results]
    assert outcomes == [Outcome.STORED, Outcome.FAILED, Outcome.STORED]
    assert report.results[1].words == "refused: out of resources: No space left on device"
    assert not report.complete
    assert len(_whole(full, source)) == 2


def test_a_full_disk_under_a_retrieve(full: Path, source: Path, archive: DcmNode) -> None:
    """The same for C-GET."""
    kept, words = asyncio.run(_retrieve_into(full, archive))
    assert words == {"No space left on device"}
    assert len(kept) == 2
    assert _whole(full, source) == kept


def _closed(folder: Path) -> None:
    folder.chmod(0o555)


def _a_file(folder: Path) -> None:
    folder.rmdir()
    folder.touch()


def _gone(folder: Path) -> None:
    folder.rmdir()
    folder.parent.chmod(0o555)  # nor can it be created


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(_closed, "Permission denied"), (_a_file, "Not a directory"), (_gone, "No such file")],
)
def test_a_folder_that_takes_nothing(
    spoil: Callable[[Path], None], words: str, source: Path, archive: DcmNode
) -> None:
    """Read-only, not a folder, missing: an error for each instance in both roles; no file left."""
    with tempfile.TemporaryDirectory() as outer:
        Path(outer).chmod(0o755)
        readable = Path(outer) / "source"
        readable.mkdir()
        for path in source.iterdir():
            (readable / path.name).write_bytes(path.read_bytes())
        folder = Path(outer) / "target"
        folder.mkdir()
        spoil(folder)
        with nobody():
            report = asyncio.run(_listen_into(folder, readable))
            kept, said = asyncio.run(_retrieve_into(folder, archive))
        Path(outer).chmod(0o755)
        assert sorted(path.name for path in Path(outer).iterdir()) in (
            ["source", "target"],
            ["source"],
        )
        assert not folder.is_dir() or list(folder.iterdir()) == []
    assert report.counts() == {Outcome.FAILED: 3}
    assert all(words in result.words for result in report.results)
    assert kept == set()
    assert all(words in each for each in said)
    assert said


async def _half(node: DcmNode, uid: str) -> Association:
    """Send half an instance."""
    contexts = [PresentationContextRQ(1, CT, ("1.2.840.10008.1.2.1",))]
    association = await Association.request(US, Remote(node, QUICK), contexts)
    request = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=uid)
    await association.send(Command(1, request), DataFragment(1, bytes(3_000_000), last=False))
    return association


def test_what_is_there_survives_a_second_copy_that_is_cut(source: Path, tmp_path: Path) -> None:
    """A partial copy does not replace a complete file."""

    async def scenario() -> None:
        async with ENTITY.listen(tmp_path) as listener:
            assert (await ENTITY.store(listener.node, files_in([source]))).complete
            await (await _half(listener.node, f"{STUDY}.3.1")).abort()

    asyncio.run(scenario())
    assert len(_whole(tmp_path, source)) == 3


_LISTENER = """
import asyncio, sys
from pathlib import Path
from dcm.net import DcmNode, Listen, LocalEntity, Remote

async def main():
    async with LocalEntity(Listen("127.0.0.1", "KILLED", 0)).listen(Path(sys.argv[1])) as listener:
        print(listener.node.port, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.kills
def test_a_listener_that_is_killed_leaves_no_half_under_a_name(
    source: Path, tmp_path: Path
) -> None:
    """Acknowledged instances are there; one in transfer has no name that could look complete."""
    folder = tmp_path / "target"
    folder.mkdir()
    command = [sys.executable, "-c", _LISTENER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        node = DcmNode("127.0.0.1", "KILLED", int(process.stdout.readline()))

        async def scenario() -> None:
            assert (await ENTITY.store(node, files_in([source]))).complete
            association = await _half(node, "1.2.3.4")
            begun = partial(wait_until, lambda: being_written(folder, process.pid) == 1)
            await asyncio.to_thread(begun, what="the fourth instance has begun", within=10)
            process.kill()
            association.close()

        try:
            asyncio.run(scenario())
        finally:
            process.kill()
    for part in folder.glob(".*.part"):  # if the file system does not support unnamed files
        part.unlink()
    assert len(_whole(folder, source)) == 3


def test_a_file_that_changes_while_it_is_sent(tmp_path: Path) -> None:
    """A file that shrinks fails with a message, and the peer drops it; the others are sent."""
    large, small = make(tmp_path, 1, size=30_000_000), make(tmp_path, 2)

    async def cut(association: Association, request: CStoreRQ) -> bool:
        if request.affected_sop_instance_uid == "1.2.3.1":
            os.truncate(large, 1_000_000)
        return False

    async def scenario() -> tuple[Report, Scp]:
        async with Scp() as peer:
            peer.midway = cut
            return await ENTITY.store(peer.node, [large, small]), peer

    report, peer = asyncio.run(scenario())
    assert report.results[0].outcome is Outcome.FAILED
    assert report.results[0].words == "it was truncated while it was sent"
    assert report.results[1].outcome is Outcome.STORED
    assert set(peer.held) == {"1.2.3.2"}
