"""C-MOVE with the remote as SCP: the objects that reach the destination, and the counts."""

import pytest

from harness.cases import (
    MOVE,
    NATIVE,
    SUCCESS,
    UNKNOWN_UID,
    Dcmtk,
    Dimse,
    Party,
    Rest,
    StorageScp,
    Stored,
    Suite,
    identifier_of,
    instance_uids,
    is_failure,
    unique_keys,
    values,
)

suite = Suite(needs=("dimse.store", "dimse.move.study"))


# The objects


@suite.case("CMOVE-001", ref="PS3.4 C.4.2.3.1")
def test_move_study(dimse: Dimse, stored: Stored, destination: StorageScp) -> None:
    """A C-MOVE at the STUDY level sends every instance of the study, and no other."""
    study = stored.study(PatientID="A", series=2, instances=2)
    stored.study(PatientID="B")

    dimse.move("STUDY", destination.ae_title, StudyInstanceUID=study[0].study_instance_uid)

    assert destination.received_uids(4) == instance_uids(study)


@suite.case(
    "CMOVE-002",
    ref="PS3.4 C.4.2.3.1",
    covers="Orthanc.test_incoming_movescu",
    needs=("dcmtk", "dimse.move.patient", "dimse.find.study"),
)
def test_movescu_patient(dcmtk: Dcmtk, stored: Stored, local: Party, local_dimse: Dimse) -> None:
    """A C-MOVE of movescu at the PATIENT level sends the patient's studies to the local server."""
    (one,) = stored.study(PatientID="A", study="1")
    (two,) = stored.study(PatientID="A", study="2")
    stored.study(PatientID="B")

    dcmtk.move("PATIENT", local.ae_title, "PatientID=A", root="-P")

    arrived = local_dimse.find_studies(StudyInstanceUID="")
    expected = sorted([one.study_instance_uid, two.study_instance_uid])
    assert values(arrived, "StudyInstanceUID") == expected


@suite.case("CMOVE-003", ref="PS3.4 C.4.2.1.4.1")
def test_move_series(dimse: Dimse, stored: Stored, destination: StorageScp) -> None:
    """A C-MOVE at the SERIES level sends the instances of the series, and no others."""
    one, two, _, _ = stored.study(series=2, instances=2)

    dimse.move(
        "SERIES",
        destination.ae_title,
        **unique_keys(one, "SERIES"),
    )

    assert destination.received_uids(2) == instance_uids([one, two])


@suite.case("CMOVE-004", ref="PS3.4 C.4.2.1.4.1", needs="dcmtk")
def test_movescu_instance(dcmtk: Dcmtk, stored: Stored, destination: StorageScp) -> None:
    """A C-MOVE of movescu at the IMAGE level sends one instance."""
    _, two, _ = stored.study(instances=3)

    dcmtk.move(
        "IMAGE",
        destination.ae_title,
        *(f"{keyword}={uid}" for keyword, uid in unique_keys(two, "IMAGE").items()),
    )

    assert destination.received_uids(1) == instance_uids([two])


@suite.case(
    "CMOVE-005", ref="PS3.4 C.4.2.1.4.1", covers="Orthanc.test_bitbucket_issue_154", needs="dcmtk"
)
def test_move_list_of_series(dcmtk: Dcmtk, stored: Stored, destination: StorageScp) -> None:
    """A C-MOVE of a list of two series sends both, and not the third."""
    one, two, _ = stored.study(series=3)

    dcmtk.move(
        "SERIES",
        destination.ae_title,
        f"StudyInstanceUID={one.study_instance_uid}",
        f"SeriesInstanceUID={one.series_instance_uid}\\{two.series_instance_uid}",
    )

    assert destination.received_uids(2) == instance_uids([one, two])


@suite.case("CMOVE-006", ref="PS3.4 B.4.1.1")
@pytest.mark.parametrize("name", ["p08", "t05", "t01-un", "c11"])
def test_data_set_arrives_unchanged(
    dimse: Dimse, stored: Stored, destination: StorageScp, name: str
) -> None:
    """A moved object has every attribute with which it was stored."""
    sample = stored.sample(name)

    dimse.move("STUDY", destination.ae_title, StudyInstanceUID=sample.study_instance_uid)

    arrived = [each.dataset.to_json_dict() for each in destination.received(1)]
    assert arrived == [sample.dataset().to_json_dict()]


# The counts


