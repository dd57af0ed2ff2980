"""RLE Lossless (PS3.5 G), by the encoder in pydicom that is pure Python and gives stable bytes."""

from typing import Any

from pydicom.pixels import get_encoder
from pydicom.uid import RLELossless

from harness.corpus.picture import Frame


def rle_frame(frame: Frame) -> bytes:
    """Compress one frame."""
    samples = frame.shape[2] if frame.ndim == 3 else 1
    described: dict[str, Any] = {
        "rows": frame.shape[0],
        "columns": frame.shape[1],
        "samples_per_pixel": samples,
        "number_of_frames": 1,
        "bits_allocated": 8 * frame.dtype.itemsize,
        "bits_stored": 8 * frame.dtype.itemsize,
        "pixel_representation": int(frame.dtype.kind == "i"),
        "photometric_interpretation": "RGB" if samples == 3 else "MONOCHROME2",
        "planar_configuration": 0,
    }
    encoder = get_encoder(RLELossless)
    return bytes(encoder.encode(frame, encoding_plugin="pydicom", **described))
