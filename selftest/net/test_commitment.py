"""Storage commitment, as SCU and as SCP, on the same association and on another one."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from net.files import CT, make
from net.peers import QUICK, US, free_port, orthanc
from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.sop_class import StorageCommitmentPushModel

from dcm.net import DcmNode, LocalEntity, Remote
from dcm.net.association import Association
from dcm.net.errors import ConnectionLost, NotAccepted, OperationFailed, TimedOut
from dcm.outcome import Report
from dcm.wire import (
    Command,
    DataFragment,
    NActionRQ,
    NActionRSP,
    NEventReportRQ,
    NEventReportRSP,
    PresentationContextRQ,
)
from harness.waiting import wait_until

ENTITY = LocalEntity(US, QUICK)
MR = "1.2.840.10008.5.1.4.1.1.4"
INSTANCE = "1.2.840.10008.1.20.1.1"
STORED, MISSING, OTHER_CLASS = (CT, "1.2.3.1"), (CT, "1.2.3.99"), (MR, "1.2.3.2")
ASKED = (STORED, MISSING, OTHER_CLASS)


@pytest.fixture
def source(tmp_path: Path) -> list[Path]:
    """Two instances."""
    folder = tmp_path / "source"
    folder.mkdir()
    return [make(folder, number, size=2) for number in (1, 2)]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder for received files."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def orthanc_rest(
    tmp_path_factory: pytest.TempPathFactory, orthanc_program: str
) -> Iterator[tuple[DcmNode, str]]:
    """Orthanc and its REST API."""
    port = free_port()
    folder = tmp_path_factory.mktemp("orthanc-commitment")
    with orthanc(folder, orthanc_program, HttpServerEnabled=True, HttpPort=port) as node:
        yield node, f"http://127.0.0.1:{port}"


def introduce(rest: str, port: int) -> None:
    """Register our address in Orthanc."""
    us = {"AET": "TOOLKIT", "Host": "127.0.0.1", "Port": port}
    requests.put(f"{rest}/modalities/toolkit", json=us, timeout=30).raise_for_status()


def verdicts(report: Report) -> dict[str, tuple[bool, int | None]]:
    """Return the result for each instance."""
    return {each.sop_instance_uid: (each.stored, each.status) for each in report.results}


# As SCU.


def test_orthanc_answers_for_what_it_has(
    source: list[Path], target: Path, orthanc_rest: tuple[DcmNode, str]
) -> None:
    """Orthanc reports on a separate association to our listener."""
    node, rest = orthanc_rest

    async def scenario() -> Report:
        async with ENTITY.listen(target) as listener:
            await asyncio.to_thread(introduce, rest, listener.node.port)
            assert (await ENTITY.store(node, source)).complete
            return await ENTITY.commit(node, ASKED, within=20, listener=listener)

    report = asyncio.run(scenario())
    assert not report.complete
    assert verdicts(report) == {
        "1.2.3.1": (True, None),
        "1.2.3.99": (False, 0x0112),
        "1.2.3.2": (False, 0x0119),
    }
    assert [each.words for each in report.results[1:]] == [
        "no such SOP instance",
        "class-instance conflict",
    ]


def test_orthanc_does_not_know_where_we_are(orthanc_rest: tuple[DcmNode, str]) -> None:
    """Without a report, the timeout gives a possible reason; a refusal is reported at once."""
    node, rest = orthanc_rest
    introduce(rest, free_port())
    with pytest.raises(TimedOut, match=r"no report within 0\.3 s .*address for our AE title"):
        asyncio.run(ENTITY.commit(node, [STORED], within=0.3))


class Committing:
    """An SCP of pynetdicom that commits to the first instance and no other.

    when: its report comes before the response to the request, after it, or to the port `elsewhere`.
    """

    def __init__(self, when: str, *, status: int = 0) -> None:
        self.elsewhere = 0
        self.answer: list[int] = []
        self.roles: list[tuple[bool, bool]] = []
        self._when = when
        self._status = status
        self._asked: list[Dataset] = []
        self._ae = AE("PYNETDICOM")
        self._ae.add_supported_context(StorageCommitmentPushModel)
        self._ae.add_requested_context(StorageCommitmentPushModel)

    @contextlib.contextmanager
    def running(self) -> Iterator[DcmNode]:
        """Serve until the block ends."""
        handlers = [(evt.EVT_N_ACTION, self._act), (evt.EVT_PDU_SENT, self._sent)]
        server = self._ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        try:
            yield DcmNode("127.0.0.1", "PYNETDICOM", server.server_address[1])
        finally:
            server.shutdown()

    def _act(self, event: evt.Event) -> tuple[int, None]:
        self._asked.append(event.action_information)
        if self._when == "before":
            self._report(event.assoc)
        elif self._when == "elsewhere":
            role = build_role(StorageCommitmentPushModel, scu_role=False, scp_role=True)
            association = self._ae.associate("127.0.0.1", self.elsewhere, ext_neg=[role])
            granted = association.acceptor.role_selection.values()
            self.roles = [(role.scu_role, role.scp_role) for role in granted]
            self._report(association)
            association.release()
        return self._status, None

    def _sent(self, event: evt.Event) -> None:
        if self._asked and isinstance(event.pdu, P_DATA_TF) and not self.answer:
            if self._when == "after":
                threading.Thread(target=self._report, args=(event.assoc,)).start()
            elif self._when == "never":
                threading.Thread(target=event.assoc.release).start()

    def _report(self, association: Association) -> None:
        asked = self._asked.pop()
        said = Dataset()
        said.TransactionUID = asked.TransactionUID
        said.ReferencedSOPSequence = asked.ReferencedSOPSequence[:1]
        said.FailedSOPSequence = asked.ReferencedSOPSequence[1:]
        for item in said.FailedSOPSequence:
            item.FailureReason = 0x0213
        status, _ = association.send_n_event_report(said, 2, StorageCommitmentPushModel, INSTANCE)
        self.answer.append(status.Status)


def asking(scp: Committing, target: Path, *, listen: bool = False) -> Report:
    """Request commitment, with a listener or without."""

    async def scenario(node: DcmNode) -> Report:
        if not listen:
            return await ENTITY.commit(node, ASKED[:2], within=20)
        async with ENTITY.listen(target) as listener:
            scp.elsewhere = listener.node.port
            return await ENTITY.commit(node, ASKED[:2], within=20, listener=listener)

    with scp.running() as node:
        return asyncio.run(scenario(node))


@pytest.mark.parametrize("when", ["before", "after", "elsewhere"])
def test_pynetdicom_reports(when: str, target: Path) -> None:
    """The report comes on the same association, or to our listener; we respond with success."""
    scp = Committing(when)
    report = asking(scp, target, listen=when == "elsewhere")
    assert verdicts(report) == {"1.2.3.1": (True, None), "1.2.3.99": (False, 0x0213)}
    wait_until(lambda: scp.answer, what="pynetdicom has our answer", within=10)
    assert scp.answer == [0]
    assert scp.roles == ([(False, True)] if when == "elsewhere" else [])


def test_a_refused_request(target: Path) -> None:
    """The status of the response is raised."""
    with pytest.raises(OperationFailed, match=r"N-ACTION for storage .*: 0213H .*resource"):
        asking(Committing("", status=0x0213), target)


def test_a_peer_that_releases_before_it_reports(target: Path) -> None:
    """Without a listener, the end of the association ends the wait."""
    with pytest.raises(ConnectionLost, match="released it before reporting"):
        asking(Committing("never"), target)


def test_a_peer_without_commitment(storescp_node: DcmNode) -> None:
    """It does not support storage commitment."""
    with pytest.raises(NotAccepted, match="no presentation context was accepted"):
        asyncio.run(ENTITY.commit(storescp_node, [STORED], within=5))


def test_nothing_is_asked_for_nothing() -> None:
    """There are no instances, so no request is sent."""
    nobody = DcmNode("127.0.0.1", "NOBODY", free_port())
    assert asyncio.run(ENTITY.commit(nobody, [], within=1)).results == []


# As SCP.


def test_orthanc_asks_us(
    source: list[Path], target: Path, orthanc_rest: tuple[DcmNode, str]
) -> None:
    """Orthanc's request is answered, and its REST API shows the result."""
    node, rest = orthanc_rest

    def ask(port: int) -> dict[str, Any]:
        introduce(rest, port)
        url, body = f"{rest}/modalities/toolkit/storage-commitment", {"DicomInstances": ASKED}
        said = requests.post(url, json=body, timeout=30)
        said.raise_for_status()

        def result() -> dict[str, Any] | None:
            found: dict[str, Any] = requests.get(rest + said.json()["Path"], timeout=30).json()
            return None if found["Status"] == "Pending" else found

        found = wait_until(result, what="Orthanc has the report", within=20)
        assert found is not None
        return found

    async def scenario() -> dict[str, Any]:
        async with ENTITY.listen(target, peers={"ORTHANC": Remote(node, QUICK)}) as listener:
            assert (await ENTITY.store(listener.node, source)).complete
            return await asyncio.to_thread(ask, listener.node.port)

    found = asyncio.run(scenario())
    assert found["Status"] == "Failure"
    assert [each["SOPInstanceUID"] for each in found["Success"]] == ["1.2.3.1"]
    reasons = {each["SOPInstanceUID"]: each["FailureReason"] for each in found["Failures"]}
    assert reasons == {"1.2.3.99": 0x0112, "1.2.3.2": 0x0119}


