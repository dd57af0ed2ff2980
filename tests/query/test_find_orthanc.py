"""C-FIND with Orthanc as SCP: its behaviour beyond the standard."""

import pytest
from pydicom import Dataset

from harness.cases import (
    FIND,
    Dcmtk,
    Dimse,
    Draft,
    Maker,
    Sample,
    Stored,
    Suite,
    identifier_of,
    several,
    values,
)

suite = Suite(level="product", needs=("orthanc", "dimse.find.study"))


@suite.case(
    "CFIND-019",
    ref="Orthanc configuration: CaseSensitivePN",
    covers=("Orthanc.test_incoming_findscu", "Orthanc.test_bitbucket_issue_56"),
)
@pytest.mark.parametrize("asked", ["ångström^zoë", "ÅNGSTRÖM*"], ids=["lower", "upper"])
def test_names_match_in_any_case(dimse: Dimse, stored: Stored, asked: str) -> None:
    """With CaseSensitivePN off, a Patient's Name matches in any case, accented letters included."""
    stored.study(PatientName="Ångström^Zoë", character_set="ISO_IR 100")
    stored.study(PatientName="Bergström^Zoë", character_set="ISO_IR 100")

    found = dimse.find_studies(SpecificCharacterSet="ISO_IR 192", PatientName=asked)

    assert values(found, "PatientName") == ["Ångström^Zoë"]


@suite.case(
    "CFIND-025",
    ref="Orthanc issue 90 (C-FIND on a missing tag)",
    covers="Orthanc.test_bitbucket_issue_90",
)
@pytest.mark.parametrize(
    ("asked", "patients"), [("F", []), ("*", []), ("", ["A"])], ids=["value", "star", "empty"]
)
def test_missing_sex_matches_the_empty_key_only(
    dimse: Dimse, stored: Stored, make: Maker, asked: str, patients: list[str]
) -> None:
    """A study without Patient's Sex matches an empty key, but neither a value nor a star."""
    dataset = make.instance(PatientID="A").dataset()
    del dataset.PatientSex
    stored.these(Draft(dataset).finish("without-sex", "lacks Patient's Sex"))

    found = dimse.find_studies(PatientID="", PatientSex=asked)

    assert values(found, "PatientID") == patients


@suite.case(
    "CFIND-028",
    ref="PS3.4 C.3.4",
    covers="Orthanc.test_findscu_counters",
    needs=("dcmtk", "dimse.find.patient"),
)
@pytest.mark.parametrize(
    ("level", "counts"),
    [
        ("PATIENT", {"Studies": ["1"], "Series": ["2"], "Instances": ["3"]}),
        ("STUDY", {"Series": ["2"], "Instances": ["3"]}),
        ("SERIES", {"Instances": ["1", "2"]}),
    ],
    ids=["patient", "study", "series"],
)
def test_findscu_counters(
    dcmtk: Dcmtk, stored: Stored, make: Maker, level: str, counts: dict[str, list[str]]
) -> None:
    """NumberOf...Related... are the counts of a patient, a study and a series."""
    stored.these(*make.study(PatientID="A", series=2), make.instance(PatientID="A", number=2))
    stored.study(PatientID="B")
    expected = {f"NumberOf{level.title()}Related{each}": count for each, count in counts.items()}

    found = dcmtk.find(level, "PatientID=A", *expected, root="-P")

    assert {keyword: values(found, keyword) for keyword in expected} == expected


@suite.case("CFIND-029", ref="PS3.4 C.3.4", covers="Orthanc.test_findscu_counters")
def test_modalities_and_sop_classes_of_a_study(dimse: Dimse, stored: Stored, make: Maker) -> None:
    """ModalitiesInStudy and SOPClassesInStudy list the modalities and SOP classes of a study."""
    ct = make.instance(PatientID="A", series="1", Modality="CT")
    mr = make.instance(PatientID="A", series="2", Modality="MR")
    stored.these(ct, mr)

    found = dimse.find_studies(PatientID="A", ModalitiesInStudy="", SOPClassesInStudy="")

    sop_classes = sorted([ct.sop_class_uid, mr.sop_class_uid])
    assert [
        {each: sorted(several(study, each)) for each in ("ModalitiesInStudy", "SOPClassesInStudy")}
        for study in found
    ] == [{"ModalitiesInStudy": ["CT", "MR"], "SOPClassesInStudy": sop_classes}]


@suite.case("CFIND-030", ref="PS3.4 C.3.4", covers="Orthanc.test_incoming_findscu")
@pytest.mark.parametrize(
    ("asked", "patients"),
    [("CT", ["A"]), ("US\\MR", ["B"]), ("US", [])],
    ids=["one", "list", "absent"],
)
def test_modalities_in_study_is_matched(
    dimse: Dimse, stored: Stored, asked: str, patients: list[str]
) -> None:
    """ModalitiesInStudy matches a study with a series of one of the requested modalities."""
    stored.study(PatientID="A", Modality="CT")
    stored.study(PatientID="B", Modality="MR")

    found = dimse.find_studies(PatientID="", ModalitiesInStudy=asked)

    assert values(found, "PatientID") == patients


