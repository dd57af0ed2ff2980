"""Real traffic of dcmtk and pynetdicom is read, and built again to the same bytes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, build_role
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from wire.pair import drain, joined
from wire.recording import (
    AE_TITLE,
    Passed,
    Recorder,
    command_set_is_rebuilt,
    command_sets,
    events,
    image,
    rebuilt,
    start_dcmqrscp,
    start_pynetdicom,
    story,
)

from dcm.wire import (
    AssociateAC,
    AssociateRQ,
    AsynchronousOperationsWindow,
    Command,
    Connection,
    DataFragment,
    DataFragments,
    Limits,
    RoleSelection,
    TransportOpened,
    UserIdentityAC,
    UserIdentityRQ,
    parse_body,
)
from dcm.wire import SOPClassExtendedNegotiation as ExtendedNegotiation
from dcm.wire.pdu import PDataTF
from harness.clients.checkpoint import ReactorCheckpoint
from harness.relay import Direction, RelayLoop
from harness.waiting import wait_until

CT = "1.2.840.10008.5.1.4.1.1.2"
FILM_SESSION = "1.2.840.10008.5.1.1.1"
PRINTER = "1.2.840.10008.5.1.1.16"


@pytest.fixture(scope="module")
def loop() -> Iterator[RelayLoop]:
    """Run relays."""
    with RelayLoop() as relays:
        yield relays


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Write three objects."""
    folder = tmp_path_factory.mktemp("images")
    return [str(image(folder, number)) for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def archive(
    loop: RelayLoop, images: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Recorder, str]]:
    """Run dcmtk's archive with the objects, behind a recording relay."""
    process, endpoint, destination = start_dcmqrscp(tmp_path_factory.mktemp("archive"))
    try:
        record = Recorder(loop, endpoint)

        def stored() -> bool:
            found = record("storescu", "-aec", AE_TITLE, "127.0.0.1", record.port, *images)
            return "C-STORE-RSP" in story(found[0])

        wait_until(stored, what="dcmqrscp to store", within=20)
        yield record, str(destination)
    finally:
        process.kill()
        process.wait()


def check(association: list[Passed]) -> None:
    """Check that every PDU and every command set is the same after reading and building it."""
    assert [pdu.tidy for pdu in association] == [rebuilt(pdu) for pdu in association]
    for direction in Direction:
        assert all(map(command_set_is_rebuilt, command_sets(association, direction)))


def replay(association: list[Passed]) -> None:
    """Replay the association on two connections of ours, each in place of a real one.

    The sender must send the same bytes, except that data sets may be split in other places. The
    receiver gets the real bytes, and must report the same messages.
    """
    limits = Limits(p_data_pdu=(1 << 32) - 1)
    sides = {
        Direction.TO_SERVER: (Connection("requestor", limits), Connection("acceptor", limits)),
        Direction.TO_CLIENT: (Connection("acceptor", limits), Connection("requestor", limits)),
    }
    sides[Direction.TO_CLIENT] = sides[Direction.TO_SERVER][::-1]
    requestor, acceptor = sides[Direction.TO_SERVER]
    acceptor.send(TransportOpened())
    told = {direction: events(association, direction) for direction in Direction}
    for passed in association:
        sender, receiver = sides[passed.direction]
        if passed.kind == PDataTF.TYPE:
            receiver.receive_data(passed.whole)
            learnt = [each for each in drain(receiver) if isinstance(each, Command | DataFragments)]
            for event in learnt:
                assert event == next(told[passed.direction])
                if isinstance(event, DataFragments):
                    sender.send(DataFragment(event.context_id, event.data, event.last))
                else:
                    sender.send(event)
            continue
        pdu = parse_body(passed.kind, memoryview(passed.body), Limits())
        assert not isinstance(pdu, PDataTF)
        data = joined(sender.send(pdu))
        if isinstance(pdu, AssociateRQ):
            data = joined(requestor.send(TransportOpened()))
        assert data == passed.tidy
        receiver.receive_data(data)
        assert pdu in drain(receiver)
        drain(sender)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("echoscu", ["AssociateRQ", "AssociateAC", "C-ECHO-RQ", "C-ECHO-RSP", "ReleaseRQ", "ReleaseRP"]),
        ("echoscu --abort", ["AssociateRQ", "AssociateAC", "C-ECHO-RQ", "C-ECHO-RSP", "Abort"]),
        ("echoscu -aec NOBODY", ["AssociateRQ", "AssociateRJ"]),
        (
            "findscu -S -k 0008,0052=IMAGE -k 0020,000D=1.2.3.1000 -k 0020,000E=1.2.3.1001 -k 0008,0018",
            ["AssociateRQ", "AssociateAC", "C-FIND-RQ", *["C-FIND-RSP"] * 4, "ReleaseRQ", "ReleaseRP"],
        ),
    ],
)  # fmt: skip
def test_dcmtk_with_dcmtk(archive: tuple[Recorder, str], command: str, expected: list[str]) -> None:
    """Programs of dcmtk communicate with dcmqrscp."""
    record, _ = archive
    program, *options = command.split()
    called = [] if "-aec" in options else ["-aec", AE_TITLE]
    (association,) = record(program, *called, *options, "127.0.0.1", record.port)
    assert story(association) == expected
    check(association)
    replay(association)


