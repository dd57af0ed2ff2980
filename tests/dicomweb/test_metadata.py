"""WADO-RS metadata: data sets in the DICOM JSON and XML models, and the bulk data that they point to."""

import json
from xml.etree import ElementTree as ET

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from harness.cases import (
    DICOM_JSON,
    OCTET_STREAM,
    DicomWeb,
    Stored,
    Suite,
    instance_path,
    json_value,
    json_values,
    multipart,
    person_name,
    series_path,
    study_path,
)

suite = Suite(needs="dicomweb.metadata")


LEVELS = {"study": study_path, "series": series_path, "instance": instance_path}
PATIENT_NAME = "00100010"
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
    """The metadata, with the bulk data that it points to, is the object again, read by pydicom."""
    written = stored.sample(sample)

    [metadata] = web.metadata(instance_path(written))

    def bulk(_tag: str, _vr: str, uri: str) -> bytes:
        return web.binary({"BulkDataURI": uri})

    read_back = Dataset.from_json(json.dumps(metadata), bulk)
    assert read_back == Dataset(written.dataset())


@suite.case("WADO-102", ref="PS3.18 10.4.1.1.2", covers="DicomWeb.test_wado_hierarchy")
@pytest.mark.parametrize(("level", "count"), [("study", 4), ("series", 2), ("instance", 1)])
def test_metadata_of_all_below(web: DicomWeb, stored: Stored, level: str, count: int) -> None:
    """The metadata of a study or series has a data set for each of its instances."""
    mine = stored.study(PatientID="A", series=2, instances=2)
    stored.study(PatientID="B")

    metadata = web.metadata(LEVELS[level](mine[0]))

    uids = sorted(json_value(each, "00080018") for each in metadata)
    assert uids == sorted(each.sop_instance_uid for each in mine[:count])


@suite.case("WADO-103", ref="PS3.18 F.2.2", covers="DicomWeb.test_wado_hierarchy")
def test_tags_in_order_and_upper_case(web: DicomWeb, stored: Stored) -> None:
    """Elements are named by eight hexadecimal digits in upper case, in ascending order."""
    written = stored.instance()

    [metadata] = web.metadata(instance_path(written))

    assert list(metadata) == [f"{element.tag:08X}" for element in written.dataset()]


@suite.case("WADO-104", ref="PS3.18 F.2.5", covers="DicomWeb.test_issue_195")
@pytest.mark.parametrize("tag", ["00080050", "00081030", "00201040"])
def test_empty_value_has_only_its_vr(web: DicomWeb, stored: Stored, tag: str) -> None:
    """An element without a value has its VR, and no list of values."""
    written = stored.instance(
        AccessionNumber="", StudyDescription="", PositionReferenceIndicator=None
    )

    [metadata] = web.metadata(instance_path(written))

    assert metadata[tag] == {"vr": written.dataset()[tag].VR}


@suite.case(
    "WADO-105", ref="PS3.18 F.2.3, Table F.2.3-1", covers="DicomWeb.test_bitbucket_issue_112"
)
def test_numbers_are_numbers(web: DicomWeb, stored: Stored) -> None:
    """Values of Integer String and of binary numbers are numbers of JSON."""
    written = stored.instance(InstanceNumber=12, rows=20)

    [metadata] = web.metadata(instance_path(written))

    # Decimal String is left out: the current edition allows text for it.
    assert [metadata[tag] for tag in ("00200013", "00280010")] == [
        {"vr": "IS", "Value": [12]},
        {"vr": "US", "Value": [20]},
    ]


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
    """Names, their groups apart, and long texts come in UTF-8, whatever they were stored with."""
    written = stored.sample(sample)

    [metadata] = web.metadata(instance_path(written))

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
    """Metadata comes in the DICOM JSON model wherever that is among what is accepted."""
    written = stored.instance()

    answer = web.get(f"{study_path(written)}/metadata", headers={"Accept": accept})

    assert answer.headers["Content-Type"].partition(";")[0] == DICOM_JSON
    [metadata] = answer.json()
    assert json_value(metadata, "00080018") == written.sop_instance_uid


