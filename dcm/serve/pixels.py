"""The positions of a stored image's frames, as stretches of its file (PS3.5 8.1, 8.2, A.4)."""

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from dcm.data.encoding import DEFLATED, ITEM, UNDEFINED, Element, MalformedData, TruncatedData
from dcm.data.header import NotDicom, scan
from dcm.instances import FileInstance
from dcm.serve.refusal import Refusal
from dcm.serve.stored import DataSet, opened

PIXEL_DATA: Final = 0x7FE00010
_PIXELS: Final = frozenset((PIXEL_DATA, 0x7FE00008, 0x7FE00009))
_OFFSETS: Final = 0x7FE00001
_ASKED: Final = ("NumberOfFrames", "Rows", "Columns", "SamplesPerPixel", "BitsAllocated",
                 "PhotometricInterpretation")  # fmt: skip

Stretch = tuple[int, int]
"""Position and length of bytes in a file."""


class Pixels(NamedTuple):
    """The pixels of an image. frame_count: the number of frames.

    encapsulated: whether each frame is a compressed stream. frames: the stretches of each frame, in
    the file, or in `data` if the file does not contain the pixels in this form. bits: the bits of a
    frame, if frames do not start on byte boundaries. vr: of the element.
    """

    frame_count: int
    encapsulated: bool
    frames: Sequence[Sequence[Stretch]]
    data: bytes | None
    bits: int
    vr: bytes
    little_endian: bool


def pixels_of(instance: FileInstance) -> Pixels:
    """Find the frames of an image. Raises `Refusal`: 404 if it has no pixels, 500 if it is damaged."""
    try:
        header = scan(instance.path, _ASKED)
        with opened(instance) as data_set:
            return _pixels(instance, data_set, {name: header.text(name) for name in _ASKED})
    except (MalformedData, TruncatedData, NotDicom, ValueError, struct.error) as error:
        raise Refusal(500, f"the pixels of {instance.path} cannot be read: {error}") from error


def _pixels(instance: FileInstance, data_set: DataSet, known: dict[str, str]) -> Pixels:
    count = int(known["NumberOfFrames"] or 1)
    offsets: list[int] = []
    reader, encoding = data_set.reader, data_set.encoding
    walk = reader.walk(data_set.start, encoding, data_set.end)
    for element in walk:
        if element.depth:
            continue
        if element.tag == _OFFSETS:
            value = reader.peek(element.start, element.length)
            offsets = [each for (each,) in struct.iter_unpack("<Q", value)]
        if element.tag in _PIXELS:
            break
    else:
        raise Refusal(404, "the instance has no pixels")
    if element.length == UNDEFINED:
        fragments = [one for one in walk if one.depth == 1 and one.tag == ITEM]
        frames = _grouped(data_set, fragments, count, offsets)
        return Pixels(len(frames), True, frames, None, 0, element.vr, True)
    bits = _bits(known)
    if not bits or bits * count > element.length * 8:
        raise ValueError(f"{count} frames do not fit into {element.length} bytes")
    whole = None
    if instance.kind[1] in DEFLATED:
        whole = data_set.source.read(element.start, element.length)
        start = 0
    else:
        start = element.start
    if bits % 8:
        frames = [[(start, element.length)]] * count
    else:
        size = bits // 8
        frames = [[(start + number * size, size)] for number in range(count)]
        bits = 0
    return Pixels(count, False, frames, whole, bits, element.vr or b"OW", encoding.little_endian)


def _bits(known: dict[str, str]) -> int:
    """Return the number of bits of a native frame."""
    names = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")
    rows, columns, samples, allocated = (int(known[name] or 0) for name in names)
    if known["PhotometricInterpretation"] == "YBR_FULL_422":
        samples = 2  # on average: Y for each pixel, others for every second (PS3.3 C.7.6.3.1.2)
    return rows * columns * (samples or 1) * allocated


def _grouped(
    data_set: DataSet, items: list[Element], count: int, offsets: list[int]
) -> list[list[Stretch]]:
    """Return the fragments of each frame, using an offset table if there is one (PS3.5 A.4)."""
    table, *fragments = items
    if not offsets:
        value = data_set.source.read(table.start, table.length)
        offsets = [each for (each,) in struct.iter_unpack("<I", value[: len(value) // 4 * 4])]
    if count == 1:
        starts = [0]
    elif len(offsets) == count:
        first = fragments[0].header
        places = {each.header - first: number for number, each in enumerate(fragments)}
        if not all(each in places for each in offsets):
            raise ValueError("its offset table does not lead to fragments")
        starts = [places[each] for each in offsets]
    elif len(fragments) == count:
        starts = list(range(count))
    else:
        starts = list(_beginnings(data_set, fragments))
        if len(starts) != count:
            raise ValueError(f"{len(fragments)} fragments cannot be assigned to {count} frames")
    ends = [*starts[1:], len(fragments)]
    return [
        [(each.start, each.length) for each in fragments[start:end]]
        for start, end in zip(starts, ends, strict=True)
    ]


def _beginnings(data_set: DataSet, fragments: list[Element]) -> Iterator[int]:
    """Yield the numbers of the fragments that begin a stream of JPEG, JPEG-LS or JPEG 2000."""
    for number, each in enumerate(fragments):
        if data_set.source.read(each.start, 3) in (b"\xff\xd8\xff", b"\xff\x4f\xff"):
            yield number