@suite.case("CMOVE-007", ref="PS3.7 9.1.1.1.6")
def test_store_names_the_originator(dimse: Dimse, stored: Stored, destination: StorageScp) -> None:
    """Each C-STORE of a C-MOVE has the AE title of the C-MOVE's requestor, and its message ID."""
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
def test_each_instance_is_counted(dimse: Dimse, stored: Stored, destination: StorageScp) -> None:
    """A C-MOVE that sends every instance ends with Success, and counts each as completed."""
    study = stored.study(series=2, instances=2)

    moved = dimse.move("STUDY", destination.ae_title, StudyInstanceUID=study[0].study_instance_uid)

    assert moved.status == SUCCESS
    assert moved.ended == {"completed": 4, "failed": 0, "warning": 0}
    destination.received(4)


@suite.case("CMOVE-009", ref="PS3.4 C.4.2.1.6")
def test_final_response_of_a_move_has_no_remaining(
    dimse: Dimse, stored: Stored, destination: StorageScp
) -> None:
    """The final response of a C-MOVE that was not cancelled has no Number of Remaining Sub-operations."""
    study = stored.study(instances=3)

    moved = dimse.move("STUDY", destination.ae_title, StudyInstanceUID=study[0].study_instance_uid)

    assert moved.status == SUCCESS
    remaining = moved.counts["remaining"]
    assert remaining is None, f"{remaining} sub-operations remain, it says"
    destination.received(3)


@suite.case("CMOVE-011", ref="PS3.4 Table C.4-2, C.4.2.3.1")
def test_move_of_an_unknown_study(dimse: Dimse, stored: Stored, destination: StorageScp) -> None:
    """A C-MOVE of an unknown study ends with Success or a failure, without a sub-operation.

    Success means that no sub-operation failed. Warning, "one or more Failures", and Cancel do not apply.
    """
    stored.study()

    moved = dimse.move("STUDY", destination.ae_title, StudyInstanceUID=UNKNOWN_UID)

    assert moved.status == SUCCESS or is_failure(moved.status), f"status {moved.status:#06x}"
    assert moved.ended == {"completed": 0, "failed": 0, "warning": 0}
    assert destination.received_uids(0) == []


# Orthanc beyond the standard


@suite.case(
    "CMOVE-015",
    ref="Orthanc configuration: SynchronousCMove",
    covers="Orthanc.test_incoming_movescu",
    level="product",
    needs=("rest", "dcmtk"),
)
def test_move_is_synchronous(
    dcmtk: Dcmtk, rest: Rest, stored: Stored, destination: StorageScp
) -> None:
    """With SynchronousCMove, the default, movescu returns when everything is sent, and no job is started."""
    study = stored.study(PatientID="A", series=2)
    before = rest.json("/jobs")

    dcmtk.move("PATIENT", destination.ae_title, "PatientID=A", root="-P")

    assert destination.received_uids(0) == instance_uids(study)
    assert [job for job in rest.json("/jobs") if job not in before] == []


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
def test_empty_identifier_beside_another_is_ignored(
    dimse: Dimse,
    stored: Stored,
    destination: StorageScp,
    accession_number: str,
    study_known: bool,
) -> None:
    """Accession Number or Study Instance UID alone selects a study if the other is empty."""
    (one,) = stored.study(PatientID="A", AccessionNumber="ACC1")
    stored.study(PatientID="B", AccessionNumber="ACC2")

    dimse.move(
        "STUDY",
        destination.ae_title,
        AccessionNumber=accession_number,
        StudyInstanceUID=one.study_instance_uid if study_known else "",
    )

    assert destination.received_uids(1) == instance_uids([one])


@suite.case(
    "CMOVE-014",
    ref="Orthanc Book: C-MOVE by Accession Number",
    covers=(
        "Orthanc.test_incoming_movescu",
        "Orthanc.test_incoming_movescu_accession",
        "Orthanc.test_move_ambra",
    ),
    level="product",
    needs="orthanc",
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
    dimse: Dimse, stored: Stored, destination: StorageScp, query: dict[str, str]
) -> None:
    """A C-MOVE with an unknown, empty or misplaced key ends with C000, and sends nothing."""
    stored.study(AccessionNumber="ACC1")

    moved = dimse.move(**query, to=destination.ae_title, root="patient")

    assert f"{moved.status:#06x}" == "0xc000"
    assert destination.received_uids(0) == []
