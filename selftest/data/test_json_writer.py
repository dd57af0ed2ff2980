"""The JSON of encoded data sets, compared with pydicom's for the same bytes."""

import base64
import io
import json
import math
import struct
import zlib
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from dcm.data.encoding import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, NATIVE, Encoding, Reader
from dcm.data.header import scan_bytes
from dcm.data.json_writer import NoJson, json_of
from harness.corpus import corpus

NUMBERS = ("DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV")
READABLE = [id_ for id_ in corpus if id_[0] in "cdhmptw"]


def ours(data: bytes) -> dict[str, Any]:
    """Return our JSON of a file, parsed."""
    header = scan_bytes(data)
    data = data[header.data_set_offset :]
    if header.transfer_syntax_uid in DEFLATED:
        data = zlib.decompress(data, -zlib.MAX_WBITS)
    encoding = NATIVE.get(header.transfer_syntax_uid, EXPLICIT)
    text = json_of(Reader(data), 0, encoding, end=len(data))
    found: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
    return found


def theirs(data: bytes) -> dict[str, Any]:
    """Return pydicom's."""
    model = dcmread(io.BytesIO(data), force=True).to_json_dict()
    found: dict[str, Any] = json.loads(json.dumps(model).replace("\\u001b$)A", ""))
    return found  # pydicom 3.0 leaves the escapes to ISO-IR 58 in the text


def plain(model: dict[str, Any], *, big_endian: bool = False) -> dict[str, Any]:
    """Return a model without differences that the standard allows, or that are pydicom's.

    Numbers may be written as text (PS3.18 F.2.3). pydicom keeps group lengths, which F.2.2 forbids,
    and the byte order of the file; it writes empty values in different ways.
    """
    found = {}
    for tag, element in model.items():
        if tag.endswith("0000"):
            continue
        vr, values = element["vr"], element.get("Value", [])
        if vr == "SQ":
            values = [plain(item or {}, big_endian=big_endian) for item in values]
        elif vr in NUMBERS:
            values = [number(each) for each in values]
        elif vr == "PN":
            values = [name(each) for each in values]
        else:
            values = [each or None for each in values]
        if not any(each is not None for each in values):
            values = []
        binary = base64.b64decode(element.get("InlineBinary", ""))
        if big_endian and vr in ("OW", "OF", "OL", "OD", "OV"):
            binary = bytes(sorted(binary))
        found[tag] = vr, values, binary
    return found


def number(value: object) -> object:
    """Return a number in either form; NaN becomes text."""
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return value or None
    return found if math.isfinite(found) else repr(found)


def name(value: dict[str, str] | None) -> dict[str, str] | None:
    """Return the component groups that are not empty."""
    return {group: text for group, text in (value or {}).items() if text.strip("^ ")} or None


@pytest.mark.parametrize("id_", READABLE)
def test_corpus_as_pydicom_writes_it(id_: str) -> None:
    """Each sample of the corpus has the same attributes and values."""
    data = corpus[id_].data
    big_endian = scan_bytes(data).transfer_syntax_uid == "1.2.840.10008.1.2.2"
    assert plain(ours(data), big_endian=big_endian) == plain(theirs(data), big_endian=big_endian)


def encoded(ds: Dataset, encoding: Encoding = EXPLICIT) -> bytes:
    """Encode a data set with pydicom."""
    written = DicomBytesIO()
    written.is_implicit_VR = not encoding.explicit
    written.is_little_endian = encoding.little_endian
    write_dataset(written, ds)
    return bytes(written.getvalue())


def written(ds: Dataset, encoding: Encoding = EXPLICIT, **options: Any) -> dict[str, Any]:
    """Return our JSON of a data set, parsed."""
    data = encoded(ds, encoding)
    found: dict[str, Any] = json.loads(
        json_of(Reader(data), 0, encoding, end=len(data), **options), parse_constant=pytest.fail
    )
    return found


@pytest.mark.parametrize("encoding", [EXPLICIT, IMPLICIT, BIG_ENDIAN], ids=str)
def test_numbers_of_each_encoding(encoding: Encoding) -> None:
    """Binary numbers and the words of OW do not depend on the byte order of the file."""
    ds = Dataset()
    ds.PixelRepresentation = 1
    ds.SmallestImagePixelValue = -2
    ds.RealWorldValueFirstValueMapped = -3
    ds.add_new(0x00720082, "SV", [-(2**62), 7])
    ds.add_new(0x00081163, "FD", [0.1, -1e300])
    ds.add_new(0x00280009, "AT", [0x00181063])
    ds.add_new(0x00281201, "OW", b"\x01\x02\x03\x04")
    model = written(ds, encoding)
    assert model["00280106"] == {"vr": "SS", "Value": [-2]}
    assert model["00720082"] == {"vr": "SV", "Value": [str(-(2**62)), 7]}
    assert model["00081163"] == {"vr": "FD", "Value": [0.1, -1e300]}
    assert model["00280009"] == {"vr": "AT", "Value": ["00181063"]}
    inline = b"\x02\x01\x04\x03" if encoding is BIG_ENDIAN else b"\x01\x02\x03\x04"
    assert base64.b64decode(model["00281201"]["InlineBinary"]) == inline


