"""Anonymization of an instance: the profiles of PS3.15 Table E.1-1, attribute by attribute.

`confidentiality` has the editions of the table that servers implement. The sample a01 has all its
attributes, and a02 has them in an item of a sequence.
"""

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from harness.cases import (
    OUT_OF_RANGE,
    Maker,
    Rest,
    Stored,
    Suite,
    changed,
    confidentiality,
    copied,
    listed,
    modules,
    needs,
    orthanc_ids,
    refused,
)

TABLE = "PS3.15 E.1.1, Table E.1-1 (2023e)"
ANONYMIZE = "Orthanc REST API: POST /instances/{id}/anonymize"
SINCE = {"2008": "1.3.0", "2017c": "1.3.0", "2021b": "1.9.4", "2023b": "1.12.1"}

suite = Suite(level="product", needs="rest", ref=TABLE)

editions = pytest.mark.parametrize(
    "edition", [pytest.param(each, marks=needs(f"orthanc>={SINCE[each]}")) for each in SINCE]
)
editions_and_actions = pytest.mark.parametrize(
    ("edition", "action"),
    [
        pytest.param(
            edition,
            action,
            id=f"{edition}-{action.replace('/', '-').replace('*', '')}",
            marks=needs(f"orthanc>={SINCE[edition]}"),
        )
        for edition in SINCE
        for action in sorted(set(confidentiality.actions(edition).values()))
    ],
)


@suite.case("ANON-001", covers=("Orthanc.test_issue_146", "Orthanc.test_bitbucket_issue_46"))
@editions_and_actions
def test_action_of_the_profile(rest: Rest, stored: Stored, edition: str, action: str) -> None:
    """Each attribute in the table is removed, emptied or replaced, according to its action."""
    sample = stored.sample("a01")

    after = copied(rest, sample, "anonymize", DicomVersion=edition)

    assert list(confidentiality.broken(edition, action, sample.dataset(), after)) == []


@suite.case("ANON-002", covers=("Orthanc.test_anonymize_nested", "Orthanc.test_issue_146"))
@editions
def test_profile_within_an_item(rest: Rest, stored: Stored, edition: str) -> None:
    """No attribute in the table keeps its value in an item of a sequence that is kept."""
    sample = stored.sample("a02")
    before = sample.dataset().ReferencedInstanceSequence[1]
    before.pop("PatientName")

    items = copied(rest, sample, "anonymize", DicomVersion=edition).ReferencedInstanceSequence

    assert list(confidentiality.kept(edition, before, items[1])) == []
    assert (items[0].CodeMeaning, items[1].Modality) == ("before", "OT")


@suite.case("ANON-003", covers="Orthanc.test_anonymize_nested")
@editions
def test_name_of_the_patient_within_an_item(rest: Rest, stored: Stored, edition: str) -> None:
    """The name of the patient is nowhere in the file, even if an item of a sequence had it."""
    sample = stored.sample("a02")
    name = modules.item(PatientName=sample.dataset().ReferencedInstanceSequence[1].PatientName)

    after = copied(rest, sample, "anonymize", DicomVersion=edition)

    inner = after.ReferencedInstanceSequence[1]
    assert list(confidentiality.kept(edition, name, inner)) == []


@suite.case("ANON-004", covers="Orthanc.test_issue_146")
@editions
def test_all_other_attributes_stay(rest: Rest, stored: Stored, edition: str) -> None:
    """Attributes in no edition of the table are kept, including pixels; marks of PS3.15 E.1.1 are added."""
    sample = stored.sample("a01")
    before = sample.dataset()

    after = copied(rest, sample, "anonymize", DicomVersion=edition)

    for tag in confidentiality.every_attribute():
        before.pop(tag, None)
        after.pop(tag, None)
    assert changed(before, after) == {"PatientIdentityRemoved", "DeidentificationMethod"}


@suite.case("ANON-005", covers="Orthanc.test_issue_146")
@pytest.mark.parametrize("edition", ["2017c", "2021b"])
@pytest.mark.parametrize("tag", confidentiality.REPEATING, ids="{:08X}".format)
def test_curves_and_overlays_are_removed(
    rest: Rest, stored: Stored, edition: str, tag: int
) -> None:
    """Curves, and data and comments of overlays, are removed."""
    sample = stored.sample("a01")

    after = copied(rest, sample, "anonymize", DicomVersion=edition)

    assert [f"{each.tag:08X}" for each in after if each.tag == tag] == []


@suite.case("ANON-006", needs="orthanc>=1.12.1")
def test_attribute_of_unknown_representation(rest: Rest, stored: Stored) -> None:
    """Selector UN Value (0072,006D), the only attribute in the table with VR UN, loses its value."""
    sample = stored.instance(SelectorUNValue=b"WHAT WAS")

    after = copied(rest, sample, "anonymize", DicomVersion="2023b")

    assert after.get("SelectorUNValue") != b"WHAT WAS"