@pytest.mark.parametrize("stays", [True, False], ids=["same-association", "another-association"])
def test_pynetdicom_asks_us(stays: bool, source: list[Path], target: Path) -> None:
    """The report comes on the open association, or to the configured address."""
    reports: list[Dataset] = []
    confirmed: list[evt.Event] = []

    def hear(event: evt.Event) -> tuple[int, None]:
        reports.append(event.event_information)
        return 0, None

    def note(event: evt.Event) -> None:
        if reports:
            confirmed.append(event)

    ae = AE("PYNETDICOM")
    ae.add_requested_context(StorageCommitmentPushModel)
    handlers = [(evt.EVT_N_EVENT_REPORT, hear), (evt.EVT_PDU_SENT, note)]
    ae.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    peer = DcmNode("127.0.0.1", "PYNETDICOM", server.server_address[1])

    def ask(port: int) -> int:
        association = ae.associate("127.0.0.1", port, evt_handlers=handlers if stays else [])
        asked = Dataset()
        asked.TransactionUID = "1.2.3.4.5"
        asked.ReferencedSOPSequence = []
        for sop_class, sop_instance in ASKED:
            item = Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, sop_instance
            asked.ReferencedSOPSequence.append(item)
        status, _ = association.send_n_action(asked, 1, StorageCommitmentPushModel, INSTANCE)
        if not stays:
            association.abort()
        # pynetdicom answers in another thread: after an earlier release no response would come.
        wait_until(lambda: confirmed, what="the report has come, and is confirmed", within=20)
        association.release()
        code: int = status.Status
        return code

    async def scenario() -> int:
        async with ENTITY.listen(target, peers={"PYNETDICOM": Remote(peer, QUICK)}) as listener:
            assert (await ENTITY.store(listener.node, source)).complete
            return await asyncio.to_thread(ask, listener.node.port)

    try:
        assert asyncio.run(scenario()) == 0
    finally:
        server.shutdown()
    assert [each.TransactionUID for each in reports] == ["1.2.3.4.5"]
    good, bad = reports[0].ReferencedSOPSequence, reports[0].FailedSOPSequence
    assert [each.ReferencedSOPInstanceUID for each in good] == ["1.2.3.1"]
    assert {each.ReferencedSOPInstanceUID: each.FailureReason for each in bad} == {
        "1.2.3.99": 0x0112,
        "1.2.3.2": 0x0119,
    }