def test_numbers_that_json_does_not_have() -> None:
    """NaN and infinities are text, and the JSON is one that every reader accepts."""
    ds = Dataset()
    ds.add_new(0x00081163, "FD", [math.nan, math.inf, -math.inf])
    assert written(ds)["00081163"]["Value"] == ["NaN", "Infinity", "-Infinity"]


def test_decimal_strings() -> None:
    """Decimal strings that are valid in JSON keep their digits; others become numbers or text."""
    values = {
        "1.50": "1.50", "+3": "3", " .5": "0.5", "1e3": "1e3", "5.": "5", "": "null", "x": '"x"',
    }  # fmt: skip
    value = "\\".join(values).encode()
    data = struct.pack("<HH2sH", 0x0010, 0x1030, b"DS", len(value)) + value
    text = json_of(Reader(data), 0, EXPLICIT)
    assert text == f'{{"00101030":{{"vr":"DS","Value":[{",".join(values.values())}]}}}}'


def test_private_element_of_implicit_vr() -> None:
    """A private element has the VR that its creator defines, and UN if the creator is unknown."""
    ds = Dataset()
    ds.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", "1000")
    ds.private_block(0x0021, "NOBODY KNOWS", create=True).add_new(0x0C, "IS", "1000")
    model = written(ds, IMPLICIT)
    assert model["0019100C"] == {"vr": "IS", "Value": [1000]}
    assert model["0021100C"] == {"vr": "UN", "InlineBinary": base64.b64encode(b"1000").decode()}


def test_bulk_data_by_uri() -> None:
    """Pixels and long binary values become URIs with their position; short ones are included."""
    item = Dataset()
    item.EncryptedContent = bytes(2000)
    ds = Dataset()
    ds.EncryptedAttributesSequence = [Dataset(), item]
    ds.add_new(0x00420011, "OB", b"12")
    ds.PixelData = b"12"
    ds["PixelData"].VR = "OB"
    model = written(ds, bulk=lambda place: f"http://here/{place}")
    assert model["04000500"]["Value"][1]["04000520"] == {
        "vr": "OB", "BulkDataURI": "http://here/04000500/2/04000520",
    }  # fmt: skip
    assert model["00420011"] == {"vr": "OB", "InlineBinary": "MTI="}
    assert model["7FE00010"] == {"vr": "OB", "BulkDataURI": "http://here/7FE00010"}


def test_elements_out_of_order() -> None:
    """Elements are written in the order of their tags, whatever their order in the file."""
    one, other = Dataset(), Dataset()
    one.PatientID, other.Modality = "1", "CT"
    data = encoded(one) + encoded(other)
    assert list(json.loads(json_of(Reader(data), 0, EXPLICIT, end=len(data)))) == [
        "00080060", "00100020",
    ]  # fmt: skip


def test_nested_character_set() -> None:
    """An item inherits the character set, or has its own."""
    inherited, own = Dataset(), Dataset()
    inherited.add_new(0x00080104, "LO", "Ä")
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    own.SpecificCharacterSet = "ISO_IR 100"
    own.CodeMeaning = "Ä"
    ds.ConceptNameCodeSequence = [inherited, own]
    items = written(ds)["0040A043"]["Value"]
    assert [item["00080104"]["Value"] for item in items] == [["Ä"], ["Ä"]]


@pytest.mark.parametrize("cut", range(1, 44, 3))
def test_damaged_data_set(cut: int) -> None:
    """A data set that ends too early is an error, and the data before the end can be read."""
    ds = Dataset()
    ds.Modality, ds.ConceptNameCodeSequence = "CT", [Dataset(), Dataset()]
    ds.ConceptNameCodeSequence[0].CodeMeaning = "a meaning"
    ds.PatientComments = "some comment"
    data = encoded(ds)[:-cut]
    with pytest.raises(NoJson) as caught:
        json_of(Reader(data), 0, EXPLICIT, end=len(data))
    assert "ends" in str(caught.value) or "beyond" in str(caught.value)
    json.loads(caught.value.readable)
