"""WADO-RS metadata: data sets in the DICOM JSON and XML models, and referenced bulk data."""

import json

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from harness.cases import (
    DICOM_JSON,
    OCTET_STREAM,
    PATHS,
    PATIENT_NAME,
    SOP_INSTANCE_UID,
    DicomWeb,
    Stored,
    Suite,
    header,
    instance_path,
    json_value,
    json_values,
    multipart,
    person_name,
    single,
    study_path,
    xml,
)

suite = Suite(needs="dicomweb.metadata")

PIXEL_DATA = "7FE00010"
XML = "application/dicom+xml"
NATIVE_DICOM_MODEL = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"


@suite.case(
    "WADO-101",
    ref="PS3.18 10.4.1.1.2, F.2",
    covers=("DicomWeb.test_wado_hierarchy", "DicomWeb.test_bitbucket_issue_112"),
    needs="dicomweb.bulk",
)
@pytest.mark.parametrize(
    "sample", ["h01-ct-1-1", "h02-mr-1", "h03-sr", "h03-ko", "p03", "m01-native"]
)
def test_metadata_holds_the_whole_object(web: DicomWeb, stored: Stored, sample: str) -> None:
    """The whole object can be rebuilt from the metadata and the bulk data that it refers to."""
    written = stored.sample(sample)

    metadata = web.metadata_of(written)

    def bulk(_tag: str, _vr: str, uri: str) -> bytes:
        return web.binary({"BulkDataURI": uri})

    try:
        read_back = Dataset.from_json(json.dumps(metadata), bulk)
    except (KeyError, TypeError, ValueError) as error:
        raise AssertionError(f"pydicom cannot read the metadata: {error!r}") from error
    assert read_back == Dataset(written.dataset())


@suite.case("WADO-102", ref="PS3.18 10.4.1.1.2", covers="DicomWeb.test_wado_hierarchy")
@pytest.mark.parametrize(("level", "count"), [("study", 4), ("series", 2), ("instance", 1)])
def test_metadata_of_all_below(web: DicomWeb, stored: Stored, level: str, count: int) -> None:
    """The metadata of a study or series has a data set for each of its instances."""
    mine = stored.study(PatientID="A", series=2, instances=2)
    stored.study(PatientID="B")

    metadata = web.metadata(PATHS[level](mine[0]))

    uids = sorted(str(json_value(each, SOP_INSTANCE_UID)) for each in metadata)
    assert uids == sorted(each.sop_instance_uid for each in mine[:count])


@suite.case("WADO-103", ref="PS3.18 F.2.2", covers="DicomWeb.test_wado_hierarchy")
def test_tags_in_order_and_upper_case(web: DicomWeb, stored: Stored) -> None:
    """Elements are named by eight uppercase hexadecimal digits, and are in ascending order."""
    written = stored.instance()

    metadata = web.metadata_of(written)

    assert list(metadata) == [f"{element.tag:08X}" for element in written.dataset()]


@suite.case("WADO-104", ref="PS3.18 F.2.5", covers="DicomWeb.test_issue_195")
@pytest.mark.parametrize("tag", ["00080050", "00081030", "00201040"])
def test_empty_value_has_only_its_vr(web: DicomWeb, stored: Stored, tag: str) -> None:
    """An element without a value has its VR, and no list of values."""
    written = stored.instance(
        AccessionNumber="", StudyDescription="", PositionReferenceIndicator=None
    )

    metadata = web.metadata_of(written)

    assert metadata[tag] == {"vr": written.dataset()[tag].VR}


@suite.case(
    "WADO-105", ref="PS3.18 F.2.3, Table F.2.3-1", covers="DicomWeb.test_bitbucket_issue_112"
)
@pytest.mark.parametrize(
    ("keyword", "tag", "element"),
    [
        ("Rows", "00280010", {"vr": "US", "Value": [16]}),
        ("ReferencePixelX0", "00186020", {"vr": "SL", "Value": [-70000]}),
        ("RecommendedDisplayFrameRateInFloat", "00089459", {"vr": "FL", "Value": [12.5]}),
        ("TimeRange", "00081163", {"vr": "FD", "Value": [0.25, 3.5]}),
    ],
    ids=["US", "SL", "FL", "FD"],
)
def test_binary_numbers_are_numbers(
    web: DicomWeb, stored: Stored, keyword: str, tag: str, element: dict[str, object]
) -> None:
    """Values of binary numbers are JSON numbers. Those of IS and DS may be strings as well: CWEB-305."""
    written = stored.instance(**({} if keyword == "Rows" else {keyword: element["Value"]}))

    metadata = web.metadata_of(written)

    assert metadata[tag] == element