@suite.case(
    "CFIND-031",
    ref="Orthanc Book: C-FIND, DICOM tags that are not indexed",
    covers=("Orthanc.test_incoming_findscu_2", "Orthanc.test_incoming_findscu_3"),
)
def test_element_outside_the_index_is_matched(dimse: Dimse, stored: Stored) -> None:
    """A key that is not in the database is read from the stored files, matched and returned."""
    (one,) = stored.study(PatientID="A", DeviceSerialNumber="4711")
    stored.study(PatientID="B", DeviceSerialNumber="4712")

    found = dimse.find("SERIES", root="patient", PatientID="", DeviceSerialNumber="4711")

    assert values(found.datasets, "DeviceSerialNumber") == ["4711"]
    assert values(found.datasets, "PatientID") == [one.patient_id]


@suite.case(
    "CFIND-032",
    ref="Orthanc Book: C-FIND",
    covers="Orthanc.test_findscu_missing_tags",
    needs="dcmtk",
)
def test_missing_element_is_returned_empty(dcmtk: Dcmtk, stored: Stored, make: Maker) -> None:
    """Of two instances, only the one that has Rows is returned with a value of Rows."""
    stored.these(make.instance(number=1, pixels=False), make.instance(number=2, rows=16))

    found = dcmtk.find("IMAGE", "PatientName", "InstanceNumber", "Rows", root="-P")

    rows = {str(each.get("InstanceNumber")): each.get("Rows") for each in found}
    assert rows == {"1": None, "2": 16}


GENERAL = "99CZM_CapeCod_OctGeneral"
"""A private creator in the server's dictionary: element 01 is a sequence, 13 a number in it."""
ITEMS = 128
DEPTHS = [f"{each / 8}" for each in range(ITEMS)]


def with_private_sequence(make: Maker, **elements: str) -> Sample:
    """Make an object with a private sequence of many items, each with a private number."""
    dataset = make.instance(**elements).dataset()
    items = []
    for depth in DEPTHS:
        item = Dataset()
        item.private_block(0x0407, GENERAL, create=True).add_new(0x13, "DS", depth)
        items.append(item)
    dataset.private_block(0x0407, GENERAL, create=True).add_new(0x01, "SQ", items)
    return Draft(dataset).finish("private-sequence", "has a private sequence of 128 items")


def depths_of(answer: Dataset) -> list[str]:
    """Return the private numbers in the items of the private sequence; none if it is missing."""
    sequence = answer.get((0x0407, 0x1001))
    numbers = [each.get((0x0407, 0x1013)) for each in (sequence.value if sequence else ())]
    return ["" if each is None else str(each.value) for each in numbers]


@suite.case(
    "CFIND-035",
    ref="PS3.4 C.2.2.2.6",
    covers="Orthanc.test_incoming_findscu_private_tags_and_sequences",
)
def test_private_sequence_is_returned_whole(dimse: Dimse, stored: Stored, make: Maker) -> None:
    """A private sequence that is asked for by an empty item is returned with each of its items."""
    stored.these(with_private_sequence(make, PatientID="OCT-1"))
    query = identifier_of({"QueryRetrieveLevel": "IMAGE", "PatientID": ""})
    query.private_block(0x0407, GENERAL, create=True).add_new(0x01, "SQ", [Dataset()])

    found = dimse.find_with(query, FIND["study"]).complete()

    assert values(found, "PatientID") == ["OCT-1"]
    assert depths_of(found[0]) == DEPTHS


@suite.case(
    "CFIND-036",
    ref="PS3.4 C.2.2.2.3",
    covers="Orthanc.test_incoming_findscu_private_tags_and_sequences",
)
def test_private_element_that_is_absent_is_no_filter(
    dimse: Dimse, stored: Stored, make: Maker
) -> None:
    """An empty private key leaves no object out that lacks it; a wildcard and a range beside it do."""
    stored.these(
        make.instance(PatientID="OCT-1", PatientBirthDate="19600229"),
        make.instance(PatientID="OCT-2", PatientBirthDate="19700101"),
        make.instance(PatientID="MR-1", PatientBirthDate="19600229"),
    )
    keys = {"PatientID": "OCT*", "PatientBirthDate": "19600101-19601231", "PatientSex": ""}
    query = identifier_of({"QueryRetrieveLevel": "IMAGE", **keys})
    query.private_block(0x2301, "HARNESS", create=True).add_new(0x01, "LO", "")

    found = dimse.find_with(query, FIND["study"]).complete()

    assert values(found, "PatientID") == ["OCT-1"]
