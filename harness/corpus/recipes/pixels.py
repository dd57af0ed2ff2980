"""p01 to p16 and m01: the ways to store, compress and number pixels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from harness.corpus.frames import stored_frames
from harness.corpus.modules import (
    ct_image,
    grayscale_multiframe_capture,
    mr_image,
    secondary_capture,
    ultrasound_multiframe,
)
from harness.corpus.picture import Picture, colour, gray
from harness.corpus.place import Place
from harness.corpus.registry import Recipe
from harness.corpus.sample import Draft

SIZE = 32


@dataclass(frozen=True)
class Cell:
    """One way to store pixels; `wrap` turns compressed frames into the value of Pixel Data."""

    id: str
    purpose: str
    kind: Callable[[Place], Dataset]
    picture: Callable[[], Picture]
    transfer_syntax: UID = ExplicitVRLittleEndian
    wrap: Callable[[list[bytes]], bytes] = encapsulate

    @property
    def has_stored_frames(self) -> bool:
        """Whether its frames were compressed by `database/compress.py`."""
        return bool(self.transfer_syntax.is_encapsulated) and self.transfer_syntax != RLELossless

    def draft(self) -> Draft:
        """Build the object."""
        ds = self.kind(Place("corpus", f"PIXELS-{self.id[:3].upper()}", "1", self.id))
        picture = self.picture()
        if picture.photometric == "PALETTE COLOR":
            _palette(ds)
        if self.transfer_syntax in LOSSY:
            _lossy(ds, picture, LOSSY[self.transfer_syntax])
        if not self.transfer_syntax.is_encapsulated:
            return Draft(ds, self.transfer_syntax, picture)
        frames = stored_frames(self.id, picture) if self.has_stored_frames else picture.rle()
        if self.id == "p14":
            pixel_data, *tables = encapsulate_extended(frames)
            ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = tables
        else:
            pixel_data = self.wrap(frames)
        return Draft(ds, self.transfer_syntax, picture, bytes(pixel_data))


def recipes() -> Iterator[Recipe]:
    """Yield the recipes of this group."""
    for cell in CELLS:
        yield Recipe(cell.id, cell.purpose, cell.draft)


def _gray(bits: int, photometric: str = "MONOCHROME2", **how: int) -> Callable[[], Picture]:
    rows, columns = how.get("rows", SIZE), how.get("columns", SIZE)
    draw = partial(gray, rows=rows, columns=columns, bits=bits, signed=bool(how.get("signed")))
    return lambda: Picture(tuple(map(draw, range(how.get("frames", 1)))), bits, photometric)


def _colour(photometric: str = "RGB", *, planar: int = 0, frames: int = 1) -> Callable[[], Picture]:
    draw = partial(colour, rows=SIZE, columns=SIZE)
    return lambda: Picture(tuple(map(draw, range(frames))), 8, photometric, 1 if planar else 0)


def _palette(ds: Dataset) -> None:
    """Add lookup tables of 256 entries of 16 bits: red rises, green falls, blue is a triangle."""
    rise = np.arange(256, dtype="<u2") * 257
    tables = {"Red": rise, "Green": rise[::-1], "Blue": np.minimum(rise, rise[::-1]) * 2}
    for name, table in tables.items():
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(ds, f"{name}PaletteColorLookupTableData", table.astype("<u2").tobytes())


def _lossy(ds: Dataset, picture: Picture, method: str) -> None:
    """Add the attributes of lossy compression: the method, and the compression ratio."""
    ds.LossyImageCompression = "01"
    ds.LossyImageCompressionMethod = method
    ds.LossyImageCompressionRatio = "2" if picture.samples == 1 else "4"


# The lossy compressions, with their defined terms (PS3.3 C.7.6.1.1.5.1).
LOSSY = {
    JPEGBaseline8Bit: "ISO_10918_1",
    JPEGExtended12Bit: "ISO_10918_1",
    JPEGLSNearLossless: "ISO_14495_1",
    JPEG2000: "ISO_15444_1",
}

# Like an encoder with a small buffer.
_two_fragments = partial(encapsulate, fragments_per_frame=2)

CELLS = (
    Cell("p01", "implicit VR, 16 bits", mr_image, _gray(16), ImplicitVRLittleEndian),
    Cell("p02", "explicit VR, MONOCHROME1, 8 bits", secondary_capture, _gray(8, "MONOCHROME1")),
    Cell("p03", "RGB by pixel (planar configuration 0)", secondary_capture, _colour()),
    Cell("p04", "RGB by plane (planar configuration 1)", secondary_capture, _colour(planar=1)),
    Cell("p05", "explicit VR big endian, 16 bits", mr_image, _gray(16), ExplicitVRBigEndian),
    Cell("p06", "PALETTE COLOR, 8 bits through lookup tables of 16 bits", secondary_capture,
         _gray(8, "PALETTE COLOR")),
    Cell("p07", "deflated, 12 of 16 bits", ct_image, _gray(12), DeflatedExplicitVRLittleEndian),
    Cell("p08", "12 of 16 bits, signed, high bit 11", ct_image, _gray(12, signed=1)),
    Cell("p09-rle-gray", "RLE, 12 of 16 bits", ct_image, _gray(12), RLELossless),
    Cell("p09-rle-colour", "RLE, RGB", secondary_capture, _colour(), RLELossless),
    Cell("p10-jpeg-gray", "JPEG baseline, 8 bits", secondary_capture, _gray(8), JPEGBaseline8Bit),
    Cell("p10-jpeg-colour", "JPEG baseline, YBR_FULL_422", secondary_capture, _colour("YBR_FULL_422"),
         JPEGBaseline8Bit),
    Cell("p11", "odd rows and columns, 8 bits: one byte of padding", secondary_capture,
         _gray(8, rows=17, columns=13)),
    Cell("p12-jpeg-lossless", "JPEG lossless SV1, 12 bits", ct_image, _gray(12), JPEGLosslessSV1),
    Cell("p12-jpeg-ls", "JPEG-LS lossless, 12 of 16 bits", ct_image, _gray(12), JPEGLSLossless),
    Cell("p12-jpeg-2000", "JPEG 2000 lossless, 12 bits", ct_image, _gray(12), JPEG2000Lossless),
    Cell("p12-jpeg-2000-colour", "JPEG 2000 lossless, YBR_RCT", secondary_capture, _colour("YBR_RCT"),
         JPEG2000Lossless),
    Cell("p13-offsets", "three frames of two fragments each, with a basic offset table",
         grayscale_multiframe_capture, _gray(8, frames=3), JPEGLSLossless, _two_fragments),
    Cell("p13-no-offsets", "three frames of two fragments each, the basic offset table empty",
         grayscale_multiframe_capture, _gray(8, frames=3), JPEGLSLossless,
         partial(_two_fragments, has_bot=False)),
    Cell("p14", "three frames with an extended offset table", grayscale_multiframe_capture,
         _gray(8, frames=3), JPEGLSLossless),
    Cell("p15-jpeg-extended", "JPEG extended, 12 bits", ct_image, _gray(12), JPEGExtended12Bit),
    Cell("p15-jpeg-lossless-14", "JPEG lossless, process 14, 12 bits", ct_image, _gray(12), JPEGLossless),
    Cell("p15-jpeg-monochrome1", "JPEG baseline, MONOCHROME1", secondary_capture, _gray(8, "MONOCHROME1"),
         JPEGBaseline8Bit),
    Cell("p15-jpeg-lossless-signed", "JPEG lossless SV1, 16 bits, signed", ct_image, _gray(16, signed=1),
         JPEGLosslessSV1),
    Cell("p15-jpeg-lossless-colour", "JPEG lossless SV1, RGB", secondary_capture, _colour(),
         JPEGLosslessSV1),
    Cell("p15-jpeg-ls-signed", "JPEG-LS lossless, 16 bits, signed", ct_image, _gray(16, signed=1),
         JPEGLSLossless),
    Cell("p15-jpeg-ls-colour", "JPEG-LS lossless, RGB", secondary_capture, _colour(), JPEGLSLossless),
    Cell("p15-jpeg-ls-near", "JPEG-LS near-lossless, 12 of 16 bits, each pixel at most 2 off", ct_image,
         _gray(12), JPEGLSNearLossless),
    Cell("p15-jpeg-2000-signed", "JPEG 2000 lossless, 16 bits, signed", ct_image, _gray(16, signed=1),
         JPEG2000Lossless),
    Cell("p15-jpeg-2000-lossy", "JPEG 2000 with loss, 12 bits", ct_image, _gray(12), JPEG2000),
    Cell("p15-rle-signed", "RLE, 16 bits, signed", ct_image, _gray(16, signed=1), RLELossless),
    Cell("p15-rle-planar", "RLE, RGB that calls itself by plane (planar configuration 1)",
         secondary_capture, _colour(planar=1), RLELossless),
    Cell("p16-jpeg-fragments", "two frames of two fragments each, JPEG baseline, YBR_FULL_422",
         ultrasound_multiframe, _colour("YBR_FULL_422", frames=2), JPEGBaseline8Bit, _two_fragments),
    Cell("m01-native", "ultrasound, 12 frames in colour", ultrasound_multiframe, _colour(frames=12)),
    Cell("m01-jpeg", "ultrasound, 12 frames in colour, JPEG baseline", ultrasound_multiframe,
         _colour("YBR_FULL_422", frames=12), JPEGBaseline8Bit),
)  # fmt: skip
