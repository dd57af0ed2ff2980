"""Lies about images, archives and objects that the server makes: one for each kind of check."""

import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image
from support.lies import Group, SeededLie

from harness.relay.http import HttpRequest, HttpResponse
from harness.relay.lies import HttpLie

ID = r"[0-9a-f-]{44}"


def _lie(
    name: str, method: str, target: str, change: Callable[[bytes], bytes], *fails: str
) -> SeededLie:
    """Change the body of the successful answers to `method` requests whose target matches."""

    def matches(request: HttpRequest) -> bool:
        return request.method == method and re.fullmatch(target, request.target) is not None

    def changed(response: HttpResponse) -> HttpResponse:
        if response.status != 200:
            return response
        return replace(response, body=change(response.body))

    return SeededLie(name, "remote.rest", HttpLie(matches, changed), frozenset(fails))


def _image(change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    """Change the pixels of a PNG."""

    def changed(body: bytes) -> bytes:
        with Image.open(io.BytesIO(body)) as image:
            pixels = np.array(image)
        buffer = io.BytesIO()
        Image.fromarray(change(pixels)).save(buffer, "PNG")
        return buffer.getvalue()

    return changed


def _archive(change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> Callable[[bytes], bytes]:
    """Change the entries of a ZIP archive."""

    def changed(body: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data in change(entries).items():
                archive.writestr(name, data)
        return buffer.getvalue()

    return changed


def _one_pixel(pixels: Any) -> Any:
    """Change the last pixel, as rounding or a shift by one would."""
    pixels = pixels.copy()
    pixels[-1, -1] ^= 8
    return pixels


def _one_byte(entries: dict[str, bytes]) -> dict[str, bytes]:
    """Change the last byte of the first entry."""
    name, data = next(iter(entries.items()))
    return {**entries, name: data[:-1] + bytes([data[-1] ^ 1])}


def _json(change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    return lambda body: json.dumps(change(json.loads(body))).encode()


GROUP = Group(
    name="content",
    sample=(
        *("IMG-001*12-signed", "IMG-003*12-image-uint16-MONOCHROME2", "IMG-005*even-by-pixel-preview"),
        *("FRM-001*p02", "FRM-007*first", "FRM-013*p02-1", "NPY-001*12", "IREN-002"),
        *("ARC-001*studies", "ARC-020", "MED-002", "MED-004", "ARCJ-006"),
        *("CRE-009*gray-16", "CRE-015", "CHS-001*c01"),
    ),
    lies=(
        _lie("preview-flipped", "GET", rf"/instances/{ID}/preview", _image(lambda p: p[::-1].copy()),
             "IMG-001[12-signed]", "IMG-005[even-by-pixel-preview]"),
        _lie("one-pixel", "GET", rf"/instances/{ID}/image-uint16", _image(_one_pixel),
             "IMG-003[12-image-uint16-MONOCHROME2]"),
        _lie("window-ignored", "GET", rf"/instances/{ID}/rendered", _image(lambda p: p // 2),
             "IREN-002"),
        _lie("one-frame-more", "GET", rf"/instances/{ID}/frames", _json(lambda f: [*f, len(f)]),
             "FRM-001[p02]"),
        _lie("raw-cut", "GET", rf"/instances/{ID}/frames/0/raw", lambda b: b[:-1], "FRM-007[first]"),
        _lie("no-fragment", "GET", rf"/instances/{ID}/content/7fe0-0010", _json(lambda f: f[:-1]),
             "FRM-013[p02-1]"),
        _lie("array-shifted", "GET", rf"/instances/{ID}/frames/0/numpy.*",
             lambda b: b[:-2] + b"\0\0", "NPY-001[12]"),
        _lie("entry-changed", "GET", rf"/studies/{ID}/archive", _archive(_one_byte),
             "ARC-001[studies]", "ARC-020"),
        _lie("media-file-lost", "GET", rf"/studies/{ID}/media",
             _archive(lambda e: {k: v for k, v in e.items() if k != "IMAGES/IM1"}), "MED-002"),
        _lie("records-of-another-type", "GET", rf"/studies/{ID}/media",
             _archive(lambda e: e | {"DICOMDIR": e["DICOMDIR"].replace(b"IMAGE ", b"SERIES")}),
             "MED-004"),
        _lie("archive-cut", "GET", r"/jobs/[^/]+/archive", lambda b: b[:-30], "ARCJ-006"),
        _lie("created-cut", "GET", rf"/instances/{ID}/file", lambda b: b[:-8] + bytes(8),
             "CRE-009[gray-16]", "CRE-015"),
        _lie("pdf-padded", "GET", rf"/instances/{ID}/pdf", lambda b: b + b"\0", "CRE-015"),
        _lie("letters-lost", "GET", rf"/instances/{ID}/tags\?simplify",
             _json(lambda t: t | {"PatientName": "ngstrm^Zo"}), "CHS-001[c01]"),
    ),
    smoke=False,
)  # fmt: skip
