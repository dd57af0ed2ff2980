"""Bulk data (PS3.18 10.4.1.1.5): the value of one element, to which metadata refers by a URI."""

import asyncio
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from dcm.data.encoding import DEFLATED, UNDEFINED, Element, MalformedData, TruncatedData
from dcm.data.recode import swapped
from dcm.serve.accept import MULTIPART, OCTETS, not_acceptable, wanted
from dcm.serve.archive import Archive, found
from dcm.serve.body import Streamed, file_slices
from dcm.serve.frames import frames_of
from dcm.serve.refusal import Refusal
from dcm.serve.stored import opened
from dcm.store.catalogue import Found
from dcm.web.multipart import MultipartWriter

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_PLACE: Final = re.compile(r"[0-9A-F]{8}(/[1-9][0-9]{0,5}/[0-9A-F]{8})*")
_BINARY: Final = frozenset((b"", b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"UN"))


class _Value(NamedTuple):
    """A value in a file. data: the value itself, if it has to be sent in a different form."""

    start: int
    length: int
    data: bytes | None = None


async def bulk_data(archive: Archive, request: "Request") -> "Response":
    """Respond with the value of one element, in little endian; encapsulated pixels as frames."""
    each, *_ = await found(archive, request)
    place = request.path_params["place"].upper()
    if not _PLACE.fullmatch(place):
        raise Refusal(400, f"{place[:80]!r} is not the path of an element, such as 7FE00010")
    value = await asyncio.to_thread(_value_at, each, place)
    if value is None:
        return await frames_of(request, each, None)
    multipart = _multipart(request)
    if not multipart:
        return Streamed(_slices(each, value), {"Content-Type": OCTETS}, value.length)
    writer = MultipartWriter(OCTETS)
    head = writer.begin({"Content-Length": str(value.length), "Content-Location": str(request.url)})
    last = writer.end()

    def parts() -> Iterator[bytes]:
        yield head
        yield from _slices(each, value)
        yield last

    length = len(head) + value.length + len(last)
    return Streamed(parts(), {"Content-Type": writer.content_type}, length)


def _multipart(request: "Request") -> bool:
    for each in wanted(request):
        if each.covers(OCTETS) and each.syntax in ("", "*", "1.2.840.10008.1.2.1"):
            return each.multipart is not False
    raise not_acceptable(f'{MULTIPART}; type="{OCTETS}", and {OCTETS}')


def _slices(each: Found, value: _Value) -> Iterator[bytes]:
    if value.data is not None:
        return iter((value.data,))
    return file_slices(each.instance.path, value.start, value.length)


def _value_at(each: Found, place: str) -> _Value | None:
    """Return the value of the element at a position; None if it is encapsulated. Raises `Refusal`."""
    with opened(each.instance) as data_set:
        try:
            element = next((one for one, at in data_set.elements() if at == place), None)
        except (MalformedData, TruncatedData, ValueError) as error:
            raise Refusal(500, f"{each.instance.path} cannot be read that far: {error}") from error
        if element is None or element.vr not in _BINARY:
            raise Refusal(404, f"the instance has no bulk data at {place}")
        if element.length == UNDEFINED:
            if place != "7FE00010":
                raise Refusal(404, f"{place} is a sequence, or the pixels of an icon")
            return None
        return _read(each, element, data_set.source.read, data_set.encoding.little_endian)


def _read(each: Found, element: Element, read: object, little_endian: bool) -> _Value:
    start, length = element.start, element.length
    if little_endian and each.instance.kind[1] not in DEFLATED:
        return _Value(start, length)
    data: bytes = read(start, length)  # type: ignore[operator]
    return _Value(0, length, data if little_endian else swapped(element.vr, data))