@suite.case(
    "WADO-106",
    ref="PS3.18 F.2.2, 8.8.5",
    covers=("DicomWeb.test_encodings_wado_metadata", "DicomWeb.test_bitbucket_issue_113"),
)
@pytest.mark.parametrize(
    "sample",
    ["c01", "c02", "c04", "c05", "c06", "c07", "c08", "c09", "c11", "c14", "c15", "c16-gb18030"],
)
def test_text_of_any_character_set(web: DicomWeb, stored: Stored, sample: str) -> None:
    """Names with their groups and long texts are in UTF-8, whatever character set they were stored in."""
    written = stored.sample(sample)

    metadata = web.metadata_of(written)

    known = written.properties
    assert person_name(json_value(metadata, PATIENT_NAME)) == known["patient_name"].rstrip("=")
    assert json_value(metadata, "00104000") == known.get("patient_comments")


@suite.case(
    "WADO-107",
    ref="PS3.18 8.7.3, 8.7.5, 10.4.4",
    covers=(
        "DicomWeb.test_multiple_mime_accept_wado_rs",
        "DicomWeb.test_issue_216",
        "DicomWeb.test_accept_negotiation",
    ),
)
@pytest.mark.parametrize(
    "accept",
    [
        None,
        DICOM_JSON,
        "application/json",
        "*/*",
        f"image/png, {DICOM_JSON}",
        f"{DICOM_JSON}, image/png",
        "text/html,application/xhtml+xml,image/webp,*/*;q=0.8",
        "text/html, */*;q=0.8, image/webp",
    ],
    ids=["none", "dicom-json", "json", "any", "last", "first", "browser", "any-in-the-middle"],
)
def test_json_is_the_default(web: DicomWeb, stored: Stored, accept: str | None) -> None:
    """Metadata is in the DICOM JSON model if that is among the accepted media types."""
    written = stored.instance()

    answer = web.get(f"{study_path(written)}/metadata", headers={"Accept": accept})

    assert header(answer, "Content-Type").partition(";")[0] == DICOM_JSON
    metadata = single(answer.json(), "data set")
    assert json_value(metadata, SOP_INSTANCE_UID) == written.sop_instance_uid


@suite.case(
    "WADO-108",
    ref="PS3.18 8.7.8.1: 406 (2024d)",
    covers=("DicomWeb.test_accept_negotiation", "DicomWeb.test_wado_hierarchy"),
)
@pytest.mark.parametrize(
    "accept",
    ["image/png", 'multipart/related; type="image/png"', "image/png, text/plain"],
    ids=["image", "inner-image", "two"],
)
def test_metadata_in_an_unacceptable_type(web: DicomWeb, stored: Stored, accept: str) -> None:
    """A request for metadata in unsupported media types is rejected with 406."""
    written = stored.instance()

    web.get(f"{instance_path(written)}/metadata", headers={"Accept": accept}, expect=406)


@suite.case("WADO-109", ref="PS3.18 10.4.4; PS3.19 A.1", covers="DicomWeb.test_accept_negotiation")
@pytest.mark.parametrize("quote", ['"', ""], ids=["quoted", "unquoted"])
def test_metadata_as_xml(web: DicomWeb, stored: Stored, quote: str) -> None:
    """Metadata in XML is one part for an instance, a Native DICOM Model of all its elements."""
    written = stored.instance(PatientID="A")

    accept = f"multipart/related; type={quote}{XML}{quote}"
    answer = web.get(f"{instance_path(written)}/metadata", headers={"Accept": accept})

    part = single(multipart.parts_of(answer), "part")
    root = xml(part.content)
    elements = {each.get("tag"): each for each in root.iter(f"{NATIVE_DICOM_MODEL}DicomAttribute")}
    assert (part.media_type, root.tag) == (XML, f"{NATIVE_DICOM_MODEL}NativeDicomModel")
    assert elements.keys() == {f"{element.tag:08X}" for element in written.dataset()}
    assert elements["00100020"].findtext(f"{NATIVE_DICOM_MODEL}Value") == "A"


