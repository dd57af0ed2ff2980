"""t01 to t06, m07 and m11: unusual elements, and objects that are not plain images."""

import struct
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian

from harness.corpus.documents import encapsulated_pdf
from harness.corpus.modules import item, secondary_capture
from harness.corpus.picture import Picture, gray
from harness.corpus.place import Place, uid
from harness.corpus.registry import Recipe
from harness.corpus.sample import Draft

CREATOR = "DICOM-HARNESS"
_GROUP = 0x0099

# One value for each VR of PS3.5 6.2, several values where the VR allows it.
_VALUES = (
    ("AE", ["FIRST", "SECOND"]),
    ("AS", "042Y"),
    ("AT", [0x00100010, 0x7FE00010]),
    ("CS", ["ONE", "TWO"]),
    ("DA", ["20240115", "20240116"]),
    ("DS", ["-1.5", "2.25E3"]),
    ("DT", "20240115101500.123456+0100"),
    ("FL", [-1.5, 2.0]),
    ("FD", [-1.5, 1e300]),
    ("IS", ["-2147483647", "2147483647"]),
    ("LO", ["first", "second"]),
    ("LT", "line one\r\nline two \\ no second value"),
    ("OB", b"\x00\x01\xfe\xff"),
    ("OD", b"\x00\x00\x00\x00\x00\x00\xf0\x3f"),
    ("OF", b"\x00\x00\x80\x3f"),
    ("OL", b"\x01\x02\x03\x04"),
    ("OV", b"\x01\x02\x03\x04\x05\x06\x07\x08"),
    ("OW", b"\x01\x02"),
    ("PN", ["One^Name", "Two^Name"]),
    ("SH", ["short", "string"]),
    ("SL", [-(2**31), 2**31 - 1]),
    ("SS", [-(2**15), 2**15 - 1]),
    ("ST", "short text"),
    ("SV", [-(2**63), 2**63 - 1]),
    ("TM", ["101500", "235959.999999"]),
    ("UC", ["unlimited", "characters"]),
    ("UI", ["1.2.840.10008.1.1", "2.25.1"]),
    ("UL", [0, 2**32 - 1]),
    ("UN", b"\x00\x01"),
    ("UR", "https://example.org/path?query=1"),
    ("US", [0, 2**16 - 1]),
    ("UT", "unlimited text"),
    ("UV", [0, 2**64 - 1]),
)


def recipes() -> Iterator[Recipe]:
    """Yield the recipes of this group."""
    yield Recipe("m07", "an encapsulated PDF of one page", _pdf)
    yield Recipe("t01-known-vr", "a private block with a sequence, explicit VR", _private)
    yield Recipe(
        "t01-implicit-vr",
        "the same private block in implicit VR: a reader cannot know the VRs",
        partial(_private, ImplicitVRLittleEndian),
    )
    yield Recipe("t01-un", "a private sequence written with VR UN and defined length", _unknown)
    yield Recipe("t03", "an element after the pixels: Data Set Trailing Padding", _trailing)
    yield Recipe(
        "t05", "all 34 VRs, several values where allowed, empty values and items", _all_vrs
    )
    for levels in (10, 40):
        purpose = f"sequences in sequences, {levels} levels deep"
        yield Recipe(f"t06-nested-{levels}", purpose, partial(_nested, levels))


def _image(name: str) -> Dataset:
    return secondary_capture(Place("corpus", f"ELEMENTS-{name}"))


def _draft(ds: Dataset, **known: object) -> Draft:
    return Draft(ds, picture=Picture((gray(0, bits=8),), bits_stored=8), known=known)


def _pdf() -> Draft:
    return Draft(encapsulated_pdf(Place("corpus", "OBJECTS-M07"), "Sample document"))


def _private(transfer_syntax: str | None = None) -> Draft:
    ds = _image("T01")
    ds.SOPInstanceUID = uid("corpus", "t01", transfer_syntax)
    block = ds.private_block(_GROUP, CREATOR, create=True)
    block.add_new(0x01, "LO", "private text")
    block.add_new(0x02, "SQ", Sequence([_private_item(1), _private_item(2)]))
    block.add_new(0x03, "DS", ["1.5", "2.5"])
    draft = _draft(ds, private_creator=CREATOR)
    return draft if transfer_syntax is None else replace(draft, transfer_syntax=transfer_syntax)


def _private_item(number: int) -> Dataset:
    inner = Dataset()
    block = inner.private_block(_GROUP, CREATOR, create=True)
    block.add_new(0x11, "IS", number)
    block.add_new(0x12, "SH", f"item {number}")
    return inner


def _unknown() -> Draft:
    ds = _image("T01-UN")
    block = ds.private_block(_GROUP, CREATOR, create=True)
    # PS3.5 6.2.2: a value of VR UN and defined length is a sequence in implicit VR.
    creator, number = CREATOR.encode() + b" ", b"1 "
    item_of = struct.pack("<HHI14sHHI2s", 0x99, 0x10, 14, creator, 0x99, 0x1011, 2, number)
    block.add_new(0x02, "UN", struct.pack("<HHI", 0xFFFE, 0xE000, len(item_of)) + item_of)
    block.add_new(0x03, "UN", b"\x01\x02\x03\x04")
    return _draft(ds, private_creator=CREATOR)


def _trailing() -> Draft:
    ds = _image("T03")
    ds.DataSetTrailingPadding = b"\0" * 64
    return _draft(ds)


def _all_vrs() -> Draft:
    ds = _image("T05")
    block = ds.private_block(_GROUP, CREATOR, create=True)
    for place, (vr, value) in enumerate(_VALUES, start=1):
        block.add_new(place, vr, value)
        block.add_new(0x80 + place, vr, None)
    block.add_new(0x70, "SQ", Sequence([item(PatientID="nested"), Dataset()]))
    block.add_new(0x71, "SQ", Sequence())
    return _draft(ds, vrs=[*(vr for vr, _ in _VALUES), "SQ"])


def _nested(levels: int) -> Draft:
    ds = _image(f"T06-{levels}")
    outer = ds
    for level in range(1, levels + 1):
        inner = item(TextValue=f"level {level}")
        outer.ContentSequence = Sequence([inner])
        outer = inner
    return _draft(ds, levels=levels)
