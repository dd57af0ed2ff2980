"""Two data sets compared attribute by attribute, at every level, and pixel by pixel.

A server that keeps all of an object (PS3.4 B.4.1.1, level 2) returns it unchanged. Only this module
defines what it may change nevertheless, because it is not part of the object's content:

- the file meta information, except for the class and the instance of the object (PS3.10 7.1);
- group lengths (PS3.5 7.2) and padding of the file, including Data Set Trailing Padding (PS3.10 7.2);
- the transfer syntax: offset tables, fragments, the padding of a compressed frame (PS3.5 A.4), and if
  pixels were decoded, Photometric Interpretation, Planar Configuration, and OB or OW (PS3.5 8.1.2);
- spaces and NULs that pad a value (PS3.5 6.2), and the character set if the text is the same;
- UN for a VR that a reader of implicit VR cannot know, and the dictionary's VR for UN (6.2.2).
"""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any, Final

import numpy as np
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.multival import MultiValue
from pydicom.uid import UID
from pydicom.values import convert_SQ

from harness.corpus.picture import Frame, Picture

MOST: Final = 12
"""Lines of differences to list; the rest is counted."""
SHOWN: Final = 60
"""Characters of a value to show."""

_PIXEL_DATA: Final = 0x7FE00010
_OFFSETS: Final = frozenset({"ExtendedOffsetTable", "ExtendedOffsetTableLengths"})
_OF_THE_FILE: Final = _OFFSETS | {"SpecificCharacterSet", "DataSetTrailingPadding"}
_OF_THE_CODING: Final = frozenset({"PhotometricInterpretation", "PlanarConfiguration"})
_INTERCHANGEABLE: Final = ({"OB", "OW"}, {"US", "SS", "OW"})
_META: Final = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID")


def differences(expected: Dataset, received: Dataset, picture: Picture | None = None) -> list[str]:
    """Return the differences, one line each: the path of the attribute, and both values.

    `picture` has the pixels of `expected` before any compression, for what cannot be decoded here.
    Both data sets have file meta information with their transfer syntax.
    """
    found = [
        *_of_the_meta(expected, received),
        *_of_the_elements("", expected, received, frozenset(_neglected(expected, received))),
        *_of_the_pixels(expected, received, picture),
    ]
    more = len(found) - MOST
    return [*found[:MOST], f"and {more} more"] if more > 0 else found


def _neglected(expected: Dataset, received: Dataset) -> Iterator[str]:
    yield from _OF_THE_FILE
    before, after = _syntax(expected), _syntax(received)
    if before != after and (before.is_encapsulated or after.is_encapsulated):
        yield from _OF_THE_CODING


def _of_the_meta(expected: Dataset, received: Dataset) -> Iterator[str]:
    for keyword in _META:
        one, other = (each.file_meta.get(keyword) for each in (expected, received))
        if one != other:
            yield _line(keyword, one, other)


def _of_the_elements(
    path: str, expected: Dataset, received: Dataset, neglected: frozenset[str]
) -> Iterator[str]:
    """Compare the elements of two data sets or items, except the pixels."""
    for tag in sorted({*expected.keys(), *received.keys()}):
        one, other = expected.get(tag), received.get(tag)
        keyword = keyword_for_tag(tag)
        if tag.element == 0 or tag == _PIXEL_DATA or keyword in neglected:
            continue
        name = path + str(keyword or f"({tag.group:04X},{tag.element:04X})")
        if one is None or other is None:
            yield _line(name, _value(one), _value(other))
        elif "SQ" in (one.VR, other.VR):
            yield from _of_the_items(name, one, other, neglected)
        elif not _is_same(one, expected, other, received):
            first, second = ("", "") if one.VR == other.VR else (f"{one.VR} ", f"{other.VR} ")
            yield _line(name, f"{first}{_value(one)}", f"{second}{_value(other)}")


def _of_the_items(
    name: str, one: DataElement, other: DataElement, neglected: frozenset[str]
) -> Iterator[str]:
    before, after = _items(one), _items(other)
    if before is None or after is None:
        yield _line(name, f"{one.VR} {_value(one)}", f"{other.VR} {_value(other)}")
        return
    if len(before) != len(after):
        yield _line(name, f"{len(before)} items", f"{len(after)} items")
    for number, (item, its_twin) in enumerate(zip(before, after, strict=False), start=1):
        yield from _of_the_elements(f"{name}[{number}].", item, its_twin, neglected)


def _items(element: DataElement) -> Sequence[Dataset] | None:
    """Return the items of a sequence, or of a value of VR UN encoded as in PS3.5 6.2.2."""
    if element.VR == "SQ":
        return list(element.value or ())
    if element.VR != "UN":
        return None
    try:
        return list(convert_SQ(element.value or b"", is_implicit_VR=True, is_little_endian=True))
    except (ValueError, KeyError, OSError, NotImplementedError):
        return None


def _is_same(one: DataElement, of: Dataset, other: DataElement, of_other: Dataset) -> bool:
    if one.VR == other.VR and _plain(one.value) == _plain(other.value):
        return True
    vrs = {one.VR, other.VR}
    if len(vrs) > 1 and "UN" not in vrs and not any(vrs <= each for each in _INTERCHANGEABLE):
        return False
    return _encoded(one, of) == _encoded(other, of_other)


