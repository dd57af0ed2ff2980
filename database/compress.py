#!/usr/bin/env python3
"""Compress the frames that no encoder at hand can compress when a sample is made: frames.json.

Needs dcmcjpeg of dcmtk, pylibjpeg-openjpeg and pyjpegls. The frames decode to the same pixels with any
version of these, but their bytes may differ: commit the result together with the catalogue.
"""

import argparse
import base64
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import jpeg_ls
import pydicom
from openjpeg.utils import encode_array
from pydicom.encaps import generate_frames
from pydicom.uid import (
    JPEG2000,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from harness.corpus.frames import FILE, native_sha256  # noqa: E402 - need not be installed
from harness.corpus.modules import grayscale_multiframe_capture  # noqa: E402
from harness.corpus.picture import Picture  # noqa: E402
from harness.corpus.place import Place  # noqa: E402
from harness.corpus.recipes.pixels import CELLS, Cell  # noqa: E402
from harness.corpus.sample import Draft  # noqa: E402

LIMIT = 60.0
Encoder = Callable[[Picture], list[bytes]]


def main(arguments: list[str] | None = None) -> int:
    """Compress all frames and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--all", action="store_true", help="also those whose frames are there already"
    )
    chosen = parser.parse_args(arguments)
    there = {} if chosen.all else json.loads((FOLDER / FILE).read_text("utf-8"))
    cells = [cell for cell in CELLS if cell.has_stored_frames]
    entries = {cell.id: there.get(cell.id) or _entry(cell) for cell in cells}
    (FOLDER / FILE).write_text(json.dumps(entries, indent=1) + "\n", "utf-8")
    print(f"{len(entries)} samples have their frames in {FILE}")
    return 0


def _entry(cell: Cell) -> dict[str, object]:
    name, encoder = ENCODERS[cell.transfer_syntax]
    picture = cell.picture()
    frames = [base64.b64encode(frame).decode() for frame in encoder(picture)]
    return {"encoder": name, "native_sha256": native_sha256(picture), "frames": frames}


def _dcmcjpeg(*options: str) -> Encoder:
    def encode(picture: Picture) -> list[bytes]:
        """Let dcmcjpeg compress a file, and take the frames out of it."""
        native = "RGB" if picture.samples == 3 else picture.photometric
        uncompressed = Picture(picture.frames, picture.bits_stored, native)
        sample = Draft(
            grayscale_multiframe_capture(Place("compress", "COMPRESS")), picture=uncompressed
        ).finish("native", "input of dcmcjpeg")
        with tempfile.TemporaryDirectory() as folder:
            source, target = sample.write(Path(folder)), Path(folder, "compressed.dcm")
            command = ["dcmcjpeg", *options, str(source), str(target)]
            subprocess.run(command, check=True, timeout=LIMIT)
            ds = pydicom.dcmread(target)
        return list(generate_frames(ds.PixelData, number_of_frames=len(picture.frames)))

    return encode


def _jpeg_ls(most: int) -> Encoder:
    """Compress so that no pixel is off by more than `most`; a signed one by its two's complement."""

    def encode(picture: Picture) -> list[bytes]:
        width = picture.frames[0].dtype.itemsize
        mode = {"interleave_mode": 2} if picture.samples == 3 else {}
        return [
            bytes(jpeg_ls.encode_array(frame.view(f"u{width}"), lossy_error=most, **mode))
            for frame in picture.frames
        ]

    return encode


def _jpeg_2000(**how: object) -> Encoder:
    """Compress without loss if `how` says nothing else; colour goes through the reversible transformation."""

    def encode(picture: Picture) -> list[bytes]:
        colours = 1 if picture.samples == 3 else 2
        bits = picture.bits_stored
        return [
            encode_array(frame, bits_stored=bits, photometric_interpretation=colours, **how)
            for frame in picture.frames
        ]

    return encode


ENCODERS: dict[str, tuple[str, Encoder]] = {
    JPEGBaseline8Bit: ("dcmcjpeg +eb +q 90 +s2", _dcmcjpeg("+eb", "+q", "90", "+s2")),
    JPEGExtended12Bit: ("dcmcjpeg +ee +q 90", _dcmcjpeg("+ee", "+q", "90")),
    JPEGLossless: ("dcmcjpeg +el", _dcmcjpeg("+el")),
    JPEGLosslessSV1: ("dcmcjpeg +e1", _dcmcjpeg("+e1")),
    JPEGLSLossless: ("pyjpegls", _jpeg_ls(0)),
    JPEGLSNearLossless: ("pyjpegls, lossy_error 2", _jpeg_ls(2)),
    JPEG2000Lossless: ("pylibjpeg-openjpeg", _jpeg_2000()),
    JPEG2000: ("pylibjpeg-openjpeg, compression ratio 3", _jpeg_2000(compression_ratios=[3])),
}

if __name__ == "__main__":
    sys.exit(main())
