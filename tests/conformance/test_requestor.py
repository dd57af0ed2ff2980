"""The server as requestor: what it says to the destination of a C-MOVE (PS3.8 9.3.2, PS3.7 9.1.1, D.3.3)."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as MoveModel

from dcm.data.identifier import write_identifier
from dcm.wire import (
    AssociateRJ,
    AssociateRQ,
    CMoveRQ,
    CMoveRSP,
    CStoreRQ,
    CStoreRSP,
    ImplementationClassUID,
    MaximumLength,
    ReleaseRP,
    ReleaseRQ,
    build,
)
from harness.cases import (
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
)

suite = Suite(needs=("dimse.move.study", "dimse.store"))


SUCCESS, OUT_OF_RESOURCES, SOME_FAILED = 0x0000, 0xA700, 0xB000
MESSAGE_ID = 4711


@dataclass(frozen=True)
class Move:
    """A C-MOVE under way: the association on which it was asked, and where the objects are to come."""

    association: Association
    scp: WireScp

    def request(self) -> AssociateRQ:
        """Give the request for the association on which the objects were to come; it is rejected.

        Once it is accepted the requestor goes on, and how far it gets before the case ends is chance.
        """
        association = asked(self.scp.take())
        request = association.connection.request
        assert request is not None
        association.send(AssociateRJ(result=1, source=1, reason=1))
        return request

    def destination(self, maximum_length: int = 16384) -> Association:
        """Accept the association on which the objects come."""
        return accept(asked(self.scp.take()), maximum_length=maximum_length)

    def final(self) -> CMoveRSP:
        """Wait for the final response."""
        message = self.association.responses()[-1].message
        assert isinstance(message, CMoveRSP)
        return message


@pytest.fixture
def scp(local: Party, wire: Wire) -> Iterator[WireScp]:
    """Listen in the place of the local server."""
    with WireScp(wire.time_limit) as listening:
        local.dicom_relay.target = listening.endpoint
        yield listening
        local.aim_relays()


@pytest.fixture
def samples(stored: Stored) -> tuple[Sample, ...]:
    """Two objects of one study, of more than one PDU each."""
    return stored.study(instances=2, rows=64, columns=64)


@pytest.fixture
def move(wire: Wire, local: Party, scp: WireScp, samples: tuple[Sample, ...]) -> Iterator[Move]:
    """Ask for the two objects."""
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": samples[0].study_instance_uid}
    with wire.associate([(MoveModel, [ImplicitVRLittleEndian])]) as association:
        association.send_message(
            CMoveRQ(
                message_id=MESSAGE_ID,
                affected_sop_class_uid=MoveModel,
                move_destination=local.ae_title,
            ),
            write_identifier(keys, ImplicitVRLittleEndian),
        )
        yield Move(association, scp)
        association.line.over = True  # it is not the subject, and may wait for what never comes


@suite.case("ASSOC-070", ref="PS3.8 9.3.2.2 (2019a)")
def test_proposed_contexts_have_odd_ids_of_their_own(move: Move) -> None:
    """The context IDs in a request are odd, and none is there twice."""
    ids = [each.context_id for each in move.request().presentation_contexts]

    assert [context_id for context_id in ids if context_id % 2 == 0] == []
    assert sorted(set(ids)) == sorted(ids)


@suite.case("ASSOC-071", ref="PS3.8 D.1 (2020a)")
def test_the_request_states_a_maximum_length_once(move: Move) -> None:
    """The maximum length is stated, and only once."""
    assert len(move.request().items(MaximumLength)) == 1


@suite.case("ASSOC-072", ref="PS3.8 9.3.2 (2019a)")
def test_the_request_calls_the_destination_by_its_title(move: Move, local: Party) -> None:
    """The called AE title is that of the move destination."""
    assert move.request().called_ae_title.strip() == local.ae_title


@suite.case("ASSOC-073", ref="PS3.8 D.1 (2020a)")
def test_the_requestor_keeps_to_our_maximum_length(move: Move) -> None:
    """Objects that are longer than the acceptor's maximum length come in PDUs of at most that length."""
    destination = move.destination(maximum_length=4096)
    _take(destination, 2)

    lengths = [len(pdu) - 6 for pdu in destination.line.pdus if pdu[0] == 4]
    assert len(lengths) > 4
    assert max(lengths) <= 4096


