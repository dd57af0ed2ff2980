"""What a case of the suites sent to the server, as a conversation, from the tape of the relays."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dcm.errors import RemoteProtocolError
from dcm.wire import split_pdvs
from harness.clients.answers import Malformed
from harness.fuzz import objects
from harness.fuzz.conversation import Conversation, Step
from harness.fuzz.dicom import COMMAND, p_data, pdv
from harness.fuzz.judges import pdus
from harness.fuzz.objects import implicit_element
from harness.fuzz.parts import Part
from harness.fuzz.playing import AUTHORIZATION, CALLED, HEADER
from harness.fuzz.web import LINE
from harness.relay.tape import Direction, Tape, Track

MOST_MESSAGES, MOST_BYTES = 40, 1 << 17
"""Longer conversations find less in the time they take."""
NAMES: Final = {
    1: "A-ASSOCIATE-RQ", 2: "A-ASSOCIATE-AC", 3: "A-ASSOCIATE-RJ", 4: "P-DATA-TF", 5: "A-RELEASE-RQ",
    6: "A-RELEASE-RP", 7: "A-ABORT",
}  # fmt: skip
_NESTED: Final = {0x20: 4, 0x50: 0}
"""Items that contain items, and how many bytes precede those."""


def file_of(folder: Path, key: str) -> Path:
    """Return the file for a case's conversation; `key` is its id with its parameters."""
    return folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', key)[:90]}.json"


def conversation_of(tape: Tape, targets: frozenset[str]) -> Conversation | None:
    """Return what was sent to the server at `targets`, or None if that was nothing or too much."""
    said: list[tuple[float, Step]] = []
    for number, track in enumerate(tape.tracks):
        if track.target in targets and not track.continued and not track.tls:
            said += _steps(tape, track, number)
    steps = tuple(step for _, step in sorted(said, key=lambda each: each[0]))
    found = Conversation(steps, (f"{tape.name.partition('-')[0]} {tape.name}",))
    messages, size = found.size
    return found if 0 < messages <= MOST_MESSAGES and size <= MOST_BYTES else None


def _steps(tape: Tape, track: Track, line: int) -> Iterator[tuple[float, Step]]:
    """Yield a connection's messages with their times, in bursts sent between server answers."""
    burst, began = b"", 0.0
    for chunk in (*tuple(track.chunks), None):
        if chunk is not None and chunk.direction is Direction.TO_SERVER:
            began = began if burst else chunk.time
            burst += tape.read(chunk)
        elif burst:
            messages = (
                [request(burst)]
                if track.protocol == "http"
                else [pdu(each) for each in pdus(burst)]
            )
            for each in messages[:-1]:  # the server waits for the rest before it answers
                yield began, Step(line, track.protocol, each, "on")
            yield began, Step(line, track.protocol, messages[-1])
            burst = b""


def _exactly(found: Part, data: bytes) -> Part:
    """Return a tree if it renders to `data`, else a leaf that does."""
    return found if found.render() == data else Part(found.name, data)


def pdu(data: bytes) -> Part:
    """Return a PDU as a tree, as far as it can be parsed."""
    kind = data[0]
    name = NAMES.get(kind, "PDU")
    if kind == 1 and len(data) > 74:
        head = (
            Part("protocol version", data[6:10]),
            Part("called title", CALLED),
            Part("calling title", data[26:42]),
            Part("reserved", data[42:74]),
        )
        plain = data[:10] + CALLED + data[26:]
        found = Part(name, (*head, *_items(data[74:])), data[:2], ">I")
        return _exactly(found, plain)
    if kind == 4:
        try:
            values = list(split_pdvs(memoryview(data)[HEADER:]))
        except RemoteProtocolError:
            return Part(name, data)
        parts = (_value(context, control, bytes(content)) for context, control, content in values)
        return _exactly(p_data(name, *parts), data)
    return _exactly(Part(name, (Part("content", data[HEADER:]),), data[:2], ">I"), data)


def _items(data: bytes) -> tuple[Part, ...]:
    found = []
    at = 0
    while at + 4 <= len(data):
        kind, length = data[at], int.from_bytes(data[at + 2 : at + 4], "big")
        content: bytes | tuple[Part, ...] = data[at + 4 : at + 4 + length]
        if kind in _NESTED and isinstance(content, bytes):
            first = _NESTED[kind]
            content = (Part("head", content[:first]), *_items(content[first:]))
        found.append(Part(f"item {kind:02X}H", content, data[at : at + 2], ">H"))
        at += 4 + length
    return tuple(found)


def _value(context: int, control: int, data: bytes) -> Part:
    """Return a presentation data value; a complete command set is split into elements."""
    if control & COMMAND and data[:8] == b"\0\0\0\0\4\0\0\0":
        at, parts = 12, []
        while at + 8 <= len(data):
            length = int.from_bytes(data[at + 4 : at + 8], "little")
            tag = int.from_bytes(data[at : at + 2], "little") << 16
            tag |= int.from_bytes(data[at + 2 : at + 4], "little")
            parts.append(implicit_element(tag, data[at + 8 : at + 8 + length], f"{tag:08X}"))
            at += 8 + length
        command = Part("command set", tuple(parts), data[:8], "<I")
        if command.render() == data:
            return pdv(control, "command", (command,), context)
    return pdv(control, "command" if control & COMMAND else "data", data, context)


def request(data: bytes) -> Part:
    """Return a request as a tree, without its credentials."""
    head, _, body = data.partition(LINE + LINE)
    first, *fields = head.split(LINE)
    method, _, rest = first.partition(b" ")
    target, _, version = rest.partition(b" ")
    name = method.decode("latin-1") if method.isalpha() else "request"
    path, mark, search = target.partition(b"?")
    parts = [Part("method", method, tail=b" "), Part("path", path)]
    if mark:
        parts += [
            Part("parameter", each, head=b"&" if number else b"?")
            for number, each in enumerate(search.split(b"&"))
        ]
    parts += [
        Part("version", b" " + version, tail=LINE),
        Part("header", b"Host: server", tail=LINE),
    ]
    known = {each.partition(b":")[0].strip().lower(): each for each in fields}
    if known.pop(b"authorization", None):
        parts.append(Part("authorization", AUTHORIZATION))
    counted = known.pop(b"content-length", None)
    known.pop(b"host", None)
    parts += [Part("header", each, tail=LINE) for each in known.values()]
    if counted is None:
        return Part(name, (*parts, Part("end", LINE), *((Part("body", body),) if body else ())))
    content = (_body(body),)
    return Part(
        name, (*parts, Part("counted", content, b"Content-Length: ", "decimal", LINE + LINE))
    )


def _body(data: bytes) -> Part:
    """Return a file as a tree, and anything else as a leaf."""
    if data[128:132] == b"DICM":
        try:
            return _exactly(objects.file_parts(data), data)
        except Malformed:
            pass
    return Part("body", data)
