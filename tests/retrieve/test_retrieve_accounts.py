"""C-MOVE and C-GET (PS3.4 C.4.2 and C.4.3): counts of sub-operations, final status, list of failures."""

from typing import Any, NamedTuple

import pytest
from pynetdicom import evt

from dcm.wire import raw
from harness.cases import (
    C_STORE_RQ,
    COMMAND,
    CT,
    LAST,
    MOVE_STUDIES,
    REFUSED,
    SUCCESS,
    WARNING,
    Dimse,
    Endpoint,
    Party,
    Retrieved,
    Sample,
    Status,
    StorageScp,
    Stored,
    Suite,
    Wire,
    assert_refused,
    needs,
    study_identifier,
    unique_keys,
)

suite = Suite(needs="dimse.store")


RESPONSES, NO_DATA_SET = {0x8010, 0x8021}, 0x0101  # C-GET-RSP and C-MOVE-RSP (PS3.7 E.1)
NOWHERE = Endpoint("127.0.0.1", 1)
MoveModel, _ = MOVE_STUDIES
move, get = needs("dimse.move.study"), needs("dimse.get.study")


class End(NamedTuple):
    """The expected end of a retrieval: its status, and the counts of completed, failed and warning."""

    answers: list[int]
    status: int
    counts: tuple[int, int, int]

    @property
    def expected(self) -> dict[str, str | int]:
        """The same values by name."""
        counts = zip(("completed", "failed", "warning"), self.counts, strict=True)
        return {"status": f"{self.status:#06x}", **dict(counts)}


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


# The final response


@suite.case("CONRT-010", ref="PS3.4 C.4.2.3.1 (2020b)")
@move
@ENDS
def test_move_ends_with_status_and_counts(
    dimse: Dimse,
    stored: Stored,
    destination: StorageScp,
    end: End,
) -> None:
    """The final status and counts of a C-MOVE follow from the answers to its C-STOREs."""
    study = stored.study(instances=3)
    destination.expect(destination.ae_title, answers=end.answers)

    moved = _move(dimse, study[0], destination)

    assert _end(moved) == end.expected


@suite.case("CONRT-011", ref="PS3.4 C.4.3.3.1 (2020b)")
@get
@ENDS
def test_get_ends_with_status_and_counts(
    dimse: Dimse,
    stored: Stored,
    end: End,
) -> None:
    """The final status and counts of a C-GET follow from the answers to its C-STOREs."""
    study = stored.study(instances=3)

    retrieved = _get(dimse, study[0], end.answers)

    assert _end(retrieved) == end.expected


@suite.case("CONRT-012", ref="PS3.4 Table C.4-2 (2020b)")
@move
def test_unknown_destination_has_its_status(dimse: Dimse, stored: Stored) -> None:
    """A C-MOVE to an unknown application entity ends with A801, Move Destination unknown."""
    (one,) = stored.study()

    moved = dimse.move("STUDY", "NOWHERE", **unique_keys(one, "STUDY"))

    assert moved.status == Status(0xA801)


@suite.case("CONRT-013", ref="PS3.4 C.4.2.3.1 (2020b)")
@move
def test_destination_that_is_down_is_a_failure(dimse: Dimse, stored: Stored, local: Party) -> None:
    """A C-MOVE to a destination that is down ends with a failure, without completed sub-operations."""
    one, _ = stored.study(instances=2)
    local.dicom_relay.target = NOWHERE
    try:
        moved = dimse.move("STUDY", local.ae_title, **unique_keys(one, "STUDY"))
    finally:
        local.aim_relays()

    assert moved.status >> 12 in {0xA, 0xC}, f"status {moved.status:#06x}"
    assert not moved.counts["completed"]


# The list of failures


@suite.case("CONRT-014", ref="PS3.4 C.4.2.1.4.2 (2020b)")
@move
def test_move_lists_what_failed(dimse: Dimse, stored: Stored, destination: StorageScp) -> None:
    """The final response of a C-MOVE lists the instance that the destination rejected, and no others."""
    study = stored.study(instances=3)
    destination.expect(destination.ae_title, answers=[SUCCESS, REFUSED, SUCCESS])

    moved = _move(dimse, study[0], destination)

    _, refused, *_ = [each.dataset.get("SOPInstanceUID") for each in destination.received(2)]
    assert moved.failed_uids == [refused]