def test_both_ends_are_ours(source: list[Path], target: Path) -> None:
    """Our listener commits to what it received."""

    async def scenario() -> Report:
        async with ENTITY.listen(target) as listener:
            assert (await ENTITY.store(listener.node, source)).complete
            both = [(CT, "1.2.3.1"), (CT, "1.2.3.2")]
            return await ENTITY.commit(listener.node, both, within=5)

    report = asyncio.run(scenario())
    assert report.complete
    assert verdicts(report) == {"1.2.3.1": (True, None), "1.2.3.2": (True, None)}


def test_a_report_follows_who_has_gone(target: Path) -> None:
    """A requestor that disconnects gets the report on a new association, by its AE title."""

    async def scenario() -> tuple[str, set[tuple[str, str]]]:
        async with (
            ENTITY.listen(target) as ours,
            ENTITY.listen(target, peers={"TOOLKIT": Remote(ours.node, QUICK)}) as asked,
        ):
            report = ours.expected.expect("1.2.3.4.6")
            contexts = [PresentationContextRQ(1, "1.2.840.10008.1.20.1", ("1.2.840.10008.1.2",))]
            association = await Association.request(US, Remote(asked.node, QUICK), contexts)
            await association.send(*_request("1.2.3.4.6"))
            await association.response(NActionRSP, 1)
            await association.abort()
            async with asyncio.timeout(10):
                told = await report
            return told.uid, set(told.failures)

    assert asyncio.run(scenario()) == ("1.2.3.4.6", {("1.2", "1.2.3")})


