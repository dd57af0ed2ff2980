"""The defects of `flawed`: how each shows, and the shortest known conversation for it."""

import math
from dataclasses import dataclass
from pathlib import Path

from harness.fuzz.findings import FINDING, Finding, load

FAST = 160
"""Number of transfer syntaxes that `flawed` processes in a second."""
LIMIT = 0.7
"""Seconds within which another client must be answered."""
NEARLY = 1.5
"""A finding may be at most this many times as long as the shortest one."""
ACCEPTED = 74 + 4 + 1 + 4 + 4 + 5 + 5
"""Bytes of a request that a strict reader accepts: one context, and one-character names."""
QUERY = 6 + 6 + 10 + 6 + 8 + 7 + 8 + 10
"""Bytes of a C-FIND that a strict reader accepts: a command field, a level and a Patient ID."""


@dataclass(frozen=True)
class Defect:
    """A defect: its number in `flawed`, how it shows, and the fewest messages and bytes."""

    number: int
    kind: str
    where: str
    messages: int
    size: int

    def is_shown_by(self, finding: Finding) -> bool:
        """Return whether a finding shows this defect."""
        breach = finding.breach
        return breach.kind == self.kind and self.where in f"{breach.where} {breach.what}"

    def is_nearly_smallest(self, finding: Finding) -> bool:
        """Return whether a finding is short enough."""
        messages, size = finding.conversation.size
        return messages <= self.messages and size <= NEARLY * self.size


SMALLEST = (
    # A request whose user information has a sub-item that extends beyond its end.
    Defect(1, "death", "read_user_information", 1, 6 + 68 + 4 + 4),
    Defect(2, "hang", "spin_on_second_request", 2, 6 + 6),
    Defect(3, "memory", "", 2, 6 + 6),
    Defect(4, "another patient", "", 3, ACCEPTED + QUERY + QUERY),
    # Such a request, and an unreadable command.
    Defect(5, "protocol", "presentation context that was not proposed", 2, ACCEPTED + 6 + 6),
    # A context with enough empty transfer syntaxes to exceed another client's wait.
    Defect(
        6, "hang", "look_at_transfer_syntaxes", 1, 6 + 68 + 8 + 4 * math.ceil(FAST * LIMIT**0.5)
    ),
    Defect(7, "death", "read_body", 1, len(b"  \r\nContent-Length:-1\r\n\r\n")),
    Defect(8, "hang", "read_chunks", 1, len(b"  \r\nTransfer-Encoding:chunked\r\n\r\n!\r\n")),
    Defect(9, "unreadable", "", 1, 127),
    Defect(10, "protocol", "JSON", 1, len(b'GET /dicom-web/studies?" HTTP/1.1\r\n\r\n')),
)


def shortfalls(folder: Path) -> list[str]:
    """List the defects without exactly one short finding, and findings that match no defect."""
    findings = [load(each.parent) for each in sorted(folder.glob(f"*/{FINDING}"))]
    said = []
    for each in SMALLEST:
        found = [finding for finding in findings if each.is_shown_by(finding)]
        if len(found) != 1:
            said.append(f"defect {each.number} was found {len(found)} times")
        elif not each.is_nearly_smallest(found[0]):
            messages, size = found[0].conversation.size
            wanted = f"{each.messages} messages, {each.size} bytes"
            said.append(f"defect {each.number}: {messages} messages, {size} bytes; known: {wanted}")
    strange = [one for one in findings if not any(each.is_shown_by(one) for each in SMALLEST)]
    return said + [f"no defect of ours: {each.slug}" for each in strange]
