"""Judges the answers of a server; effects on the server itself are detected in `subject`."""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal
from urllib.parse import parse_qs

import h11

from dcm.data.identifier import BadIdentifier, read_identifier
from dcm.errors import RemoteProtocolError
from dcm.wire import (
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PDataTF,
    ReleaseRP,
    parse,
    split_pdvs,
)
from harness.clients.wire import UNLIMITED
from harness.fuzz.dicom import COMMAND, IMPLICIT, LAST
from harness.fuzz.objects import TOKENS
from harness.fuzz.playing import HEADER, Line, Played

Kind = Literal["death", "hang", "memory", "disk", "protocol", "unreadable", "another patient"]
_TOKEN: Final = re.compile("|".join(TOKENS).encode())
_ENDS: Final = {
    AssociateRJ.TYPE: "a rejection",
    ReleaseRP.TYPE: "a release",
    Abort.TYPE: "an abort",
}
_END: Final = HEADER + 4
"""The length of each of these PDUs (PS3.8 9.3.4, 9.3.7 and 9.3.8)."""
_QUERIES: Final = (0x0020, 0x0021, 0x0010)
_HARMLESS: Final = (0x0030, 0x0FFF)
"""C-ECHO and C-CANCEL, which do not concern a patient."""
LONGEST: Final = 1 << 26


@dataclass(frozen=True)
class Breach:
    """A finding: its kind, a description, and the location in the server if it is known."""

    kind: Kind
    what: str
    where: str = ""

    def is_like(self, other: "Breach") -> bool:
        """Return whether both are the same defect, as far as can be determined."""
        if self.kind != other.kind:
            return False
        if self.kind == "protocol":
            return self.what == other.what
        if not self.where or not other.where:
            return True
        return bool(set(self.where.split("; ")) & set(other.where.split("; ")))


def judge(played: Played) -> Breach | None:
    """Return what is wrong with the answers, or None."""
    for line in played.lines.values():
        found = _dicom(line) if line.door == "dicom" else _http(line)
        if found is not None:
            return Breach("protocol", re.sub(r"\d+", "N", found))
        others = _others(line)
        if others:
            return Breach(
                "another patient", "an answer contains data of a patient that was not requested"
            )
    return None


def pdus(data: bytes) -> Iterator[bytes]:
    """Yield the PDUs in `data`; the last one may be truncated."""
    at = 0
    while at < len(data):
        length = HEADER + int.from_bytes(data[at + 2 : at + HEADER], "big")
        yield data[at : at + length]
        at += length


def _dicom(line: Line) -> str | None:
    """Return how a connection's answers break the protocol, as far as our messages let us judge."""
    answers = _Answers(line)
    for pdu in pdus(bytes(line.received)):
        announced = int.from_bytes(pdu[2:HEADER], "big")
        if len(pdu) < HEADER + announced:
            if announced > LONGEST:
                return "a PDU declares an impossible length"
            return "the connection ends in the middle of a PDU" if line.closed else None
        found = answers.judge(pdu)
        if found is not None:
            return found
    return None


class _Answers:
    """The server's PDUs on one connection."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._contexts: set[int] | None = None
        self._over = ""

    def judge(self, pdu: bytes) -> str | None:
        """Return what is wrong with the next PDU, or None."""
        kind = pdu[0]
        if not AssociateAC.TYPE <= kind <= Abort.TYPE:
            return f"a PDU of type {kind:02X}H was received"
        if self._over and kind != Abort.TYPE:
            return f"a PDU of type {kind:02X}H was received after {self._over}"
        self._over = _ENDS.get(kind, self._over)
        if (kind in _ENDS and len(pdu) == _END) or self._request is None:
            return None
        try:
            received = parse(pdu, UNLIMITED)
            if isinstance(received, AssociateAC):
                return self._accepted(self._request, received)
            return self._data(pdu) if isinstance(received, PDataTF) else None
        except RemoteProtocolError as error:
            return f"a PDU cannot be read: {error}"

    @cached_property
    def _request(self) -> AssociateRQ | None:
        return _request(self._line)

    def _accepted(self, request: AssociateRQ, answer: AssociateAC) -> str | None:
        if self._contexts is not None:
            return "an association was accepted twice"
        self._contexts = {each.context_id for each in answer.presentation_contexts}
        if not self._contexts <= {each.context_id for each in request.presentation_contexts}:
            return "the answer has a presentation context that was not proposed"
        return None

    def _data(self, pdu: bytes) -> str | None:
        if self._contexts is None:
            return "a P-DATA-TF was received without an association"
        if not {each[0] for each in split_pdvs(memoryview(pdu)[HEADER:])} <= self._contexts:
            return "a message was received on a presentation context that was not proposed"
        return None


def _request(line: Line) -> AssociateRQ | None:
    """Return our association request, or None if the first message was not a valid one."""
    try:
        found = parse(line.sent[0], UNLIMITED)
    except (RemoteProtocolError, IndexError):
        return None
    return found if isinstance(found, AssociateRQ) else None


def _http(line: Line) -> str | None:
    """Return how a connection's answers break HTTP, or that one declared as JSON is not JSON."""
    sent = b"".join(line.sent)
    first = sent.partition(b"\r\n")[0]
    if not first.endswith(b" HTTP/1.1") or first.startswith(b"HEAD") or not line.received:
        return None
    data = bytes(line.received)
    while data:
        connection = h11.Connection(h11.CLIENT)
        connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
        connection.send(h11.EndOfMessage())
        try:
            connection.receive_data(data)
            answer, body, whole = _answer(connection)
            if not whole and line.closed:
                connection.receive_data(b"")
                answer, more, whole = _answer(connection, answer)
                body += more
        except h11.RemoteProtocolError as error:
            return f"the answer is not HTTP: {str(error).partition('(')[0]}"
        if not whole:
            return "the answer has no end" if line.closed else None
        if answer is not None and _is_broken_json(answer, body):
            return "an answer of type JSON is not JSON"
        data = connection.trailing_data[0]
    return None


