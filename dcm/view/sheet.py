"""A sheet of pictures: one PNG image, written row by row, so memory does not grow with its size."""

import struct
import zlib
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final

from dcm.view.entries import Shown
from dcm.view.page import number_text, patient_text, series_text, study_text
from dcm.view.tile import Tile, is_no_image

_BACK: Final = (24, 27, 31)
_TEXT: Final = (232, 234, 237)
_SOFT: Final = (163, 172, 181)
_BAD: Final = (255, 157, 148)
_GAP: Final = 8
_LINE: Final = 16
_FONT: Final = 12
_LINES: Final = 6


def sheet(
    write: Callable[[bytes], object],
    tiles: Iterable[tuple[Shown, Tile]],
    count: int,
    size: int,
    columns: int,
) -> None:
    """Write a sheet of `count` tiles."""
    every = iter(tiles)
    tall = size + _LINES * _LINE + 2 * _GAP
    width = _GAP + columns * (size + _GAP)
    png = _Png(write, width, _GAP + -(-count // columns) * tall)
    drawn = _Drawn(width, size)
    png.add(drawn.empty(_GAP))
    while row := list(islice(every, columns)):
        png.add(drawn.row(row, tall))
    png.end()


class _Drawn:
    """Draws stripes of a sheet."""

    def __init__(self, width: int, size: int) -> None:
        from PIL import ImageFont  # noqa: PLC0415 - an extra

        self._width: Final = width
        self._size: Final = size
        try:
            self._font: Any = ImageFont.truetype("DejaVuSans.ttf", _FONT)
        except OSError:  # Pillow's own font has only Latin letters
            self._font = ImageFont.load_default(_FONT)

    def empty(self, height: int) -> Any:
        """Return an empty stripe."""
        from PIL import Image  # noqa: PLC0415 - an extra

        return Image.new("RGB", (self._width, height), _BACK)

    def row(self, tiles: list[tuple[Shown, Tile]], height: int) -> Any:
        """Return a stripe with a row of tiles."""
        from PIL import Image, ImageDraw  # noqa: PLC0415 - an extra

        stripe, size = self.empty(height), self._size
        draw = ImageDraw.Draw(stripe)
        for place, (shown, tile) in enumerate(tiles):
            left = _GAP + place * (size + _GAP)
            draw.rectangle((left, 0, left + size - 1, size - 1), fill=(0, 0, 0))
            if tile.words:
                ink = _SOFT if is_no_image(tile.words) else _BAD
                self._wrap(draw, tile.words, (left + _GAP, size - 2 * _GAP), ink)
            else:
                picture = Image.frombytes("RGB", (tile.width, tile.height), tile.picture)
                stripe.paste(picture, (left + (size - tile.width) // 2, (size - tile.height) // 2))
            entry = shown.entry
            beside = (
                patient_text(entry),
                study_text(entry),
                series_text(entry),
                number_text(shown),
            )
            for line, text in enumerate((*beside, *tile.facts)):
                at = (left, size + 3 + line * _LINE)
                ink = _SOFT if line else _TEXT
                draw.text(at, self._fitting(text, size), fill=ink, font=self._font)
        return stripe

    def _fitting(self, text: str, room: int) -> str:
        if self._font.getlength(text) <= room:
            return text
        while text and self._font.getlength(f"{text}\N{HORIZONTAL ELLIPSIS}") > room:
            text = text[:-1]
        return f"{text}\N{HORIZONTAL ELLIPSIS}"

    def _wrap(self, draw: Any, text: str, within: tuple[int, int], ink: Any) -> None:
        left, room = within
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if self._font.getlength(longer) <= room:
                lines[-1] = longer
            else:
                lines.append(word)
        most = room // _LINE
        for place, line in enumerate(list(filter(None, lines))[:most]):
            at = (left, _GAP + place * _LINE)
            draw.text(at, self._fitting(line, room), fill=ink, font=self._font)


class _Png:
    """Writes an RGB image in stripes, from the top (ISO/IEC 15948)."""

    def __init__(self, write: Callable[[bytes], object], width: int, height: int) -> None:
        self._write: Final = write
        self._packer: Final = zlib.compressobj()
        write(b"\x89PNG\r\n\x1a\n")
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))

    def add(self, stripe: Any) -> None:
        data, length = stripe.tobytes(), stripe.width * 3
        rows = b"".join(
            b"\0" + data[start : start + length] for start in range(0, len(data), length)
        )
        self._chunk(b"IDAT", self._packer.compress(rows))

    def end(self) -> None:
        self._chunk(b"IDAT", self._packer.flush())
        self._chunk(b"IEND", b"")

    def _chunk(self, kind: bytes, data: bytes) -> None:
        if data or kind == b"IEND":
            check = zlib.crc32(kind + data)
            self._write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check))
