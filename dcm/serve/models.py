"""Data sets in responses: an array in the DICOM JSON model, or parts in XML (PS3.18 8.7.3.2)."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final

from dcm.serve.accept import JSON, not_acceptable, wanted
from dcm.serve.native_xml import XML, native_xml
from dcm.web.multipart import MultipartWriter

if TYPE_CHECKING:
    from starlette.requests import Request

_AT_ONCE: Final = 100


def wants_xml(request: "Request") -> bool:
    """Return whether to send data sets as XML instead of JSON. Raises `Refusal` with 406."""
    for each in wanted(request):
        if not each.multipart and (each.covers(JSON) or each.covers("application/json")):
            return False
        if each.covers(XML):
            return True
    raise not_acceptable(f'{JSON}, and multipart/related; type="{XML}"')


class Models:
    """The body of a response with data sets, and its media type."""

    def __init__(self, texts: Iterable[str], *, xml: bool) -> None:
        writer = MultipartWriter(XML) if xml else None
        self.content_type: Final = writer.content_type if writer else JSON
        self.parts: Final = _xml_parts(texts, writer) if writer else _array(texts)


def _array(texts: Iterable[str]) -> Iterator[bytes]:
    iterator = iter(texts)
    before = "["
    while some := list(islice(iterator, _AT_ONCE)):
        yield (before + ",".join(some)).encode("utf-8", "replace")
        before = ","
    yield b"]" if before == "," else b"[]"


def _xml_parts(texts: Iterable[str], writer: MultipartWriter) -> Iterator[bytes]:
    for text in texts:
        yield writer.begin() + native_xml(json.loads(text))
    yield writer.end()
