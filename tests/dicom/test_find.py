"""C-FIND with the remote as SCP: levels, and what an answer holds."""

import pytest
from pydicom.dataset import Dataset

from harness.cases import FIND, UNASKED, Dcmtk, Dimse, Party, Stored, Suite, values

suite = Suite(needs="dimse.find.study")


@suite.case(
    "CFIND-001",
    ref="PS3.4 C.2.2.2.3",
    covers="Orthanc.test_incoming_findscu",
    needs="dimse.find.patient",
)
def test_empty_key_matches_every_patient(dimse: Dimse, stored: Stored) -> None:
    """An empty key at the PATIENT level matches every patient, and its value is returned."""
    stored.study(PatientName="Muller^Anna", PatientID="A")
    stored.study(PatientName="Mulder^Bob", PatientID="B")

    found = dimse.find("PATIENT", root="patient", PatientID="", PatientName="")

    assert values(found.datasets, "PatientName") == ["Mulder^Bob", "Muller^Anna"]


@suite.case("CFIND-002", ref="PS3.4 C.4.1.3.1.1")
def test_one_answer_for_each_study(dimse: Dimse, stored: Stored) -> None:
    """At the STUDY level a study of many series and instances is one answer."""
    (first, *_) = stored.study(PatientID="A", series=2, instances=3)
    (second,) = stored.study(PatientID="B")

    found = dimse.find_studies(StudyInstanceUID="")

    expected = sorted([first.study_instance_uid, second.study_instance_uid])
    assert values(found, "StudyInstanceUID") == expected


@suite.case("CFIND-003", ref="PS3.4 C.4.1.3.1.1")
def test_series_of_one_study(dimse: Dimse, stored: Stored) -> None:
    """At the SERIES level the series of the named study are found, those of another study are not."""
    objects = stored.study(PatientID="A", series=2)
    stored.study(PatientID="B")

    found = dimse.find(
        "SERIES", StudyInstanceUID=objects[0].study_instance_uid, SeriesInstanceUID=""
    )

    expected = sorted(each.series_instance_uid for each in objects)
    assert values(found.datasets, "SeriesInstanceUID") == expected


@suite.case("CFIND-004", ref="PS3.4 C.4.1.3.1.1", needs="dcmtk")
def test_instances_of_one_series(dcmtk: Dcmtk, stored: Stored) -> None:
    """At the IMAGE level the instances of the named series are found, asked by findscu."""
    one, two, _, _ = stored.study(series=2, instances=2)

    found = dcmtk.find(
        "IMAGE",
        f"StudyInstanceUID={one.study_instance_uid}",
        f"SeriesInstanceUID={one.series_instance_uid}",
        "SOPInstanceUID",
    )

    expected = sorted([one.sop_instance_uid, two.sop_instance_uid])
    assert values(found, "SOPInstanceUID") == expected


@suite.case("CFIND-005", ref="PS3.4 C.4.1.3.1.1")
def test_unique_keys_above_the_level_are_returned(dimse: Dimse, stored: Stored) -> None:
    """An answer at the SERIES level carries the Study Instance UID of the request."""
    (stored_object,) = stored.study()

    found = dimse.find(
        "SERIES", StudyInstanceUID=stored_object.study_instance_uid, SeriesInstanceUID=""
    )

    assert values(found.datasets, "StudyInstanceUID") == [stored_object.study_instance_uid]


@suite.case("CFIND-006", ref="PS3.4 C.4.1.1.3.2")
def test_nothing_is_returned_that_was_not_asked_for(dimse: Dimse, stored: Stored) -> None:
    """An answer holds the elements that were asked for, and beside them only what the standard adds."""
    stored.study()

    found = dimse.find_studies(PatientName="", StudyDate="")

    returned = [{element.keyword for element in answer} - UNASKED for answer in found]
    assert returned == [{"PatientName", "StudyDate"}]


@suite.case("CFIND-007", ref="PS3.4 C.4.1.1.3.2")
@pytest.mark.parametrize("level", ["STUDY", "SERIES", "IMAGE"])
def test_level_is_echoed(dimse: Dimse, stored: Stored, level: str) -> None:
    """Each answer names the Query/Retrieve Level of the request."""
    (one,) = stored.study()
    keys = {
        "StudyInstanceUID": one.study_instance_uid,
        "SeriesInstanceUID": one.series_instance_uid,
        "SOPInstanceUID": one.sop_instance_uid,
    }
    depth = 1 + ["STUDY", "SERIES", "IMAGE"].index(level)

    found = dimse.find(level, **dict(list(keys.items())[:depth]))

    assert values(found.datasets, "QueryRetrieveLevel") == [level]


