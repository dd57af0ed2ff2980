"""What a server sent over HTTP: statuses, headers, and the type and structure of bodies."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from harness.evidence.bodies import meta_uids, split_parts
from harness.evidence.http import exchanges, sent_by_server
from harness.evidence.template import Said, template
from harness.relay.http import HttpRequest, HttpResponse
from harness.relay.tape import Tape, Track

KEEP: Final = 2**16
"""Bytes of a body that are read."""
MAX_NODES: Final = 2_000
"""Members of a JSON document that are read."""

_STABLE: Final = frozenset(
    {
        "accept-ranges", "access-control-allow-credentials", "access-control-allow-headers",
        "access-control-allow-methods", "access-control-allow-origin", "allow", "cache-control",
        "connection", "content-encoding", "keep-alive", "server", "transfer-encoding", "upgrade",
        "vary", "warning", "www-authenticate", "x-content-type-options", "x-frame-options",
    }
)  # fmt: skip
"""Headers whose values are the same in every run; only the names of others are kept."""
_ATTRIBUTE: Final = frozenset({"vr", "Value", "BulkDataURI", "InlineBinary"})
"""Keys of an attribute in the DICOM JSON model (PS3.18 F.2.2)."""


def read_http(tape: Tape, tracks: Iterable[Track], said: Said) -> None:
    """Add what the server under test sent: as server to us, or as client to the local server.

    If a GET request is repeated, as by a client that waits for a job, the last response with each status
    counts: which states were seen before it is random.
    """
    found = (exchange for track in tracks for exchange in exchanges(tape, track, KEEP))
    lasting: dict[tuple[str, str], HttpResponse] = {}
    for exchange in sorted(found, key=lambda each: each.began):
        request, response = exchange.request, exchange.response
        if request is None:
            continue
        if sent_by_server(exchange.track, request):
            said[f"to the local server: {_asked(request)}"].update(_message(request))
        elif response is not None and exchange.track.relay.startswith("remote."):
            head = f"{_asked(request)}: {response.status}"
            if request.method == "GET":
                lasting[head, request.target] = response
            else:
                said[head].update(_answer(response))
    for (head, _), response in lasting.items():
        said[head].update(_answer(response))


def _asked(request: HttpRequest) -> str:
    """Return the method and path, with the names of the query parameters."""
    path, _, query = request.target.partition("?")
    names = sorted({template(name) for name, _ in parse_qsl(query, keep_blank_values=True)})
    return f"{request.method} {template(unquote(path))}{'?' if names else ''}{'&'.join(names)}"


def _answer(response: HttpResponse) -> Iterator[str]:
    """Describe a response by its headers and its uncompressed body."""
    plain = response.uncompressed()
    size = response.size if plain is response else len(plain.body)
    return _message(replace(plain, headers=response.headers, size=size))


def _message(message: HttpRequest | HttpResponse) -> Iterator[str]:
    for name, value in message.headers:
        lowered = name.lower()
        if lowered == "content-type":
            yield f"{lowered}: {_content_type(value)}"
        else:
            yield f"{lowered}: {template(value)}" if lowered in _STABLE else lowered
    if message.body:
        yield from _body(message.header("Content-Type"), message.body, message.size)


def _content_type(value: str) -> str:
    return template(re.sub(r";\s*boundary=(\"[^\"]*\"|[^;]*)", "", value))


def _body(content_type: str, body: bytes, size: int) -> Iterator[str]:
    if parts := split_parts(content_type, body):
        for head, content in parts:
            yield from _part(head, content)
    elif body[128:132] == b"DICM":
        yield f"DICOM file in {meta_uids(body).get('Transfer Syntax', '?')}"
    elif size <= len(body) and body.lstrip()[:1] in (b"{", b"["):
        try:
            document = json.loads(body)
        except ValueError:
            yield "body that is no JSON" if "json" in content_type else "text"
        else:
            yield from set(islice(_shape(document), MAX_NODES))


def _part(head: str, content: bytes) -> Iterator[str]:
    for name, value in (line.split(":", 1) for line in head.split("\r\n") if ":" in line):
        if name.lower() == "content-type":
            yield f"part content-type: {_content_type(value.strip())}"
            yield from (f"part {each}" for each in _body(value, content, len(content)))
        else:
            yield f"part {name.lower()}"


def _shape(value: Any, path: str = "") -> Iterator[str]:
    """Yield each member of a JSON document with its type, and each DICOM attribute with its VR."""
    if isinstance(value, dict):
        if "vr" in value and value.keys() <= _ATTRIBUTE:
            yield f"{path} {value['vr']}{'' if len(value) > 1 else ' empty'}"
            items = value.get("Value") if value["vr"] == "SQ" else None
            yield from _shape(items, path) if items else ()
        elif not value:
            yield f"{path} empty object"
        else:
            for key, each in value.items():
                yield from _shape(each, f"{path}.{template(key)}" if path else template(key))
    elif isinstance(value, list):
        yield f"{path}[]"  # its items may be left over from an earlier case, in any order
        for each in value:
            if isinstance(each, dict | list):
                yield from _shape(each, f"{path}[]")
    else:
        yield f"{path} {_TYPES.get(type(value), 'null')}"


_TYPES: Final = {str: "text", bool: "boolean", int: "number", float: "number"}
