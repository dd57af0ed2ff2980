"""C-MOVE and C-GET (PS3.4 C.4.2 and C.4.3): how sub-operations are counted, and what failed is told."""

from typing import Any, NamedTuple

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import evt

from harness.cases import (
    MOVE,
    NATIVE,
    Dimse,
    Endpoint,
    Party,
    Retrieved,
    Sample,
    StorageScp,
    Stored,
    Suite,
    identifier_of,
    needs,
    unique_keys,
)

suite = Suite(needs="dimse.store")


CT = [(CTImageStorage, [ExplicitVRLittleEndian])]  # what made-to-order objects are
SUCCESS, REFUSED, WARNING = 0x0000, 0xA702, 0xB000
RESPONSES, NO_DATA_SET = {0x8010, 0x8021}, 0x0101  # C-GET-RSP and C-MOVE-RSP (PS3.7 E.1)
NOWHERE = Endpoint("127.0.0.1", 1)
move, get = needs("dimse.move.study"), needs("dimse.get.study")


class End(NamedTuple):
    """How a retrieval is to end: its status, and what is counted as completed, failed and with a warning."""

    answers: list[int]
    status: int
    counts: tuple[int, int, int]


ENDS = pytest.mark.parametrize(
    "end",
    [
        End([SUCCESS, REFUSED, SUCCESS], 0xB000, (2, 1, 0)),
        End([REFUSED, REFUSED, REFUSED], 0xA702, (0, 3, 0)),
        End([SUCCESS, WARNING, SUCCESS], 0xB000, (2, 0, 1)),
        End([REFUSED, WARNING, SUCCESS], 0xB000, (1, 1, 1)),
    ],
    ids=["some-refused", "all-refused", "a-warning", "each"],
)


# The end


@suite.case("CONRT-010", ref="PS3.4 C.4.2.3.1 (2020b)")
@move
@ENDS
def test_move_ends_by_what_became_of_each(
    dimse: Dimse,
    stored: Stored,
    destination: StorageScp,
    end: End,
) -> None:
    """The status of a C-MOVE follows from the answers to its C-STOREs, and each of them is counted."""
    study = stored.study(instances=3)
    destination.expect(destination.ae_title, answers=end.answers)

    moved = _move(dimse, study[0], destination)

    assert (f"{moved.status:#06x}", _counts(moved)) == (f"{end.status:#06x}", end.counts)


@suite.case("CONRT-011", ref="PS3.4 C.4.3.3.1 (2020b)")
@get
@ENDS
def test_get_ends_by_what_became_of_each(
    dimse: Dimse,
    stored: Stored,
    end: End,
) -> None:
    """The status of a C-GET follows from the answers to its C-STOREs, and each of them is counted."""
    study = stored.study(instances=3)

    retrieved = _get(dimse, study[0], end.answers)

    assert (f"{retrieved.status:#06x}", _counts(retrieved)) == (f"{end.status:#06x}", end.counts)


@suite.case("CONRT-012", ref="PS3.4 Table C.4-2 (2020b)")
@move
def test_unknown_destination_has_its_status(dimse: Dimse, stored: Stored) -> None:
    """A C-MOVE to an application entity that the server does not know ends with A801."""
    (one,) = stored.study()

    moved = dimse.move("STUDY", "NOWHERE", **unique_keys(one, "STUDY"))

    assert f"{moved.status:#06x}" == "0xa801"


@suite.case("CONRT-013", ref="PS3.4 C.4.2.3.1 (2020b)")
@move
def test_destination_that_is_down_is_a_failure(dimse: Dimse, stored: Stored, local: Party) -> None:
    """Where nobody listens at the destination, the C-MOVE ends with a failure and completes nothing."""
    one, _ = stored.study(instances=2)
    local.dicom_relay.target = NOWHERE
    try:
        moved = dimse.move("STUDY", local.ae_title, **unique_keys(one, "STUDY"))
    finally:
        local.aim_relays()

    assert moved.status >> 12 in {0xA, 0xC}, f"status {moved.status:#06x}"
    assert not moved.counts["completed"]


# What failed


@suite.case("CONRT-014", ref="PS3.4 C.4.2.1.4.2 (2020b)")
@move
def test_move_lists_what_failed(dimse: Dimse, stored: Stored, destination: StorageScp) -> None:
    """The final response of a C-MOVE lists the instance that the destination refused, and no other."""
    study = stored.study(instances=3)
    destination.expect(destination.ae_title, answers=[SUCCESS, REFUSED, SUCCESS])

    moved = _move(dimse, study[0], destination)

    refused = destination.received(2)[1].dataset.SOPInstanceUID
    assert moved.failed_uids == [refused]


@suite.case("CONRT-015", ref="PS3.4 C.4.3.1.3.2 (2020b)")
@get
def test_get_lists_what_failed(dimse: Dimse, stored: Stored) -> None:
    """The final response of a C-GET lists the instances that we refused, and no other."""
    study = stored.study(instances=3)

    retrieved = _get(dimse, study[0], [SUCCESS, REFUSED, REFUSED])

    kept = {each.SOPInstanceUID for each in retrieved.datasets}
    refused = {each.sop_instance_uid for each in study} - kept
    assert sorted(retrieved.failed_uids) == sorted(refused)


