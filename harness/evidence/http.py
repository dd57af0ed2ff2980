"""Decode recorded HTTP connections into exchanges: a request, its response, and their times."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Generic, TypeVar

import h11

from harness.relay.http import (
    HttpRequest,
    HttpResponse,
    MessageReader,
    RequestReader,
    ResponseReader,
)
from harness.relay.tape import Direction, Tape, Track

R = TypeVar("R", bound=MessageReader)

KEEP = 2**20
"""Bytes of each body that are kept for display."""

RAW = 4096
"""Bytes that are kept of data that is not HTTP."""


@dataclass(frozen=True)
class Exchange:
    """A request and its response; either is None if it was not seen or is not HTTP."""

    track: Track
    began: float
    ended: float
    request: HttpRequest | None
    response: HttpResponse | None
    troubles: tuple[str, ...] = ()
    """What is wrong with it: not HTTP, truncated, or without a response."""
    undecoded: bytes = b""
    """The first of the bytes that are not HTTP."""


@dataclass
class _Message(Generic[R]):
    """A message while it is read, with the times of its first and last bytes."""

    reader: R
    began: float
    ended: float
    trouble: str = ""
    raw: bytes = b""

    def remark(self, name: str, so_far: str = "") -> str:
        if self.trouble:
            return f"the {name} is {self.trouble}"
        return "" if self.reader.complete else f"the {name} did not end{so_far}"


def exchanges(tape: Tape, track: Track, keep: int | None = KEEP) -> list[Exchange]:
    """Decode a connection; `keep` limits the bytes kept of each body, None means no limit."""
    asked: list[_Message[RequestReader] | None] = []
    if track.continued and track.chunks and track.chunks[0].direction is Direction.TO_CLIENT:
        asked.append(None)  # the response to a request of the previous case comes first
    asked += _read(tape.pieces(track, Direction.TO_SERVER), lambda _: RequestReader(keep))
    requests = [None if message is None else message.reader.request for message in asked]
    methods = dict(enumerate("GET" if each is None else each.method for each in requests))
    answered = _read(
        tape.pieces(track, Direction.TO_CLIENT),
        lambda number: ResponseReader(methods.get(number, "GET"), keep),
    )
    if track.closed is not None and answered and not answered[-1].trouble:
        try:
            answered[-1].reader.end()
        except h11.RemoteProtocolError as error:
            answered[-1].trouble = str(error)
    return [_pair(track, question, answer) for question, answer in zip_longest(asked, answered)]


def sent_by_server(track: Track, request: HttpRequest) -> bool:
    """Return whether the remote sent it to the local server: clients of cases set User-Agent."""
    return track.relay.startswith("local.") and not request.header("User-Agent")


def _read(
    pieces: Iterable[tuple[float, bytes]], new_reader: Callable[[int], R]
) -> list[_Message[R]]:
    """Read all messages; what follows bytes that are not HTTP cannot be read either."""
    messages: list[_Message[R]] = []
    for time, piece in pieces:
        rest = piece
        while rest:
            if not messages or messages[-1].reader.complete:
                messages.append(_Message(new_reader(len(messages)), time, time))
            message = messages[-1]
            message.ended = time
            if message.trouble:
                message.raw += rest[: RAW - len(message.raw)]
                break
            try:
                rest = message.reader.feed(rest)
            except h11.RemoteProtocolError as error:
                message.trouble, message.raw = f"no HTTP: {error}", rest[:RAW]
                break
    return messages


def _pair(
    track: Track,
    question: _Message[RequestReader] | None,
    answer: _Message[ResponseReader] | None,
) -> Exchange:
    troubles = [
        "a response without a request; the request belongs to an earlier case"
        if question is None
        else question.remark("request"),
        f"no answer; the connection: {track.ended}"
        if answer is None
        else answer.remark("answer", f"; the connection: {track.ended}"),
    ]
    messages = [each for each in (question, answer) if each is not None]
    return Exchange(
        track,
        began=min(each.began for each in messages),
        ended=max(each.ended for each in messages),
        request=None if question is None else question.reader.request,
        response=None if answer is None else answer.reader.response,
        troubles=tuple(filter(None, troubles)),
        undecoded=b"".join(each.raw for each in messages),
    )