@suite.case("ASSOC-074", ref="PS3.8 7.2.2 (2024e)")
def test_the_requestor_releases_the_association(move: Move) -> None:
    """When all is sent the requestor asks for the release, and closes the connection after the answer."""
    destination = move.destination()
    _take(destination, 2)

    assert destination.event() == ReleaseRQ()
    destination.send(ReleaseRP())
    assert destination.line.hear() == Closed()


@suite.case("ASSOC-075", ref="PS3.8 7.2.2 (2024e)")
def test_a_release_collision_ends_well(move: Move) -> None:
    """A requestor whose release meets that of the acceptor answers it, and takes the answer to its own."""
    destination = move.destination()
    _take(destination, 2)

    assert destination.event() == ReleaseRQ()
    destination.line.say(build(ReleaseRQ()))
    assert destination.line.hear() == ReleaseRP()
    destination.line.say(build(ReleaseRP()))
    assert destination.line.hear() == Closed()


@suite.case("DMSG-030", ref="PS3.7 D.3.3.2.1 (2020b)")
def test_the_requestor_says_what_implements_it(move: Move) -> None:
    """The request has one implementation class UID."""
    assert len(move.request().items(ImplementationClassUID)) == 1


@suite.case("DMSG-031", ref="PS3.7 9.1.1.1.6, 9.1.1.1.7 (2020b)")
def test_an_object_says_who_asked_for_it(move: Move, local: Party) -> None:
    """A C-STORE request of a C-MOVE has the title of who asked for it, and the message ID of the C-MOVE."""
    (request, _) = _take(move.destination(), 2)

    assert (
        request.move_originator_application_entity_title,
        request.move_originator_message_id,
    ) == (local.ae_title, MESSAGE_ID)


@suite.case("DMSG-032", ref="PS3.7 9.3.1.1 (2024d)")
def test_a_store_request_names_its_instance(move: Move, samples: tuple[Sample, ...]) -> None:
    """Each C-STORE request names class and instance of the object that it brings."""
    requests = _take(move.destination(), 2)

    assert {(each.affected_sop_class_uid, each.affected_sop_instance_uid) for each in requests} == {
        (each.sop_class_uid, each.sop_instance_uid) for each in samples
    }


@suite.case("DMSG-033", ref="PS3.7 9.3.1.3 (2020b)")
def test_an_early_failure_is_taken_for_one(move: Move) -> None:
    """A failure that is said before the object has come is counted, and the next object is sent."""
    destination = move.destination()
    first = destination.event()
    _answer(destination, first.context_id, first.message, OUT_OF_RESOURCES)
    while not destination.event().last:
        pass
    _take(destination, 1)
    destination.event()
    destination.send(ReleaseRP())
    destination.line.close()

    final = move.final()
    assert final.status == SOME_FAILED
    assert final.number_of_failed_suboperations == 1
    assert final.number_of_completed_suboperations == 1


def _take(association: Association, count: int) -> list[CStoreRQ]:
    """Take so many objects, and give the requests that brought them."""
    requests = []
    for _ in range(count):
        incoming = association.receive()
        assert isinstance(incoming.message, CStoreRQ)
        _answer(association, incoming.context_id, incoming.message, SUCCESS)
        requests.append(incoming.message)
    return requests


def _answer(association: Association, context_id: int, request: CStoreRQ, status: int) -> None:
    association.send_message(
        CStoreRSP(
            message_id_being_responded_to=request.message_id,
            status=status,
            affected_sop_class_uid=request.affected_sop_class_uid,
            affected_sop_instance_uid=request.affected_sop_instance_uid,
        ),
        context_id=context_id,
    )
