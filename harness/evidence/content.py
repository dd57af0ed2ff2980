"""What a server said during a case, without all that differs from run to run of the same server.

Two runs of one server have the same content, in whatever order things passed: so it is made of sets, and
says neither how often something was said nor when. Where it changes, the server has changed, although no
case may look there.
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
"""What is kept to be shown; digests are made of everything."""
REST: Final = "and more"


@dataclass
class Content:
    """What was said in a case: the digest of its lines for each kind of message.

    Most messages of a run say what others have said before, and so their lines are kept apart: once.
    """

    digests: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    """Those that no content of this reader had before, by their digest."""


class ContentReader:
    """Reads tape after tape; `redact` takes secrets out of a text."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._known: dict[frozenset[str], str] = {}

    def read(self, tape: Tape) -> Content:
        """Read what the server under test said; raises nothing for what is no protocol."""
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
