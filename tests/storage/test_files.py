"""Part 10 files from a server: file meta information, structure and encoding, byte by byte."""

import itertools
import re

import pytest
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.encaps import generate_frames
from pydicom.uid import UID, ExplicitVRLittleEndian

from harness.cases import (
    PIXEL_DATA,
    DicomWeb,
    Element,
    Part10,
    Sample,
    Stored,
    Suite,
    instance_path,
    only,
    single,
    take_apart,
    text_of,
)

suite = Suite(needs="dicomweb.wado")


UID_FORM = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")  # PS3.5 9.1
TEXTS = frozenset(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM"))
LONG_TEXTS = frozenset(("UC", "UR", "UT"))
DESIGNATES_G0 = re.compile(rb"\x1b(\([@-~]|\$[@-B]|\$\([@-~])")  # PS3.3 Table C.12-4
PRIVATE = frozenset(range(0x0009, 0xFFFF, 2))
# Native, deflated and compressed, in the syntaxes that a web service may return (PS3.18 8.7.3).
SYNTAXES = ["p02", "p07", "p09-rle-gray", "p12-jpeg-ls", "m01-jpeg"]


def given(web: DicomWeb, sample: Sample, transfer_syntax: str | None = "*") -> Part10:
    """Retrieve an object as a file, and return the parsed file."""
    parts = web.wado(instance_path(sample), transfer_syntax=transfer_syntax)
    return take_apart(single(parts, "part").content)


def offsets(fragments: tuple[bytes, ...]) -> list[int]:
    """Return the offset of each fragment, counted from the item tag of the first one (PS3.5 A.4)."""
    sizes = [8 + len(each) for each in fragments]
    return [0, *itertools.accumulate(sizes)][: len(sizes)]


def table_and_fragments(file: Part10) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the Basic Offset Table and the fragments of compressed pixels."""
    items = file.element(PIXEL_DATA).fragments
    assert items, "the pixels have no items"
    return items[0], items[1:]


def numbers(value: bytes, size: int) -> list[int]:
    """Read unsigned numbers of `size` bytes, little endian."""
    return [int.from_bytes(value[at : at + size], "little") for at in range(0, len(value), size)]


def in_the_first_set(written: bytes) -> bytes:
    """Return the bytes in the first character set, which must be active again at the end."""
    plain, at, size = bytearray(), 0, 1
    while at < len(written):
        if escape := DESIGNATES_G0.match(written, at):
            size, at = 2 if b"$" in escape[0] else 1, escape.end()
            continue
        plain += written[at : at + 1] if size == 1 else b""
        at += size
    assert size == 1, "the value ends in a character set of two bytes"
    return bytes(plain)


def encodings_of(sample: Sample) -> list[str]:
    """Return Python's names of the object's character sets."""
    return convert_encodings(sample.dataset().SpecificCharacterSet)


def is_text(element: Element) -> bool:
    """Return whether a value is text, which is padded with spaces."""
    return element.vr in TEXTS | LONG_TEXTS


# File meta information


@suite.case("FILE-001", ref="PS3.10 7.1 (2020b)")
def test_preamble_is_empty_or_of_a_tiff_file(web: DicomWeb, stored: Stored) -> None:
    """The preamble is all zeros, or the header of a TIFF file."""
    file = given(web, stored.instance())

    assert file.preamble[:4] in (b"\0\0\0\0", b"II*\0", b"MM\0*")
    assert file.preamble[:2] in (b"II", b"MM") or file.preamble == b"\0" * 128


@suite.case("FILE-002", ref="PS3.10 7.1, Table 7.1-1: File Meta Information Group Length (2020b)")
@pytest.mark.parametrize("name", SYNTAXES)
def test_group_length_is_right(web: DicomWeb, stored: Stored, name: str) -> None:
    """The group length counts the following bytes, up to the end of the file meta information."""
    file = given(web, stored.sample(name))

    length = only(file.meta, 0x00020000)
    assert file.meta[0] == length
    assert (length.vr, numbers(length.value, 4)) == ("UL", [file.meta_length])


@suite.case("FILE-003", ref="PS3.10 7.1, Table 7.1-1: Type 1 (2020b)")
def test_mandatory_file_meta_elements_are_present(web: DicomWeb, stored: Stored) -> None:
    """The mandatory elements of the file meta information are present, in order, with valid values."""
    file = given(web, stored.instance())

    tags = [each.tag for each in file.meta]
    assert tags == sorted(set(tags))
    version = only(file.meta, 0x00020001).value
    assert version[:1] + bytes([version[-1] & 1]) == b"\0\1", f"the version is {version!r}"
    for tag in (0x00020002, 0x00020003, 0x00020010, 0x00020012):
        assert UID_FORM.fullmatch(text_of(only(file.meta, tag)))


@suite.case("FILE-004", ref="PS3.10 7.1: Media Storage SOP Class and Instance UID (2020b)")
@pytest.mark.parametrize("name", ["h01-ct-1-1", "h03-sr", "m07"])
def test_file_meta_names_the_object(web: DicomWeb, stored: Stored, name: str) -> None:
    """SOP class and instance in the file meta information are those of the data set."""
    file = given(web, stored.sample(name))

    named = [text_of(only(file.meta, tag)) for tag in (0x00020002, 0x00020003)]
    assert named == [text_of(file.element(tag)) for tag in (0x00080016, 0x00080018)]


@suite.case("FILE-005", ref="PS3.10 7.2; PS3.5 10.1 (2020b)")
@pytest.mark.parametrize("name", SYNTAXES)
def test_data_set_has_the_named_transfer_syntax(web: DicomWeb, stored: Stored, name: str) -> None:
    """The data set can be read completely in the transfer syntax that the file names."""
    sample = stored.sample(name)

    file = given(web, sample)

    assert [each.tag for each in file.elements] == [each.tag for each in sample.dataset()]
    is_encapsulated = file.element(PIXEL_DATA).length is None
    assert is_encapsulated == UID(file.transfer_syntax).is_encapsulated


# The data set


@suite.case("FILE-006", ref="PS3.5 7.1 (2020b)")
@pytest.mark.parametrize("name", ["t05", "t01-known-vr", "t06-nested-10", "m07"])
def test_elements_are_in_ascending_order(web: DicomWeb, stored: Stored, name: str) -> None:
    """At every level, elements are in ascending order, each at most once, and none is of group 0 or 2."""
    file = given(web, stored.sample(name))

    for path, elements in file.levels():
        tags = [each.tag for each in elements]
        assert (path, tags) == (path, sorted(set(tags)))
        assert not {0x0000, 0x0002} & {tag >> 16 for tag in tags}


@suite.case("FILE-007", ref="PS3.5 7.1.1: Value Length (2020b)")
@pytest.mark.parametrize("name", ["t05", "p11", "m07"])
def test_lengths_are_even(web: DicomWeb, stored: Stored, name: str) -> None:
    """Every value has an even length, even the pixels of an image of odd size and a document."""
    file = given(web, stored.sample(name))

    assert [path for path, each in file.walk() if each.length is not None and each.length % 2] == []


@suite.case("FILE-008", ref="PS3.5 6.2, 9.1 (2020b)")
def test_values_are_padded_by_their_vr(web: DicomWeb, stored: Stored) -> None:
    """Text of odd length is padded with a space, a UID with one NUL."""
    sample = stored.instance(
        PatientID="A", StudyID="odd", StudyDescription="three", FrameOfReferenceUID="2.25.31"
    )

    file = given(web, sample)

    padded = [file.element(tag).value for tag in (0x00100020, 0x00200010, 0x00081030, 0x00200052)]
    assert padded == [b"A ", b"odd ", b"three ", b"2.25.31\0"]
    assert [path for path, each in file.walk() if is_text(each) and b"\0" in each.value] == []


@suite.case("FILE-009", ref="PS3.5 9.1 (2020b)")
@pytest.mark.parametrize("name", ["h03-ko", "t05", "m01-jpeg"])
def test_uids_are_valid(web: DicomWeb, stored: Stored, name: str) -> None:
    """Every UID, including file meta information, has at most 64 digits and dots, without leading zeros."""
    file = given(web, stored.sample(name))

    found = [
        uid
        for _, each in [*file.walk(), *(("", each) for each in file.meta)]
        if each.vr == "UI" and each.value
        for uid in text_of(each).split("\\")
    ]
    assert [uid for uid in found if len(uid) > 64 or not UID_FORM.fullmatch(uid)] == []


@suite.case("FILE-010", ref="PS3.5 7.5 (2020b)")
@pytest.mark.parametrize(("name", "levels"), [("t06-nested-10", 10), ("t06-nested-40", 40)])
def test_sequences_are_nested_as_stored(
    web: DicomWeb, stored: Stored, name: str, levels: int
) -> None:
    """Items are nested as they were stored, with correct lengths or delimiters, down to the innermost."""
    file = given(web, stored.sample(name))

    texts = [text_of(each) for _, each in file.walk() if each.tag == 0x0040A160]
    assert texts == [f"level {number}" for number in range(1, levels + 1)]


# Pixels


@suite.case("FILE-011", ref="PS3.5 A.4 (2020b)")
@pytest.mark.parametrize("name", ["p13-offsets", "p13-no-offsets", "m01-jpeg"])
def test_basic_offset_table_is_right(web: DicomWeb, stored: Stored, name: str) -> None:
    """The first item of compressed pixels is the Basic Offset Table: empty, or correct for each frame."""
    sample = stored.sample(name)

    table, fragments = table_and_fragments(given(web, sample))

    begins = offsets(fragments)
    per_frame = len(fragments) // int(sample.dataset().NumberOfFrames)
    assert numbers(table, 4) in ([], begins[::per_frame])


@suite.case("FILE-012", ref="PS3.5 A.4 (2020b)")
@pytest.mark.parametrize("name", ["p09-rle-gray", "p12-jpeg-ls", "p12-jpeg-2000", "m01-jpeg"])
def test_fragments_are_even_and_whole(web: DicomWeb, stored: Stored, name: str) -> None:
    """Every fragment has an even length, and the joined fragments are the frames that were stored."""
    sample = stored.sample(name)
    ds = sample.dataset()
    frames = list(generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames", 1))))

    _, fragments = table_and_fragments(given(web, sample))

    assert [len(each) for each in fragments if len(each) % 2] == []
    assert b"".join(fragments) == b"".join(frames)


@suite.case("FILE-013", ref="PS3.3 C.7.6.3.1.8; PS3.5 A.4 (2020b)")
def test_extended_offset_table_is_right(web: DicomWeb, stored: Stored) -> None:
    """An Extended Offset Table is correct, and the basic one is empty then."""
    file = given(web, stored.sample("p14"))

    table, fragments = table_and_fragments(file)
    tags = {each.tag for each in file.elements}
    if 0x7FE00001 not in tags:
        assert numbers(table, 4) in ([], offsets(fragments))
        return
    assert table == b""
    assert numbers(file.element(0x7FE00001).value, 8) == offsets(fragments)
    # A length may exclude the byte that pads its frame to an even length.
    lengths = numbers(file.element(0x7FE00002).value, 8)
    whole = [length + length % 2 for length in lengths]
    assert whole == [len(each) for each in fragments]


@suite.case("FILE-014", ref="PS3.5 A.2, 8.1.1; PS3.18 8.7.3.4 (2020b)")
@pytest.mark.parametrize("name", ["p01", "p03", "p05", "p09-rle-gray", "p11", "m01-native"])
def test_native_pixels_have_their_length_and_vr(web: DicomWeb, stored: Stored, name: str) -> None:
    """Native pixels have the length given by rows, columns, frames and bits, and VR OW for 16 bits."""
    sample = stored.sample(name)
    ds = sample.dataset()
    size = ds.Rows * ds.Columns * ds.SamplesPerPixel * int(ds.get("NumberOfFrames", 1))

    pixels = given(web, sample, ExplicitVRLittleEndian).element(PIXEL_DATA)

    assert pixels.length == (size * ds.BitsAllocated // 8 + 1) // 2 * 2
    assert pixels.vr in (("OW",) if ds.BitsAllocated > 8 else ("OB", "OW"))


# Private elements and text


@suite.case("FILE-015", ref="PS3.5 7.8.1 (2020b)")
@pytest.mark.parametrize("name", ["t01-known-vr", "t01-implicit-vr", "t01-un", "t05"])
def test_private_elements_have_a_creator(web: DicomWeb, stored: Stored, name: str) -> None:
    """Every private element is in a block that a creator of VR LO reserves in the same item."""
    file = given(web, stored.sample(name), ExplicitVRLittleEndian)

    for path, elements in file.levels():
        creators = {
            each.tag & 0xFFFF0000 | (each.tag & 0xFF) << 8
            for each in elements
            if each.tag >> 16 in PRIVATE and each.tag & 0xFF00 == 0 and each.vr in ("LO", "")
        }
        lonely = [
            path + each.name
            for each in elements
            if each.tag >> 16 in PRIVATE
            and each.tag & 0xFFFF >= 0x1000
            and each.tag & 0xFFFFFF00 not in creators
        ]
        assert lonely == []


@suite.case("FILE-016", ref="PS3.5 6.2.2 (2020b)")
def test_private_elements_of_unknown_vr_are_kept(web: DicomWeb, stored: Stored) -> None:
    """A private element stored in implicit VR has UN or its own VR, and its bytes; its creator has VR LO."""
    file = given(web, stored.sample("t01-implicit-vr"), ExplicitVRLittleEndian)

    found = [(file.element(tag).vr, file.element(tag).value) for tag in (0x00991001, 0x00991003)]
    assert found[0] in ((vr, b"private text") for vr in ("UN", "LO"))
    assert found[1] in ((vr, b"1.5\\2.5 ") for vr in ("UN", "DS"))
    assert file.element(0x00990010).vr == "LO"
    assert file.element(0x00991002).vr in ("UN", "SQ")


@suite.case("FILE-017", ref="PS3.5 6.1.2.5.3, H.3 (2020b)")
@pytest.mark.parametrize("name", ["c11", "c12", "c13"])
def test_code_extensions_end_at_delimiters(web: DicomWeb, stored: Stored, name: str) -> None:
    """Before each delimiter of a name, and at its end, the first character set is active again."""
    sample = stored.sample(name)

    written = given(web, sample).element(0x00100010).value

    name_as_text = sample.properties["patient_name"].rstrip("=")
    plain = in_the_first_set(written).rstrip(b"= ")
    assert {each: plain.count(each.encode()) for each in "^="} == {
        each: name_as_text.count(each) for each in "^="
    }
    assert decode_bytes(written, encodings_of(sample), set()).rstrip("= ") == name_as_text
