"""C-MOVE with the remote as SCP: what is sent to the destination, and how it is accounted for."""

from collections.abc import Iterable

import pytest

from harness.cases import (
    MOVE,
    NATIVE,
    Arrival,
    Dcmtk,
    Dimse,
    Party,
    Rest,
    Sample,
    StorageScp,
    Stored,
    Suite,
    identifier_of,
    values,
    wait_until,
)

suite = Suite(needs=("dimse.store", "dimse.move.study"))


# What is moved


@suite.case("CMOVE-001", ref="PS3.4 C.4.2.3.1")
def test_study(dimse: Dimse, stored: Stored, destination: StorageScp) -> None:
    """A C-MOVE at the STUDY level sends every instance of the study, and none of another one."""
    study = stored.study(PatientID="A", series=2, instances=2)
    stored.study(PatientID="B")

    dimse.move("STUDY", destination.ae_title, StudyInstanceUID=study[0].study_instance_uid)

    assert _sent(destination.received(4)) == _expected(study)


@suite.case(
    "CMOVE-002",
    ref="PS3.4 C.4.2.3.1",
    covers="Orthanc.test_incoming_movescu",
    needs=("dcmtk", "dimse.move.patient", "dimse.find.study"),
)
def test_movescu_patient(dcmtk: Dcmtk, stored: Stored, local: Party, local_dimse: Dimse) -> None:
    """A C-MOVE at the PATIENT level, asked by movescu, brings the patient's studies to the local server."""
    (one,) = stored.study(PatientID="A", study="1")
    (two,) = stored.study(PatientID="A", study="2")
    stored.study(PatientID="B")

    dcmtk.move("PATIENT", local.ae_title, "PatientID=A", root="-P")

    arrived = wait_until(
        lambda: found if len(found := local_dimse.find_studies(StudyInstanceUID="")) > 1 else [],
        what="two studies at the local server",
    )
    expected = sorted([one.study_instance_uid, two.study_instance_uid])
    assert values(arrived, "StudyInstanceUID") == expected


@suite.case("CMOVE-003", ref="PS3.4 C.4.2.1.4.1")
def test_series(dimse: Dimse, stored: Stored, destination: StorageScp) -> None:
    """A C-MOVE at the SERIES level sends the instances of this series alone."""
    one, two, _, _ = stored.study(series=2, instances=2)

    dimse.move(
        "SERIES",
        destination.ae_title,
        StudyInstanceUID=one.study_instance_uid,
        SeriesInstanceUID=one.series_instance_uid,
    )

    assert _sent(destination.received(2)) == _expected([one, two])


@suite.case("CMOVE-004", ref="PS3.4 C.4.2.1.4.1", needs="dcmtk")
def test_movescu_instance(dcmtk: Dcmtk, stored: Stored, destination: StorageScp) -> None:
    """A C-MOVE at the IMAGE level, asked by movescu, sends one instance."""
    _, two, _ = stored.study(instances=3)

    dcmtk.move(
        "IMAGE",
        destination.ae_title,
        f"StudyInstanceUID={two.study_instance_uid}",
        f"SeriesInstanceUID={two.series_instance_uid}",
        f"SOPInstanceUID={two.sop_instance_uid}",
    )

    assert _sent(destination.received(1)) == _expected([two])


@suite.case(
    "CMOVE-005", ref="PS3.4 C.4.2.1.4.1", covers="Orthanc.test_bitbucket_issue_154", needs="dcmtk"
)
def test_list_of_series(dcmtk: Dcmtk, stored: Stored, destination: StorageScp) -> None:
    """A list of two Series Instance UIDs moves both series, and not the third."""
    one, two, _ = stored.study(series=3)

    dcmtk.move(
        "SERIES",
        destination.ae_title,
        f"StudyInstanceUID={one.study_instance_uid}",
        f"SeriesInstanceUID={one.series_instance_uid}\\{two.series_instance_uid}",
    )

    assert _sent(destination.received(2)) == _expected([one, two])


@suite.case("CMOVE-006", ref="PS3.4 B.4.1.1")
@pytest.mark.parametrize("name", ["p08", "t05", "t01-un", "c11"])
def test_data_set_arrives_unchanged(
    dimse: Dimse, stored: Stored, destination: StorageScp, name: str
) -> None:
    """What is sent to the destination is the object that was stored, every attribute of it."""
    sample = stored.sample(name)

    dimse.move("STUDY", destination.ae_title, StudyInstanceUID=sample.study_instance_uid)

    arrived = [each.dataset.to_json_dict() for each in destination.received(1)]
    assert arrived == [sample.dataset().to_json_dict()]


# How it is accounted for


@suite.case("CMOVE-007", ref="PS3.7 9.1.1.1.6")
def test_store_names_the_originator(dimse: Dimse, stored: Stored, destination: StorageScp) -> None:
    """Each C-STORE carries the AE title of who asked for the C-MOVE, and its message id."""
    one, _ = stored.study(instances=2)
    identifier = identifier_of(
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": one.study_instance_uid}
    )

    with dimse.associate([(MOVE["study"], NATIVE)], calling="MODALITY7") as association:
        list(association.send_c_move(identifier, destination.ae_title, MOVE["study"], msg_id=77))

    arrived = destination.received(2)
    assert [(each.originator, each.originator_message_id) for each in arrived] == [
        ("MODALITY7", 77),
        ("MODALITY7", 77),
    ]


