"""C-FIND with the remote as SCP: levels, and the contents of an answer."""

import re

import pytest
from pydicom.dataset import Dataset

from harness.cases import (
    FIND,
    SUCCESS,
    Dcmtk,
    Dimse,
    Observe,
    Stored,
    Suite,
    catalogue,
    instance_uids,
    several,
    values,
)

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


@suite.case("CFIND-003", ref="PS3.4 C.4.1.3.1.1")
def test_series_of_one_study(dimse: Dimse, stored: Stored) -> None:
    """At the SERIES level, the series of the named study are found, and those of another study are not."""
    objects = stored.study(PatientID="A", series=2)
    stored.study(PatientID="B")

    found = dimse.find(
        "SERIES", StudyInstanceUID=objects[0].study_instance_uid, SeriesInstanceUID=""
    )

    expected = sorted(each.series_instance_uid for each in objects)
    assert values(found.datasets, "SeriesInstanceUID") == expected


@suite.case("CFIND-004", ref="PS3.4 C.4.1.3.1.1", needs="dcmtk")
def test_instances_of_one_series(dcmtk: Dcmtk, stored: Stored) -> None:
    """A query of findscu at the IMAGE level finds the instances of the named series."""
    one, two, _, _ = stored.study(series=2, instances=2)

    found = dcmtk.find(
        "IMAGE",
        f"StudyInstanceUID={one.study_instance_uid}",
        f"SeriesInstanceUID={one.series_instance_uid}",
        "SOPInstanceUID",
    )

    assert values(found, "SOPInstanceUID") == instance_uids([one, two])


@suite.case("CFIND-009", ref="PS3.4 C.4.1.3.1")
def test_no_match_is_success(dimse: Dimse, stored: Stored) -> None:
    """A query without matches has one response, which is Success without an identifier."""
    stored.study(PatientID="A")

    found = dimse.find("STUDY", PatientID="NOBODY")

    assert (found.status, found.statuses, found.datasets) == (SUCCESS, [], [])


@suite.case("CFIND-010", ref="PS3.4 C.4.1.3.1")
def test_identifier_without_level_is_refused(dimse: Dimse, stored: Stored) -> None:
    """An identifier without Query/Retrieve Level is answered with A900 or Cxxx, without a match."""
    stored.study(PatientName="Muller^Anna")
    identifier = Dataset()
    identifier.PatientName = "*"

    found = dimse.find_with(identifier, FIND["study"])

    assert found.status == 0xA900 or found.status >> 12 == 0xC, f"status {found.status:#06x}"
    assert values(found.datasets, "PatientName") == []


@suite.case(
    "CFIND-026",
    ref="PS3.4 C.4.1.1.3.2",
    covers="Orthanc.test_findscu_encoding",
    shows="Character sets",
)
@pytest.mark.parametrize("name", [name for name in catalogue() if re.match(r"c\d", name)])
def test_name_is_returned_in_its_characters(
    dimse: Dimse, stored: Stored, observe: Observe, name: str
) -> None:
    """An answer has the complete Patient's Name, and the character set in which it is encoded."""
    sample = stored.sample(name)

    found = dimse.find_studies(PatientName="", StudyInstanceUID=sample.study_instance_uid)

    # An empty last component group may be omitted with its delimiter (PS3.5 6.2.1); pydicom leaves
    # the escape sequences of ISO 2022 IR 58 in the text.
    names = [each.replace("\x1b$)A", "") for each in values(found, "PatientName")]
    returned = [each.rstrip("=") for each in names]
    sets = " ".join("\\".join(several(each, "SpecificCharacterSet")) for each in found)
    words = f"returned as {', '.join(returned) or 'nothing'} in {sets or 'the default'}"
    observe(str(sample.properties["character_set"]), found=words)
    assert returned == [sample.properties["patient_name"].rstrip("=")]


@suite.case("CFIND-027", ref="PS3.4 C.2.2.2", covers="Orthanc.test_findscu_encoding")
@pytest.mark.parametrize("asked_in", ["ISO_IR 100", "ISO_IR 192"], ids=["latin-1", "utf-8"])
def test_key_is_decoded_in_its_character_set(dimse: Dimse, stored: Stored, asked_in: str) -> None:
    """A non-ASCII name is found, whether the request uses the character set of the object or another."""
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
def test_group_length_is_ignored(dcmtk: Dcmtk, stored: Stored) -> None:
    """A group length in the identifier is ignored in matching, and not returned."""
    stored.study(PatientName="Muller^Anna")

    found = dcmtk.find("STUDY", "PatientName", "0008,0000=80")

    assert values(found, "PatientName") == ["Muller^Anna"]
    assert [each for each in found if 0x00080000 in each] == []


@suite.case("CFIND-034", ref="PS3.10 7.1", covers="Orthanc.test_invalid_findscp")
def test_file_meta_element_is_not_returned(dimse: Dimse, stored: Stored) -> None:
    """An element of the file meta information is not returned, even if requested."""
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
