"""`LocalEntity.listen`: success means safely stored, and no file is partial."""

import asyncio
import resource
import shutil
import subprocess
from pathlib import Path

import pytest
from net.files import CT, SYNTAXES, data_sets, make
from net.peers import QUICK, US
from pydicom.uid import ExplicitVRLittleEndian

from dcm.net import DcmNode, LocalEntity, Remote
from dcm.net.admission import Admission
from dcm.net.association import Association
from dcm.net.uids import STUDY_ROOT_FIND
from dcm.outcome import Report
from dcm.sinks import ReceivedInstance
from dcm.wire import (
    CFindRQ,
    CFindRSP,
    Command,
    CStoreRQ,
    CStoreRSP,
    DataFragment,
    PresentationContextRQ,
)

ENTITY = LocalEntity(US, QUICK)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The folder of files to send."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder for received files."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


async def run(program: str, node: DcmNode, *arguments: str) -> int:
    """Run one of dcmtk's programs with our listener."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    command = [found, node.host, str(node.port), *arguments]
    return (await asyncio.to_thread(subprocess.run, command, timeout=60, check=False)).returncode


def test_echoscu_is_answered(target: Path) -> None:
    """Verification as SCP."""

    async def scenario() -> int:
        async with ENTITY.listen(target) as listener:
            return await run("echoscu", listener.node)

    assert asyncio.run(scenario()) == 0


def test_storescu_stores(source: Path, target: Path) -> None:
    """Instances from dcmtk arrive byte for byte, with file meta information that it can read."""
    for number in range(4):
        make(source, number, size=300_000)

    async def scenario() -> int:
        async with ENTITY.listen(target, sync=True) as listener:
            return await run("storescu", listener.node, "+sd", "-R", str(source))

    assert asyncio.run(scenario()) == 0
    assert data_sets(target) == data_sets(source)
    assert {path.name for path in target.iterdir()} == {f"1.2.3.{n}.dcm" for n in range(4)}


def test_our_own_sender_stores_every_syntax(source: Path, target: Path) -> None:
    """Both ends are ours; the handler gets each instance before the response."""
    paths = [make(source, number, syntax) for number, syntax in enumerate(SYNTAXES)]
    seen: list[str] = []

    async def handle(received: ReceivedInstance) -> None:
        assert received.path.exists()
        seen.append(received.transfer_syntax_uid)

    async def scenario() -> bool:
        async with ENTITY.listen(target, handle) as listener:
            return (await ENTITY.store(listener.node, paths)).complete

    assert asyncio.run(scenario())
    assert seen == [str(syntax) for syntax in SYNTAXES]
    assert data_sets(target) == data_sets(source)


def test_a_folder_that_is_gone_is_told_to_the_sender(source: Path, tmp_path: Path) -> None:
    """What cannot be stored is refused with A700 and the reason, and the association continues."""

    async def scenario() -> list[tuple[int | None, str]]:
        async with ENTITY.listen(tmp_path / "nowhere") as listener:
            (tmp_path / "nowhere").rmdir()
            paths = [make(source, number) for number in range(2)]
            report = await ENTITY.store(listener.node, paths)
            return [(result.status, result.words) for result in report.results]

    found = asyncio.run(scenario())
    assert [status for status, _ in found] == [0xA700, 0xA700]
    assert all("No such file or directory" in words for _, words in found)


@pytest.mark.parametrize("uid", ["../../x", "/nowhere/x", "..", ".hidden", "a/b", "1.2.3/../../y"])
def test_a_uid_that_is_a_path_stays_in_the_folder(uid: str, target: Path) -> None:
    """Whatever a UID looks like, its file is in the folder."""

    async def scenario() -> int:
        contexts = [PresentationContextRQ(1, CT, (ExplicitVRLittleEndian,))]
        request = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=uid)
        async with (
            ENTITY.listen(target) as listener,
            await Association.request(US, Remote(listener.node, QUICK), contexts) as association,
        ):
            await association.send(Command(1, request), DataFragment(1, bytes(10), last=True))
            return (await association.response(CStoreRSP, 1)).status

    assert asyncio.run(scenario()) == 0
    assert [path.suffix for path in target.iterdir()] == [".dcm"]
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_an_abort_in_mid_object_leaves_nothing(target: Path) -> None:
    """A partial object is not stored."""

    async def scenario() -> None:
        contexts = [PresentationContextRQ(1, CT, (ExplicitVRLittleEndian,))]
        request = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2")
        async with ENTITY.listen(target) as listener:
            association = await Association.request(US, Remote(listener.node, QUICK), contexts)
            half = DataFragment(1, bytes(1_000_000), last=False)
            await association.send(Command(1, request), half)
            await association.abort()

    asyncio.run(scenario())
    assert list(target.iterdir()) == []


def test_a_full_disk_in_mid_object_is_told_and_leaves_nothing(source: Path, target: Path) -> None:
    """What does not fit is refused with A700, the rest of it is read, and what fits is stored."""
    paths = [make(source, 1, size=500_000), make(source, 2)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def scenario() -> Report:
        async with ENTITY.listen(target) as listener:
            return await ENTITY.store(listener.node, paths)

    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        big, small = asyncio.run(scenario()).results
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (big.status, small.status) == (0xA700, 0)
    assert "File too large" in big.words
    assert [path.name for path in target.iterdir()] == ["1.2.3.2.dcm"]


def test_handlers_answer_other_services(target: Path) -> None:
    """By message type, on a context that the admission accepts; draining ends serving."""
    asked: list[object] = []

    async def found(association: Association, command: Command) -> None:
        request = command.message
        assert isinstance(request, CFindRQ)
        asked.append(await association.data_set())
        response = CFindRSP(message_id_being_responded_to=request.message_id, status=0)
        await association.send(Command(command.context_id, response))

    async def scenario() -> list[object]:
        admission = Admission(services=frozenset((STUDY_ROOT_FIND,)))
        async with ENTITY.listen(
            target, admission=admission, handlers={CFindRQ: found}
        ) as listener:
            serving = asyncio.create_task(listener.serve_forever())
            answers = [each async for each in ENTITY.find(listener.node, {"PatientID": "1"})]
            assert not serving.done()
            assert await listener.drain(1)
            async with asyncio.timeout(5):
                await serving
        return [*answers]

    assert asyncio.run(scenario()) == []
    assert len(asked) == 1
