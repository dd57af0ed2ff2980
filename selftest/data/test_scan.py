"""The header scan against pydicom's full reading, on all samples and on common defects."""

import io
import os
import random
import re
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import FileDataset
from pydicom.filereader import read_dataset
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian
from pydicom.valuerep import VR

from dcm.data import encoding
from dcm.data.header import COMMON, Header, NotDicom, scan, scan_bytes
from harness.corpus import Sample, corpus, make
from harness.corpus.part10 import data_set_offset

PIXELS = 0x7FE00010
CHARACTER_SET = 0x00080005
BROKEN = {"x00-text", "x04-cut-in-header"}
READABLE = [id_ for id_ in corpus if id_ not in BROKEN and not id_.startswith("h08")]
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
TEXT_VRS = set(map(VR, re.findall("..", "AEASCSDADSDTISLOLTPNSHSTTMUCUIURUT")))


def read(data: bytes) -> FileDataset:
    """Read with pydicom, whatever is missing at the beginning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=True)


def raw_elements(ds: FileDataset) -> dict[int, bytes]:
    """Return the encoded values of a data set, without sequences and bulk data."""
    tags = [int(tag) for tag in ds.keys() if tag < PIXELS & 0xFFFF0000]  # noqa: SIM118
    raw = {tag: ds.get_item(tag) for tag in tags}
    values = {tag: element.value or b"" for tag, element in raw.items() if element.VR != "SQ"}
    if CHARACTER_SET in values and not isinstance(values[CHARACTER_SET], bytes):
        names = ds.SpecificCharacterSet  # pydicom decodes this one at once
        text = names if isinstance(names, str) else "\\".join(names)
        values[CHARACTER_SET] = text.encode() + b" " * (len(text) % 2)
    return values


def cut(sample: Sample) -> tuple[bytes, bytes]:
    """Return the file meta information with all before it, and the data set."""
    offset = scan_bytes(sample.data).data_set_offset
    return sample.data[:offset], sample.data[offset:]


def element(tag: int, vr: str, value: bytes) -> bytes:
    """Encode an element in Explicit VR Little Endian."""
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + vr.encode()
    if vr in {"OB", "OW", "SQ", "UN", "UT"}:
        return head + b"\0\0" + len(value).to_bytes(4, "little") + value
    return head + len(value).to_bytes(2, "little") + value


@pytest.mark.parametrize("id_", READABLE)
def test_samples_read_as_pydicom_reads_them(id_: str) -> None:
    """Every element before the pixels has the same bytes and text as in pydicom."""
    sample = corpus[id_]
    ds = read(sample.data)
    expected = raw_elements(ds)

    header = scan_bytes(sample.data, tuple(expected))

    assert {tag: value for tag, (_, value) in header.elements.items()} == expected
    assert header.transfer_syntax_uid == sample.transfer_syntax
    for each in ds:
        if each.VR in TEXT_VRS:
            values = each.value if each.VM > 1 else [each.value]
            joined = "\\".join(str("" if value is None else value) for value in values)
            # pydicom drops empty groups of names, and leaves an escape sequence in the text.
            assert header.text(each.tag).rstrip("=") == joined.replace("\x1b$)A", "")


@pytest.mark.parametrize("id_", READABLE)
def test_the_data_set_begins_where_it_is_said_to(id_: str) -> None:
    """A sender can take the complete data set from the offset on."""
    sample = corpus[id_]
    header = scan_bytes(sample.data)

    rest = sample.data[header.data_set_offset :]

    if sample.transfer_syntax == DeflatedExplicitVRLittleEndian:
        rest = zlib.decompress(rest, -zlib.MAX_WBITS)
    found = read_dataset(
        io.BytesIO(rest),
        sample.transfer_syntax.is_implicit_VR,
        sample.transfer_syntax.is_little_endian,
        stop_when=lambda tag, _vr, _length: tag >= PIXELS,
    )
    assert set(found.keys()) == set(read(sample.data).keys())


def test_header_of_a_file(tmp_path: Path) -> None:
    """Common questions have their answers."""
    sample = corpus["h01-ct-1-1"]
    header = scan(sample.write(tmp_path))

    assert header.sop_class_uid == sample.sop_class_uid
    assert header.sop_instance_uid == sample.sop_instance_uid
    assert header.text("StudyInstanceUID") == sample.study_instance_uid
    assert header.text("SeriesInstanceUID") == sample.series_instance_uid
    assert header.text(0x00100020) == header.text("00100020") == sample.patient_id
    assert header.text("PatientComments") == ""
    assert header.remarks == ()
    assert set(header.elements) <= {int(Tag(keyword)) for keyword in COMMON}


def test_numbers_are_written_out() -> None:
    """Binary numbers are text too, in the data set's byte order, and in implicit VR."""
    for id_ in ("p01", "p05", "p08"):
        header = scan_bytes(corpus[id_].data, ("Rows", "BitsStored", "Modality"))
        assert (header.text("Rows"), header.text("BitsStored")) == (
            "32",
            str(corpus[id_].properties["bits_stored"]),
        )