@suite.case("CONRT-015", ref="PS3.4 C.4.3.1.3.2 (2020b)")
@get
def test_get_lists_what_failed(dimse: Dimse, stored: Stored) -> None:
    """The final response of a C-GET lists the instances that we rejected, and no others."""
    study = stored.study(instances=3)

    retrieved = _get(dimse, study[0], [SUCCESS, REFUSED, REFUSED])

    kept = {each.get("SOPInstanceUID") for each in retrieved.datasets}
    refused = {each.sop_instance_uid for each in study} - kept
    assert sorted(retrieved.failed_uids) == sorted(refused)


@suite.case("CONRT-016", ref="PS3.4 C.4.2.1.4.2 (2020b)")
@move
def test_move_without_failure_lists_nothing(
    dimse: Dimse, stored: Stored, destination: StorageScp
) -> None:
    """The final response of a C-MOVE that ends with Success has no identifier."""
    one, _ = stored.study(instances=2)

    responses: list[tuple[int, bool]] = []

    dimse.move(
        "STUDY", destination.ae_title, handlers=[_noting(responses)], **unique_keys(one, "STUDY")
    )

    destination.received(2)
    assert responses[-1:] == [(SUCCESS, False)]


@suite.case("CONRT-017", ref="PS3.4 C.4.3.1.3.2 (2020b)")
@get
def test_get_without_failure_lists_nothing(dimse: Dimse, stored: Stored) -> None:
    """The final response of a C-GET that ends with Success has no identifier."""
    one, _ = stored.study(instances=2)

    responses: list[tuple[int, bool]] = []

    dimse.get("STUDY", storage=CT, handlers=[_noting(responses)], **unique_keys(one, "STUDY"))

    assert responses[-1:] == [(SUCCESS, False)]


# Pending responses

# "Optionally, the SCP may generate responses [...] with status equal to Pending [...]. These
# responses shall indicate the Remaining, Completed, Failed, and Warning C-STORE sub-operations."
# (C.4.2.3.1, and C.4.3.3.1 for C-GET.) The counts are required; sending such responses at all is a
# matter of quality.

ON_THE_WAY = [SUCCESS, REFUSED, WARNING, SUCCESS]


@suite.case("CONRT-018", ref="PS3.4 C.4.2.3.1 (2020b)")
@move
def test_counts_of_a_move_follow_its_sub_operations(
    dimse: Dimse, stored: Stored, destination: StorageScp
) -> None:
    """The counts in each response of a C-MOVE match the sub-operations that have ended by then."""
    study = stored.study(instances=len(ON_THE_WAY))
    destination.expect(destination.ae_title, answers=ON_THE_WAY)

    _assert_counts_follow(_move(dimse, study[0], destination))


@suite.case("CONRT-019", ref="PS3.4 C.4.3.3.1 (2020b)")
@get
def test_counts_of_a_get_follow_its_sub_operations(dimse: Dimse, stored: Stored) -> None:
    """The counts in each response of a C-GET match the sub-operations that have ended by then."""
    study = stored.study(instances=len(ON_THE_WAY))

    _assert_counts_follow(_get(dimse, study[0], ON_THE_WAY))


@suite.case("CONRT-022", ref="PS3.4 C.4.2.3.1 (2020b)", level="quality")
@move
def test_move_reports_its_progress(dimse: Dimse, stored: Stored, destination: StorageScp) -> None:
    """A C-MOVE of four instances sends pending responses that count down the remaining ones."""
    study = stored.study(instances=4)

    _assert_counts_down(_move(dimse, study[0], destination))


@suite.case("CONRT-023", ref="PS3.4 C.4.3.3.1 (2020b)", level="quality")
@get
def test_get_reports_its_progress(dimse: Dimse, stored: Stored) -> None:
    """A C-GET of four instances sends pending responses that count down the remaining ones."""
    study = stored.study(instances=4)

    _assert_counts_down(_get(dimse, study[0], []))


