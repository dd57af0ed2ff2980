"""Storage commitment (PS3.4 Annex J): the answer to a request, and the report."""

from collections.abc import Iterator

import pytest
from pydicom.uid import MRImageStorage

from harness.cases import (
    SUCCESS,
    UNKNOWN_UID,
    CommitmentScu,
    Dimse,
    Party,
    Reference,
    Sample,
    Stored,
    Suite,
)

suite = Suite(needs=("dimse.store", "dimse.commit"), shows="Storage commitment")


ALL_COMMITTED, SOME_FAILED = 1, 2  # event types (PS3.4 Table J.3-2)
NO_SUCH_INSTANCE, CLASS_INSTANCE_CONFLICT = 0x0112, 0x0119  # PS3.3 C.14.1.1
TRANSACTION = "2.25.2001"


@pytest.fixture
def commitment(local: Party) -> Iterator[CommitmentScu]:
    """Request storage commitment and receive the reports, in place of the local server."""
    with CommitmentScu(local.ae_title, local.time_limit) as scu:
        local.dicom_relay.target = scu.endpoint
        yield scu
    local.aim_relays()


@suite.case("CONSC-001", ref="PS3.4 J.3.2.1.3 (2020b)")
def test_request_is_answered_with_success(
    dimse: Dimse, stored: Stored, commitment: CommitmentScu
) -> None:
    """An N-ACTION that requests commitment is answered with Success, even for an unknown instance."""
    (one,) = stored.study()
    unknown = (one.sop_class_uid, UNKNOWN_UID)

    statuses = [
        commitment.ask(dimse, "2.25.1", [_reference(one)]),
        commitment.ask(dimse, "2.25.2", [unknown]),
    ]

    assert statuses == [SUCCESS, SUCCESS]
    commitment.reports(2)


@suite.case("CONSC-002", ref="PS3.4 J.3.3.1.1 (2020b)")
def test_stored_instances_are_committed(
    dimse: Dimse, stored: Stored, commitment: CommitmentScu
) -> None:
    """The report on stored instances has event type 1, lists each of them once, and none as failed."""
    study = stored.study(series=2, instances=2)

    commitment.ask(dimse, TRANSACTION, map(_reference, study))

    report = commitment.report()
    assert (report.event_type, report.failed) == (ALL_COMMITTED, {})
    assert sorted(report.committed) == sorted(map(_reference, study))


@suite.case("CONSC-003", ref="PS3.4 J.3.3.1.1 (2020b)")
def test_missing_instance_is_reported_as_failed(
    dimse: Dimse, stored: Stored, commitment: CommitmentScu
) -> None:
    """If one of two instances is missing, the event type is 2, and each is in the right list."""
    (one,) = stored.study()
    unknown = (str(one.sop_class_uid), UNKNOWN_UID)

    commitment.ask(dimse, TRANSACTION, [_reference(one), unknown])

    report = commitment.report()
    assert report.event_type == SOME_FAILED
    assert (report.committed, [*report.failed]) == ([_reference(one)], [unknown])


@suite.case("CONSC-004", ref="PS3.3 C.14.1.1 (2020b)")
def test_failure_has_its_reason(dimse: Dimse, stored: Stored, commitment: CommitmentScu) -> None:
    """An unknown instance fails with reason 0112, one stored with a different class with 0119."""
    (one,) = stored.study()
    unknown = (str(one.sop_class_uid), UNKNOWN_UID)
    of_another_class = (str(MRImageStorage), str(one.sop_instance_uid))

    commitment.ask(dimse, TRANSACTION, [unknown, of_another_class])

    report = commitment.report()
    assert report.failed == {
        unknown: NO_SUCH_INSTANCE,
        of_another_class: CLASS_INSTANCE_CONFLICT,
    }


@suite.case("CONSC-005", ref="PS3.4 J.3.3.1.1.1 (2020b)")
def test_report_names_its_transaction(
    dimse: Dimse, stored: Stored, commitment: CommitmentScu
) -> None:
    """Each of two requests gets a report with its own Transaction UID and its own instance."""
    study = stored.study(instances=2)
    asked = {f"2.25.{number}": [_reference(each)] for number, each in enumerate(study, start=3001)}

    for transaction_uid, references in asked.items():
        commitment.ask(dimse, transaction_uid, references)

    reports = {each.transaction_uid: each.committed for each in commitment.reports(2)}
    assert reports == asked


def _reference(sample: Sample) -> Reference:
    return str(sample.sop_class_uid), str(sample.sop_instance_uid)