def test_tags_are_written_out() -> None:
    """A value that is a tag becomes eight hexadecimal digits."""
    header = scan_bytes(corpus["m01-native"].data, ("FrameIncrementPointer",))
    assert header.text("FrameIncrementPointer") == "00181063"


def no_preamble(data: bytes) -> bytes:
    """Remove the preamble."""
    return data[128:]


def short_group_length(data: bytes) -> bytes:
    """Declare that the file meta information is 10 bytes long."""
    return data[:140] + (10).to_bytes(4, "little") + data[144:]


def huge_group_length(data: bytes) -> bytes:
    """Declare that the file meta information is longer than the file."""
    return data[:140] + (2**31).to_bytes(4, "little") + data[144:]


def no_group_length(data: bytes) -> bytes:
    """Remove the group length."""
    return data[:132] + data[144:]


def polyglot(data: bytes) -> bytes:
    """Put the beginning of another file type into the preamble."""
    return b"II*\0".ljust(128, b"\x7f") + data[128:]


def padded(data: bytes) -> bytes:
    """Pad with zeros."""
    return data + bytes(1000)


@pytest.mark.parametrize(
    "mangle",
    [no_preamble, short_group_length, huge_group_length, no_group_length, polyglot, padded],
    ids=lambda mangle: mangle.__name__,
)
@pytest.mark.parametrize("id_", ["h01-ct-1-1", "p01", "p05", "p07", "c11"])
def test_wrong_beginnings_are_forgiven(id_: str, mangle: Callable[[bytes], bytes]) -> None:
    """The header is the same, and the offset is still that of the data set."""
    sample = corpus[id_]
    right = scan_bytes(sample.data)
    data = mangle(sample.data)

    header = scan_bytes(data)

    assert header.elements == right.elements
    assert header.transfer_syntax_uid == right.transfer_syntax_uid
    rest = sample.data[right.data_set_offset :]
    assert data[header.data_set_offset :][: len(rest)] == rest
    assert header.remarks == (("no preamble",) if mangle is no_preamble else ())


@pytest.mark.parametrize("id_", ["h01-ct-1-1", "p01", "p05", "h03-sr", "t06-nested-40"])
def test_data_set_alone_is_recognised(id_: str) -> None:
    """Without any meta header, the transfer syntax is found from the first element."""
    sample = corpus[id_]

    header = scan_bytes(cut(sample)[1])

    assert header.transfer_syntax_uid == sample.transfer_syntax
    assert header.data_set_offset == 0
    assert header.sop_instance_uid == sample.sop_instance_uid
    assert header.remarks == ("no preamble", "no file meta information")


def test_prefix_without_meta_header() -> None:
    """Preamble and prefix are followed by the data set."""
    header = scan_bytes(bytes(128) + b"DICM" + cut(corpus["p01"])[1])

    assert header.transfer_syntax_uid == IMPLICIT
    assert header.data_set_offset == 132
    assert header.remarks == ("no file meta information",)


@pytest.mark.parametrize(
    ("id_", "declared", "really"),
    [
        ("p01", EXPLICIT, IMPLICIT),
        ("h01-ct-1-1", IMPLICIT, EXPLICIT),
        ("p05", EXPLICIT, ExplicitVRBigEndian),
    ],
)
def test_wrong_transfer_syntax_is_seen(id_: str, declared: str, really: str) -> None:
    """The actual transfer syntax of the data set is used, and the mismatch is reported."""
    sample = corpus[id_]
    data = cut(make.instance(transfer_syntax=declared))[0] + cut(sample)[1]

    header = scan_bytes(data)

    assert header.transfer_syntax_uid == really
    assert header.text("StudyInstanceUID") == sample.study_instance_uid
    assert header.remarks == (
        f"the declared transfer syntax is {declared}, but the actual one is {really}",
    )