@suite.case("CMOVE-008", ref="PS3.4 C.4.2.3.1")
def test_counts_are_those_of_the_instances(
    dimse: Dimse, stored: Stored, destination: StorageScp
) -> None:
    """The final response is Success, and counts each instance as completed."""
    study = stored.study(series=2, instances=2)

    moved = dimse.move("STUDY", destination.ae_title, StudyInstanceUID=study[0].study_instance_uid)

    assert moved.status == 0x0000
    assert (moved.counts["completed"], moved.counts["failed"], moved.counts["warning"]) == (4, 0, 0)
    destination.received(4)


@suite.case("CMOVE-009", ref="PS3.4 C.4.2.1.6")
def test_remaining_is_counted_in_pending_responses_only(
    dimse: Dimse, stored: Stored, destination: StorageScp
) -> None:
    """Remaining sub-operations are counted down in pending responses, and absent from the final one."""
    study = stored.study(instances=3)

    moved = dimse.move("STUDY", destination.ae_title, StudyInstanceUID=study[0].study_instance_uid)

    *pending, final = [
        response.get("NumberOfRemainingSuboperations") for response in moved.responses
    ]
    assert final is None
    assert pending == sorted(set(pending), reverse=True)
    destination.received(3)


@suite.case("CMOVE-010", ref="PS3.4 C.4.2.1.5")
def test_unknown_destination_is_refused(dimse: Dimse, stored: Stored) -> None:
    """A C-MOVE to an application entity that the server does not know ends with a failure."""
    (one,) = stored.study()

    moved = dimse.move("STUDY", "NOWHERE", StudyInstanceUID=one.study_instance_uid)

    assert moved.status >> 12 in {0xA, 0xC}, f"status {moved.status:#06x}"
    assert not moved.counts["completed"]


@suite.case("CMOVE-011", ref="PS3.4 C.4.2.3.1")
def test_unknown_study_moves_nothing(dimse: Dimse, stored: Stored, local: Party) -> None:
    """A C-MOVE of a study that the server does not hold completes no sub-operation."""
    stored.study()

    moved = dimse.move("STUDY", local.ae_title, StudyInstanceUID="2.25.404")

    assert not moved.counts["completed"]


# What Orthanc does beyond the standard


@suite.case(
    "CMOVE-012",
    ref="Orthanc configuration: SynchronousCMove",
    covers="Orthanc.test_incoming_movescu",
    level="product",
    needs=("rest", "dcmtk"),
)
def test_move_is_one_job(dcmtk: Dcmtk, rest: Rest, stored: Stored, destination: StorageScp) -> None:
    """With SynchronousCMove off a C-MOVE is one job, and the job succeeds."""
    stored.study(PatientID="A", series=2)
    before = set(rest.json("/jobs"))

    dcmtk.move("PATIENT", destination.ae_title, "PatientID=A", root="-P")

    jobs = set(rest.json("/jobs")) - before
    assert [_final_state(rest, job) for job in jobs] == ["Success"]


@suite.case(
    "CMOVE-013",
    ref="Orthanc Book: C-MOVE by Accession Number",
    covers=("Orthanc.test_incoming_movescu_accession", "Orthanc.test_move_ambra"),
    level="product",
    needs="orthanc>=1.7.4",
)
@pytest.mark.parametrize(
    ("accession_number", "study_known"),
    [("ACC1", False), ("", True), ("ACC1", True)],
    ids=["accession", "study", "both"],
)
def test_empty_identifier_beside_another_is_passed_over(
    dimse: Dimse,
    stored: Stored,
    destination: StorageScp,
    accession_number: str,
    study_known: bool,
) -> None:
    """Accession Number and Study Instance UID select a study, each alone where the other is empty."""
    (one,) = stored.study(PatientID="A", AccessionNumber="ACC1")
    stored.study(PatientID="B", AccessionNumber="ACC2")

    dimse.move(
        "STUDY",
        destination.ae_title,
        AccessionNumber=accession_number,
        StudyInstanceUID=one.study_instance_uid if study_known else "",
    )

    assert _sent(destination.received(1)) == _expected([one])


@suite.case(
    "CMOVE-014",
    ref="Orthanc Book: C-MOVE by Accession Number",
    covers=(
        "Orthanc.test_incoming_movescu",
        "Orthanc.test_incoming_movescu_accession",
        "Orthanc.test_move_ambra",
    ),
    level="product",
    needs="rest",
)
@pytest.mark.parametrize(
    "query",
    [
        {"level": "PATIENT", "PatientID": "NOBODY"},
        {"level": "STUDY", "AccessionNumber": "UNKNOWN"},
        {"level": "STUDY", "AccessionNumber": "", "StudyInstanceUID": ""},
        {"level": "PATIENT", "AccessionNumber": "ACC1"},
    ],
    ids=["unknown-patient", "unknown-accession", "all-empty", "accession-at-patient-level"],
)
def test_query_that_selects_nothing(
    dimse: Dimse, rest: Rest, stored: Stored, local: Party, query: dict[str, str]
) -> None:
    """An unknown, an empty and a misplaced key end in a failure, and start no job."""
    stored.study(AccessionNumber="ACC1")
    before = set(rest.json("/jobs"))

    moved = dimse.move(**query, to=local.ae_title, root="patient")

    assert moved.status == 0xC000
    assert set(rest.json("/jobs")) - before == set()


def _sent(arrivals: Iterable[Arrival]) -> list[str]:
    return values((each.dataset for each in arrivals), "SOPInstanceUID")


def _expected(samples: Iterable[Sample]) -> list[str]:
    return sorted(each.sop_instance_uid for each in samples)


def _final_state(rest: Rest, job: str) -> str:
    """Wait for the end of a job, and say how it ended."""

    def ended() -> str:
        state: str = rest.json(f"/jobs/{job}")["State"]
        return state if state in {"Success", "Failure"} else ""

    return wait_until(ended, what=f"the end of job {job}")
