"""The smallest conversation that two servers answer differently, for `harness bisect --shrink`."""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final, Self

from dcm.data.identifier import BadIdentifier, read_identifier
from dcm.errors import RemoteProtocolError
from dcm.wire import AssociateAC, parse, split_pdvs
from harness.clients.wire import UNLIMITED
from harness.evidence.template import template
from harness.fuzz.conversation import Conversation
from harness.fuzz.dicom import COMMAND, IMPLICIT
from harness.fuzz.findings import said, save_conversation
from harness.fuzz.judges import pdus
from harness.fuzz.playing import HEADER, Line, Patience
from harness.fuzz.shrink import Shrinking
from harness.fuzz.starting import Where, begin
from harness.fuzz.subject import Subject

PATIENCE: Final = Patience(answer=2.0, quiet=0.02, end=0.5)
"""Longer than the fuzzer waits: a late answer must not look like a missing one."""
_NAMES: Final = {
    2: "A-ASSOCIATE-AC", 3: "A-ASSOCIATE-RJ", 6: "A-RELEASE-RP", 7: "A-ABORT",
}  # fmt: skip
_P_DATA: Final = 4
_DATE: Final = re.compile(rb"(?im)^(date|last-modified|expires|etag|content-length):[^\r\n]*")


@dataclass(frozen=True)
class Answer:
    """One answer: a summary in a few words, and the full content."""

    words: str
    content: str = ""


@dataclass(frozen=True)
class Difference:
    """Summaries of the first answers that differ, or `CONTENT` if only their contents differ."""

    good: str
    bad: str


CONTENT: Final = Difference("some content", "other content")


def difference(good: Sequence[Answer], bad: Sequence[Answer]) -> Difference | None:
    """Return the first difference in words, or `CONTENT` if only the content differs, or None."""
    nothing = Answer("nothing")
    for one, other in zip_longest(good, bad, fillvalue=nothing):
        if one.words != other.words:
            return Difference(one.words, other.words)
    return CONTENT if [each.content for each in good] != [each.content for each in bad] else None


class Differing:
    """A good server and a bad one. A context manager, which runs both."""

    def __init__(self, good: str, bad: str) -> None:
        self._subjects = [begin(Where(each), PATIENCE) for each in (good, bad)]
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for each in self._subjects:
                stack.enter_context(each)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def look(self, conversation: Conversation) -> Difference | None:
        """Play a conversation on both servers, emptied first, and return the first difference."""
        good, bad = (_answers(each, conversation) for each in self._subjects)
        return difference(good, bad)

    def shrink(
        self, conversation: Conversation, seconds: float
    ) -> tuple[Conversation, Difference] | None:
        """Return the smallest conversation that shows the same difference, or None.

        A difference must show twice.
        """
        wanted = self.look(conversation)
        if wanted is None or self.look(conversation) != wanted:
            return None
        shrinking = Shrinking(
            conversation, lambda smaller: self.look(smaller) == wanted, seconds=seconds
        )
        return shrinking.run(), wanted


def _answers(subject: Subject, conversation: Conversation) -> list[Answer]:
    """Play a conversation on an empty server; return its answers, and how it failed if it did."""
    if not subject.server.reset(unsettled=True):
        subject.server.restart()
    played = subject.play(conversation)
    found = [answer for line in played.lines.values() for answer in _of_line(line)]
    fallen = subject.state(doubtful=played.doubtful)
    if fallen is not None:
        found.append(Answer(f"{fallen.kind}: {fallen.what}"))
        subject.restart()
    return found


def _of_line(line: Line) -> list[Answer]:
    received = bytes(line.received)
    found = _of_http(received) if line.door == "http" else _of_dicom(received)
    return found or [Answer("refused" if line.refused else "closed" if line.closed else "silence")]


def _of_http(received: bytes) -> list[Answer]:
    """Return the answers on a connection, summarised by status."""
    starts = [each.start() for each in re.finditer(rb"HTTP/1\.[01] \d{3}", received)]
    pieces = [received[one:other] for one, other in zip_longest(starts, starts[1:])]
    return [
        Answer(each[9:12].decode(), template(_DATE.sub(b"", each).decode("latin-1")))
        for each in pieces
    ]


def _of_dicom(received: bytes) -> list[Answer]:
    """Return the answers on a connection: PDUs, and messages with their command and status."""
    found: list[Answer] = []
    command = b""
    for each in pdus(received):
        if each[0] != _P_DATA:
            found.append(_of_pdu(each))
            continue
        try:
            for _, control, data in split_pdvs(memoryview(each)[HEADER:]):
                if control & COMMAND:
                    command += bytes(data)
                    if control & 2:
                        found.append(_of_command(command))
                        command = b""
                else:
                    found.append(Answer("data", template(bytes(data).decode("latin-1"))))
        except RemoteProtocolError:
            found.append(Answer("P-DATA-TF that cannot be read"))
    return found


def _of_pdu(data: bytes) -> Answer:
    """Return a PDU by name; for an acceptance also the result of each presentation context."""
    name = _NAMES.get(data[0], f"a PDU of type {data[0]:02X}H")
    try:
        accepted = parse(data, UNLIMITED) if data[0] == AssociateAC.TYPE else None
    except RemoteProtocolError:
        return Answer(f"{name} that cannot be read")
    if not isinstance(accepted, AssociateAC):
        return Answer(name)
    results = ", ".join(str(int(each.result)) for each in accepted.presentation_contexts)
    return Answer(f"{name}, results {results}")


def _of_command(command: bytes) -> Answer:
    try:
        elements = read_identifier(command, IMPLICIT)
    except BadIdentifier:
        return Answer("a command that cannot be read")
    kind, status = (elements.get(each, "") for each in ("CommandField", "Status"))
    return Answer(f"command {kind} status {status}")


def save(folder: Path, found: Conversation, difference: Difference, good: str, bad: str) -> None:
    """Write the conversation, as a tree of parts and as bytes, and the answers that differ."""
    folder.mkdir(parents=True, exist_ok=True)
    save_conversation(folder, found)
    messages, size = found.size
    lines = [
        f"{good} answers: {difference.good}",
        f"{bad} answers: {difference.bad}",
        f"input: {messages} messages, {size} bytes",
        "",
        *(f"{number:3}  {each}" for number, each in enumerate(said(found), start=1)),
        "",
        f"harness fuzz {bad} --replay {folder}",
    ]
    (folder / "details.txt").write_text("\n".join(lines) + "\n")