@suite.case("ANON-007", ref="PS3.15 E.1.1, action D; PS3.3 C.7.1.3 and C.8.8.5 (2023e)")
@pytest.mark.parametrize(
    ("edition", "keyword"),
    [
        ("2021b", "ClinicalTrialSponsorName"),
        ("2021b", "ClinicalTrialProtocolID"),
        pytest.param("2023b", "StructureSetLabel", marks=needs("orthanc>=1.12.1")),
    ],
)
def test_attribute_of_type_1_is_not_emptied(
    rest: Rest, stored: Stored, edition: str, keyword: str
) -> None:
    """An attribute with action D gets another value if the object would be invalid without one."""
    sample = stored.instance(**{keyword: "WHAT WAS"})

    after = copied(rest, sample, "anonymize", DicomVersion=edition)

    assert after.get(keyword) not in (None, "", "WHAT WAS")


@suite.case("ANON-008", covers=("Orthanc.test_issue_146", "Orthanc.test_bitbucket_issue_46"))
@pytest.mark.parametrize(
    "keyword", ["StudyDate", "SeriesTime", "RequestingService", "PatientMotherBirthName"]
)
def test_attribute_that_2008_lacks(rest: Rest, stored: Stored, keyword: str) -> None:
    """Dates, and persons and services added to the table later, are kept by 2008 but not by 2017c."""
    value = "101600" if keyword == "SeriesTime" else "20240116"
    sample = stored.instance(**{keyword: value})

    earlier, later = (
        copied(rest, sample, "anonymize", DicomVersion=each).get(keyword)
        for each in ("2008", "2017c")
    )

    assert earlier == value
    assert later in (None, "")


@suite.case("ANON-018", covers="Orthanc.test_issue_146", needs="orthanc>=1.9.4")
@pytest.mark.parametrize("keyword", ["DeviceDescription", "StructureSetLabel"])
def test_attribute_that_2017c_lacks(rest: Rest, stored: Stored, keyword: str) -> None:
    """Descriptions and labels added to the table after 2017c are kept by 2017c but not by 2021b."""
    sample = stored.instance(**{keyword: "Text"})

    earlier, later = (
        copied(rest, sample, "anonymize", DicomVersion=each).get(keyword)
        for each in ("2017c", "2021b")
    )

    assert earlier == "Text"
    assert later in (None, "")


@suite.case(
    "ANON-009",
    ref="PS3.15 E.1.1 (2023e); Orthanc Book: anonymization",
    covers=("Orthanc.test_issue_146", "Orthanc.test_shanon"),
)
@editions
def test_method_names_the_edition(rest: Rest, stored: Stored, edition: str) -> None:
    """The object states that identity was removed, by which program and which edition of the profile."""
    version = rest.json("/system")["Version"]
    profile = "" if edition == "2008" else " Basic Profile"

    after = copied(rest, stored.instance(), "anonymize", DicomVersion=edition)

    assert after.PatientIdentityRemoved == "YES"
    method = f"Orthanc {version} - PS 3.15-{edition} Table E.1-1{profile}"
    assert after.DeidentificationMethod == method


@suite.case("ANON-010", ref=ANONYMIZE, covers=("Orthanc.test_issue_146", "Orthanc.test_shanon"))
@pytest.mark.parametrize(
    "request_",
    [
        {"Replace": {"PatientName": "Other"}},
        {"Replace": {"StudyDescription": "Other"}},
        {"Keep": ["StudyDescription"]},
        {"Remove": ["Modality"]},
        {"KeepPrivateTags": True},
    ],
    ids=["replace-name", "replace", "keep", "remove", "keep-private"],
)
def test_method_of_another_profile(rest: Rest, stored: Stored, request_: dict[str, object]) -> None:
    """If the request changes the profile, the object does not claim to conform to it."""
    after = copied(rest, stored.instance(), "anonymize", **request_)

    assert after.PatientIdentityRemoved == "YES"
    assert "PS 3.15" not in after.get("DeidentificationMethod", "")


@suite.case("ANON-011", ref=ANONYMIZE, covers="Orthanc.test_issue_146")
@pytest.mark.parametrize(
    "newest",
    [
        pytest.param("2021b", marks=needs("orthanc>=1.9.4")),
        pytest.param("2023b", marks=needs("orthanc>=1.12.1")),
    ],
)
def test_default_is_the_newest_edition(rest: Rest, stored: Stored, newest: str) -> None:
    """Without DicomVersion, at least this edition is used: the method names it or a later one."""
    method = copied(rest, stored.instance(), "anonymize").DeidentificationMethod

    edition = method.partition("PS 3.15-")[2].partition(" ")[0]
    assert edition >= newest


