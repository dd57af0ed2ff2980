"""C-MOVE as SCP: instances reach a known destination, and the requestor learns which do not."""

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest
from net.collection import files
from net.files import data_set, data_sets, make
from net.peers import QUICK, free_port, hasty, installed, storescp
from net.scp import Scp
from net.serving import TITLE, Many, answer, ask, associated, catalogue_of, run, serving
from pydicom import dcmread

from dcm.data.identifier import read_identifier
from dcm.data.match import Attributes
from dcm.net import DcmNode, Listen, LocalEntity, Remote
from dcm.net.association import Association
from dcm.net.suboperations import STUDY_ROOT_MOVE
from dcm.outcome import Report
from dcm.wire import CCancelRQ, CMoveRQ, CMoveRSP, Command, CStoreRQ

ENTITY = LocalEntity("TOOLKIT", QUICK)
ROOT = "1.2.826.7"
EXPLICIT = "1.2.840.10008.1.2.1"
THIS_STUDY = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.3.4.1"}


@pytest.fixture
def source(tmp_path: Path) -> list[Path]:
    """Twelve instances of one study."""
    folder = tmp_path / "source"
    folder.mkdir()
    return [make(folder, number, size=20_000) for number in range(12)]


def uid_of(path: Path) -> str:
    """Return the SOP Instance UID of a file."""
    return str(dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)


def counts(response: CMoveRSP) -> tuple[int | None, ...]:
    """Return completed, failed and warning of a response."""
    names = ("completed", "failed", "warning")
    return tuple(getattr(response, f"number_of_{each}_suboperations") for each in names)


async def begin(
    association: Association, destination: str, identifier: Attributes = THIS_STUDY
) -> None:
    """Request a C-MOVE with the message ID 7."""
    request = CMoveRQ(
        message_id=7, affected_sop_class_uid=STUDY_ROOT_MOVE, move_destination=destination
    )
    await ask(association, request, identifier)


async def end(association: Association) -> tuple[CMoveRSP, list[str], list[int | None]]:
    """Return the last response, the instances that it lists, and the remaining counts before it."""
    remaining = []
    while True:
        message, data = await answer(association)
        assert isinstance(message, CMoveRSP)
        if message.status != 0xFF00:
            listed = read_identifier(data, EXPLICIT) if data else {}
            uids = str(listed.get("FailedSOPInstanceUIDList", ""))
            return message, uids.split("\\") if uids else [], remaining
        remaining.append(message.number_of_remaining_suboperations)


def moved(
    source: list[Path], scp: Scp, *, at_once: int = 4
) -> tuple[CMoveRSP, list[str], list[int | None]]:
    """Move a study to a scripted destination."""

    async def scenario() -> tuple[CMoveRSP, list[str], list[int | None]]:
        async with scp:
            peer = Remote(scp.node, QUICK, max_associations=at_once)
            async with (
                serving(catalogue_of(source), peers=[peer]) as node,
                associated(node, STUDY_ROOT_MOVE) as association,
            ):
                await begin(association, scp.node.ae_title)
                return await end(association)

    return asyncio.run(scenario())


def test_movescu_has_instances_moved_to_itself(tmp_path: Path) -> None:
    """The movescu of dcmtk is requestor and destination in one process."""
    source, target, port = files(tmp_path, ROOT), tmp_path / "target", free_port()
    target.mkdir()

    async def scenario() -> tuple[int, str]:
        peer = Remote(DcmNode("127.0.0.1", "MOVESCU", port), QUICK)
        async with serving(catalogue_of(source), peers=[peer]) as node:
            return await run(
                "movescu", "-S", "-aec", TITLE, "-aem", "MOVESCU", "+P", port, "-od", target,
                "-k", "QueryRetrieveLevel=PATIENT", "-k", f"PatientID={ROOT}-1", "-P",
                node.host, node.port,
            )  # fmt: skip

    status, said = asyncio.run(scenario())
    assert status == 0, said
    assert data_sets(target) == {uid_of(each): data_set(each) for each in source[:8]}