@suite.case(
    "WADO-110",
    ref="PS3.18 10.4.1.1.5",
    covers="DicomWeb.test_wado_pixel_data",
    needs="dicomweb.bulk",
)
@pytest.mark.parametrize("sample", ["p01", "p03", "p08", "m01-native"])
def test_pixel_data_as_bulk_data(web: DicomWeb, stored: Stored, sample: str) -> None:
    """The metadata leads to the native pixels of all frames."""
    written = stored.sample(sample)

    metadata = web.metadata_of(written)

    assert written.picture is not None
    assert web.binary(metadata[PIXEL_DATA]) == written.picture.native()


@suite.case(
    "WADO-111",
    ref="PS3.18 10.4.1.1.2, 10.4.1.1.5",
    covers="DicomWeb.test_wado_hierarchy_bulk",
    needs="dicomweb.bulk",
)
def test_binary_values_inside_a_sequence(web: DicomWeb, stored: Stored) -> None:
    """Each binary value in an item of a sequence is in the metadata, or has a URI of its own."""
    contents = [b"\x00\x01first\xff", b"\x00\x02second\xff\xfe"]
    items = [Dataset() for _ in contents]
    for each, content in zip(items, contents, strict=True):
        each.EncryptedContentTransferSyntaxUID = "1.2.840.10008.1.2.1"
        each.EncryptedContent = content
    written = stored.instance(EncryptedAttributesSequence=Sequence(items))

    metadata = web.metadata_of(written)

    found = [web.binary(item["04000520"]) for item in json_values(metadata, "04000500")]
    assert found == contents


@suite.case(
    "WADO-112", ref="PS3.18 F.2.2, F.2.7", covers="DicomWeb.test_issue_195", needs="dicomweb.bulk"
)
def test_value_of_unknown_vr(web: DicomWeb, stored: Stored) -> None:
    """A value of VR UN is in the metadata as it was stored, or has a URI."""
    written = stored.sample("t01-un")

    metadata = web.metadata_of(written)

    assert metadata["00991003"]["vr"] == "UN"
    assert web.binary(metadata["00991003"]) == b"\x01\x02\x03\x04"


@suite.case(
    "WADO-113",
    ref="PS3.18 10.4.1.1.5, 8.7.5",
    covers="DicomWeb.test_accept_negotiation",
    needs="dicomweb.bulk",
)
@pytest.mark.parametrize(
    "accept",
    [
        None,
        "*/*",
        'multipart/related; type="application/octet-stream"',
        "multipart/related; type=application/octet-stream",
    ],
    ids=["none", "any", "quoted", "unquoted"],
)
def test_ways_to_ask_for_bulk_data(web: DicomWeb, stored: Stored, accept: str | None) -> None:
    """Bulk data is an octet-stream, by default and on request, whether quoted or not."""
    written = stored.instance()
    metadata = web.metadata_of(written)

    answer = web.follow(metadata[PIXEL_DATA]["BulkDataURI"], headers={"Accept": accept})

    part = single(multipart.parts_of(answer), "part")
    assert part.media_type == OCTET_STREAM
    assert part.content == written.frame(0).tobytes()


@suite.case("WADO-114", ref="PS3.18 F.2.2: SQ", covers="DicomWeb.test_wado_hierarchy")
def test_sequences_in_sequences(web: DicomWeb, stored: Stored) -> None:
    """Nested items are objects within lists, down to the innermost one."""
    written = stored.sample("t06-nested-10")

    metadata = web.metadata_of(written)

    texts, items = [], json_values(metadata, "0040A730")
    while items:
        texts.append(json_value(items[0], "0040A160"))
        items = json_values(items[0], "0040A730")
    assert texts == [f"level {number}" for number in range(1, 11)]
