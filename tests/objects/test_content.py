"""Unusual data sets: binary numbers, private elements, VR of Pixel Data, deep and malformed ones."""

import base64
import gzip
import io
import struct
import zlib
from pathlib import Path
from typing import Final

import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from harness.cases import (
    Corpus,
    Dimse,
    Draft,
    Maker,
    Picture,
    Rest,
    Sample,
    Stored,
    Suite,
    colour,
    configured,
    data_set_offset,
    error_of,
    file_of,
    gray,
    number,
    orthanc_ids,
)

suite = Suite(level="product", needs="rest", ref="Orthanc REST API: GET /instances/{id}/tags")

DICOM_JSON: Final = {"Accept": "application/dicom+json"}
ARRAYS: Final = {
    "0066,0016": ("OF", struct.pack("<3f", 10.5, 20.25, 30.125), [10.5, 20.25, 30.125]),
    "0070,150d": ("OD", struct.pack("<3d", 1.5, 2.25, 3.125), [1.5, 2.25, 3.125]),
    "0066,0041": ("OL", struct.pack("<3I", 42, 0, 15), [42, 0, 15]),
}
"""Elements with binary numbers: VR, encoded value, and numbers that are exact in its type."""


def path_of(sample: Sample) -> str:
    """Return the path of an instance in the REST API."""
    return orthanc_ids(sample).path("instance")


def tag_of(text: str) -> int:
    """Return the number of a tag written as group, comma, element."""
    return int(text.replace(",", ""), 16)


def with_arrays(make: Maker) -> bytes:
    """Return a file with elements of binary numbers."""
    ds = make.instance().dataset()
    for tag, (vr, data, _) in ARRAYS.items():
        ds.add_new(tag_of(tag), vr, data)
    return file_of(ds)


@suite.case("OBJ-001", covers="Orthanc.test_od_of_ol_array", needs="orthanc>=1.12.11")
@pytest.mark.parametrize("tag", ARRAYS)
def test_binary_numbers_as_text(rest: Rest, make: Maker, tag: str) -> None:
    """Elements of OD, OF and OL are returned as text, with backslashes between the numbers."""
    path = rest.upload(with_arrays(make))["Path"]

    element = rest.json(f"{path}/tags")[tag]

    assert element["Type"] == "String"
    assert [number(each) for each in element["Value"].split("\\")] == ARRAYS[tag][2]


@suite.case(
    "OBJ-002", ref="PS3.18 F.2.3", covers="Orthanc.test_od_of_ol_array", needs="orthanc>=1.12.11"
)
@pytest.mark.parametrize("tag", ARRAYS)
def test_binary_numbers_in_dicom_json(rest: Rest, make: Maker, tag: str) -> None:
    """In DICOM JSON, elements of OD, OF and OL have their VR and a list of numbers."""
    path = rest.upload(with_arrays(make))["Path"]

    element = rest.get(f"{path}/file", headers=DICOM_JSON).json()[tag.replace(",", "").upper()]

    assert (element["vr"], element["Value"]) == (ARRAYS[tag][0], ARRAYS[tag][2])


@suite.case("OBJ-003", covers="Orthanc.test_od_of_ol_array", needs="orthanc>=1.12.11")
@pytest.mark.parametrize("tag", ARRAYS)
def test_binary_numbers_are_written(rest: Rest, make: Maker, tag: str) -> None:
    """Numbers in the text of a modification become binary ones, of the type of the element."""
    path = rest.upload(with_arrays(make))["Path"]
    numbers = [20, 30, 42]

    modified = rest.post(f"{path}/modify", {"Replace": {tag: "\\".join(map(str, numbers))}}).content

    element = rest.json(f"{rest.upload(modified)['Path']}/tags")[tag]
    assert [number(each) for each in element["Value"].split("\\")] == numbers


@suite.case(
    "OBJ-004",
    ref="Orthanc: release notes of 1.12.1; PS3.5 8.1.2",
    covers="Orthanc.test_pixel_data_vr",
    needs="orthanc>=1.12.1",
)
@pytest.mark.parametrize(
    "name", ["p01", "p03", "p05", "p08", "p10-jpeg-gray", "p12-jpeg-2000", "h03-sr"]
)
def test_usual_vr_of_pixel_data_is_not_noted(rest: Rest, stored: Stored, name: str) -> None:
    """If the VR of Pixel Data is as the standard requires, the metadata do not mention it."""
    metadata = rest.json(f"{path_of(stored.sample(name))}/metadata?expand")

    assert "PixelDataVR" not in metadata


