"""Faults after the negotiation: states, PDUs, releases and aborts, timers, delays."""

import socket
import time

from support.archive import Archive
from support.bending import (
    NONSENSE,
    Bending,
    abort,
    answers,
    bent_pdvs,
    fault,
    hears,
    of_type,
    pdvs_of,
    refused,
    says,
    unmoved,
)
from support.faults import HONEST, OPTIONS
from support.lies import Group
from support.scripted import PATIENCE, Talk

from dcm.errors import AbortReason, RemoteProtocolError
from dcm.wire import (
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    CEchoRQ,
    PDataTF,
)
from harness.clients.wire import HEADER, Closed, Incoming, Line, Silence, Unreadable

COMMAND, LAST = 1, 2
NAGLE = 0.04  # seconds


class OneAtATime(Archive):
    """Serves one connection after the other, and waits long for each."""

    artim = PATIENCE

    def __init__(self) -> None:
        super().__init__()
        self._talks: list[Talk] = []

    def opened(self, talk: Talk) -> None:
        """Wait until all earlier connections are closed."""
        before = [each for each in self._talks if not each.closed]
        self._talks.append(talk)
        over = time.monotonic() + PATIENCE
        while time.monotonic() < over and not all(each.closed for each in before):
            time.sleep(0.01)


class TenAtMost(Archive):
    """Rejects every association after the first ten."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    def answer(self, request: AssociateRQ) -> AssociateAC | AssociateRJ:
        """Count the requests."""
        self._count += 1
        return super().answer(request) if self._count <= 10 else AssociateRJ(1, 1, 1)


class Resentful(Archive):
    """Rejects all associations after two aborts; on a busy computer, some of five come late."""

    def __init__(self) -> None:
        super().__init__()
        self._aborts = 0

    def aborted(self, talk: Talk) -> None:
        """Count the aborts."""
        self._aborts += 1
        super().aborted(talk)

    def answer(self, request: AssociateRQ) -> AssociateAC | AssociateRJ:
        """Reject once there were two aborts."""
        return super().answer(request) if self._aborts < 2 else AssociateRJ(2, 3, 1)


class NeverReleased(Archive):
    """Does not answer a release request."""

    def release(self, talk: Talk) -> None:
        """Send nothing."""


class ReleaseFirst(Archive):
    """Waits for the next message before it answers a C-ECHO."""

    def echo(self, talk: Talk, heard: Incoming, request: CEchoRQ) -> None:
        """Answer too late."""
        talk.message()
        super().echo(talk, heard, request)


class WithoutTimer(Archive):
    """Waits forever for a peer to send something or to close the connection."""

    def expired(self, talk: Talk) -> None:
        """Keep waiting."""


class InSegments(Archive):
    """Takes each segment for a PDU."""

    class _Line(Line):
        def hear_bytes(self, within: float | None = None) -> bytes | Closed | Silence | Unreadable:
            self._socket.settimeout(within)
            try:
                data = self._socket.recv(1 << 18)
            except TimeoutError:
                return Silence(within or 0)
            if not data:
                return Closed()
            whole = len(data) == HEADER + int.from_bytes(data[2:HEADER], "big")
            return data if whole else NONSENSE

    def line(self, taken: socket.socket) -> Line:
        """Read whatever has arrived."""
        return self._Line(taken, PATIENCE)


class InTwoParts(Archive):
    """Writes a PDU in two parts, the second after a delay as for an acknowledgement."""

    def write(self, line: Line, data: bytes) -> None:
        """Delay the second part as Nagle's algorithm does."""
        line.say(data[:12])
        if data[:1] == bytes([PDataTF.TYPE]):
            time.sleep(NAGLE)
        line.say(data[12:])


class OddFragments(Bending):
    """Sends fragments of odd length: the last byte of each moves to the next."""

    def __init__(self) -> None:
        self._carried = b""

        def change(context: int, control: int, data: bytes) -> tuple[int, int, bytes]:
            if control & COMMAND:
                return context, control, data
            data = self._carried + data
            end = len(data) if control & LAST else len(data) - 1
            self._carried = data[end:]
            return context, control, data[:end]

        super().__init__(says=bent_pdvs(change))


def _before(talk: Talk, error: RemoteProtocolError, reason: AbortReason) -> bool:
    return talk.connection.request is None and error.reason is reason


def _after(talk: Talk, error: RemoteProtocolError, reason: AbortReason) -> bool:
    return talk.connection.request is not None and error.reason is reason


