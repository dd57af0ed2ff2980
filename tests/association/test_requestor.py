"""The server as requestor of a C-MOVE's second association (PS3.8 9.3.2, PS3.7 9.1.1, D.3.3)."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from dcm.wire import (
    AssociateRJ,
    AssociateRQ,
    CCancelRQ,
    CMoveRQ,
    CMoveRSP,
    Command,
    CStoreRQ,
    DataFragments,
    ImplementationClassUID,
    MaximumLength,
    ReleaseRP,
    ReleaseRQ,
    build,
)
from harness.cases import (
    CANCELLED,
    MOVE_STUDIES,
    P_DATA,
    SUCCESS,
    Association,
    Closed,
    Party,
    Sample,
    Stored,
    Suite,
    Wire,
    WireScp,
    accept,
    asked,
    status_of,
    stored_response,
    study_identifier,
)

suite = Suite(needs=("dimse.move.study", "dimse.store"))


OUT_OF_RESOURCES, SOME_FAILED = 0xA700, 0xB000
MoveModel, _ = MOVE_STUDIES
MESSAGE_ID = 4711


@dataclass(frozen=True)
class Move:
    """A C-MOVE in progress: the association of its requestor, and the objects' destination."""

    association: Association
    scp: WireScp

    def request(self) -> AssociateRQ:
        """Reject the association for the objects, and return the request for it.

        If it were accepted, the requestor would continue after the end of the case.
        """
        association = asked(self.scp.take())
        request = association.connection.request
        assert request is not None
        association.send(AssociateRJ(result=1, source=1, reason=1))
        return request

    def destination(self, maximum_length: int = 16384) -> Association:
        """Accept the association for the objects."""
        return accept(asked(self.scp.take()), maximum_length=maximum_length)

    def final(self) -> CMoveRSP:
        """Wait for the final response."""
        message = self.association.responses()[-1].message
        assert isinstance(message, CMoveRSP), f"a C-MOVE was answered by {message.NAME}"
        return message


@pytest.fixture
def scp(local: Party, wire: Wire) -> Iterator[WireScp]:
    """Listen in place of the local server."""
    with WireScp(wire.time_limit) as listening:
        local.dicom_relay.target = listening.endpoint
        yield listening
        local.aim_relays()


@pytest.fixture
def samples(stored: Stored) -> tuple[Sample, ...]:
    """Two objects of one study, each longer than one PDU."""
    return stored.study(instances=2, rows=64, columns=64)


@pytest.fixture
def move(wire: Wire, local: Party, scp: WireScp, samples: tuple[Sample, ...]) -> Iterator[Move]:
    """Request the two objects by C-MOVE."""
    with _moving(wire, local, scp, samples) as moving:
        yield moving


@contextlib.contextmanager
def _moving(wire: Wire, local: Party, scp: WireScp, samples: Sequence[Sample]) -> Iterator[Move]:
    """Request the study of some objects by C-MOVE to the local server, whose place `scp` takes."""
    with wire.associate([MOVE_STUDIES]) as association:
        association.send_message(
            CMoveRQ(
                message_id=MESSAGE_ID,
                affected_sop_class_uid=MoveModel,
                move_destination=local.ae_title,
            ),
            study_identifier(samples[0]),
        )
        yield Move(association, scp)
        association.line.over = True  # not part of the test, and may never end


@suite.case("ASSOC-070", ref="PS3.8 9.3.2.2 (2019a)")
def test_proposed_contexts_have_odd_ids_of_their_own(move: Move) -> None:
    """The context IDs in a request are odd and unique."""
    ids = [each.context_id for each in move.request().presentation_contexts]

    assert [context_id for context_id in ids if context_id % 2 == 0] == []
    assert sorted(set(ids)) == sorted(ids)


@suite.case("ASSOC-071", ref="PS3.8 D.1 (2020a)")
def test_request_states_one_maximum_length(move: Move) -> None:
    """The request states the maximum length exactly once."""
    found = move.request().items(MaximumLength)

    assert [type(each) for each in found] == [MaximumLength]


@suite.case("ASSOC-072", ref="PS3.8 9.3.2 (2019a)")
def test_request_has_the_title_of_the_destination(move: Move, local: Party) -> None:
    """The called AE title of the request is that of the move destination."""
    assert move.request().called_ae_title.strip() == local.ae_title


@suite.case("ASSOC-073", ref="PS3.8 D.1 (2020a)")
def test_maximum_length_of_the_acceptor_is_kept(move: Move) -> None:
    """Objects longer than the acceptor's maximum length come in P-DATA-TF PDUs of at most that length."""
    destination = move.destination(maximum_length=4096)
    _take(destination, 2)

    lengths = [len(pdu) - 6 for pdu in destination.line.pdus if pdu[0] == P_DATA]
    assert [length for length in lengths if length > 4096] == []