def _answer(
    connection: h11.Connection, answer: h11.Response | None = None
) -> tuple[h11.Response | None, bytes, bool]:
    """Return an answer, its body, and whether it is complete."""
    body = b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            answer = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return answer, body, True
        elif (
            event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed)
        ):
            return answer, body, False


def _is_broken_json(answer: h11.Response, body: bytes) -> bool:
    kinds = [value for name, value in answer.headers if name == b"content-type"]
    if answer.status_code != 200 or not any(b"json" in each for each in kinds):
        return False
    try:
        json.loads(body)
    except ValueError:
        return True
    return False


def _others(line: Line) -> frozenset[bytes]:
    """Return patients whose data was revealed though the requests were limited to others."""
    tokens = frozenset(_TOKEN.findall(bytes(line.received)))
    if not tokens:
        return tokens
    asked = _asked_by_http(line) if line.door == "http" else _asked_by_dicom(line)
    return frozenset() if asked is None else tokens - asked


def _asked_by_http(line: Line) -> frozenset[bytes] | None:
    """Return the patients to whom searches are limited, or None if something else was requested."""
    asked = set()
    for each in line.sent:
        method, _, rest = each.partition(b"\r\n")[0].partition(b" ")
        path, _, search = rest.partition(b" ")[0].partition(b"?")
        wanted = parse_qs(search.decode("latin-1")).get("PatientID", [])
        if method != b"GET" or not path.endswith(b"/studies") or len(wanted) != 1:
            return None
        if wanted[0] not in TOKENS:
            return None
        asked.add(wanted[0].encode())
    return frozenset(asked)


def _asked_by_dicom(line: Line) -> frozenset[bytes] | None:
    """Return the patients to whom queries are limited, or None if not all messages are."""
    if _request(line) is None:
        return None
    asked = set()
    try:
        for kind, data in _messages(b"".join(line.sent)):
            if kind in _QUERIES:
                keys = read_identifier(data, IMPLICIT)
                wanted = str(keys.get("PatientID"))
                if wanted not in TOKENS or keys.get("QueryRetrieveLevel") not in (
                    "PATIENT",
                    "STUDY",
                ):
                    return None
                asked.add(wanted.encode())
            elif kind not in _HARMLESS:
                return None
    except (RemoteProtocolError, BadIdentifier):
        return None
    return frozenset(asked)


def _messages(sent: bytes) -> Iterator[tuple[int | None, bytes]]:
    """Yield each message's command field and data set; raises RemoteProtocolError if malformed.

    The command field of an incomplete message is None.
    """
    commands, values, kind = b"", b"", None
    for pdu in pdus(sent):
        if not isinstance(parse(pdu, UNLIMITED), PDataTF):
            continue
        for _, control, data in split_pdvs(memoryview(pdu)[HEADER:]):
            if control & 1:
                commands += bytes(data)
            else:
                values += bytes(data)
            last = control & (COMMAND | LAST)  # receivers ignore the other bits (PS3.8 E.2)
            if last == COMMAND | LAST:
                kind, commands = _command_field(commands), b""
                if kind not in _QUERIES:
                    yield kind, b""
            if last == LAST:
                yield kind, values
                values = b""
    if commands or values:
        yield None, b""


def _command_field(command: bytes) -> int | None:
    try:
        found = read_identifier(command, IMPLICIT).get("CommandField")
    except BadIdentifier:
        return None
    return int(found) if isinstance(found, str | int) and str(found).isdigit() else None


def accepted(line: Line, root: str | None, *, orthanc: bool) -> Iterator[str]:
    """Yield the paths of objects that were accepted by HTTP on a connection, to read them back."""
    sent = b"".join(line.sent)
    if line.door != "http" or not sent.startswith(b"POST ") or len(line.sent) != 1:
        return
    head, _, body = bytes(line.received).partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        return
    if orthanc and sent.startswith(b"POST /instances "):
        found = re.findall(rb'"ID" : "([0-9a-f-]{44})"', body)
        yield from (f"/instances/{each.decode()}/file" for each in found)
    elif root is not None and sent.startswith(f"POST {root}/studies ".encode()):
        found = re.findall(rb'https?://[^/"]+(/[^"]*/instances/[0-9.]+)"', body)
        yield from (each.decode() for each in found)


def responses(line: Line) -> str:
    """Return a short summary of what a connection received, for the page."""
    if line.refused:
        return "refused"
    if line.door == "http":
        statuses = re.findall(rb"HTTP/1\.[01] (\d{3})", bytes(line.received))
        found = [each.decode() for each in statuses]
    else:
        names = {2: "AC", 3: "RJ", 4: "P-DATA", 5: "RELEASE-RQ", 6: "RELEASE-RP", 7: "ABORT"}
        found = [names.get(each[0], "?") for each in pdus(bytes(line.received))]
    said = " ".join(name for name, _ in itertools.groupby(found))
    return said or ("closed" if line.closed else "silence")
