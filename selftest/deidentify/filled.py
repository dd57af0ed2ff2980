"""Objects in which every attribute of the table has a unique value."""

import struct
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from io import BytesIO
from itertools import count
from typing import NamedTuple

from pydicom import Dataset, dcmwrite
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage

from dcm.deidentify.table import table

UNIQUE_TEXTS = ("LO", "SH", "ST", "LT", "UT", "UC", "PN", "CS", "AE")
REFERENCES = (0x00081140, 0x00082112, 0x00081111, 0x00081110)
NOT_FILLED = frozenset((0x00420011, 0x00020003, 0x00041511, 0x00001000, 0x00001001))


class Trace(NamedTuple):
    """A value: its place, and the bytes to search for."""

    where: str
    tag: int
    vr: str
    found_by: bytes


class Filled(NamedTuple):
    """A file, and the unique values in it."""

    data: bytes
    traces: list[Trace]


def vr_of_row(tag: int) -> str:
    """Return the VR of an attribute of the table; LO if pydicom does not know it yet."""
    vr = dictionary_VR(tag) if dictionary_has_tag(tag) else "LO"
    return vr.split(" or ")[0]


def filled(
    character_set: str = "ISO_IR 100", prefix: str = "", syntax: str = "1.2.840.10008.1.2.1"
) -> Filled:
    """Make an object with the whole table at the top and in two nested levels, and private data."""
    traces: list[Trace] = []
    numbers = count(1)
    top = Dataset()
    top.SpecificCharacterSet = character_set.split("\\")
    top.SOPClassUID = CTImageStorage
    top.Modality = "CT"
    top.BurnedInAnnotation = "NO"
    top.update(_rows("top", numbers, traces, prefix))
    inner, middle = Dataset(), Dataset()
    inner.update(_rows("inner", numbers, traces, prefix))
    middle.update(_rows("middle", numbers, traces, prefix))
    middle.PurposeOfReferenceCodeSequence = [inner]
    top.ReferencedSeriesSequence = [middle]
    _add_private(top, numbers, traces)
    _add_groups(top, numbers, traces)
    top.Rows = top.Columns = 2
    top.BitsAllocated = top.BitsStored = 16
    top.HighBit, top.PixelRepresentation, top.SamplesPerPixel = 15, 0, 1
    top.PhotometricInterpretation = "MONOCHROME2"
    if syntax != "1.2.840.10008.1.2.5":
        top.PixelData = bytes(8)
    return Filled(_written(top, syntax, traces), traces)


def _rows(where: str, numbers: Iterator[int], traces: list[Trace], prefix: str) -> Dataset:
    found = Dataset()
    for tag in table():
        vr = vr_of_row(tag)
        if tag in NOT_FILLED or tag >> 16 < 8 or tag >= 0xFFFA0000:
            continue
        number = next(numbers)
        if vr == "SQ":
            item = Dataset()
            if tag in REFERENCES:
                item.ReferencedSOPInstanceUID = UID(f"1.2.3.{number}.4711")
                text = item.ReferencedSOPInstanceUID
            else:
                item.CodeValue, item.CodingSchemeDesignator = "1", "99TEST"
                item.CodeMeaning = text = f"Q{number:05}Z"
            found.add(DataElement(tag, "SQ", [item]))
            traces.append(Trace(where, tag, vr, text.encode()))
            continue
        made = MAKERS.get(vr)
        if made is None:
            continue
        value, found_by = made(number)
        if isinstance(value, str) and vr in ("LO", "PN", "LT", "ST", "UT", "UC"):
            value = prefix + value
        found.add(DataElement(tag, vr, value))
        traces.append(Trace(where, tag, vr, found_by))
    return found


def _text(number: int) -> tuple[str, bytes]:
    return f"Q{number:05}Z", f"Q{number:05}Z".encode()


def _day(number: int) -> tuple[str, bytes]:
    text = f"{date(1800, 1, 1) + timedelta(number):%Y%m%d}"
    return text, text.encode()


def _time(number: int) -> tuple[str, bytes]:
    text = f"101112.7{number:05}"
    return text, text.encode()


def _moment(number: int) -> tuple[str, bytes]:
    day, found_by = _day(number)
    return f"{day}101112.8{number:05}", found_by


def _uid(number: int) -> tuple[str, bytes]:
    text = f"1.2.3.{number}.4711"
    return text, text.encode()


def _number(number: int) -> tuple[str, bytes]:
    text = f"6{number:05}43"
    return text, text.encode()


def _bytes(number: int) -> tuple[bytes, bytes]:
    return f"Q{number:05}Z ".encode(), f"Q{number:05}Z".encode()


MAKERS: dict[str, Callable[[int], tuple[str | bytes, bytes]]] = {
    **dict.fromkeys(UNIQUE_TEXTS, _text),
    "DA": _day, "DT": _moment, "TM": _time, "UI": _uid, "IS": _number, "DS": _number, "OB": _bytes,
    "UN": _bytes, "UR": _text,
}  # fmt: skip


def _add_private(top: Dataset, numbers: Iterator[int], traces: list[Trace]) -> None:
    """Add private elements that are not safe: text, a sequence, and a creator's name."""
    creator, text, inside = (f"Q{next(numbers):05}Z" for _ in range(3))
    block = top.private_block(0x0013, creator, create=True)
    block.add_new(0x01, "LO", text)
    item = Dataset()
    item.PatientComments = inside
    block.add_new(0x02, "SQ", [item])
    siemens = top.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    unsafe = f"Q{next(numbers):05}Z"
    siemens.add_new(0x08, "LO", unsafe)
    siemens.add_new(0x0C, "IS", "1000")
    traces += [
        Trace("private", 0x00131001, "LO", each.encode())
        for each in (creator, text, inside, unsafe)
    ]


def _add_groups(top: Dataset, numbers: Iterator[int], traces: list[Trace]) -> None:
    """Add a curve, an overlay with comments, and an unknown element."""
    for tag, vr in ((0x50003000, "OB"), (0x60003000, "OB"), (0x60004000, "LT"), (0x00100FFF, "LO")):
        text = f"Q{next(numbers):05}Z"
        top.add(DataElement(tag, vr, text if vr in ("LT", "LO") else (text + " ").encode()))
        traces.append(Trace("group", tag, vr, text.encode()))


def _written(top: Dataset, syntax: str, traces: list[Trace]) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(syntax)
    meta.MediaStorageSOPClassUID = top.SOPClassUID
    meta.MediaStorageSOPInstanceUID = top.SOPInstanceUID
    meta.SourceApplicationEntityTitle = "QMETAAEZ"
    meta.SendingApplicationEntityTitle = "QMETABEZ"
    meta.PrivateInformationCreatorUID = UID("1.2.3.99999.4711")
    meta.PrivateInformation = b"QMETAINFOZ"
    top.file_meta = meta
    top.preamble = b"QPREAMBLEZ".ljust(128, b"\1")
    names = (b"QMETAAEZ", b"QMETABEZ", b"QMETAINFOZ", b"QPREAMBLEZ", b"1.2.3.99999.4711")
    traces += [Trace("meta", 0x00020016, "AE", each) for each in names]
    written = BytesIO()
    dcmwrite(written, top, enforce_file_format=True)
    data = written.getvalue()
    if syntax.endswith(".1.99"):
        return data
    missing = [trace for trace in traces if trace.found_by not in data]
    assert not missing, missing[:5]
    assert struct.unpack_from("<HH", data, 132) == (2, 0)
    return data
