"""Options of anonymization that change the profile: Keep, Replace, Remove, private elements."""

from typing import Any

import pytest
from pydicom.uid import ImplicitVRLittleEndian, JPEGBaseline8Bit

from harness.cases import (
    BAD_FILE_FORMAT,
    BAD_REQUEST,
    UNKNOWN_TAG,
    Maker,
    Rest,
    Sample,
    Stored,
    Suite,
    changed,
    copied,
    differences,
    file_of,
    files,
    modules,
    orthanc_ids,
    refused,
)

BOOK = "Orthanc Book: anonymization"
SEQUENCES = "Orthanc Book: anonymization, sequences"

suite = Suite(level="product", needs="rest", ref=BOOK)

CREATOR = "ELSCINT1"
KNOWN, OTHER = 0x00E110C2, 0x00E11022
"""A private element in the remote's dictionary, and one that is not."""


def with_private_elements(make: Maker, rest: Rest, **elements: Any) -> Sample:
    """Store an object with a private block, a private sequence and a block of another creator."""
    ds = make.instance(**elements).dataset()
    block = ds.private_block(0x00E1, CREATOR, create=True)
    block.add_new(0xC2, "UI", "1.2.3")
    block.add_new(0x22, "LO", "private text")
    another = ds.private_block(0x0031, "ANOTHER", create=True)
    another.add_new(0x20, "SQ", [modules.item(PatientName="Private^Name")])
    rest.upload(file_of(ds))
    return make.instance(**elements)


def private(ds: Any) -> set[int]:
    """Return the tags of all private elements of the data set."""
    return {int(each.tag) for each in ds if each.tag.is_private}


@suite.case("ANON-060", covers="Orthanc.test_anonymize_instance")
def test_private_elements_are_removed(rest: Rest, make: Maker) -> None:
    """By default, no private element or private creator is kept."""
    sample = with_private_elements(make, rest)

    assert private(copied(rest, sample, "anonymize")) == set()


@suite.case("ANON-061", covers="Orthanc.test_anonymize_instance")
def test_private_elements_are_kept(rest: Rest, make: Maker) -> None:
    """KeepPrivateTags keeps private elements, creators and values; the profile applies to the rest."""
    sample = with_private_elements(make, rest, InstitutionName="Institution")
    after = copied(rest, sample, "anonymize", KeepPrivateTags=True)

    assert private(after) == {0x00E10010, KNOWN, OTHER, 0x00310010, 0x00311020}
    assert (after[KNOWN].value, after[OTHER].value) == ("1.2.3", "private text")
    assert "InstitutionName" not in after


@suite.case("ANON-062", covers="Orthanc.test_anonymize_instance")
@pytest.mark.parametrize("name", ["00e1-10c2", "00E1,10C2", "00e110c2"])
def test_one_private_element_is_kept(rest: Rest, make: Maker, name: str) -> None:
    """Keep of a private element keeps it and its value, and no other private element except its creator."""
    sample = with_private_elements(make, rest)

    after = copied(rest, sample, "anonymize", Keep=[name])

    assert private(after) - {0x00E10010} == {KNOWN}
    assert after[KNOWN].value == "1.2.3"


@suite.case("ANON-063", ref="PS3.5 7.8.1 (2024e)", covers="Orthanc.test_anonymize_instance")
def test_kept_private_element_keeps_its_creator(rest: Rest, make: Maker) -> None:
    """A kept private element keeps its private creator, without which it has no meaning."""
    sample = with_private_elements(make, rest)

    after = copied(rest, sample, "anonymize", Keep=["00e1-10c2"])

    assert after.get(0x00E10010) is not None
    assert after[0x00E10010].value == CREATOR


@suite.case("ANON-064", covers="Orthanc.test_anonymize_instance")
@pytest.mark.parametrize(
    "name",
    ["StudyDescription", "0008,1030", "0008-1030", "00081030", "(0008,1030)"],
)
def test_attribute_is_kept_by_any_name(rest: Rest, stored: Stored, name: str) -> None:
    """An attribute in Keep can be named by keyword or tag, in each documented form."""
    sample = stored.instance(StudyDescription="Study", SeriesDescription="Series")

    after = copied(rest, sample, "anonymize", Keep=[name])

    assert after.get("StudyDescription") == "Study"
    assert "SeriesDescription" not in after


@suite.case("ANON-065", covers="Orthanc.test_anonymize_instance")
@pytest.mark.parametrize("name", ["0008-103e", "0008-103E", "0008,103e", "0008103E"])
def test_case_of_digits_does_not_matter(rest: Rest, stored: Stored, name: str) -> None:
    """The hexadecimal digits of a tag can be upper or lower case."""
    sample = stored.instance(SeriesDescription="Series")

    assert copied(rest, sample, "anonymize", Keep=[name]).get("SeriesDescription") == "Series"