@suite.case("ASSOC-074", ref="PS3.8 7.2.2 (2024e)")
def test_requestor_releases_the_association(move: Move) -> None:
    """After the last object, the requestor requests the release, and closes when it is answered."""
    destination = move.destination()
    _take(destination, 2)

    assert destination.event() == ReleaseRQ()
    destination.send(ReleaseRP())
    assert destination.line.hear() == Closed()


@suite.case("ASSOC-075", ref="PS3.8 7.2.2 (2024e)")
def test_release_collision_is_resolved(move: Move) -> None:
    """In a release collision the requestor answers the acceptor's request, then closes the connection."""
    destination = move.destination()
    _take(destination, 2)

    assert destination.event() == ReleaseRQ()
    destination.line.say(build(ReleaseRQ()))
    assert destination.line.hear() == ReleaseRP()
    destination.line.say(build(ReleaseRP()))
    assert destination.line.hear() == Closed()


@suite.case("DMSG-030", ref="PS3.7 D.3.3.2.1 (2020b)")
def test_request_has_one_implementation_class_uid(move: Move) -> None:
    """The request has exactly one implementation class UID."""
    found = move.request().items(ImplementationClassUID)

    assert [type(each) for each in found] == [ImplementationClassUID]


@suite.case("DMSG-031", ref="PS3.7 9.1.1.1.6, 9.1.1.1.7 (2020b)")
def test_store_request_names_the_originator(move: Move, local: Party) -> None:
    """A C-STORE request of a C-MOVE has the AE title of the C-MOVE's requestor, and its message ID."""
    (request, _) = _take(move.destination(), 2)

    assert (
        request.move_originator_application_entity_title,
        request.move_originator_message_id,
    ) == (local.ae_title, MESSAGE_ID)


@suite.case("DMSG-032", ref="PS3.7 9.3.1.1 (2024d)")
def test_store_request_names_its_instance(move: Move, samples: tuple[Sample, ...]) -> None:
    """Each C-STORE request names the SOP class and instance of its object."""
    requests = _take(move.destination(), 2)

    assert {(each.affected_sop_class_uid, each.affected_sop_instance_uid) for each in requests} == {
        (each.sop_class_uid, each.sop_instance_uid) for each in samples
    }


@suite.case("DMSG-033", ref="PS3.7 9.3.1.3 (2020b)")
def test_early_failure_is_counted(move: Move) -> None:
    """A failure response before the end of its object is counted, and the next object is sent."""
    destination = move.destination()
    first = destination.event()
    assert isinstance(first, Command)
    assert isinstance(first.message, CStoreRQ), f"{first.message.NAME} came"
    _answer(destination, first.context_id, first.message, OUT_OF_RESOURCES)
    last = False
    while not last:
        fragment = destination.event()
        assert isinstance(fragment, DataFragments), "the data set of the first object ended early"
        last = fragment.last
    _take(destination, 1)
    destination.event()
    destination.send(ReleaseRP())
    destination.line.close()

    final = move.final()
    assert {
        "status": f"{final.status:#06x}",
        "failed": final.number_of_failed_suboperations,
        "completed": final.number_of_completed_suboperations,
    } == {"status": f"{SOME_FAILED:#06x}", "failed": 1, "completed": 1}


@suite.case("CONRT-020", ref="PS3.4 C.4.2.3.1 (2020b)")
def test_cancel_ends_a_move(wire: Wire, local: Party, scp: WireScp, stored: Stored) -> None:
    """A C-CANCEL while the first of ten objects is sent ends the C-MOVE with FE00 before all are sent."""
    study = stored.study(instances=10)
    with _moving(wire, local, scp, study) as move:
        destination = move.destination()
        sent = []
        while isinstance(event := destination.event(), Command | DataFragments):
            if isinstance(event, Command):
                assert isinstance(event.message, CStoreRQ), f"{event.message.NAME} came"
                request, context_id = event.message, event.context_id
            elif event.last:
                sent.append(request.affected_sop_instance_uid)
                if len(sent) == 1:
                    cancel = CCancelRQ(message_id_being_responded_to=MESSAGE_ID)
                    move.association.send_message(cancel)
                _answer(destination, context_id, request, SUCCESS)
        if isinstance(event, ReleaseRQ):
            destination.send(ReleaseRP())

        assert status_of(move.final()) == CANCELLED
        assert len(sent) < len(study), "every object was sent"


def _take(association: Association, count: int) -> list[CStoreRQ]:
    """Receive `count` objects, and return their C-STORE requests."""
    requests = []
    for _ in range(count):
        incoming = association.receive()
        assert isinstance(incoming.message, CStoreRQ), f"{incoming.message.NAME} came"
        _answer(association, incoming.context_id, incoming.message, SUCCESS)
        requests.append(incoming.message)
    return requests


def _answer(association: Association, context_id: int, request: CStoreRQ, status: int) -> None:
    association.send_message(stored_response(request, status), context_id=context_id)
