"""Lies: one seeded bug at a time, to prove that a case can fail.

relay.lie = HttpLie(lambda ask: ask.target == "/patients", lambda answer: replace(answer, body=b"[]"))
relay.lie = DicomLie(change_status(0x0000, 0xA700))
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from typing import Protocol as Interface

import h11

from dcm.errors import RemoteProtocolError
from dcm.wire import PDataTF, split_pdvs
from harness.errors import ConfigError
from harness.relay.http import HttpRequest, HttpResponse, RequestReader, ResponseReader
from harness.relay.tape import Direction

P_DATA_TF: Final = PDataTF.TYPE
PDU_TYPES: Final = range(1, 8)
STATUS: Final = b"\0\0\0\x09\2\0\0\0"
"""The header of Status (0000,0900) in a command set (PS3.7 E.1)."""

PduChange = Callable[[bytes, Direction], bytes]


class Filter(Interface):
    """Changes the bytes of one connection on their way."""

    def feed(self, direction: Direction, data: bytes) -> bytes:
        """Take the bytes that arrived, and return those to pass on now."""

    def end(self, direction: Direction) -> bytes:
        """Return the bytes that were held back: nothing more follows in this direction."""


class Lie(Interface):
    """One seeded bug."""

    def filter(self) -> Filter:
        """Return a filter that applies the bug to one connection; over HTTP, to one exchange."""


@dataclass(frozen=True)
class HttpLie:
    """Holds back each response to a request that matches, changes it, and sends the result.

    A response that begins before its request has ended, as a refusal may, is passed on unchanged. With
    `early`, `matches` is given the request as received so far, and must not depend on its body.
    `change` is given the response without content coding; its result is sent with a correct
    Content-Length.
    """

    matches: Callable[[HttpRequest], bool]
    change: Callable[[HttpResponse], HttpResponse]
    early: bool = False

    def filter(self) -> Filter:
        """Return a filter for one request."""
        return _HttpFilter(self)


class _HttpFilter:
    """Filters one request and its response; bytes that are not HTTP pass unchanged."""

    def __init__(self, lie: HttpLie) -> None:
        self._lie = lie
        self._asked = RequestReader()
        self._answered: ResponseReader | None = None
        self._method = ""
        self._held = b""
        self._through = False

    def feed(self, direction: Direction, data: bytes) -> bytes:
        try:
            return self._feed(direction, data)
        except h11.RemoteProtocolError:
            self._through = True
            held, self._held = self._held, b""
            return data if direction is Direction.TO_SERVER else held + data

    def end(self, direction: Direction) -> bytes:
        if direction is Direction.TO_SERVER or self._answered is None or self._through:
            return b""
        try:
            self._answered.end()
        except h11.RemoteProtocolError:
            return self._held
        return self._changed()

    def _feed(self, direction: Direction, data: bytes) -> bytes:
        if self._through:
            return data
        if direction is Direction.TO_SERVER:
            if not self._asked.complete:
                self._asked.feed(data)
            return data
        if self._answered is None:
            if data.startswith(b"HTTP/1.1 100"):  # the client waits for it before it continues
                return data
            known = self._asked.complete or self._lie.early
            request = self._asked.request if known else None
            if request is None or not self._lie.matches(request):
                self._through = True
                return data
            self._method = request.method
            self._answered = ResponseReader(request.method)
        self._held += data
        self._answered.feed(data)
        return self._changed() if self._answered.complete else b""

    def _changed(self) -> bytes:
        assert self._answered is not None
        response = self._answered.response
        self._through = True
        held, self._held = self._held, b""
        if response is None:
            return held
        return self._lie.change(response.uncompressed()).encode(self._method)


@dataclass(frozen=True)
class DicomLie:
    """Passes each complete PDU (PS3.8 9.3.1), in both directions, to `change`, and sends the result.

    It applies to associations that are opened after it was set.
    """

    change: PduChange

    def filter(self) -> Filter:
        """Return a filter for one association."""
        return PduFilter(self.change)


class PduFilter:
    """Splits a connection into PDUs; bytes that are not PDUs pass unchanged."""

    def __init__(self, change: PduChange) -> None:
        self._change = change
        self._held = dict.fromkeys(Direction, b"")

    def feed(self, direction: Direction, data: bytes) -> bytes:
        """Return the PDUs that are complete now, after the change."""
        held = self._held[direction] + data
        passed = []
        while len(held) >= 6 and held[0] in PDU_TYPES:
            end = 6 + int.from_bytes(held[2:6], "big")
            if len(held) < end:
                break
            passed.append(self._change(held[:end], direction))
            held = held[end:]
        if held and held[0] not in PDU_TYPES:
            passed.append(held)
            held = b""
        self._held[direction] = held
        return b"".join(passed)

    def end(self, direction: Direction) -> bytes:
        """Return the remaining bytes, which are not a complete PDU."""
        held, self._held[direction] = self._held[direction], b""
        return held


def replace_in_pdata(old: bytes, new: bytes, towards: Direction = Direction.TO_CLIENT) -> PduChange:
    """Return a change that replaces `old` by `new`, of the same length, in P-DATA-TF PDUs."""
    if len(old) != len(new):
        raise ConfigError(f"{old!r} and {new!r} differ in length, which would break the PDU")

    def change(pdu: bytes, direction: Direction) -> bytes:
        return pdu.replace(old, new) if pdu[0] == P_DATA_TF and direction is towards else pdu

    return change


def change_status(old: int, new: int, towards: Direction = Direction.TO_CLIENT) -> PduChange:
    """Return a change that replaces the Status `old` by `new` in responses.

    A command set that is split over several PDVs, which is not done with so few bytes, is left alone.
    """
    before, after = (STATUS + status.to_bytes(2, "little") for status in (old, new))

    def change(pdu: bytes, direction: Direction) -> bytes:
        if pdu[0] != P_DATA_TF or direction is not towards:
            return pdu
        changed = bytearray(pdu)
        with contextlib.suppress(RemoteProtocolError):  # malformed bytes pass unchanged
            for _, control, fragment in split_pdvs(memoryview(changed)[6:]):
                if control & 1:
                    fragment[:] = bytes(fragment).replace(before, after)
        return bytes(changed)

    return change