def test_dcmtk_stores(archive: tuple[Recorder, str], images: list[str]) -> None:
    """storescu, with objects larger and smaller than a PDU."""
    record, _ = archive
    (association,) = record("storescu", "-aec", AE_TITLE, "127.0.0.1", record.port, *images)
    names = story(association)
    assert names[2:-2] == ["C-STORE-RQ", "C-STORE-RSP"] * 3
    check(association)
    replay(association)
    sizes = [
        len(each.data)
        for each in events(association, Direction.TO_SERVER)
        if isinstance(each, DataFragments)
    ]
    assert len(sizes) > 3
    assert sum(sizes) > 80_000


def test_dcmtk_gets(archive: tuple[Recorder, str], tmp_path: Path) -> None:
    """getscu: roles are selected, and both sides send requests on one association."""
    record, _ = archive
    keys = ["-k", "0008,0052=STUDY", "-k", "StudyInstanceUID=1.2.3.1000"]
    target = ["-aec", AE_TITLE, "-od", str(tmp_path)]
    (association,) = record("getscu", "-S", *keys, *target, "127.0.0.1", record.port)
    names = story(association)
    assert names.count("C-STORE-RQ") == names.count("C-STORE-RSP") == 3
    assert names.count("C-GET-RQ") == 1
    check(association)
    replay(association)
    request = parse_body(1, memoryview(association[0].body), Limits())
    assert isinstance(request, AssociateRQ)
    assert len(request.items(RoleSelection)) > 50


def test_dcmtk_moves(archive: tuple[Recorder, str], tmp_path: Path) -> None:
    """movescu: progress and its counters."""
    record, port = archive
    keys = ["-k", "0008,0052=STUDY", "-k", "StudyInstanceUID=1.2.3.1000"]
    target = ["-aet", "MOVER", "-aem", "MOVER", "--port", port, "-od", str(tmp_path)]
    (association,) = record(
        "movescu", "-S", "-aec", AE_TITLE, *keys, *target, "127.0.0.1", record.port
    )
    names = story(association)
    assert names[2] == "C-MOVE-RQ"
    assert names.count("C-MOVE-RSP") > 1
    check(association)
    replay(association)