@suite.case("CFIND-008", ref="PS3.4 C.4.1.1.3.2", covers="Orthanc.test_incoming_findscu")
def test_retrieve_ae_title_is_returned(dimse: Dimse, stored: Stored, remote: Party) -> None:
    """An answer says from which application entity the study can be retrieved."""
    stored.study()

    found = dimse.find_studies(StudyInstanceUID="")

    assert values(found, "RetrieveAETitle") == [remote.ae_title]


@suite.case("CFIND-009", ref="PS3.4 C.4.1.3.1")
def test_no_match_is_one_success(dimse: Dimse, stored: Stored) -> None:
    """Where nothing matches, the one response is Success without an identifier."""
    stored.study(PatientID="A")

    found = dimse.find("STUDY", PatientID="NOBODY")

    assert (found.status, found.statuses, found.datasets) == (0x0000, [], [])


@suite.case("CFIND-010", ref="PS3.4 C.4.1.3.1")
def test_identifier_without_level_is_refused(dimse: Dimse, stored: Stored) -> None:
    """An identifier without Query/Retrieve Level is answered with A900 or Cxxx, and with no match."""
    stored.study(PatientName="Muller^Anna")
    identifier = Dataset()
    identifier.PatientName = "*"

    found = dimse.find_with(identifier, FIND["study"])

    assert found.status == 0xA900 or found.status >> 12 == 0xC, f"status {found.status:#06x}"
    assert found.datasets == []


@suite.case("CFIND-026", ref="PS3.4 C.4.1.1.3.2", covers="Orthanc.test_findscu_encoding")
@pytest.mark.parametrize(
    "name",
    ["c01", "c02", "c04", "c05", "c06", "c07", "c08", "c09", "c11", "c14", "c15", "c16-gb18030"],
)
def test_name_is_returned_in_its_characters(dimse: Dimse, stored: Stored, name: str) -> None:
    """An answer gives the Patient's Name in full, and the character set in which it is to be read."""
    sample = stored.sample(name)

    found = dimse.find_studies(PatientName="", StudyInstanceUID=sample.study_instance_uid)

    # An empty last component group may be left out together with its delimiter (PS3.5 6.2.1).
    returned = [each.rstrip("=") for each in values(found, "PatientName")]
    assert returned == [sample.properties["patient_name"].rstrip("=")]


@suite.case("CFIND-027", ref="PS3.4 C.2.2.2", covers="Orthanc.test_findscu_encoding")
@pytest.mark.parametrize("asked_in", ["ISO_IR 100", "ISO_IR 192"], ids=["latin-1", "utf-8"])
def test_key_is_read_in_the_character_set_of_the_request(
    dimse: Dimse, stored: Stored, asked_in: str
) -> None:
    """A name beyond ASCII finds itself, whether asked in the character set of the object or another."""
    stored.study(PatientName="Größe^Jörg", character_set="ISO_IR 100")
    stored.study(PatientName="Grüße^Jörg", character_set="ISO_IR 100")

    found = dimse.find_studies(SpecificCharacterSet=asked_in, PatientName="Größe^Jörg")

    assert values(found, "PatientName") == ["Größe^Jörg"]


@suite.case(
    "CFIND-033",
    ref="PS3.5 7.2",
    covers=("Orthanc.test_find_group_length", "Orthanc.test_findscu_group_length"),
    needs="dcmtk",
)
def test_group_length_is_passed_over(dcmtk: Dcmtk, stored: Stored) -> None:
    """A group length in the identifier is no key: it hinders no match, and is not returned."""
    stored.study(PatientName="Muller^Anna")

    found = dcmtk.find("STUDY", "PatientName", "0008,0000=80")

    assert values(found, "PatientName") == ["Muller^Anna"]
    assert [each for each in found if 0x00080000 in each] == []


@suite.case("CFIND-034", ref="PS3.10 7.1", covers="Orthanc.test_invalid_findscp")
def test_file_meta_element_is_never_answered(dimse: Dimse, stored: Stored) -> None:
    """An element of the file meta information, asked for by mistake, is in no answer."""
    (one,) = stored.study()
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "IMAGE"
    identifier.StudyInstanceUID = one.study_instance_uid
    identifier.SeriesInstanceUID = one.series_instance_uid
    identifier.SOPInstanceUID = ""
    identifier.add_new(0x00020002, "UI", "")

    found = dimse.find_with(identifier, FIND["study"])

    assert values(found.datasets, "SOPInstanceUID") == [one.sop_instance_uid]
    assert [element.tag for each in found.datasets for element in each.group_dataset(2)] == []