@suite.case(
    "OBJ-005",
    ref="Orthanc: release notes of 1.12.1",
    covers="Orthanc.test_pixel_data_vr",
    needs="orthanc>=1.12.1",
)
@pytest.mark.parametrize("kind", ["gray", "colour"])
def test_unusual_vr_of_pixel_data_is_noted(rest: Rest, make: Maker, kind: str) -> None:
    """If pixels of 8 bits are in an element of OW, the metadata and DICOM JSON say so."""
    picture = Picture((gray(7, bits=8),), 8) if kind == "gray" else Picture((colour(7),), 8, "RGB")
    data = make.image(picture).data.replace(b"\xe0\x7f\x10\x00OB", b"\xe0\x7f\x10\x00OW")
    path = rest.upload(data)["Path"]

    assert rest.json(f"{path}/metadata?expand")["PixelDataVR"] == "OW"
    element = rest.get(f"{path}/file", headers=DICOM_JSON).json()["7FE00010"]
    assert element["vr"] == "OW"


@suite.case(
    "OBJ-006",
    ref="PS3.5 A.1, A.2, 8.1.2",
    covers="Orthanc.test_pixel_data_vr",
    needs="orthanc>=1.12.5",
)
@pytest.mark.parametrize(
    ("name", "vr"), [("p01", "OW"), ("p03", "OB"), ("p08", "OW"), ("p05", "OW"), ("p02", "OB")]
)
def test_vr_of_native_pixels_in_dicom_json(rest: Rest, stored: Stored, name: str, vr: str) -> None:
    """In DICOM JSON the VR of native pixels is OB for 8 bits and OW for more, or in implicit VR."""
    element = rest.get(f"{path_of(stored.sample(name))}/file", headers=DICOM_JSON).json()

    assert element["7FE00010"]["vr"] == vr


@suite.case(
    "OBJ-007",
    covers="Orthanc.test_reconstruct_json2",
    ref="Orthanc REST API: POST /tools/invalidate-tags",
)
def test_invalidated_tags_are_read_anew(rest: Rest, stored: Stored) -> None:
    """When cached tags are dropped, tags and attachments are what they were."""
    samples = [stored.instance(PatientName=name) for name in ("Anna^One", "Bob^Two")]
    before = [rest.json(f"{path_of(each)}/attachments") for each in samples]

    rest.post("/tools/invalidate-tags", "")

    names = [rest.json(f"{path_of(each)}/tags?simplify")["PatientName"] for each in samples]
    assert names == ["Anna^One", "Bob^Two"]
    assert [rest.json(f"{path_of(each)}/attachments") for each in samples] == before


@suite.case(
    "OBJ-008",
    ref="PS3.5 6.2.2",
    covers="Orthanc.test_dicomweb_jpeg2k_implicit",
    needs="orthanc>=1.12.5",
)
def test_elements_of_unknown_vr(rest: Rest, make: Maker) -> None:
    """Standard elements stored as UN are returned in DICOM JSON with their VR and value."""
    sample = make.instance()
    uid = sample.study_instance_uid.encode()
    padded = uid + b"\0" * (len(uid) % 2)
    known = b"\x20\x00\x0d\x00UI" + struct.pack("<H", len(padded)) + padded
    unknown = b"\x20\x00\x0d\x00UN\0\0" + struct.pack("<I", len(padded)) + padded
    assert known in sample.data
    path = rest.upload(sample.data.replace(known, unknown))["Path"]

    answer = rest.get(f"{path}/file", headers=DICOM_JSON).json()

    assert answer["0020000D"]["Value"] == [sample.study_instance_uid]


@suite.case("OBJ-009", ref="PS3.5 7.8", covers="Orthanc.test_bitbucket_issue_140")
@pytest.mark.parametrize(
    "transfer_syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian],
    ids=["explicit", "implicit"],
)
def test_private_element_of_the_dictionary(rest: Rest, make: Maker, transfer_syntax: str) -> None:
    """A private element that is in the dictionary of the server has name, creator and value."""
    ds = make.instance().dataset()
    block = ds.private_block(0x4321, "RadioLogic", create=True)
    block.add_new(0x12, "LO", "some value")
    path = rest.upload(file_in(ds, transfer_syntax))["Path"]

    element = rest.json(f"{path}/tags")["4321,1012"]

    assert (element["Name"], element["PrivateCreator"]) == ("RadioLogic", "RadioLogic")
    assert (element["Type"], element["Value"]) == ("String", "some value")