def _plain(value: Any) -> object:
    """Return a value in a form that compares as written: `1.50` is not `1.5`."""
    if isinstance(value, MultiValue):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return value
    return "" if value is None else str(value).rstrip(" \0")


def _encoded(element: DataElement, of: Dataset) -> bytes:
    """Encode the value in little endian, without its padding."""
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, True
    write_data_element(file, element, of._character_set)  # noqa: SLF001 - has no public name
    value: bytes = file.getvalue()[8:]
    return value.rstrip(b" \0")


def _of_the_pixels(expected: Dataset, received: Dataset, picture: Picture | None) -> Iterator[str]:
    there = ["yes" if _PIXEL_DATA in each else None for each in (expected, received)]
    if None in there:
        if there[0] != there[1]:
            yield _line("PixelData", *there)
        return
    before, after = _syntax(expected), _syntax(received)
    if before.is_encapsulated and before == after:
        yield from _of_the_streams(expected, received)
        return
    one = list(picture.frames) if picture is not None else _frames(expected)
    other = _frames(received)
    if one is None or other is None:
        yield _line("PixelData", before.name, f"{after.name}, which cannot be decoded here")
    elif [each.shape for each in one] != [each.shape for each in other]:
        yield _line("PixelData", f"frames {_shapes(one)}", f"frames {_shapes(other)}")
    else:
        for number, (frame, its_twin) in enumerate(zip(one, other, strict=True), start=1):
            yield from _of_a_frame(number, frame, its_twin)


def _of_the_streams(expected: Dataset, received: Dataset) -> Iterator[str]:
    """Compare compressed frames, with fragments joined and trailing padding removed."""
    one, other = _streams(expected), _streams(received)
    if len(one) != len(other):
        yield _line("PixelData", f"{len(one)} frames", f"{len(other)} frames")
    for number, (stream, its_twin) in enumerate(zip(one, other, strict=False), start=1):
        if stream != its_twin:
            pairs = zip(stream, its_twin, strict=False)
            at = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            where = f"PixelData frame {number} byte {at}"
            yield _line(where, _bytes(stream[at:]), _bytes(its_twin[at:]))


def _streams(ds: Dataset) -> list[bytes]:
    count = int(ds.get("NumberOfFrames") or 1)
    table, lengths = ds.get("ExtendedOffsetTable"), ds.get("ExtendedOffsetTableLengths")
    extended = None if table is None or lengths is None else (table, lengths)
    frames = generate_frames(ds.PixelData, number_of_frames=count, extended_offsets=extended)
    return [frame.rstrip(b"\0") for frame in frames]


def _of_a_frame(number: int, one: Frame, other: Frame) -> Iterator[str]:
    places = np.argwhere(one != other)
    if len(places):
        at = tuple(places[0])
        row, column = (int(each) for each in at[:2])
        sample = f", sample {int(at[2])}" if len(at) > 2 else ""
        more = f" ({len(places)} samples differ)" if len(places) > 1 else ""
        where = f"PixelData frame {number}, row {row}, column {column}{sample}{more}"
        yield _line(where, one[at], other[at])


def _frames(ds: Dataset) -> list[Frame] | None:
    """Read native pixels, colour by pixel; None if they are compressed or incomplete."""
    syntax = _syntax(ds)
    if syntax.is_encapsulated:
        return None
    count, samples = int(ds.get("NumberOfFrames") or 1), int(ds.SamplesPerPixel)
    kind = np.dtype(f"{'i' if ds.PixelRepresentation else 'u'}{ds.BitsAllocated // 8}")
    size = count * ds.Rows * ds.Columns * samples
    if len(ds.PixelData) < size * kind.itemsize:
        return None
    order = kind.newbyteorder("<" if syntax.is_little_endian else ">")
    values = np.frombuffer(ds.PixelData, order, size)
    if samples == 1:
        return list(values.reshape(count, ds.Rows, ds.Columns))
    if ds.PlanarConfiguration:
        return list(values.reshape(count, samples, ds.Rows, ds.Columns).transpose(0, 2, 3, 1))
    return list(values.reshape(count, ds.Rows, ds.Columns, samples))


def _syntax(ds: Dataset) -> UID:
    return UID(ds.file_meta.TransferSyntaxUID)


def _shapes(frames: list[Frame]) -> str:
    return f"{len(frames)} of {'x'.join(str(each) for each in frames[0].shape)}"


def _value(element: DataElement | None) -> str | None:
    if element is None:
        return None
    if element.VR == "SQ":
        return f"{len(element.value or ())} items"
    return _bytes(element.value) if isinstance(element.value, bytes) else str(element.value)


def _bytes(value: bytes) -> str:
    return value[: SHOWN // 2].hex(" ") + (" ..." if len(value) > SHOWN // 2 else "")


def _line(name: str, expected: object, received: object) -> str:
    return f"{name}: expected {_shown(expected)}, received {_shown(received)}"


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    text = str(value) or "an empty value"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