@suite.case("CONRT-024", ref="PS3.5 6.2: AE, 16 bytes maximum; PS3.4 Table C.4-2 (2020b)")
@move
def test_destination_with_too_long_a_title_is_refused(
    wire: Wire, stored: Stored, destination: StorageScp
) -> None:
    """A C-MOVE to a title of 18 characters, which begins with a known one, fails or is aborted."""
    (one,) = stored.study()
    title = destination.ae_title.ljust(16) + "XX"
    command = raw.command_set(
        [
            (0, 0x0002, MoveModel.encode() + b"\0" * (len(MoveModel) % 2)),
            (0, 0x0100, b"\x21\0"),
            (0, 0x0110, b"\1\0"),
            (0, 0x0600, title.encode()),
            (0, 0x0700, b"\0\0"),
            (0, 0x0800, b"\1\0"),
        ]
    )

    with wire.associate([MOVE_STUDIES]) as association:
        association.line.say(
            raw.p_data(raw.pdv(1, COMMAND | LAST, command)),
            raw.p_data(raw.pdv(1, LAST, study_identifier(one))),
        )
        assert_refused(association, association.event())

    assert destination.received_uids(0) == []


@suite.case("CONRT-021", ref="PS3.7 9.3.1.1 (2020b)")
@get
def test_stores_of_a_get_name_no_originator(dimse: Dimse, stored: Stored) -> None:
    """The C-STORE requests of a C-GET have no Move Originator."""
    (one,) = stored.study()
    named: list[tuple[Any, Any]] = []

    def note(event: evt.Event) -> None:
        command = event.message.command_set
        if command.CommandField == C_STORE_RQ:
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
    """Move a study; return when the association with the destination is closed as well."""
    moved = dimse.move("STUDY", destination.ae_title, **unique_keys(sample, "STUDY"))
    destination.received(0)
    return moved


def _get(dimse: Dimse, sample: Sample, answers: list[int]) -> Retrieved:
    return dimse.get("STUDY", storage=CT, answers=answers, **unique_keys(sample, "STUDY"))


def _noting(responses: list[tuple[int, bool]]) -> tuple[Any, ...]:
    """Record the status of each response and whether it has a data set: pynetdicom drops some."""

    def note(event: evt.Event) -> None:
        command = event.message.command_set
        if command.CommandField in RESPONSES:
            responses.append((command.Status, command.CommandDataSetType != NO_DATA_SET))

    return evt.EVT_DIMSE_RECV, note


def _end(retrieved: Retrieved) -> dict[str, str | int]:
    """Return the final status, and the number of sub-operations with each result."""
    return {"status": f"{retrieved.status:#06x}", **retrieved.ended}


def _assert_counts_follow(retrieved: Retrieved) -> None:
    """Assert that the counts are, in order, those before or after one of `ON_THE_WAY`."""
    kinds = {SUCCESS: "completed", REFUSED: "failed", WARNING: "warning"}
    states: list[dict[str, int | None]] = [
        {"completed": 0, "failed": 0, "warning": 0, "remaining": len(ON_THE_WAY)}
    ]
    for number, answer in enumerate(ON_THE_WAY, start=1):
        counts = {**states[-1], "remaining": len(ON_THE_WAY) - number}
        states.append({**counts, kinds[answer]: (counts[kinds[answer]] or 0) + 1})

    assert [counts for counts in retrieved.progress if counts not in states] == []
    passed = [states.index(counts) for counts in retrieved.progress]
    assert passed == sorted(passed), "the counts go back"
    assert {**retrieved.ended, "remaining": 0} == states[-1]


def _assert_counts_down(retrieved: Retrieved) -> None:
    remaining = [counts["remaining"] for counts in retrieved.progress]

    assert remaining, "no pending response came"
    assert None not in remaining
    assert remaining == sorted(set(remaining), reverse=True)  # type: ignore[type-var]