def test_pynetdicom_with_dcmtk(archive: tuple[Recorder, str]) -> None:
    """A client by neither dcmtk nor this project."""
    record, _ = archive
    ae = AE(ae_title="PYNETDICOM")
    ae.add_requested_context("1.2.840.10008.1.1")
    tape = record.tape()
    association = ae.associate("127.0.0.1", int(record.port), ae_title=AE_TITLE)
    assert association.send_c_echo().Status == 0
    association.release()
    (recorded,) = record.associations(tape)
    assert story(recorded)[2:4] == ["C-ECHO-RQ", "C-ECHO-RSP"]
    check(recorded)
    replay(recorded)


def test_pynetdicom_with_pynetdicom(loop: RelayLoop, images: list[str]) -> None:
    """All negotiation items, and the DIMSE-N messages in both directions."""
    server, endpoint = start_pynetdicom()
    try:
        record = Recorder(loop, endpoint)
        tape = record.tape()
        use_all_services(int(record.port), images[1])
        (recorded,) = record.associations(tape)
    finally:
        server.shutdown()
    check(recorded)
    replay(recorded)

    request, answer = (parse_body(pdu.kind, memoryview(pdu.body), Limits()) for pdu in recorded[:2])
    assert isinstance(request, AssociateRQ)
    assert isinstance(answer, AssociateAC)
    assert request.items(UserIdentityRQ) == (
        UserIdentityRQ(3, b"ticket", b"", positive_response_requested=True),
    )
    assert answer.items(UserIdentityAC) == (UserIdentityAC(b"welcome"),)
    assert request.items(AsynchronousOperationsWindow) == (AsynchronousOperationsWindow(5, 7),)
    assert request.items(RoleSelection) == (RoleSelection(CT, scu=True, scp=True),)
    assert request.items(ExtendedNegotiation) == (ExtendedNegotiation(CT, b"\2\0\3\0\1\0"),)
    services = ["N-CREATE", "N-SET", "N-GET", "N-ACTION", "N-EVENT-REPORT", "N-DELETE", "C-STORE"]
    assert story(recorded)[2:-2] == [f"{name}-{end}" for name in services for end in ("RQ", "RSP")]


def use_all_services(port: int, stored: str) -> None:
    """Act as a pynetdicom client that negotiates all items, and calls all DIMSE-N services."""
    ae = AE(ae_title="PYNETDICOM")
    for uid in (FILM_SESSION, PRINTER):
        ae.add_requested_context(uid)
    ae.add_requested_context(CT, ExplicitVRLittleEndian)
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = 5
    window.maximum_number_operations_performed = 7
    identity = UserIdentityNegotiation()
    identity.user_identity_type = 3
    identity.primary_field = b"ticket"
    identity.positive_response_requested = True
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid = CT
    extended.service_class_application_information = b"\2\0\3\0\1\0"
    common = SOPClassCommonExtendedNegotiation()
    common.sop_class_uid = CT
    common.service_class_uid = "1.2.840.10008.4.2"
    common.related_general_sop_class_identification = ["1.2.3", "1.2.4"]
    association = ae.associate(
        "127.0.0.1",
        port,
        ae_title=AE_TITLE,
        ext_neg=[build_role(CT, scu_role=True, scp_role=True), window, identity, extended, common],
    )
    association._reactor_checkpoint = ReactorCheckpoint()  # type: ignore[assignment]
    ds = Dataset()
    ds.NumberOfCopies = "1"
    statuses = [
        association.send_n_create(ds, FILM_SESSION, "1.2.3")[0],
        association.send_n_set(ds, FILM_SESSION, "1.2.3")[0],
        association.send_n_get([0x21100010, 0x21100030], PRINTER, "1.2.840.10008.5.1.1.17")[0],
        association.send_n_action(None, 1, FILM_SESSION, "1.2.3")[0],
        association.send_n_event_report(ds, 2, PRINTER, "1.2.840.10008.5.1.1.17")[0],
        association.send_n_delete(FILM_SESSION, "1.2.3"),
        association.send_c_store(stored),
    ]
    association.release()
    assert [status.Status for status in statuses] == [0, 0, 0, 0, 0, 0x0112, 0xB000]
