"""Frames that were compressed once, by encoders that are not needed any more when a sample is made."""

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from harness.corpus.picture import Picture
from harness.corpus.registry import database_folder
from harness.errors import CorpusError

FILE = "frames.json"


def native_sha256(picture: Picture) -> str:
    """Return the checksum of the picture's native pixels, by which its frames are known to be its own."""
    return hashlib.sha256(picture.native()).hexdigest()


def stored_frames(name: str, picture: Picture) -> list[bytes]:
    """Return the compressed frames of the sample `name`.

    Raises `CorpusError` if there are none, or if they were made from another picture.
    """
    entry = _stored().get(name)
    if entry is None:
        raise CorpusError(f"{FILE} has no frames of {name}: run database/compress.py")
    if entry["native_sha256"] != native_sha256(picture):
        raise CorpusError(f"{FILE}: {name} was drawn anew since: run database/compress.py")
    return [base64.b64decode(frame) for frame in entry["frames"]]


@cache
def _stored() -> Mapping[str, Mapping[str, Any]]:
    path = database_folder() / FILE
    try:
        entries: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"the compressed frames {path} cannot be read: {error!r}") from error
    return entries
