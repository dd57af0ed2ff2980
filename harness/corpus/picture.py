"""Pictures for sample objects: drawn with numpy, each with a legible number."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels import get_encoder
from pydicom.uid import RLELossless

Frame = NDArray[Any]

# Five columns by seven rows; each number is one row of a digit, its highest bit on the left.
_DIGITS = {
    "0": (14, 17, 19, 21, 25, 17, 14),
    "1": (4, 12, 4, 4, 4, 4, 14),
    "2": (14, 17, 1, 2, 4, 8, 31),
    "3": (31, 2, 4, 2, 1, 17, 14),
    "4": (2, 6, 10, 18, 31, 2, 2),
    "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14),
    "7": (31, 1, 2, 4, 8, 8, 8),
    "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12),
}


@dataclass(frozen=True)
class Picture:
    """Frames before any compression, and their Image Pixel module (PS3.3 C.7.6.3)."""

    frames: tuple[Frame, ...]
    bits_stored: int
    photometric: str = "MONOCHROME2"
    planar: Literal[0, 1] = 0

    @property
    def samples(self) -> int:
        """Samples per Pixel: 3 for colour frames of shape (rows, columns, 3), else 1."""
        return 3 if self.frames[0].ndim == 3 else 1

    @property
    def bits_allocated(self) -> int:
        """Bits Allocated: 1 for boolean frames, else the size of their type."""
        kind = self.frames[0].dtype
        return 1 if kind == np.bool_ else 8 * kind.itemsize

    def describe(self, ds: Dataset) -> None:
        """Write the Image Pixel module, without the pixels, into `ds`."""
        first = self.frames[0]
        ds.SamplesPerPixel = self.samples
        ds.PhotometricInterpretation = self.photometric
        ds.Rows, ds.Columns = first.shape[:2]
        ds.BitsAllocated = self.bits_allocated
        ds.BitsStored = self.bits_stored
        ds.HighBit = self.bits_stored - 1
        ds.PixelRepresentation = int(first.dtype.kind == "i")
        if self.samples == 3:
            ds.PlanarConfiguration = self.planar
        if len(self.frames) > 1:
            ds.NumberOfFrames = len(self.frames)

    def native(self, *, little_endian: bool = True) -> bytes:
        """Return all frames as native pixel data, padded to an even length (PS3.5 8.1.1)."""
        if self.bits_allocated == 1:  # frames without gaps, the first pixel in the lowest bit
            bits = np.concatenate([frame.ravel() for frame in self.frames])
            packed = np.packbits(bits, bitorder="little").tobytes()
            return packed + b"\0" * (len(packed) % 2)
        kind = self.frames[0].dtype.newbyteorder("<" if little_endian else ">")
        planes = (
            f.transpose(2, 0, 1) if self.samples == 3 and self.planar else f for f in self.frames
        )
        pixels = b"".join(plane.astype(kind).tobytes() for plane in planes)
        return pixels + b"\0" * (len(pixels) % 2)

    def rle(self) -> list[bytes]:
        """Compress the frames with RLE Lossless (PS3.5 G)."""
        first = self.frames[0]
        described: dict[str, Any] = {
            "rows": first.shape[0],
            "columns": first.shape[1],
            "samples_per_pixel": self.samples,
            "number_of_frames": 1,
            "bits_allocated": 8 * first.dtype.itemsize,
            "bits_stored": 8 * first.dtype.itemsize,
            "pixel_representation": int(first.dtype.kind == "i"),
            "photometric_interpretation": "RGB" if self.samples == 3 else "MONOCHROME2",
            "planar_configuration": 0,
            "encoding_plugin": "pydicom",  # pure Python, so the bytes are stable
        }
        encoder = get_encoder(RLELossless)
        return [bytes(encoder.encode(frame, **described)) for frame in self.frames]


def gray(
    number: int,
    rows: int = 16,
    columns: int = 16,
    *,
    bits: int = 12,
    signed: bool = False,
) -> Frame:
    """Draw a ramp over the full range of `bits`, with `number` in the middle.

    The first pixel has the lowest value and the last one the highest, so a wrong sign, a wrong
    shift or a swapped byte changes the picture.
    """
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    dtype = np.dtype(f"{'i' if signed else 'u'}{1 if bits <= 8 else 2 if bits <= 16 else 4}")
    steps = np.arange(rows * columns, dtype=np.int64)
    ramp = lowest + steps * (highest - lowest) // (rows * columns - 1)
    frame = ramp.reshape(rows, columns).astype(dtype)
    ink = _written(number, rows, columns)
    paper = _around(ink)
    frame[paper] = lowest
    frame[ink] = highest
    return frame


def colour(number: int, rows: int = 16, columns: int = 16, *, bits: int = 8) -> Frame:
    """Draw red to the right, green downwards and blue to the left, with `number` in the middle."""
    highest = (1 << bits) - 1
    down = np.linspace(0, highest, rows).round()
    across = np.linspace(0, highest, columns).round()
    red, green = np.meshgrid(across, down)
    frame = np.stack([red, green, highest - red], axis=-1).astype(f"u{1 if bits <= 8 else 2}")
    ink = _written(number, rows, columns)
    frame[_around(ink)] = 0
    frame[ink] = highest
    return frame


def _written(number: int, rows: int, columns: int) -> NDArray[np.bool_]:
    """Return a mask with the digits of `number` in its middle, cropped to fit."""
    text = str(number)
    strip = np.zeros((7, 6 * len(text) - 1), dtype=bool)
    for place, digit in enumerate(text):
        left = 6 * place
        for row, pattern in enumerate(_DIGITS[digit]):
            strip[row, left : left + 5] = [pattern >> shift & 1 for shift in range(4, -1, -1)]
    mask = np.zeros((rows, columns), dtype=bool)
    height, width = min(7, rows), min(strip.shape[1], columns)
    top, left = (rows - height) // 2, (columns - width) // 2
    mask[top : top + height, left : left + width] = strip[:height, :width]
    return mask


def _around(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the one-pixel outline of the ink, so that it stands out from any ramp."""
    padded = np.pad(ink, 1)
    rows, columns = ink.shape
    shifted = [padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    near: NDArray[np.bool_] = np.logical_or.reduce(shifted)
    return near & ~ink