@suite.case(
    "OBJ-010",
    ref="PS3.5 A.5; Orthanc: release notes of 1.12.7",
    covers="Orthanc.test_deflated_invalid_size",
    needs="orthanc>=1.12.7",
)
def test_size_of_a_deflated_upload(rest: Rest, stored: Stored) -> None:
    """The size of a deflated file is that of the upload, and the file is returned unchanged."""
    sample = stored.sample("p07")

    info = rest.json(f"{path_of(sample)}/attachments/dicom/info")

    assert info["UncompressedSize"] == len(sample.data)
    assert rest.get(f"{path_of(sample)}/file").content == sample.data


@suite.case(
    "OBJ-011",
    ref="PS3.5 A.5; Orthanc: release notes of 1.12.7",
    covers="Orthanc.test_deflated_invalid_size",
    needs=("dimse.store", "orthanc>=1.12.7"),
)
def test_size_of_a_deflated_object_by_c_store(rest: Rest, corpus: Corpus, dimse: Dimse) -> None:
    """A deflated object received by C-STORE is stored deflated, with its data set."""
    sample = corpus["p07"]
    assert sample.transfer_syntax == DeflatedExplicitVRLittleEndian

    dimse.store(sample)

    kept = rest.get(f"{path_of(sample)}/file").content
    info = rest.json(f"{path_of(sample)}/attachments/dicom/info")
    assert info["UncompressedSize"] == len(kept)
    assert inflated(kept) == inflated(sample.data)


def inflated(data: bytes) -> bytes:
    """Return the data set of a deflated file."""
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[data_set_offset(data) :])


def file_in(ds: Dataset, transfer_syntax: str) -> bytes:
    """Write a data set in a native transfer syntax."""
    return Draft(ds, transfer_syntax).finish("private", "made to order").data


# Hostile data sets


def nested(make: Maker, depth: int) -> bytes:
    """Return a file with private sequences of undefined length, nested this deep, not closed."""
    sample = make.instance(pixels=False)
    sequence = struct.pack("<HH2sHI", 0x7777, 0x1001, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return sample.data + (sequence + item) * depth


@suite.case(
    "OBJ-012", covers="Orthanc.test_deeply_nested_sequence", ref="PS3.5 7.5", level="quality"
)
@pytest.mark.parametrize("depth", [100_000], ids=["hundred-thousand"])
def test_sequence_that_is_far_too_deep(rest: Rest, make: Maker, depth: int) -> None:
    """A file of sequences nested a hundred thousand deep is rejected, and the server still answers."""
    status, _ = error_of(rest.post("/instances", nested(make, depth), expect=None))

    assert status == 400
    assert rest.json("/instances") == []
    rest.get("/system")


@suite.case("OBJ-013", covers="Orthanc.test_deeply_nested_sequence", ref="PS3.5 7.5.1")
@pytest.mark.parametrize("name", ["t06-nested-10", "t06-nested-40"])
def test_nested_sequences(rest: Rest, stored: Stored, name: str) -> None:
    """A file of nested sequences is stored, and the text of the innermost item is returned."""
    sample = stored.sample(name)
    levels = sample.properties["levels"]

    way = "/ContentSequence/0" * levels
    text = rest.get(f"{path_of(sample)}/content{way}/TextValue").text

    assert text.strip() == f"level {levels}"


@suite.case("OBJ-014", covers="Orthanc.test_oob_monochrome_2", ref="PS3.3 C.7.6.3.1")
@pytest.mark.parametrize("side", [65535, 46341, 1000], ids=["largest", "beyond-32-bits", "modest"])
@pytest.mark.parametrize("route", ["preview", "image-uint16", "rendered", "numpy", "matlab"])
@configured(Gdcm={"Enable": False})
def test_image_larger_than_its_pixels(rest: Rest, make: Maker, side: int, route: str) -> None:
    """An object that claims to be far larger than its pixels has no image, and the server still answers."""
    picture = Picture((gray(7, bits=16),), 16)
    path = rest.upload(make.image(picture, Rows=side, Columns=side).data)["Path"]

    answer = rest.get(f"{path}/{route}", expect=None)

    assert answer.status_code >= 400
    rest.get(f"{path}/file")


@suite.case(
    "OBJ-018", covers="Orthanc.test_oob_monochrome_2", ref="PS3.3 C.7.6.3.1", needs="plugin.gdcm"
)
@configured(Gdcm={"RestrictTransferSyntaxes": [str(ExplicitVRLittleEndian)]})
def test_image_larger_than_its_pixels_with_gdcm(rest: Rest, make: Maker) -> None:
    """An object that claims to be larger than its pixels is not shown by the GDCM plugin either."""
    picture = Picture((gray(7, bits=16),), 16)
    path = rest.upload(make.image(picture, Rows=1000, Columns=1000).data)["Path"]

    rest.get(f"{path}/preview", expect=(400, 415, 500))

    rest.get(f"{path}/file")


@suite.case(
    "OBJ-019",
    ref="PS3.18 F.2",
    covers=("Orthanc.test_dicomweb", "Orthanc.test_dicomweb_jpeg2k_implicit"),
    needs="orthanc>=1.12.5",
)
@pytest.mark.parametrize("name", ["c02", "h03-sr", "h03-ko", "p02"])
def test_file_as_dicom_json(rest: Rest, stored: Stored, name: str) -> None:
    """In DICOM JSON, a file has every element with its VR and values, including sequences, in UTF-8."""
    sample = stored.sample(name)

    shown = rest.get(f"{path_of(sample)}/file", headers=DICOM_JSON).json()

    expected = {
        tag: {key: value for key, value in element.items() if value != []}
        for tag, element in sample.dataset().to_json_dict().items()
    }
    for pixels in (shown, expected):
        pixels.pop("7FE00010", None)
    assert shown == expected


@suite.case(
    "OBJ-015",
    covers="Orthanc.test_oob_monochrome_2",
    ref="Orthanc REST API: POST /tools/create-dicom",
)
@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_content_larger_than_it_is(rest: Rest, kind: str) -> None:
    """No object is created from a PNG or JPEG whose header announces far more pixels than it has."""
    content = huge_png() if kind == "png" else huge_jpeg()
    uri = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"

    answer = rest.post("/tools/create-dicom", {"Tags": {}, "Content": uri}, expect=None)

    assert answer.status_code >= 400
    assert rest.json("/instances") == []


def huge_png() -> bytes:
    """Return a small PNG whose header declares 65535 x 8193 pixels of four 16-bit channels."""
    head = struct.pack(">IIBBBBB", 65535, 8193, 16, 6, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(512))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def huge_jpeg() -> bytes:
    """Return a small JPEG whose header declares 65500 x 21862 colour pixels."""
    buffer = io.BytesIO()
    Image.fromarray(colour(3)).save(buffer, "JPEG")
    jpeg = bytearray(buffer.getvalue())
    frame = jpeg.index(b"\xff\xc0")  # SOF0: length, precision, lines, samples per line
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 65500, 21862)
    return bytes(jpeg)