@suite.case(
    "WADO-108",
    ref="PS3.18 8.7.8",
    covers=("DicomWeb.test_accept_negotiation", "DicomWeb.test_wado_hierarchy"),
    level="should",
)
@pytest.mark.parametrize(
    "accept",
    ["image/png", 'multipart/related; type="image/png"', "image/png, text/plain"],
    ids=["image", "inner-image", "two"],
)
def test_unacceptable_is_refused(web: DicomWeb, stored: Stored, accept: str) -> None:
    """Metadata in a form that it does not have is refused, not given in another one."""
    written = stored.instance()

    # The standard demands 406; Orthanc's DICOMweb plugin answers 400, at least until 1.24.
    web.get(f"{instance_path(written)}/metadata", headers={"Accept": accept}, expect=(400, 406))


@suite.case("WADO-109", ref="PS3.18 10.4.4; PS3.19 A.1", covers="DicomWeb.test_accept_negotiation")
@pytest.mark.parametrize("quote", ['"', ""], ids=["quoted", "unquoted"])
def test_metadata_as_xml(web: DicomWeb, stored: Stored, quote: str) -> None:
    """Asked for as XML, an instance is one part with a Native DICOM Model of all its elements."""
    written = stored.instance(PatientID="A")

    accept = f"multipart/related; type={quote}{XML}{quote}"
    answer = web.get(f"{instance_path(written)}/metadata", headers={"Accept": accept})

    [part] = multipart.parts_of(answer)
    root = ET.fromstring(part.content)  # noqa: S314 - the server under test is not hostile
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

    [metadata] = web.metadata(instance_path(written))

    assert written.picture is not None
    assert web.binary(metadata[PIXEL_DATA]) == written.picture.native()


@suite.case(
    "WADO-111",
    ref="PS3.18 10.4.1.1.2, 10.4.1.1.5",
    covers="DicomWeb.test_wado_hierarchy_bulk",
    needs="dicomweb.bulk",
)
def test_binary_values_inside_a_sequence(web: DicomWeb, stored: Stored) -> None:
    """Each binary value in an item of a sequence is in the metadata or behind a URI of its own."""
    contents = [b"\x00\x01first\xff", b"\x00\x02second\xff\xfe"]
    items = [Dataset() for _ in contents]
    for each, content in zip(items, contents, strict=True):
        each.EncryptedContentTransferSyntaxUID = "1.2.840.10008.1.2.1"
        each.EncryptedContent = content
    written = stored.instance(EncryptedAttributesSequence=Sequence(items))

    [metadata] = web.metadata(instance_path(written))

    found = [web.binary(item["04000520"]) for item in json_values(metadata, "04000500")]
    assert found == contents


@suite.case(
    "WADO-112", ref="PS3.18 F.2.2, F.2.7", covers="DicomWeb.test_issue_195", needs="dicomweb.bulk"
)
def test_value_of_unknown_vr(web: DicomWeb, stored: Stored) -> None:
    """A value of VR UN is in the metadata as it was stored, or behind a URI."""
    written = stored.sample("t01-un")

    [metadata] = web.metadata(instance_path(written))

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
    """Bulk data is an octet-stream by default and however that is written."""
    written = stored.instance()
    [metadata] = web.metadata(instance_path(written))

    answer = web.follow(metadata[PIXEL_DATA]["BulkDataURI"], headers={"Accept": accept})

    [part] = multipart.parts_of(answer)
    assert part.media_type == OCTET_STREAM
    assert part.content == written.frame(0).tobytes()


@suite.case("WADO-114", ref="PS3.18 F.2.2: SQ", covers="DicomWeb.test_wado_hierarchy")
def test_sequences_in_sequences(web: DicomWeb, stored: Stored) -> None:
    """Items within items are objects within lists, down to the innermost."""
    written = stored.sample("t06-nested-10")

    [metadata] = web.metadata(instance_path(written))

    texts, items = [], json_values(metadata, "0040A730")
    while items:
        texts.append(json_value(items[0], "0040A160"))
        items = json_values(items[0], "0040A730")
    assert texts == [f"level {number}" for number in range(1, 11)]