def test_meta_header_without_transfer_syntax() -> None:
    """It is found from the first element."""
    meta = element(0x00020003, "UI", b"1.2.3\0")
    header = scan_bytes(bytes(128) + b"DICM" + meta + cut(corpus["p01"])[1])

    assert header.transfer_syntax_uid == IMPLICIT
    assert header.meta[0x00020003] == (b"UI", b"1.2.3\0")
    assert header.remarks == ("the file meta information names no transfer syntax",)


def test_private_transfer_syntax_is_kept() -> None:
    """An unknown one is not corrected."""
    meta = element(0x00020010, "UI", b"1.2.840.113619.5.2")
    header = scan_bytes(bytes(128) + b"DICM" + meta + cut(corpus["p01"])[1])

    assert header.transfer_syntax_uid == "1.2.840.113619.5.2"
    assert header.sop_instance_uid == corpus["p01"].sop_instance_uid
    assert header.remarks == ()


def with_element(sample: Sample, addition: bytes) -> bytes:
    """Put elements after the SOP Instance UID."""
    meta, rest = cut(sample)
    uid = sample.sop_instance_uid.encode()
    uid += b"\0" * (len(uid) % 2)
    place = rest.index(uid) + len(uid)
    return meta + rest[:place] + addition + rest[place:]


@pytest.fixture
def no_pydicom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if the scan uses pydicom."""
    monkeypatch.setattr("dcm.data.header._read_by_pydicom", pytest.fail)


ITEM = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
ITEM_END = b"\xfe\xff\x0d\xe0\0\0\0\0"
SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
SEQUENCE = b"\x08\x00\x10\x11SQ\0\0\xff\xff\xff\xff"
UNKNOWN = b"\x09\x00\x10\x10UN\0\0\xff\xff\xff\xff"
IMPLICIT_ELEMENT = b"\x08\x00\x50\x11\x04\0\0\x001.2\0"
DEEP = 50_000


@pytest.mark.parametrize(
    "addition",
    [
        SEQUENCE + SEQUENCE_END,
        SEQUENCE + ITEM + ITEM_END + ITEM + element(0x00081150, "UI", b"1.2\0") + ITEM_END + SEQUENCE_END,
        SEQUENCE + b"\xfe\xff\x00\xe0\x0c\0\0\0" + element(0x00081150, "UI", b"1.2\0") + SEQUENCE_END,
        (SEQUENCE + ITEM) * DEEP + (ITEM_END + SEQUENCE_END) * DEEP,
        UNKNOWN + ITEM + IMPLICIT_ELEMENT + ITEM_END + SEQUENCE_END,
        SEQUENCE + ITEM + UNKNOWN + ITEM + IMPLICIT_ELEMENT + ITEM_END + SEQUENCE_END
        + element(0x00091011, "UT", b"text") + ITEM_END + SEQUENCE_END,
        element(0x00091010, "OB", bytes(1_000_000)),
        element(0x00091010, "OB", bytes(encoding.FIRST_READ - 600)),
        b"".join(element(0x00091000 + number, "LO", b"x" * 60) for number in range(16, 255)),
    ],
    ids=["empty", "items", "defined-items", "50000-deep", "unknown", "unknown-within", "1-MB",
         "across-the-first-read", "many"],
)  # fmt: skip
def test_what_stands_between_is_skipped(addition: bytes, no_pydicom: None) -> None:
    """Sequences of undefined length and long values do not hide the elements after them."""
    sample = corpus["h01-ct-1-1"]

    header = scan_bytes(with_element(sample, addition))

    assert header.elements == scan_bytes(sample.data).elements


def test_sequences_are_not_kept() -> None:
    """A requested sequence is not among the values, whatever its length."""
    items = ITEM + ITEM_END
    for sequence in (SEQUENCE + items + SEQUENCE_END, element(0x00081110, "SQ", items)):
        header = scan_bytes(with_element(corpus["h01-ct-1-1"], sequence), (0x00081110,))
        assert set(header.elements) == {0x00080016, 0x00080018}
        assert header.text(0x00081110) == ""


@pytest.mark.parametrize("zeros", [1, 7, 8, 11, 1000, 40_001])
@pytest.mark.parametrize("id_", ["h03-sr", "w01", "t01-implicit-vr"])
def test_zeros_at_the_end_are_padding(id_: str, zeros: int, no_pydicom: None) -> None:
    """A padded data set ends where the zeros begin."""
    data = corpus[id_].data
    if id_.startswith("t01"):
        data = data[: data.rindex(b"\xe0\x7f\x10\x00")]
    assert scan_bytes(data + bytes(zeros), (PIXELS,)) == scan_bytes(data, (PIXELS,))


def test_files_are_closed(tmp_path: Path) -> None:
    """Neither a good nor a bad file stays open."""
    good, bad = corpus["h01-ct-1-1"].write(tmp_path), corpus["x00-text"].write(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        scan(good)
        with pytest.raises(NotDicom):
            scan(bad)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_every_place_of_the_first_reads_end(tmp_path: Path) -> None:
    """Wherever the first 4 KiB end, in a header or in a value, the elements are the same."""
    sample = corpus["h01-ct-1-1"]
    right = scan_bytes(sample.data).elements
    room = encoding.FIRST_READ - 12 - sample.data.index(b"DICM") - len(cut(sample)[0]) - 200
    for length in range(room - 700, room + 200, 2):
        data = with_element(sample, element(0x00091010, "OB", bytes(length)))
        assert scan_bytes(data).elements == right


def test_only_what_is_needed_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A long value before them costs one more read, but is not read itself."""
    sample = corpus["h01-ct-1-1"]
    path = tmp_path / "long.dcm"
    path.write_bytes(with_element(sample, element(0x00091010, "OB", bytes(5_000_000))))
    sizes: list[int] = []
    pread = os.pread

    def counted(descriptor: int, size: int, offset: int) -> bytes:
        data = pread(descriptor, size, offset)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(os, "pread", counted)

    scan(path)

    assert len(sizes) == 2
    assert sum(sizes) <= encoding.FIRST_READ + encoding.NEXT_READ


