"""Lies: one seeded bug at a time, which proves that a case can fail.

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
    """What changes the bytes of one connection on their way."""

    def feed(self, direction: Direction, data: bytes) -> bytes:
        """Take what arrived, and return what is passed on now."""

    def end(self, direction: Direction) -> bytes:
        """Return what was held back: nothing more comes in this direction."""


class Lie(Interface):
    """One seeded bug."""

    def filter(self) -> Filter:
        """Make what tells the lie on one connection; over HTTP, in one exchange."""


@dataclass(frozen=True)
class HttpLie:
    """Holds back each response to a request that matches, changes it, and sends what came out.

    A response that begins before its request has ended, as a refusal may, is let through, or with `early`
    judged by what has come of the request: `matches` must not depend on the body then. `change` is given the
    response without content coding; what it makes is sent with a right Content-Length.
    """

    matches: Callable[[HttpRequest], bool]
    change: Callable[[HttpResponse], HttpResponse]
    early: bool = False

    def filter(self) -> Filter:
        """Begin with one request."""
        return _HttpFilter(self)


class _HttpFilter:
    """One request and its response; bytes that are no HTTP pass as they are."""

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
            if data.startswith(b"HTTP/1.1 100"):  # the client waits for it before it goes on
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
    """Gives each whole PDU (PS3.8 9.3.1), in both directions, to `change`, and sends what it returns.

    It is told on associations that are opened after it was set.
    """

    change: PduChange

    def filter(self) -> Filter:
        """Begin with one association."""
        return PduFilter(self.change)


class PduFilter:
    """Frames PDUs; bytes that are none pass as they are."""

    def __init__(self, change: PduChange) -> None:
        self._change = change
        self._held = dict.fromkeys(Direction, b"")

    def feed(self, direction: Direction, data: bytes) -> bytes:
        """Return what came of the PDUs that are whole now."""
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
        """Return what is left, which is no whole PDU."""
        held, self._held[direction] = self._held[direction], b""
        return held


def replace_in_pdata(old: bytes, new: bytes, towards: Direction = Direction.TO_CLIENT) -> PduChange:
    """Make a change that puts `new` for `old`, of the same length, in P-DATA-TF PDUs."""
    if len(old) != len(new):
        raise ConfigError(f"{old!r} and {new!r} differ in length, which would break the PDU")

    def change(pdu: bytes, direction: Direction) -> bytes:
        return pdu.replace(old, new) if pdu[0] == P_DATA_TF and direction is towards else pdu

    return change


def change_status(old: int, new: int, towards: Direction = Direction.TO_CLIENT) -> PduChange:
    """Make a change that puts the Status `new` for `old` in responses.

    A command set that is split over several PDVs, which nobody does with so few bytes, is left alone.
    """
    before, after = (STATUS + status.to_bytes(2, "little") for status in (old, new))

    def change(pdu: bytes, direction: Direction) -> bytes:
        if pdu[0] != P_DATA_TF or direction is not towards:
            return pdu
        changed = bytearray(pdu)
        with contextlib.suppress(RemoteProtocolError):  # what is broken passes as it is
            for _, control, fragment in split_pdvs(memoryview(changed)[6:]):
                if control & 1:
                    fragment[:] = bytes(fragment).replace(before, after)
        return bytes(changed)

    return change
