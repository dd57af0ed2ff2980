"""Compare the recorded and the new responses, message by message."""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from harness.evidence.bodies import describe
from harness.evidence.dicom import decode
from harness.evidence.http import Exchange, exchanges
from harness.evidence.recording import Recorded
from harness.evidence.redact import Redactor
from harness.evidence.template import template
from harness.relay.http import HttpResponse
from harness.relay.tape import Tape, Track

VARYING = frozenset(
    {"age", "content-length", "date", "etag", "expires", "last-modified", "set-cookie"}
)
"""Headers that differ between responses to the same request; the body itself is compared."""
RELEASED = "A-RELEASE-RP"
_TIMES = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?"  # of RFC 3339
    r'|(?<=Runtime": )[\d.]+|\b\d{8}T\d{6}(?:\.\d+)?'  # of Orthanc
)


@dataclass(frozen=True)
class Said:
    """One message: its sender and summary in a line, and its complete content."""

    asked: bool
    """Whether the case sent it; otherwise it is an answer."""
    line: str
    details: str = ""

    @property
    def lasting(self) -> tuple[str, str]:
        """The part that is the same in two runs: no generated UIDs, no dates."""
        return template(self.line), template(_TIMES.sub("{time}", self.details))


@dataclass(frozen=True)
class Pair:
    """A recorded and a new message; one of them may be missing."""

    then: Said | None
    now: Said | None

    @property
    def same(self) -> bool:
        """Whether both have the same content."""
        return (
            self.then is not None and self.now is not None and self.then.lasting == self.now.lasting
        )

    @property
    def released(self) -> bool:
        """Whether the association was released, in the recording and now."""
        return all(
            each is not None and each.line.startswith(RELEASED) for each in (self.then, self.now)
        )


@dataclass(frozen=True)
class Compared:
    """A recorded connection and the new one."""

    recorded: Recorded
    pairs: tuple[Pair, ...]
    trouble: str
    ended: tuple[str, str]
    """How it ended, in the recording and now."""

    @property
    def answers(self) -> list[Pair]:
        """The messages that the servers sent."""
        return [each for each in self.pairs if not (each.then or each.now).asked]  # type: ignore[union-attr]

    @property
    def ended_otherwise(self) -> bool:
        """Whether the end differs in a way that the server decides.

        After A-RELEASE-RP both sides close the transport connection (PS3.8 9.2.3, AR-3 and AR-5), and
        which of them is seen first is random.
        """
        then, now = self.ended
        released = bool(self.pairs) and self.pairs[-1].same and self.pairs[-1].released
        return then != now and not released


def compared(
    then: Tape, recorded: Recorded, now: Tape, track: Track | None, redactor: Redactor
) -> tuple[Pair, ...]:
    """Compare a connection with the one that was opened in its place, if any."""
    before = list(_said(then, recorded.track, recorded, redactor))
    after = [] if track is None else list(_said(now, track, recorded, redactor))
    return tuple(_paired(before, after))


def _paired(before: list[Said], after: list[Said]) -> Iterator[Pair]:
    """Pair the requests with each other, and likewise the answers between two requests."""
    nothing: list[Said] = []
    for old, new in zip_longest(_turns(before), _turns(after), fillvalue=nothing):
        yield from (Pair(*each) for each in zip_longest(old, new))


def _turns(said: list[Said]) -> list[list[Said]]:
    """Split into turns, alternately requests and answers; the first turn may be empty."""
    turns: list[list[Said]] = [[]]
    for each in said:
        if each.asked is not (len(turns) % 2 == 1):
            turns.append([])
        turns[-1].append(each)
    return turns


def _said(tape: Tape, track: Track, recorded: Recorded, redactor: Redactor) -> Iterator[Said]:
    if track.protocol == "http":
        for exchange in exchanges(tape, track):
            yield from _of_exchange(exchange, recorded, redactor)
        return
    arrow = "->" if recorded.opened_by_case else "<-"
    for step in decode(tape, track, redactor):
        yield Said(step.line.startswith(arrow), step.line[3:], step.details)


def _of_exchange(exchange: Exchange, recorded: Recorded, redactor: Redactor) -> Iterator[Said]:
    request, response = exchange.request, exchange.response
    if request is not None:
        yield Said(recorded.opened_by_case, f"{request.method} {request.target}")
    if response is not None:
        yield Said(not recorded.opened_by_case, *_response(response, redactor))
    elif request is not None:
        yield Said(not recorded.opened_by_case, "no answer")


def _members(archive: bytes) -> list[str]:
    """Return the names of the files in an archive; none if it is truncated or not an archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as found:
            return sorted(found.namelist())
    except zipfile.BadZipFile:
        return []


def _response(response: HttpResponse, redactor: Redactor) -> tuple[str, str]:
    plain = response.uncompressed()
    size = response.size if plain is response else len(plain.body)
    kind = response.header("Content-Type").partition(";")[0]
    line = f"{response.status} {response.reason}{f', {kind}' if kind else ''}"
    headers = [f"{k}: {v}" for k, v in response.headers if k.lower() not in VARYING]
    if kind == "application/zip":
        # Its bytes depend on the time at which it was created.
        return line, "\n".join([*headers, "", *_members(plain.body)])
    body = describe(plain.header("Content-Type"), plain.body, size, redactor)
    return line, "\n".join([*headers, "", body])