def test_our_own_client_gets_by_move(tmp_path: Path) -> None:
    """C-MOVE to our listener."""
    source, target, port = files(tmp_path, ROOT), tmp_path / "target", free_port()

    async def scenario() -> Report:
        us = LocalEntity(Listen("127.0.0.1", "TOOLKIT", port), QUICK)
        peer = Remote(DcmNode("127.0.0.1", "TOOLKIT", port), QUICK)
        async with serving(catalogue_of(source), peers=[peer]) as node:
            return await us.download(node, {"PatientName": "Coll*"}, target, method="move")

    assert asyncio.run(scenario()).complete
    assert data_sets(target) == {uid_of(each): data_set(each) for each in source}


def test_everything_arrives_on_several_associations(source: list[Path]) -> None:
    """Complete, each instance once; responses count down the remaining ones."""
    scp = Scp()
    last, failed, remaining = moved(source, scp)
    assert (last.status, counts(last), failed) == (0, (12, 0, 0), [])
    assert scp.data_sets() == {uid_of(each): data_set(each) for each in source}
    assert scp.count() == 12
    assert remaining
    assert remaining == sorted(remaining, reverse=True)


def test_destination_learns_whose_request_it_is(source: list[Path]) -> None:
    """Each C-STORE names the requestor and its message (PS3.7 9.1.1.1)."""
    originators = set()

    async def note(_: Association, request: CStoreRQ, __: bytes) -> int:
        originators.add(
            (
                request.move_originator_application_entity_title,
                request.move_originator_message_id,
            )
        )
        return 0

    moved(source, Scp(note))
    assert originators == {("TOOLKIT", 7)}


@pytest.mark.parametrize("refusing", [0xA700, 0xC000, 0x0122])
def test_refused_instances_are_counted_and_named(source: list[Path], refusing: int) -> None:
    """Each is sent once: repeating the request is up to the requestor."""
    refused = {uid_of(each) for each in source[3:6]}
    warned = {uid_of(source[8])}

    async def choose(_: Association, request: CStoreRQ, __: bytes) -> int:
        uid = request.affected_sop_instance_uid
        return refusing if uid in refused else 0xB000 if uid in warned else 0

    scp = Scp(choose)
    last, failed, _ = moved(source, scp)
    assert (last.status, counts(last), set(failed)) == (0xB000, (8, 3, 1), refused)
    assert scp.count() == 12


def test_destination_that_refuses_all_has_its_status(source: list[Path]) -> None:
    """Unable to perform sub-operations, of Table C.4-2."""

    async def refuse(_: Association, __: CStoreRQ, ___: bytes) -> int:
        return 0xA700

    last, failed, _ = moved(source, Scp(refuse))
    assert (last.status, counts(last), len(failed)) == (0xA702, (0, 12, 0), 12)


@pytest.mark.parametrize("title", ["NOWHERE", "STORESCPX"])
def test_unknown_destination_has_its_status(source: list[Path], title: str) -> None:
    """A title that is not among the peers, even if it begins like one."""

    async def scenario() -> CMoveRSP:
        peer = Remote(DcmNode("127.0.0.1", "STORESCP", 1), QUICK)
        async with (
            serving(catalogue_of(source), peers=[peer]) as node,
            associated(node, STUDY_ROOT_MOVE) as association,
        ):
            await begin(association, title)
            return (await end(association))[0]

    last = asyncio.run(scenario())
    assert last.status == 0xA801
    assert title in (last.error_comment or "")