UNEXPECTED, UNRECOGNIZED = AbortReason.UNEXPECTED_PDU, AbortReason.UNRECOGNIZED_PDU
INVALID = AbortReason.INVALID_PDU_PARAMETER_VALUE

GROUP = Group(
    "exchanges",
    sample=tuple(
        f"ASSOC-{number:03}"
        for numbers in (range(30, 46), range(50, 65))
        for number in numbers
    ),
    honest=HONEST,
    options=OPTIONS,
    crosswise=False,
    lies=(
        unmoved("what comes too early is not heeded",
                lambda talk, error: _before(talk, error, UNEXPECTED),
                *(f"ASSOC-030[{each}]"
                  for each in ("acceptance", "rejection", "data", "release", "release-answer"))),
        unmoved("an unknown PDU before the request is not heeded",
                lambda talk, error: _before(talk, error, UNRECOGNIZED), "ASSOC-031"),
        hears("an abort is answered by an abort", of_type(Abort.TYPE, lambda _: NONSENSE),
              "ASSOC-032", "ASSOC-042"),
        hears("an abort is not heeded", of_type(Abort.TYPE, lambda _: b""), "ASSOC-042"),
        unmoved("what has no place in an association is not heeded",
                lambda talk, error: _after(talk, error, UNEXPECTED),
                *(f"ASSOC-033[{each}]"
                  for each in ("request", "acceptance", "rejection", "release-answer"))),
        says("the service user aborts", abort(0, 0), "ASSOC-034",
             *(f"ASSOC-033[{each}]"
               for each in ("request", "acceptance", "rejection", "release-answer"))),
        says("a reason that is reserved", abort(2, 3), "ASSOC-035"),
        unmoved("any context will do", lambda _, error: "not accepted" in str(error), "ASSOC-036"),
        unmoved("the length of a PDV is not tested", lambda _, error: "a PDV says" in str(error),
                "ASSOC-037"),
        unmoved("an item that is too long is not heeded",
                lambda talk, error: _before(talk, error, INVALID), "ASSOC-038"),
        fault("one is served at a time", OneAtATime, "ASSOC-039", "ASSOC-062", "ASSOC-063",
              "ASSOC-064"),
        fault("a release is not answered", NeverReleased, "ASSOC-040"),
        fault("a release goes before the answer", ReleaseFirst, "ASSOC-041"),
        fault("aborts are resented", Resentful, "ASSOC-043"),
        fault("there is no timer", WithoutTimer, "ASSOC-044", "ASSOC-045[release]",
              "ASSOC-045[abort]", "ASSOC-045[rejection]"),
        hears("a command set must be in one PDU",
              refused(lambda pdu: any(not control & LAST for _, control, _ in pdvs_of(pdu))),
              "ASSOC-050", "ASSOC-051"),
        hears("a PDU has one PDV", refused(lambda pdu: len(list(pdvs_of(pdu))) > 1), "ASSOC-051"),
        fault("a segment is a PDU", InSegments, "ASSOC-052"),
        hears("unused bits are tested",
              refused(lambda pdu: any(control & 0xFC for _, control, _ in pdvs_of(pdu))),
              "ASSOC-053"),
        hears("our maximum is not heeded",
              of_type(1, lambda pdu: pdu.replace(b"\x51\0\0\4\0\0", b"\x51\0\0\4\0\1")),
              "ASSOC-054[4096]", "ASSOC-054[16384]"),
        answers("a maximum of 0 is none", lambda request: request.maximum_length == 0,
                AssociateRJ(1, 1, 1), "ASSOC-055"),
        fault("fragments of odd lengths", OddFragments, "ASSOC-056"),
        says("data on another context",
             bent_pdvs(lambda context, control, data: (
                 context if control & COMMAND else 1, control, data
             )),
             "ASSOC-057"),
        says("the last fragment is not marked",
             bent_pdvs(lambda context, control, data: (context, control & ~LAST if not (
                 control & COMMAND) else control, data)),
             "ASSOC-057"),
        says("unused bits are set",
             bent_pdvs(lambda context, control, data: (context, control | 0x80, data)),
             "ASSOC-058"),
        unmoved("our own maximum is none", lambda _, error: "declares a length" in str(error),
                "ASSOC-059"),
        fault("an answer in two parts", InTwoParts, "ASSOC-060", "ASSOC-061"),
        fault("who is too many is rejected for good", TenAtMost, "ASSOC-062"),
    ),
)  # fmt: skip