@suite.case("ANON-066", covers="Orthanc.test_anonymize_instance")
def test_identity_and_dates_can_be_kept(rest: Rest, stored: Stored) -> None:
    """Keep preserves values that the profile would replace, empty or remove."""
    elements = {
        "PatientName": "Muller^Anna",
        "PatientBirthDate": "19700102",
        "StudyDate": "20240115",
        "InstitutionName": "Institution",
    }
    sample = stored.instance(**elements)

    after = copied(rest, sample, "anonymize", Keep=list(elements))

    assert {each: str(after.get(each)) for each in elements} == elements


@suite.case("ANON-067", covers="Orthanc.test_anonymize_instance")
def test_documented_example(rest: Rest, make: Maker) -> None:
    """Replace, Keep, KeepPrivateTags and Force work together as each does alone."""
    sample = with_private_elements(
        make,
        rest,
        StudyDescription="Study",
        SeriesDescription="Series",
        InstitutionName="Institution",
    )

    after = copied(
        rest,
        sample,
        "anonymize",
        Replace={"PatientName": "Hello", "0010-1001": "World", "PatientID": "ID"},
        Keep=["StudyDescription", "SeriesDescription"],
        KeepPrivateTags=True,
        Force=True,
    )

    assert (after.PatientName, after.OtherPatientNames, after.PatientID) == ("Hello", "World", "ID")
    assert (after.StudyDescription, after.SeriesDescription) == ("Study", "Series")
    assert after[OTHER].value == "private text"
    assert "InstitutionName" not in after


@suite.case("ANON-068", covers="Orthanc.test_shanon")
@pytest.mark.parametrize(
    "given",
    [
        {"PatientID": "GIVEN"},
        {"StudyInstanceUID": "1.2.3"},
        {"SeriesInstanceUID": "1.2.4"},
        {"SOPInstanceUID": "1.2.5"},
        {
            "PatientID": "GIVEN",
            "StudyInstanceUID": "1.2.3",
            "SeriesInstanceUID": "1.2.4",
            "SOPInstanceUID": "1.2.5",
        },
    ],
    ids=["patient", "study", "series", "instance", "all"],
)
def test_identifiers_of_an_instance_are_given(
    rest: Rest, stored: Stored, given: dict[str, str]
) -> None:
    """The copy has the given identifiers; all others are new."""
    sample = stored.instance()

    after = copied(rest, sample, "anonymize", Replace=given, Force=True)

    for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        expected = given.get(keyword)
        assert (after[keyword].value == expected) == (expected is not None)
        assert after[keyword].value != sample.element(keyword)


@suite.case("ANON-069", ref=BOOK)
def test_remove_goes_beyond_the_profile(rest: Rest, stored: Stored) -> None:
    """Remove removes an attribute that the profile keeps; all others are as without it."""
    sample = stored.instance()

    plain = copied(rest, sample, "anonymize", Keep=["StudyID"])
    after = copied(rest, sample, "anonymize", Keep=["StudyID"], Remove=["BodyPartExamined", "KVP"])

    unlike = {"PatientName", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"}
    assert changed(plain, after) - unlike == {"BodyPartExamined", "KVP", "FrameOfReferenceUID"}


@suite.case("ANON-070", ref=BOOK)
def test_attribute_that_was_not_there_is_added(rest: Rest, stored: Stored) -> None:
    """Replace adds an attribute that the object lacks, and one that the profile would remove."""
    sample = stored.instance()

    after = copied(
        rest, sample, "anonymize", Replace={"PatientComments": "Added", "StudyDescription": "New"}
    )

    assert (after.PatientComments, after.StudyDescription) == ("Added", "New")


@suite.case("ANON-071", ref=BOOK, covers="Orthanc.test_anonymize_instance")
def test_name_beyond_ascii(rest: Rest, stored: Stored) -> None:
    """A non-ASCII replacement is written in the character set of the object."""
    sample = stored.instance(character_set="ISO_IR 192", PatientName="A^B")

    after = copied(rest, sample, "anonymize", Replace={"PatientName": "M\u00fcller^\u00c4nne"})

    assert str(after.PatientName) == "M\u00fcller^\u00c4nne"


@suite.case("ANON-072", ref="Orthanc REST API: POST /studies/{id}/anonymize")
@pytest.mark.parametrize("action", ["anonymize", "modify"])
@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        pytest.param([1], (400, BAD_FILE_FORMAT), id="no-object"),
        pytest.param(b"{nope", (400, BAD_FILE_FORMAT), id="no-json"),
        pytest.param({"Replace": ["PatientName"]}, (400, BAD_REQUEST), id="replace-list"),
        pytest.param({"Remove": {"PatientName": "x"}}, (400, BAD_REQUEST), id="remove-object"),
        pytest.param({"Keep": "PatientName"}, (400, BAD_REQUEST), id="keep-text"),
        pytest.param({"Force": "yes"}, (400, BAD_FILE_FORMAT), id="force-text"),
        pytest.param({"Keep": ["NoSuchTag"]}, (500, UNKNOWN_TAG), id="keep-unknown"),
        pytest.param({"Remove": ["NoSuchTag"]}, (500, UNKNOWN_TAG), id="remove-unknown"),
        pytest.param({"Replace": {"NoSuchTag": "x"}}, (500, UNKNOWN_TAG), id="replace-unknown"),
    ],
)
def test_malformed_request_is_refused(
    rest: Rest, stored: Stored, action: str, request_: object, answer: tuple[int, int]
) -> None:
    """A malformed request is rejected with its specific error, and the server keeps running."""
    sample = stored.instance()
    status, code = answer

    for level in ("study", "instance"):
        path = f"{orthanc_ids(sample).path(level)}/{action}"
        refused(rest, path, request_, status=status, code=code)

    assert copied(rest, sample, action).PatientID


