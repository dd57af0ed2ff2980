"""The content of a server's messages in a case, without what varies between runs of the same server.

Two runs of one server have the same content, whatever the order of the messages. So it is made of
sets, without counts and times. If it changes, the server has changed, even if no case checks it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from harness.evidence.content_dicom import read_dicom
from harness.evidence.content_http import read_http
from harness.evidence.template import Said
from harness.relay.tape import Tape

MAX_HEADS: Final = 100
MAX_LINES: Final = 300
"""Limits on what is kept for display; digests cover everything."""
REST: Final = "and more"


@dataclass
class Content:
    """The content of the messages of a case: for each kind of message, the digest of its lines.

    Most messages of a run repeat earlier ones, so their lines are kept separately and only once.
    """

    digests: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    """Lines by digest; only those that no earlier content of this reader has."""


class ContentReader:
    """Reads one tape after another; `redact` removes secrets from a text."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._known: dict[frozenset[str], str] = {}

    def read(self, tape: Tape) -> Content:
        """Return the content of the server under test; bytes that break the protocol do not raise."""
        said: Said = defaultdict(set)
        tracks = tuple(tape.tracks)
        read_http(tape, (track for track in tracks if track.protocol == "http"), said)
        for track in tracks:
            if track.protocol == "dicom" and not track.continued:
                read_dicom(tape, track, said)
        content = Content()
        for head in sorted(said)[:MAX_HEADS]:
            content.digests[self._redact(head)] = self._digest(said[head], content)
        rest = sorted(said)[MAX_HEADS:]
        if rest:
            digests = [f"{head}: {self._digest(said[head], content)}" for head in rest]
            content.digests[REST] = self._digest(digests, content)
        return content

    def _digest(self, lines: Iterable[str], content: Content) -> str:
        whole = frozenset(lines)
        if whole not in self._known:
            text = self._redact("\n".join(sorted(whole)))
            digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]
            self._known[whole] = digest
            content.lines[digest] = text.split("\n")[:MAX_LINES]
        return self._known[whole]