def _implicit(tag: int, value: bytes) -> bytes:
    return (
        (tag >> 16).to_bytes(2, "little")
        + (tag & 0xFFFF).to_bytes(2, "little")
        + len(value).to_bytes(4, "little")
        + value
    )


def _content(transaction: str, sop_instance: bytes = b"1.2.3\0") -> bytes:
    item = _implicit(0x00081150, b"1.2\0") + _implicit(0x00081155, sop_instance)
    uid = transaction.encode() + b"\0" * (len(transaction) % 2)
    items = _implicit(0xFFFEE000, item)
    return _implicit(0x00081195, uid) + _implicit(0x00081199, items)


def _request(
    transaction: str, *, data: bytes | None = None, **fields: Any
) -> tuple[Command, DataFragment]:
    values = {
        "message_id": 1,
        "requested_sop_class_uid": "1.2.840.10008.1.20.1",
        "requested_sop_instance_uid": INSTANCE,
        "action_type_id": 1,
        "command_data_set_type": 1,
        **fields,
    }
    content = _content(transaction) if data is None else data
    return Command(1, NActionRQ(**values)), DataFragment(1, content, last=True)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"action_type_id": 7}, 0x0123),
        ({"requested_sop_instance_uid": "1.2.3"}, 0x0112),
        ({"requested_sop_class_uid": "1.2.3"}, 0x0118),
        ({"data": b"no data set!"}, 0x0115),
        ({"data": _content("")}, 0x0115),
        ({"data": _implicit(0x00081195, b"1.2.3.4\0")}, 0x0115),
        ({"data": _content("1.2.3", b"../../\xff/")}, 0x0115),
    ],
    ids=["action", "instance", "class", "garbage", "transaction", "nothing", "path"],
)
def test_a_wrong_request_is_refused(wrong: dict[str, Any], status: int, target: Path) -> None:
    """The status has the reason, there is no report, and the association continues."""

    async def scenario() -> tuple[int, int]:
        contexts = [PresentationContextRQ(1, "1.2.840.10008.1.20.1", ("1.2.840.10008.1.2",))]
        async with (
            ENTITY.listen(target) as listener,
            await Association.request(US, Remote(listener.node, QUICK), contexts) as association,
        ):
            await association.send(*_request("1.2.3.4", **wrong))
            first = await association.response(NActionRSP, 1)
            await association.send(*_request("1.2.3.4", message_id=2))
            return first.status, (await association.response(NActionRSP, 2)).status

    assert asyncio.run(scenario()) == (status, 0)


def test_a_report_that_nobody_waits_for_is_refused(target: Path) -> None:
    """An unsolicited report is not acknowledged."""

    async def scenario() -> int:
        contexts = [PresentationContextRQ(1, "1.2.840.10008.1.20.1", ("1.2.840.10008.1.2",))]
        report = NEventReportRQ(
            message_id=1,
            affected_sop_class_uid="1.2.840.10008.1.20.1",
            affected_sop_instance_uid=INSTANCE,
            event_type_id=1,
            command_data_set_type=1,
        )
        async with (
            ENTITY.listen(target) as listener,
            await Association.request(US, Remote(listener.node, QUICK), contexts) as association,
        ):
            await association.send(
                Command(1, report), DataFragment(1, _content("1.2.3.4"), last=True)
            )
            return (await association.response(NEventReportRSP, 1)).status

    assert asyncio.run(scenario()) == 0x0115