@suite.case("OBJ-016", ref="PS3.5 7.1", level="quality")
@pytest.mark.parametrize("name", ["x04-cut-in-header", "x04-cut-in-value"])
@pytest.mark.parametrize("coding", ["plain", "gzip"])
def test_file_that_ends_early(rest: Rest, corpus: Corpus, name: str, coding: str) -> None:
    """A truncated file is rejected, compressed or not, and nothing is stored."""
    data = corpus[name].data
    sent = gzip.compress(data) if coding == "gzip" else data
    headers = {"Content-Encoding": "gzip"} if coding == "gzip" else {}

    status, _ = error_of(rest.post("/instances", sent, headers=headers, expect=None))

    assert status == 400
    assert rest.json("/instances") == []


@suite.case(
    "OBJ-017",
    ref="Orthanc configuration: RestApiWriteToFileSystemEnabled",
    covers="Orthanc.test_rest_api_write_to_file_system",
    needs="orthanc>=1.12.0",
)
def test_export_to_the_disk_is_refused(rest: Rest, stored: Stored, tmp_path: Path) -> None:
    """The server does not write a file to its disk on request, unless it is configured to."""
    target = tmp_path / "export.dcm"
    path = path_of(stored.instance())

    answer = rest.post(f"{path}/export", str(target), expect=None)

    assert answer.status_code >= 400
    assert not target.exists()


@suite.case(
    "OBJ-020",
    ref="PS3.18 F.2.2, F.2.5",
    covers="Orthanc.test_issue_195",
    needs="orthanc>=1.9.3",
)
def test_empty_and_unknown_elements_in_dicom_json(rest: Rest, make: Maker) -> None:
    """An element without a value has only its VR; one of an unknown VR has its bytes in base64."""
    ds = make.instance(StudyDescription="", SeriesDescription="filled").dataset()
    ds.add_new(0x00084565, "UN", b"")
    ds.add_new(0x00084567, "UN", b"\x42\x00")
    path = rest.upload(file_of(ds))["Path"]

    shown = rest.get(f"{path}/file", headers=DICOM_JSON).json()

    assert shown["00081030"] == {"vr": "LO"}
    assert shown["0008103E"] == {"vr": "LO", "Value": ["filled"]}
    assert shown["00084565"] == {"vr": "UN"}
    assert shown["00084567"] == {"vr": "UN", "InlineBinary": "QgA="}
    assert shown["00080018"] == {"vr": "UI", "Value": [ds.SOPInstanceUID]}
