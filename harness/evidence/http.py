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


def exchanges(tape: Tape, track: Track, keep: int | None = KEEP) -> list[Exchange]:
    """Decode a connection; `keep` bounds the bytes of each body that are kept, None does not."""
    asked: list[_Message[RequestReader] | None] = []
    if track.continued and track.chunks and track.chunks[0].direction is Direction.TO_CLIENT:
        asked.append(None)  # the answer to what the previous case asked comes first
    asked += _read(tape.pieces(track, Direction.TO_SERVER), lambda _: RequestReader(keep))
    methods = [_method(message) for message in asked]
    answered = _read(
        tape.pieces(track, Direction.TO_CLIENT),
        lambda number: ResponseReader(methods[number] if number < len(methods) else "GET", keep),
    )
    if track.closed is not None:
        for message in answered[-1:]:
            _end(message)
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


def _end(message: _Message[ResponseReader]) -> None:
    if message.trouble:
        return
    try:
        message.reader.end()
    except h11.RemoteProtocolError as error:
        message.trouble = str(error)


def _method(message: _Message[RequestReader] | None) -> str:
    request = message.reader.request if message is not None else None
    return "GET" if request is None else request.method


def _pair(
    track: Track,
    question: _Message[RequestReader] | None,
    answer: _Message[ResponseReader] | None,
) -> Exchange:
    troubles = []
    if question is None:
        troubles.append("an answer without a request; the request is of the case before")
    elif question.trouble:
        troubles.append(f"the request is {question.trouble}")
    elif not question.reader.complete:
        troubles.append("the request did not end")
    if answer is None:
        troubles.append(f"no answer; the connection: {track.ended}")
    elif answer.trouble:
        troubles.append(f"the answer is {answer.trouble}")
    elif not answer.reader.complete:
        troubles.append(f"the answer did not end; the connection: {track.ended}")
    times = [each for each in (question, answer) if each is not None]
    return Exchange(
        track,
        began=min(each.began for each in times),
        ended=max(each.ended for each in times),
        request=None if question is None else question.reader.request,
        response=None if answer is None else answer.reader.response,
        troubles=tuple(troubles),
        undecoded=b"".join(each.raw for each in times),
    )
