"""Make regions of pixels black; compressed pixels are decoded first."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from dcm.data.encoding import (
    DEFLATED,
    UNDEFINED,
    Element,
    MalformedData,
    Reader,
    TruncatedData,
)
from dcm.data.source import MemorySource, Source
from dcm.data.whole import Edit
from dcm.deidentify.inspection import CannotDeidentify, Known, encoding_of
from dcm.deidentify.meta import file_meta
from dcm.deidentify.regions import Region
from dcm.filt.instance import EditedInstance
from dcm.instances import Instance, MemoryInstance, data_of, instance_of

_PIXEL_DATA: Final = 0x7FE00010
_BLACK: Final = {
    "MONOCHROME1": b"\0", "MONOCHROME2": b"\0", "PALETTE COLOR": b"\0", "RGB": b"\0\0\0",
    "YBR_FULL": b"\0\x80\x80",
}  # fmt: skip
"""The samples of a black pixel, one for each plane; in MONOCHROME1, it is white."""


class _Shape(NamedTuple):
    """The layout of pixels. width: bytes per sample. black: a byte for each sample of a black pixel."""

    rows: int
    columns: int
    frames: int
    width: int
    black: bytes
    planar: bool

    @property
    def size(self) -> int:
        """The number of bytes of all frames."""
        return self.rows * self.columns * self.frames * self.width * len(self.black)


def blanked(
    instance: Instance, source: Source, end: int, known: Known, regions: Sequence[Region]
) -> Instance:
    """Return an instance with regions made black in all frames. Raises `CannotDeidentify`.

    source, end: its inflated data set, and the end of it. Compressed pixels are decoded, and not compressed
    again.
    """
    syntax = instance.kind[1]
    pixels = _pixel_data(source, end, known, syntax)
    if pixels.length == UNDEFINED:
        instance, source, pixels, known = _decoded(instance, known)
        syntax = instance.kind[1]
    shape = _shape(known, pixels.length)
    edits = [*_edits(shape, pixels.start, regions)]
    if syntax in DEFLATED:
        raise CannotDeidentify(
            "regions of a deflated data set cannot be blacked out: inflate it first"
        )
    return EditedInstance(
        instance.kind, instance.sop_instance_uid, instance.path, instance, tuple(edits)
    )


def _pixel_data(source: Source, end: int, known: Known, syntax: str) -> Element:
    try:
        walk = Reader(source).walk(known.pixels, encoding_of(syntax), end, into_sequences=False)
        for element in walk:
            if element.depth == 0 and element.tag == _PIXEL_DATA:
                return element
    except (MalformedData, TruncatedData) as error:
        raise CannotDeidentify(f"its pixel data cannot be found: {error}") from None
    raise CannotDeidentify("regions cannot be blacked out: it has no integer pixel data")


def _shape(known: Known, length: int) -> _Shape:
    """Return the layout of the pixels. Raises `CannotDeidentify` for an unsupported one."""
    photometric = known.text("PhotometricInterpretation").upper()
    black = _BLACK.get(photometric)
    bits = _number(known, "BitsAllocated")
    samples = _number(known, "SamplesPerPixel") or 1
    if black is None or bits % 8 or not bits or samples != len(black):
        raise CannotDeidentify(
            f"regions cannot be blacked out in pixels of {bits} bits, {photometric or 'unknown colours'}"
        )
    shape = _Shape(
        _number(known, "Rows"), _number(known, "Columns"), _number(known, "NumberOfFrames") or 1,
        bits // 8, black, planar=known.text("PlanarConfiguration") == "1" and samples > 1,
    )  # fmt: skip
    if not shape.size <= length <= shape.size + 1:
        raise CannotDeidentify(
            f"its pixel data has {length} bytes instead of {shape.size},"
            " so the position of pixels is unknown"
        )
    return shape


def _edits(shape: _Shape, start: int, regions: Sequence[Region]) -> Iterator[Edit]:
    """Yield the runs of bytes to overwrite, in order and without overlaps."""
    runs = _runs(shape, regions)
    planes = [bytes((black,)) for black in shape.black] if shape.planar else [shape.black]
    at = start
    for _ in range(shape.frames):
        for plane in planes:
            pixel = b"".join(bytes((sample,)) + bytes(shape.width - 1) for sample in plane)
            for first, count in runs:
                size = count * len(pixel)
                yield Edit(at + first * len(pixel), size, pixel * count)
            at += shape.rows * shape.columns * len(pixel)


def _runs(shape: _Shape, regions: Sequence[Region]) -> list[tuple[int, int]]:
    """Return the first pixel and the number of pixels of each run in a frame."""
    spans = []
    for x, y, width, height in regions:
        right, lower = min(x + width, shape.columns), min(y + height, shape.rows)
        if x >= right or y >= lower:
            raise CannotDeidentify(
                f"the region {x},{y},{width},{height} is outside of its"
                f" {shape.columns} x {shape.rows} pixels"
            )
        spans += [(row * shape.columns + x, row * shape.columns + right) for row in range(y, lower)]
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return [(first, last - first) for first, last in merged]


def _decoded(instance: Instance, known: Known) -> tuple[Instance, Source, Element, Known]:
    """Return an instance with native pixels, decoded by pydicom with the available decoders."""
    from io import BytesIO  # noqa: PLC0415 - as below

    from pydicom import dcmread  # noqa: PLC0415 - slow, and rarely needed

    try:
        dataset = dcmread(BytesIO(file_meta(instance) + data_of(instance)))
        dataset.decompress(generate_instance_uid=False)
        native = instance_of(dataset)
    except Exception as error:
        raise CannotDeidentify(
            f"its compressed pixels cannot be decoded to black out regions: {error}"
        ) from error
    assert isinstance(native, MemoryInstance)
    native = native._replace(path=instance.path, edited=True)
    source = MemorySource(native.data)
    found = {
        keyword: str(dataset.get(keyword, ""))
        for keyword in ("PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated")
    }
    inner = known._replace(texts={**known.texts, **found}, pixels=0)
    pixels = _pixel_data(source, len(native.data), inner, native.kind[1])
    return native, source, pixels, inner


def _number(known: Known, keyword: str) -> int:
    text = known.text(keyword)
    return int(text) if text.isascii() and text.isdecimal() else 0
