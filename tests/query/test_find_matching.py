"""C-FIND with the remote as SCP: matching."""

import pytest

from harness.cases import UNKNOWN_UID, Dcmtk, Dimse, Stored, Suite, values

suite = Suite(needs="dimse.find.study", shows="Matching")


@suite.case("CFIND-014", ref="PS3.4 C.2.2.2.4", covers="Orthanc.test_incoming_findscu_2")
def test_star_matches_any_suffix(dimse: Dimse, stored: Stored) -> None:
    """A star at the end of PatientName matches every name with that beginning."""
    stored.study(PatientName="Muller^Anna", PatientID="A")
    stored.study(PatientName="Mulder^Bob", PatientID="B")
    stored.study(PatientName="Miller^Eve", PatientID="C")

    found = dimse.find_studies(PatientName="Mul*")

    assert values(found, "PatientName") == ["Mulder^Bob", "Muller^Anna"]


@suite.case("CFIND-015", ref="PS3.4 C.2.2.2.4", needs="dcmtk")
def test_findscu_star(dcmtk: Dcmtk, stored: Stored) -> None:
    """With findscu, a star in PatientName matches every name that begins with the text before it."""
    stored.study(PatientName="Muller^Anna", PatientID="A")
    stored.study(PatientName="Miller^Eve", PatientID="C")

    found = dcmtk.find("STUDY", "PatientName=Mul*")

    assert values(found, "PatientName") == ["Muller^Anna"]


@suite.case("CFIND-016", ref="PS3.4 C.2.2.2.4")
def test_star_matches_the_empty_sequence(dimse: Dimse, stored: Stored) -> None:
    """A star matches any sequence of characters, the empty one included."""
    stored.study(PatientName="Muller", PatientID="A")

    found = dimse.find_studies(PatientName="*Muller*")

    assert values(found, "PatientName") == ["Muller"]


@suite.case("CFIND-017", ref="PS3.4 C.2.2.2.4")
def test_question_mark_matches_one_character(dimse: Dimse, stored: Stored) -> None:
    """A question mark matches exactly one character."""
    for accession_number in ("A1", "A12", "A123"):
        stored.study(PatientID=accession_number, AccessionNumber=accession_number)

    found = dimse.find_studies(AccessionNumber="A1?")

    assert values(found, "AccessionNumber") == ["A12"]


@suite.case("CFIND-018", ref="PS3.4 C.2.2.2.1")
def test_single_value_is_case_sensitive(dimse: Dimse, stored: Stored) -> None:
    """An Accession Number is matched case-sensitively."""
    stored.study(PatientID="A", AccessionNumber="abc")
    stored.study(PatientID="B", AccessionNumber="ABC")

    found = dimse.find_studies(AccessionNumber="ABC", PatientID="")

    assert values(found, "PatientID") == ["B"]


@suite.case("CFIND-020", ref="PS3.4 C.2.2.2.2", covers="Orthanc.test_bitbucket_issue_154")
def test_list_of_uids_matches_each(dimse: Dimse, stored: Stored) -> None:
    """A list of Study Instance UIDs matches the studies that it names, and no others."""
    uids = [stored.study(PatientID=name)[0].study_instance_uid for name in ("A", "B", "C")]

    found = dimse.find_studies(StudyInstanceUID=[uids[0], UNKNOWN_UID, uids[2]])

    assert values(found, "StudyInstanceUID") == sorted([uids[0], uids[2]])


@suite.case(
    "CFIND-021", ref="PS3.4 C.2.2.2.2", covers="Orthanc.test_findscu_truncation", needs="dcmtk"
)
def test_long_list_of_uids_is_not_cut(dcmtk: Dcmtk, stored: Stored) -> None:
    """A list of UIDs, far longer than 256 characters, matches the study of its last UID, and no other."""
    wanted, _ = (stored.study(PatientID=name)[0].study_instance_uid for name in ("A", "B"))

    uids = [*(f"{UNKNOWN_UID}.{10**35 + number}" for number in range(10)), wanted]

    found = dcmtk.find("STUDY", "StudyInstanceUID=" + "\\".join(uids))

    assert values(found, "StudyInstanceUID") == [wanted]


@suite.case("CFIND-022", ref="PS3.4 C.2.2.2.5.1", covers="Orthanc.test_incoming_findscu")
@pytest.mark.parametrize(
    ("asked", "dates"),
    [
        ("20240115-20240116", ["20240115", "20240116"]),
        ("-20240115", ["20240114", "20240115"]),
        ("20240116-", ["20240116", "20240117"]),
        ("20240116-20240116", ["20240116"]),
        ("20240115", ["20240115"]),
    ],
    ids=["between", "until", "from", "one-day", "single-value"],
)
def test_date_ranges_are_inclusive(
    dimse: Dimse, stored: Stored, asked: str, dates: list[str]
) -> None:
    """A range of dates matches the days from its first to its last."""
    for date in ("20240114", "20240115", "20240116", "20240117"):
        stored.study(PatientID=date, StudyDate=date)

    found = dimse.find_studies(StudyDate=asked)

    assert values(found, "StudyDate") == dates


@suite.case("CFIND-023", ref="PS3.4 C.2.2.2.5.2")
@pytest.mark.parametrize(
    ("asked", "patients"),
    [("101500-101501", ["A", "B"]), ("-101500", ["A"]), ("101501-", ["B", "C"])],
    ids=["between", "until", "from"],
)
def test_time_ranges_are_inclusive(
    dimse: Dimse, stored: Stored, asked: str, patients: list[str]
) -> None:
    """A range of times matches the times from its first to its last."""
    for patient_id, time in (("A", "101500"), ("B", "101501"), ("C", "235959")):
        stored.study(PatientID=patient_id, StudyTime=time)

    found = dimse.find_studies(PatientID="", StudyTime=asked)

    assert values(found, "PatientID") == patients


@suite.case(
    "CFIND-024", ref="PS3.4 C.2.2.2.3", covers="Orthanc.test_bitbucket_issue_136", needs="dcmtk"
)
def test_empty_key_matches_objects_without_the_attribute(dcmtk: Dcmtk, stored: Stored) -> None:
    """Empty keys, a sequence among them, match a study whose objects lack the attributes."""
    stored.study(PatientName="Muller^Anna")

    found = dcmtk.find(
        "STUDY", "PatientName", "RequestAttributesSequence", "PatientReligiousPreference"
    )

    assert values(found, "PatientName") == ["Muller^Anna"]