@suite.case("CONRT-016", ref="PS3.4 C.4.2.1.4.2 (2020b)")
@move
def test_move_without_failure_lists_nothing(
    dimse: Dimse, stored: Stored, destination: StorageScp
) -> None:
    """A C-MOVE that ends with Success comes without an identifier."""
    one, _ = stored.study(instances=2)

    responses: list[tuple[int, bool]] = []

    dimse.move(
        "STUDY", destination.ae_title, handlers=[_noting(responses)], **unique_keys(one, "STUDY")
    )

    assert len(destination.received(2)) == 2
    assert responses[-1] == (SUCCESS, False)


@suite.case("CONRT-017", ref="PS3.4 C.4.3.1.3.2 (2020b)")
@get
def test_get_without_failure_lists_nothing(dimse: Dimse, stored: Stored) -> None:
    """A C-GET that ends with Success comes without an identifier."""
    one, _ = stored.study(instances=2)

    responses: list[tuple[int, bool]] = []

    dimse.get("STUDY", storage=CT, handlers=[_noting(responses)], **unique_keys(one, "STUDY"))

    assert responses[-1] == (SUCCESS, False)


# On the way


@suite.case("CONRT-018", ref="PS3.4 C.4.2.1.6 (2020b)")
@move
def test_each_pending_response_of_a_move_adds_up(
    dimse: Dimse, stored: Stored, destination: StorageScp
) -> None:
    """In each pending response the four counts sum up to the number of instances."""
    study = stored.study(instances=4)
    destination.expect(destination.ae_title, answers=[SUCCESS, REFUSED, WARNING, SUCCESS])

    moved = _move(dimse, study[0], destination)

    assert set(_sums(moved)) <= {4}, f"the counts sum up to {_sums(moved)}"
    assert sum(_counts(moved)) == 4


@suite.case("CONRT-019", ref="PS3.4 C.4.3.1.5 (2020b)")
@get
def test_each_pending_response_of_a_get_adds_up(dimse: Dimse, stored: Stored) -> None:
    """In each pending response the four counts sum up to the number of instances."""
    study = stored.study(instances=4)

    retrieved = _get(dimse, study[0], [SUCCESS, REFUSED, WARNING, SUCCESS])

    assert set(_sums(retrieved)) <= {4}, f"the counts sum up to {_sums(retrieved)}"
    assert sum(_counts(retrieved)) == 4


@suite.case("CONRT-020", ref="PS3.4 C.4.2.3.1 (2020b)")
@move
def test_cancel_ends_a_move(dimse: Dimse, stored: Stored, destination: StorageScp) -> None:
    """A C-CANCEL sent with the first pending response ends a C-MOVE with FE00, before all was sent."""
    count = 30
    study = stored.study(instances=count)
    identifier = identifier_of({"QueryRetrieveLevel": "STUDY", **unique_keys(study[0], "STUDY")})

    with dimse.associate([(MOVE["study"], NATIVE)]) as association:
        responses = association.send_c_move(
            identifier, destination.ae_title, MOVE["study"], msg_id=1
        )
        next(responses)
        association.send_c_cancel(1, query_model=MOVE["study"])
        *_, (final, _) = responses

    assert f"{final.Status:#06x}" == "0xfe00"
    assert len(destination.received(0)) < count


@suite.case("CONRT-021", ref="PS3.7 9.3.1.1 (2020b)")
@get
def test_stores_of_a_get_name_no_originator(dimse: Dimse, stored: Stored) -> None:
    """The originator of a C-MOVE is for C-MOVE: the C-STOREs of a C-GET name none."""
    (one,) = stored.study()
    named: list[tuple[Any, Any]] = []

    def note(event: evt.Event) -> None:
        command = event.message.command_set
        if command.CommandField == 0x0001:
            named.append(
                (
                    command.get("MoveOriginatorApplicationEntityTitle"),
                    command.get("MoveOriginatorMessageID"),
                )
            )

    dimse.get(
        "STUDY", storage=CT, handlers=[(evt.EVT_DIMSE_RECV, note)], **unique_keys(one, "STUDY")
    )

    assert named == [(None, None)]


def _move(dimse: Dimse, sample: Sample, destination: StorageScp) -> Retrieved:
    """Move a study, and wait for what is sent: some servers send it behind their last response."""
    moved = dimse.move("STUDY", destination.ae_title, **unique_keys(sample, "STUDY"))
    destination.received(1)
    return moved


def _get(dimse: Dimse, sample: Sample, answers: list[int]) -> Retrieved:
    return dimse.get("STUDY", storage=CT, answers=answers, **unique_keys(sample, "STUDY"))


def _noting(responses: list[tuple[int, bool]]) -> tuple[Any, ...]:
    """Note the status of each response, and whether a data set comes with it: pynetdicom drops some."""

    def note(event: evt.Event) -> None:
        command = event.message.command_set
        if command.CommandField in RESPONSES:
            responses.append((command.Status, command.CommandDataSetType != NO_DATA_SET))

    return evt.EVT_DIMSE_RECV, note


def _counts(retrieved: Retrieved) -> tuple[int, ...]:
    """Give the counts of completed, failed and warning sub-operations in the final response."""
    return tuple(retrieved.counts[name] or 0 for name in ("completed", "failed", "warning"))


def _sums(retrieved: Retrieved) -> list[int]:
    """Sum up the four counts in each pending response."""
    keywords = [
        f"NumberOf{each}Suboperations" for each in ("Remaining", "Completed", "Failed", "Warning")
    ]
    *pending, _ = retrieved.responses
    return [sum(int(each.get(keyword, 0)) for keyword in keywords) for each in pending]