@pytest.mark.parametrize("id_", ["h01-ct-1-1", "c01", "c11"])
@pytest.mark.parametrize(
    "addition",
    [element(0x00091010, "ZZ", b"abcd"), b"\x09\x00\x10\x10\x04\0\0\0abcd"],
    ids=["unknown-vr", "implicit-within-explicit"],
)
def test_unknown_vr_is_left_to_pydicom(id_: str, addition: bytes) -> None:
    """An element that PS3.5 does not define does not hide the elements after it."""
    right = scan_bytes(corpus[id_].data)

    header = scan_bytes(with_element(corpus[id_], addition))

    assert {key: header.text(key) for key in COMMON} == {key: right.text(key) for key in COMMON}
    assert header.text("PatientName")


def test_later_and_double_elements_count_as_pydicom_counts_them() -> None:
    """Identifiers out of order are found, even after the other elements; the last one counts."""
    sample = corpus["h01-ct-1-1"]
    meta, rest = cut(sample)
    size = 8 + len(sample.sop_instance_uid) + len(sample.sop_instance_uid) % 2
    start = rest.index(sample.sop_instance_uid.encode()) - 8
    uid, others = rest[start : start + size], rest[:start] + rest[start + size :]
    pixels = others.rindex(b"\xe0\x7f\x10\x00")
    late = meta + others[:pixels] + uid + others[pixels:]
    assert scan_bytes(late, ("PatientID",)).text("SOPInstanceUID") == sample.sop_instance_uid

    double = with_element(sample, element(0x00080018, "UI", b"1.2.3\0"))
    assert scan_bytes(double).sop_instance_uid == read(double).SOPInstanceUID == "1.2.3"


