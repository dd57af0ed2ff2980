"""Hierarchical TIFF files of JPEG tiles, as written by pathology scanners, but not by Pillow."""

import io
import struct
from collections.abc import Sequence
from typing import Literal

from PIL import Image

Photometric = Literal["gray", "rgb", "ycbcr"]
NUMBERS = {"gray": 1, "rgb": 2, "ycbcr": 6}
JPEG = 7
"""The value of Compression for tiles that are complete JPEG streams (TIFF Technical Note 2)."""
SHORT, LONG = 3, 4


def pyramid(levels: Sequence[Image.Image], photometric: Photometric, tile: int) -> bytes:
    """Return a TIFF with a directory per image, from the largest, cut into JPEG tiles."""
    file = bytearray(b"II" + struct.pack("<HI", 42, 0))
    link = 4  # where to write the offset of the next directory
    for image in levels:
        offsets, sizes = [], []
        for data in _tiles(image, photometric, tile):
            offsets.append(len(file))
            sizes.append(len(data))
            file += data + b"\0" * (len(data) % 2)
        samples = 1 if photometric == "gray" else 3
        entries: list[tuple[int, int, Sequence[int]]] = [
            (256, LONG, [image.width]),
            (257, LONG, [image.height]),
            (258, SHORT, [8] * samples),
            (259, SHORT, [JPEG]),
            (262, SHORT, [NUMBERS[photometric]]),
            (277, SHORT, [samples]),
            (284, SHORT, [1]),
            (322, LONG, [tile]),
            (323, LONG, [tile]),
            (324, LONG, offsets),
            (325, LONG, sizes),
        ]
        if photometric == "ycbcr":
            entries.append((530, SHORT, [1, 1]))
        link = _add_directory(file, link, entries)
    return bytes(file)


def _tiles(image: Image.Image, photometric: Photometric, tile: int) -> list[bytes]:
    corners = [(x, y) for y in range(0, image.height, tile) for x in range(0, image.width, tile)]
    return [
        _jpeg(image.crop((x, y, x + tile, y + tile)), keep_rgb=photometric == "rgb")
        for x, y in corners
    ]


def _jpeg(image: Image.Image, *, keep_rgb: bool) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, subsampling=0, keep_rgb=keep_rgb)
    return file.getvalue()


def _add_directory(
    file: bytearray, link: int, entries: Sequence[tuple[int, int, Sequence[int]]]
) -> int:
    """Append a directory and store its offset at `link`; return the offset of its own link."""
    fields = []
    for tag, kind, values in entries:
        packed = struct.pack(f"<{len(values)}{'H' if kind == SHORT else 'I'}", *values)
        if len(packed) > 4:
            place = len(file)
            file += packed + b"\0" * (len(packed) % 2)
            packed = struct.pack("<I", place)
        fields.append(struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0"))
    struct.pack_into("<I", file, link, len(file))
    file += struct.pack("<H", len(fields)) + b"".join(fields) + bytes(4)
    return len(file) - 4
