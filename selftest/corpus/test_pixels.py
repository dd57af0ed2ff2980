"""Compressed samples decode to the original pixels, with decoders independent of the encoders."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, RLELossless

from harness.clients.dcmtk import DECODERS as DCMTK
from harness.corpus import Sample, corpus
from harness.corpus.recipes.pixels import CELLS
from harness.errors import CorpusError

Run = Callable[..., str]

DECODERS = {**DCMTK, RLELossless: "dcmdrle"}
PIXELS = [cell.id for cell in CELLS]
# Quality 90 and chroma at half the width; another frame of m01 would differ by more than 3.
LOSSY_MEAN = {
    "p10-jpeg-gray": 1.0,
    "p10-jpeg-colour": 2.5,
    "m01-jpeg": 2.5,
    "p15-jpeg-extended": 8.0,  # of 4096 levels
    "p15-jpeg-monochrome1": 1.0,
    "p15-jpeg-ls-near": 2.0,
    "p15-jpeg-2000-lossy": 8.0,  # of 4096 levels
    "p16-jpeg-fragments": 2.5,
}


def decoded(sample: Sample, run: Run, folder: Path) -> Any:
    """Return all frames as an array; native and JPEG 2000 by pydicom, others by dcmtk."""
    path = sample.write(folder)
    if sample.transfer_syntax in DECODERS:
        target = folder / "decoded.dcm"
        assert "E: " not in run(DECODERS[sample.transfer_syntax], path, target)
        path = target
    pixels = pydicom.dcmread(path).pixel_array
    return pixels if sample.properties.get("frames", 1) > 1 else pixels[np.newaxis]


@pytest.mark.parametrize("id_", PIXELS)
def test_frames_decode_to_the_oracle(id_: str, run: Run, tmp_path: Path) -> None:
    """Each frame equals the original; after lossy compression nearly."""
    sample = corpus[id_]
    frames = decoded(sample, run, tmp_path)
    assert len(frames) == sample.properties.get("frames", 1)
    for index, frame in enumerate(frames):
        difference = np.abs(frame.astype(int) - sample.frame(index).astype(int))
        assert difference.mean() <= LOSSY_MEAN.get(id_, 0)


def test_a_changed_pixel_is_seen(run: Run, tmp_path: Path) -> None:
    """The comparison above can fail: one changed byte of the pixels makes it differ."""
    sample = corpus["p03"]
    changed = bytearray(sample.data)
    changed[-1] ^= 1
    other = dataclasses.replace(sample, data=bytes(changed))
    assert not np.array_equal(decoded(other, run, tmp_path)[0], sample.frame(0))


@pytest.mark.parametrize("id_", ["p13-offsets", "p14", "m01-native"])
def test_frames_of_one_sample_differ(id_: str) -> None:
    """The number drawn into a frame makes a wrong frame visible."""
    sample = corpus[id_]
    frames = {sample.frame(index).tobytes() for index in range(sample.properties["frames"])}
    assert len(frames) == sample.properties["frames"]


def test_jpeg_2000_is_what_it_says() -> None:
    """The one syntax without a decoder in dcmtk starts with its codestream marker."""
    for cell in CELLS:
        if cell.transfer_syntax == JPEG2000Lossless:
            assert b"\xff\x4f\xff\x51" in corpus[cell.id].data


@pytest.mark.parametrize("index", [-1, 3])
def test_a_frame_that_is_not_there_is_refused(index: int) -> None:
    """Frames are counted from 0, and the error has their number."""
    with pytest.raises(CorpusError, match="has 3 frames, but no frame"):
        corpus["p14"].frame(index)


def test_an_object_without_pixels_has_no_frame() -> None:
    """A report has no pixels, which is an error."""
    with pytest.raises(CorpusError, match="h03-sr has no pixels"):
        corpus["h03-sr"].frame(0)