def test_media_storage_uids_stand_in() -> None:
    """SOP Class and Instance UID default to those of the meta header, for worklist files."""
    header = scan_bytes(corpus["w01"].data)

    assert header.sop_class_uid.encode() == header.meta[0x00020002][1].rstrip(b"\0") != b""
    assert header.sop_instance_uid.encode() == header.meta[0x00020003][1].rstrip(b"\0") != b""
    assert header.text("AccessionNumber") == corpus["w01"].dataset().AccessionNumber


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"DI", "neither the prefix DICM nor"),
        (corpus["x00-text"].data, "neither the prefix DICM nor"),
        (b"\x7fELF" + bytes(2000), "neither the prefix DICM nor"),
        (bytes(5000), "neither the prefix DICM nor"),
        (b"\x08\0" + b"not much of a data set" * 100, "ends within the value"),
        (b"\x08\0\x05\0\x0a\0\0\0ISO_IR 100" + bytes(200), "no SOP Class and Instance UID"),
        (bytes(128) + b"DICM" + b"GIF89a is no data set", "is not a data set"),
        (bytes(128) + b"DICM" + b"\x02\0\x10\0UI", "ends within an element's header, at byte 132"),
        (bytes(128) + b"DICM" + b"\x02\0\x10\0UI\x20\x001.2", "ends within the value"),
    ],
    ids=["empty", "two-bytes", "text", "elf", "zeros", "looks-like", "acr-nema", "gif",
         "cut-meta-header", "cut-meta-value"],
)  # fmt: skip
def test_what_is_no_dicom_is_named(data: bytes, reason: str, tmp_path: Path) -> None:
    """One sentence that begins with the file's name."""
    path = tmp_path / "file"
    path.write_bytes(data)

    with pytest.raises(NotDicom, match=reason) as caught:
        scan(path)

    assert str(caught.value).startswith(f"{path}: ")
    assert caught.value.path == str(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    """A folder and a missing file raise the system's errors; a pipe does not block."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(IsADirectoryError):
        scan(tmp_path)
    with pytest.raises(FileNotFoundError):
        scan(tmp_path / "missing")
    with pytest.raises((NotDicom, OSError)):
        scan(tmp_path / "pipe")


def test_cut_is_seen_as_far_as_one_looks() -> None:
    """A file that ends in the header of its pixels is refused only if that is read."""
    data = corpus["x04-cut-in-header"].data
    assert scan_bytes(data).sop_instance_uid
    with pytest.raises(NotDicom, match="ends within an element's header"):
        scan_bytes(data, (PIXELS - 1,))


@pytest.mark.parametrize("id_", ["h01-ct-1-1", "p01", "p05", "p07", "c12", "m07", "t06-nested-10"])
def test_cut_anywhere(id_: str) -> None:
    """A file truncated at any byte is refused, or what is left reads like the whole file."""
    data = corpus[id_].data
    whole = scan_bytes(data)
    refused = 0
    for length in range(min(len(data), 2500)):
        try:
            header = scan_bytes(data[:length])
        except NotDicom:
            refused += 1
            continue
        assert header.elements.items() <= whole.elements.items()
        assert header.transfer_syntax_uid == whole.transfer_syntax_uid
    assert refused > 500


@pytest.mark.parametrize("id_", ["h03-sr", "p01", "p05", "p07", "x01", "x02"])
def test_changed_anywhere(id_: str) -> None:
    """After changes of a few bytes, the result is a header or NotDicom."""
    chance = random.Random(id_)
    data = corpus[id_].data
    answers: set[type] = set()
    splices = (b"ZZ\0\0", b"\0\0\0\0", UNKNOWN[4:], SEQUENCE[4:], ITEM, SEQUENCE_END, b"ISO 2022\0")
    for _ in range(1500):
        broken = bytearray(data)
        place, splice = chance.randrange(len(data)), chance.choice(splices)
        broken[place : place + len(splice)] = splice
        for _ in range(chance.randint(0, 4)):
            broken[chance.randrange(len(data))] = chance.choice(
                (0, 1, 0x7F, 0xFF, chance.randrange(256))
            )
        try:
            header = scan_bytes(bytes(broken))
        except NotDicom as error:
            answers.add(type(error))
        else:
            answers.add(type(header))
            assert isinstance(header.text("PatientName"), str)
    assert answers == {Header, NotDicom}


@settings(max_examples=300, deadline=None, database=None)
@given(st.binary(max_size=300), st.sampled_from([EXPLICIT, DeflatedExplicitVRLittleEndian]))
def test_noise_behind_a_good_meta_header(noise: bytes, syntax: str) -> None:
    """Noise as data set is refused, or read as far as it looks valid."""
    data = bytes(128) + b"DICM" + element(0x00020010, "UI", syntax.encode()) + noise
    try:
        header = scan_bytes(data)
    except NotDicom:
        return
    assert header.data_set_offset <= len(data)


def deflated(inner: bytes) -> bytes:
    """Return a file with a deflated data set."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    meta = element(0x00020010, "UI", DeflatedExplicitVRLittleEndian.encode())
    return bytes(128) + b"DICM" + meta + packer.compress(inner) + packer.flush()


def test_deflate_bomb_is_not_followed() -> None:
    """A data set that inflates endlessly is refused within limits."""
    bomb = element(0x00080005, "CS", b"") + element(0x00080006, "OB", bytes(65 * 2**20))
    with pytest.raises(NotDicom, match="more than 64 MiB before the requested elements"):
        scan_bytes(deflated(bomb + element(0x00080018, "UI", b"1.2\0")))


def test_no_value_is_read_without_bounds() -> None:
    """A requested element that claims gigabytes is refused, and not allocated."""
    claimed = b"\x09\x00\x10\x10OB\0\0\xf0\xff\xff\xff"
    left_to_pydicom = element(0x00090010, "ZZ", b"")
    image = corpus["h01-ct-1-1"]
    with pytest.raises(NotDicom, match="claims 4294967280 bytes"):
        scan_bytes(with_element(image, claimed), (0x00091010,))
    data = with_element(image, left_to_pydicom + claimed)
    assert len(scan_bytes(data, (0x00091010,)).elements[0x00091010][1]) < len(data)


@pytest.mark.parametrize(
    ("character_set", "stored", "text"),
    [
        (b"ISO-IR 100", "Müller".encode("latin-1"), "Müller"),
        (b"iso_ir 192", "Müller".encode(), "Müller"),
        (b"UTF-8", "Müller".encode(), "Müller"),
        (b"ISO_IR 192", b"M\xfcller", "M\ufffdller"),
        (b"", b"M\xfcller", "Müller"),
        (b"ISO_IR 144", "Люди".encode("iso8859-5"), "Люди"),
        (b"ISO_IR 203", b"10 \xa4", "10 €"),
        (b"ISO 2022 IR 6\\iso-2022-ir-87", b"\x1b$B;3ED\x1b(B", "山田"),
        (b"hex", b"M\xfcller", "Müller"),
        (b"ISO_IR 100\0\x08", b"M\xfcller", "Müller"),
        (b"no such set", b"M\xfcller", "Müller"),
        (b"GB18030", "王^小东".encode("gb18030"), "王^小东"),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) and value.isascii() else None,
)
def test_misspelt_and_unknown_character_sets(
    character_set: bytes, stored: bytes, text: str
) -> None:
    """The intended one is used; undecodable bytes are visible, and raise nothing."""
    data = element(0x00080005, "CS", character_set) + element(0x00080016, "UI", b"1.2\0")
    data += element(0x00080018, "UI", b"1.3\0") + element(0x00100010, "PN", stored)
    assert scan_bytes(data).text("PatientName") == text


def test_pydicom_is_not_imported() -> None:
    """Scanning, matching and query results do not import pydicom, nor does an ordinary file."""
    code = """
import sys
import dcm.data.identifier, dcm.data.match, dcm.data.query_result
from dcm.data.header import scan_bytes
header = scan_bytes(sys.stdin.buffer.read())
assert header.text("PatientName") == "Sample^Object", header
assert header.text("Rows") == ""
assert "pydicom" not in sys.modules
"""
    for syntax in (EXPLICIT, ImplicitVRLittleEndian):
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=make.instance(transfer_syntax=syntax).data,
            cwd=Path(__file__).resolve().parents[2],
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("wrong_length", [False, True])
def test_a_second_set_of_file_meta_information(tmp_path: Path, *, wrong_length: bool) -> None:
    """The first Transfer Syntax UID applies (PS3.10 7.1); group 0002 is not sent (PS3.5 7.1)."""
    image = corpus["p01"].dataset()
    assert image.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    data = corpus["p01"].data
    begin = data_set_offset(data)
    second = b"\2\0\x10\0UI\x14\0" + b"1.2.840.10008.1.2.1\0" + b"\2\0\x12\0UI\4\0001.2\0"
    first = data[:begin]
    if wrong_length:
        first = first[:140] + (7).to_bytes(4, "little") + first[144:]
    path = tmp_path / "twice.dcm"
    path.write_bytes(first + second + data[begin:])
    header = scan(path)
    assert header.transfer_syntax_uid == ImplicitVRLittleEndian
    assert header.data_set_offset == begin + len(second)
    assert header.remarks == ("a second set of file meta information, which was ignored",)