@suite.case("ANON-073", ref="Orthanc REST API: POST /studies/{id}/anonymize, Transcode")
def test_study_is_transcoded_on_the_way(rest: Rest, stored: Stored) -> None:
    """Transcode sets the transfer syntax of the copies; the pixels are those of the source."""
    sample = stored.sample("p11")

    request = {"Transcode": ImplicitVRLittleEndian}
    path = rest.post(f"{orthanc_ids(sample).path('study')}/anonymize", request).json()["Path"]

    [after] = files(rest, path)
    assert after.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert (after.pixel_array == sample.frame(0)).all()
    assert after.StudyDate == ""


@suite.case("ANON-074", ref="Orthanc REST API: POST /instances/{id}/anonymize, Transcode")
def test_instance_is_transcoded_on_the_way(rest: Rest, stored: Stored) -> None:
    """Transcode sets the transfer syntax of the anonymized instance, and identity is removed as usual."""
    sample = stored.sample("p11")

    after = copied(rest, sample, "anonymize", Transcode=JPEGBaseline8Bit)

    assert after.file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    assert after.PatientIdentityRemoved == "YES"


@suite.case("ANON-075", ref="PS3.15 E.1.1 (2023e)")
@pytest.mark.parametrize(
    "sample", ["p05", "p07", "p09-rle-gray", "p12-jpeg-2000", "p13-offsets", "m01-jpeg"]
)
def test_pixels_stay_as_they_are(rest: Rest, stored: Stored, sample: str) -> None:
    """Pixels keep their transfer syntax and their bytes, compressed frames and fragments included."""
    before = stored.sample(sample)

    after = copied(rest, before, "anonymize")

    assert after.file_meta.TransferSyntaxUID == before.transfer_syntax
    found = differences(before.dataset(), after, before.picture)
    assert [each for each in found if "PixelData" in each] == []


@suite.case(
    "ANON-076", ref=SEQUENCES, covers="Orthanc.test_modify_subsequences", needs="orthanc>=1.9.4"
)
@pytest.mark.parametrize(
    "path",
    ["RequestAttributesSequence", "0040,0275", "(0040,0275)"],
    ids=["keyword", "tag", "brackets"],
)
def test_sequence_is_kept_whole(rest: Rest, make: Maker, path: str) -> None:
    """Keep of a sequence keeps its items with all their contents, including UIDs."""
    nested = [
        modules.item(StudyInstanceUID="1.2.3", RequestedProcedureDescription=each)
        for each in ("One", "Two")
    ]
    sample = make.instance(RequestAttributesSequence=nested)
    rest.upload(sample.data)

    after = copied(rest, sample, "anonymize", Keep=[path])

    assert after.get("RequestAttributesSequence") == sample.dataset().RequestAttributesSequence


@suite.case(
    "ANON-077", ref=SEQUENCES, covers="Orthanc.test_modify_subsequences", needs="orthanc>=1.9.4"
)
def test_attribute_of_an_item_is_kept(rest: Rest, make: Maker) -> None:
    """Keep of a path keeps the attribute in the items that it names; the rest of each item is cleaned."""
    nested = [
        modules.item(DimensionOrganizationUID=f"1.2.{each}", UID=f"1.3.{each}") for each in (1, 2)
    ]
    sample = make.instance(DimensionIndexSequence=nested)
    rest.upload(sample.data)

    one, other = copied(
        rest, sample, "anonymize", Keep=["DimensionIndexSequence[0].DimensionOrganizationUID"]
    ).DimensionIndexSequence

    assert one.DimensionOrganizationUID == "1.2.1"
    assert other.DimensionOrganizationUID != "1.2.2"
    assert (one.UID, other.UID) != ("1.3.1", "1.3.2")


@suite.case(
    "ANON-078", ref=SEQUENCES, covers="Orthanc.test_modify_subsequences", needs="orthanc>=1.9.4"
)
def test_items_are_replaced_and_removed(rest: Rest, make: Maker) -> None:
    """Replace and Remove of paths change attributes in items, in addition to the profile."""
    nested = [modules.item(CodeMeaning=f"Meaning {each}", CodeValue="1") for each in (1, 2)]
    sample = make.instance(AnatomicRegionSequence=nested)
    rest.upload(sample.data)

    one, other = copied(
        rest,
        sample,
        "anonymize",
        Replace={"AnatomicRegionSequence[1].CodeMeaning": "New"},
        Remove=["AnatomicRegionSequence[*].CodeValue"],
    ).AnatomicRegionSequence

    assert (one.CodeMeaning, other.CodeMeaning) == ("Meaning 1", "New")
    assert "CodeValue" not in one
    assert "CodeValue" not in other