def test_destination_that_is_away(source: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """All instances fail, and the requestor soon gets the response."""
    hasty(monkeypatch)

    async def scenario() -> tuple[CMoveRSP, list[str], list[int | None]]:
        peer = Remote(DcmNode("127.0.0.1", "AWAY", free_port()), QUICK)
        async with (
            serving(catalogue_of(source), peers=[peer]) as node,
            associated(node, STUDY_ROOT_MOVE) as association,
        ):
            await begin(association, "AWAY")
            return await end(association)

    last, failed, _ = asyncio.run(scenario())
    assert (last.status, counts(last), len(failed)) == (0xA702, (0, 12, 0), 12)


def test_destination_that_is_killed(
    tmp_path: Path, source: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instances that had arrived count as completed, the rest as failed."""
    hasty(monkeypatch)
    installed("storescp")
    folder = tmp_path / "target"
    many = [
        *source,
        *(make(source[0].parent, number, size=2_000_000) for number in range(100, 160)),
    ]

    async def scenario(there: DcmNode) -> tuple[CMoveRSP, list[str]]:
        async with (
            serving(catalogue_of(many), peers=[Remote(there, QUICK)]) as node,
            associated(node, STUDY_ROOT_MOVE) as association,
        ):
            await begin(association, "STORESCP")
            message, _ = await answer(association)
            assert isinstance(message, CMoveRSP)
            assert message.status == 0xFF00
            os.kill(_process_at(there.port), signal.SIGKILL)
            last, failed, _ = await end(association)
            return last, failed

    with storescp(folder) as there:
        last, failed = asyncio.run(scenario(there))
    completed, lost, _ = counts(last)
    assert last.status == 0xB000
    assert completed
    assert lost == len(failed)
    assert completed + lost == len(many)
    whole = {uid_of(each): data_set(each) for each in many}
    arrived = {uid: each for uid, each in data_sets(folder).items() if whole[uid] == each}
    assert whole.keys() - set(failed) <= arrived.keys()


def _process_at(port: int) -> int:
    """Return the ID of the process that listens at a port."""
    for process in psutil.process_iter():
        try:
            if any(
                each.status == psutil.CONN_LISTEN and each.laddr.port == port
                for each in process.net_connections("tcp")
            ):
                return process.pid
        except psutil.Error:
            continue
    raise AssertionError(f"nothing listens at {port}")


def test_cancel_ends_a_move(source: list[Path]) -> None:
    """Current transfers complete, the rest is not sent; the last response has how many remain."""
    under_way, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def hold(_: Association, __: CStoreRQ, ___: bytes) -> int:
        under_way.release()
        await go_on.wait()
        return 0

    async def scenario() -> tuple[CMoveRSP, int]:
        async with Scp(hold) as scp:
            peer = Remote(scp.node, QUICK, max_associations=2)
            async with (
                serving(catalogue_of(source), peers=[peer]) as node,
                associated(node, STUDY_ROOT_MOVE) as association,
            ):
                await begin(association, scp.node.ae_title)
                for _ in range(2):
                    await under_way.acquire()
                cancel = Command(1, CCancelRQ(message_id_being_responded_to=7))
                await association.send(cancel)
                await ENTITY.echo(node)  # by then the archive has read it
                go_on.set()
                last, _, _ = await end(association)
                return last, scp.count()

    last, came = asyncio.run(scenario())
    assert (last.status, came) == (0xFE00, 2)
    assert counts(last) == (2, 0, 0)
    assert last.number_of_remaining_suboperations == 10


def test_requestor_that_goes_ends_its_move(source: list[Path]) -> None:
    """The association to the destination ends too, and nothing more is sent."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hold(association: Association, _: CStoreRQ, __: bytes) -> int:
        begun.set()
        try:
            await association.event(None)  # which raises that the association is over
        finally:
            ended.set()
        return 0

    async def scenario() -> int:
        async with Scp(hold) as scp:
            peer = Remote(scp.node, QUICK, max_associations=1)
            async with serving(catalogue_of(source), peers=[peer]) as node:
                async with associated(node, STUDY_ROOT_MOVE) as association:
                    await begin(association, scp.node.ae_title)
                    await begun.wait()
                    await association.abort()
                await ended.wait()
                return scp.count()

    assert asyncio.run(asyncio.wait_for(scenario(), 10)) == 1


def test_failure_of_the_catalogue_is_answered() -> None:
    """A C-MOVE whose instances cannot be listed does not end with success."""

    async def scenario() -> CMoveRSP:
        peer = Remote(DcmNode("127.0.0.1", "AWAY", 1), QUICK)
        async with (
            serving(Many(3), peers=[peer]) as node,
            associated(node, STUDY_ROOT_MOVE) as association,
        ):
            await begin(association, "AWAY")
            return (await end(association))[0]

    assert asyncio.run(scenario()).status == 0xC000
