"""Recorded HTTP connections, decoded into exchanges: a request, its response, and when."""

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
"""Bytes of each body that are kept for showing."""

RAW = 4096
"""Bytes of what is no HTTP that are kept."""


@dataclass(frozen=True)
class Exchange:
    """A request and its response; either is None when it was not seen or is no HTTP."""

    track: Track
    began: float
    ended: float
    request: HttpRequest | None
    response: HttpResponse | None
    troubles: tuple[str, ...] = ()
    """What is wrong with it: no HTTP, cut, without an answer."""
    undecoded: bytes = b""
    """The first of the bytes that are no HTTP."""


@dataclass
class _Message(Generic[R]):
    """A message as it is read, with the times of its first and last bytes."""

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
    """Decode a connection; `keep` bounds the bytes of each body that are kept, None does not."""
    asked: list[_Message[RequestReader] | None] = []
    if track.continued and track.chunks and track.chunks[0].direction is Direction.TO_CLIENT:
        asked.append(None)  # the answer to what the previous case asked comes first
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
    """Tell whether the remote sent it to the local server: the cases' clients name themselves."""
    return track.relay.startswith("local.") and not request.header("User-Agent")


def _read(
    pieces: Iterable[tuple[float, bytes]], new_reader: Callable[[int], R]
) -> list[_Message[R]]:
    """Read message after message; what follows bytes that are no HTTP cannot be read either."""
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
        "an answer without a request; the request is of the case before"
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
