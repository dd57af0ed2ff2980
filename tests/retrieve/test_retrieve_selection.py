"""C-MOVE and C-GET (PS3.4 C.4.2 and C.4.3): the instances that an identifier selects."""

import pytest

from harness.cases import (
    CT,
    LEVELS,
    UNIQUE_KEYS,
    Dimse,
    Retrieved,
    Sample,
    StorageScp,
    Stored,
    Suite,
    instance_uids,
    needs,
    unique_keys,
    values,
)

suite = Suite(needs="dimse.store", shows="Retrieve")


move = needs("dimse.move.study", "dimse.move.patient")
get = needs("dimse.get.study", "dimse.get.patient")
levels = pytest.mark.parametrize("level", LEVELS["patient"])
BELOW = {"PATIENT": 5, "STUDY": 4, "SERIES": 2, "IMAGE": 1}
"""The number of instances of `_archive` in the same entity as the first one, at each level."""


@suite.case("CONRT-001", ref="PS3.4 C.4.2.1.4.1 (2020b)")
@move
@levels
def test_move_in_the_patient_root(
    dimse: Dimse, stored: Stored, destination: StorageScp, level: str
) -> None:
    """A C-MOVE in the Patient Root sends the instances below its unique keys, at each of four levels."""
    archive = _archive(stored)

    moved = dimse.move(
        level, destination.ae_title, root="patient", **unique_keys(archive[0], level, "patient")
    )

    assert _arrived(destination, moved) == instance_uids(archive[: BELOW[level]])


@suite.case("CONRT-002", ref="PS3.4 C.4.3.1.3.1 (2020b)")
@get
@levels
def test_get_in_the_patient_root(dimse: Dimse, stored: Stored, level: str) -> None:
    """A C-GET in the Patient Root sends the instances below its unique keys, at each of four levels."""
    archive = _archive(stored)

    retrieved = dimse.get(
        level, root="patient", storage=CT, **unique_keys(archive[0], level, "patient")
    )

    assert values(retrieved.datasets, "SOPInstanceUID") == instance_uids(archive[: BELOW[level]])


@suite.case("CONRT-003", ref="PS3.4 C.4.2.1.4.1 (2020b)", needs="dimse.move.study")
@pytest.mark.parametrize("level", ["STUDY", "IMAGE"])
def test_move_of_a_list(dimse: Dimse, stored: Stored, destination: StorageScp, level: str) -> None:
    """A C-MOVE of a list of UIDs sends the instances of each UID, and no others."""
    one, two, _ = _three(stored, level)

    moved = dimse.move(level, destination.ae_title, **_both(one, two, level))

    assert _arrived(destination, moved) == instance_uids([one, two])


@suite.case("CONRT-004", ref="PS3.4 C.4.3.1.3.1 (2020b)", needs="dimse.get.study")
@pytest.mark.parametrize("level", LEVELS["study"])
def test_get_of_a_list(dimse: Dimse, stored: Stored, level: str) -> None:
    """A C-GET of a list of UIDs sends the instances of each UID, and no others."""
    one, two, _ = _three(stored, level)

    retrieved = dimse.get(level, storage=CT, **_both(one, two, level))

    assert values(retrieved.datasets, "SOPInstanceUID") == instance_uids([one, two])


@suite.case("CONRT-005", ref="PS3.4 C.4.3.1.3.1 (2020b)", level="should")
@get
@pytest.mark.parametrize("patient_id", ["*", "", "CONRT?"], ids=["star", "empty", "question-mark"])
def test_pattern_selects_no_patient(dimse: Dimse, stored: Stored, patient_id: str) -> None:
    """A C-GET with a wild card or an empty value in Patient ID retrieves nothing."""
    stored.study(PatientID="CONRT1")
    stored.study(PatientID="CONRT2")

    retrieved = dimse.get("PATIENT", root="patient", storage=CT, PatientID=patient_id)

    assert values(retrieved.datasets, "PatientID") == []


@suite.case("CONRT-006", ref="PS3.4 C.4.3.1.3.1 (2020b)", level="should", needs="dimse.get.study")
@pytest.mark.parametrize("level", LEVELS["study"])
def test_empty_unique_key_selects_nothing(dimse: Dimse, stored: Stored, level: str) -> None:
    """A C-GET with an empty unique key, which would match everything in a query, retrieves nothing."""
    one, *_ = stored.study(instances=2)

    retrieved = dimse.get(level, storage=CT, **{**unique_keys(one, level), UNIQUE_KEYS[level]: ""})

    assert values(retrieved.datasets, "SOPInstanceUID") == []


def _arrived(destination: StorageScp, moved: Retrieved) -> list[str]:
    """Return the objects received by the destination, once it has as many as the C-MOVE counted."""
    return destination.received_uids(moved.counts["completed"] or 0)


def _archive(stored: Stored) -> list[Sample]:
    """Store a patient with a study of 2 x 2 and one of 1 x 1 instances, and another patient."""
    first = stored.study(PatientID="A", study="1", series=2, instances=2)
    second = stored.study(PatientID="A", study="2")
    stored.study(PatientID="B")
    return [*first, *second]


def _three(stored: Stored, level: str) -> list[Sample]:
    """Store three instances with common parents above `level` and different entities at it."""
    if level == "STUDY":
        return [stored.study(study=name)[0] for name in ("1", "2", "3")]
    return [*(stored.study(series=3) if level == "SERIES" else stored.study(instances=3))]


def _both(one: Sample, two: Sample, level: str) -> dict[str, str | list[str]]:
    """Return the unique keys of both instances, as a list at `level`."""
    key = UNIQUE_KEYS[level]
    return {
        **unique_keys(one, level),
        key: [unique_keys(one, level)[key], unique_keys(two, level)[key]],
    }
