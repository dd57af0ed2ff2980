"""Frames that were compressed in advance, so that making a sample needs no encoder."""

import base64
import hashlib

from harness.corpus.picture import Picture
from harness.corpus.registry import read_database
from harness.errors import CorpusError

FILE = "frames.json"


def native_sha256(picture: Picture) -> str:
    """Return the checksum of the picture's native pixels, which ties stored frames to it."""
    return hashlib.sha256(picture.native()).hexdigest()


def stored_frames(name: str, picture: Picture) -> list[bytes]:
    """Return the compressed frames of the sample `name`.

    Raises `CorpusError` if there are none, or if they were made from another picture.
    """
    entry = read_database(FILE).get(name)
    if entry is None:
        raise CorpusError(f"{FILE} has no frames of {name}: run database/compress.py")
    if entry["native_sha256"] != native_sha256(picture):
        raise CorpusError(f"{FILE}: {name} has changed since: run database/compress.py")
    return [base64.b64decode(frame) for frame in entry["frames"]]
