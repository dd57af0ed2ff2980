"""A digest of the contents of a data set, independent of its encoding: servers rarely write the same bytes.

Lengths of sequences and items, group lengths, VRs, the byte order and the padding at the end of values do not
count; values, their order, their nesting and the fragments of encapsulated pixels do.
"""

import hashlib
import zlib
from collections.abc import Iterator
from typing import Final

from dcm.data.encoding import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    ITEM_END,
    NATIVE,
    PIXELS,
    SEQUENCE_END,
    UNDEFINED,
    Element,
    Encoding,
    MalformedData,
    Reader,
    TruncatedData,
)
from dcm.data.recode import CannotRecode, recode
from dcm.data.source import InflatedSource, MemorySource, Source
from dcm.errors import DcmError

_READ: Final = 1 << 20
_DELIMITERS: Final = frozenset((ITEM_END, SEQUENCE_END))


class NoDigest(DcmError):  # noqa: N818 - reads as the sentence it is
    """A data set whose elements cannot be read; the message says why."""


def digest(source: Source, start: int, end: int, transfer_syntax_uid: str) -> bytes:
    """Return the SHA-256 digest of the data set between two positions. Raises `OSError` and `NoDigest`.

    The digest changes if pixels are compressed or decompressed, and if private sequences are converted to
    implicit VR, where they cannot be recognised as sequences.
    """
    encoding, found = NATIVE.get(transfer_syntax_uid, EXPLICIT), hashlib.sha256()
    last: int | None = end
    try:
        if transfer_syntax_uid in DEFLATED:
            source, start, last = InflatedSource(source, start), 0, None
        elif encoding == BIG_ENDIAN:
            data = bytes(recode(source.read(start, end - start), encoding, EXPLICIT))
            source, start, last, encoding = MemorySource(data), 0, len(data), EXPLICIT
        for element, has_value in _elements(source, start, encoding, last):
            if element.tag in _DELIMITERS or not element.tag & 0xFFFF:
                continue
            found.update(b"%08x.%d" % (element.tag, element.depth))
            if has_value:
                _add_value(found, source, element)
    except (MalformedData, TruncatedData, CannotRecode, zlib.error, ValueError) as error:
        raise NoDigest(f"the data set cannot be read: {error}") from error
    return found.digest()


def _elements(
    source: Source, start: int, encoding: Encoding, end: int | None
) -> Iterator[tuple[Element, bool]]:
    """Yield the elements, and whether each has a value rather than other elements in it."""
    walk = Reader(source).walk(start, encoding, end, into_sequences=True)
    before: Element | None = None
    for element in walk:
        if before is not None:
            yield before, before.length != UNDEFINED and before.end <= element.header
        before = element
    if before is not None:
        yield before, before.length != UNDEFINED


def _add_value(found: "hashlib._Hash", source: Source, element: Element) -> None:
    if element.length <= _READ:
        value = source.read(element.start, element.length)
        if len(value) < element.length:
            raise TruncatedData("within a value")
        if element.tag < PIXELS:
            value = value.rstrip(b" \0")
        if value:
            found.update(b":%d:" % len(value))
            found.update(value)
        return
    found.update(b":%d:" % element.length)
    at = element.start
    while at < element.end:
        value = source.read(at, min(_READ, element.end - at))
        if not value:
            raise TruncatedData("within a value")
        found.update(value)
        at += len(value)