@suite.case("ANON-012", ref=ANONYMIZE, covers="Orthanc.test_issue_146")
@pytest.mark.parametrize(
    ("level", "edition"),
    [
        *((level, "nope") for level in ("patient", "study", "series", "instance")),
        *(("study", edition) for edition in ("", "2017", "2021B")),
    ],
)
def test_unknown_edition_is_refused(rest: Rest, stored: Stored, level: str, edition: str) -> None:
    """An undocumented edition is rejected at every level, and nothing is stored."""
    sample = stored.instance()
    path = orthanc_ids(sample).path(level)

    refused(rest, f"{path}/anonymize", {"DicomVersion": edition}, code=OUT_OF_RANGE)

    assert copied(rest, sample, "anonymize").PatientIdentityRemoved == "YES"


@suite.case(
    "ANON-013",
    ref=ANONYMIZE,
    covers=("Orthanc.test_anonymize_instance", "Orthanc.test_shanon", "Orthanc.test_issue_146"),
)
def test_identity_is_replaced(rest: Rest, stored: Stored) -> None:
    """The patient gets a new name and a UUID; study, series and instance get new UIDs; the class is kept."""
    sample = stored.instance(PatientName="Muller^Anna")

    after = copied(rest, sample, "anonymize")

    assert str(after.PatientName).startswith("Anonymized")
    assert len(after.PatientID) == 36
    assert after.SOPClassUID == sample.sop_class_uid
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        assert after[keyword].value != sample.element(keyword)
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID


@suite.case(
    "ANON-014", ref=ANONYMIZE, covers=("Orthanc.test_shanon", "Orthanc.test_anonymize_instance")
)
def test_instance_is_returned_and_not_stored(rest: Rest, stored: Stored) -> None:
    """The anonymized instance is returned but not stored, and can be uploaded."""
    sample = stored.instance()
    before = listed(rest)
    path = orthanc_ids(sample).path("instance")

    answer = rest.post(f"{path}/anonymize", {})

    assert answer.headers["Content-Type"] == "application/dicom"
    assert listed(rest) == before
    assert rest.get(f"{path}/file").content == sample.data
    assert rest.upload(answer.content)["Status"] == "Success"
    assert len(rest.json("/instances")) == 2


@suite.case("ANON-015", ref=ANONYMIZE)
def test_each_time_is_another_identity(rest: Rest, stored: Stored) -> None:
    """Anonymizing the same instance twice gives two different patients and instances."""
    sample = stored.instance()

    one, other = (copied(rest, sample, "anonymize") for _ in range(2))

    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "SOPInstanceUID"):
        assert one[keyword].value != other[keyword].value


@suite.case("ANON-016", covers="Orthanc.test_anonymize_nested")
def test_item_is_cleaned_and_stays(rest: Rest, make: Maker) -> None:
    """In an item, the date is emptied, location and private elements are removed, and codes are kept."""
    nested = modules.item(
        StudyDate="20240115",
        StudyDescription="Description",
        GPSLatitude="50.1",
        CodeMeaning="Meaning",
        ReferencedStudySequence=[modules.item(PatientID="Nested")],
        EquivalentCodeSequence=[modules.item(CodeMeaning="Equivalent")],
    )
    block = nested.private_block(0x0009, "Lunit", create=True)
    block.add_new(0x01, "DS", "1.5")
    block.add_new(0x02, "LO", "not in the dictionary")
    sample = make.instance(MappingResourceIdentificationSequence=[nested])
    rest.upload(sample.data)

    [after] = copied(rest, sample, "anonymize").MappingResourceIdentificationSequence

    assert {each.keyword for each in after} == {
        "StudyDate",
        "CodeMeaning",
        "EquivalentCodeSequence",
    }
    assert after.StudyDate == ""
    assert after.CodeMeaning == "Meaning"
    assert after.EquivalentCodeSequence[0].CodeMeaning == "Equivalent"


@suite.case("ANON-017", ref=ANONYMIZE, covers="Orthanc.test_bitbucket_issue_94")
@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian], ids=["implicit", "explicit"]
)
def test_frame_of_reference_of_an_instance(rest: Rest, stored: Stored, syntax: str) -> None:
    """Anonymization gives a new Frame of Reference UID, and keeps the transfer syntax."""
    sample = stored.instance(transfer_syntax=syntax)

    after = copied(rest, sample, "anonymize")

    assert after.FrameOfReferenceUID not in ("", sample.dataset().FrameOfReferenceUID)
    assert after.file_meta.TransferSyntaxUID == syntax
