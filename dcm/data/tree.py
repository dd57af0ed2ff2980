"""A query result as a tree of lines for people."""

from collections.abc import Callable, Iterator, Sequence

from dcm.data.levels import Level
from dcm.data.node import Node

# The attributes that a line shows, if they are known.
_SHOWN = {
    Level.PATIENT: (("ID", "PatientID"), ("Name", "PatientName")),
    Level.STUDY: (("Date", "StudyDate"), ("Time", "StudyTime")),
    Level.SERIES: (
        ("Number", "SeriesNumber"),
        ("Modality", "Modality"),
        ("Description", "SeriesDescription"),
    ),
    Level.IMAGE: (("Number", "InstanceNumber"), ("UID", "SOPInstanceUID")),
}


def tree_text(
    patients: Sequence[Node], deepest: Level, total: Callable[[Level], int | None]
) -> str:
    """Return a line of totals, then the patients and everything below them down to `deepest`."""
    totals = (_counted(total(level), level) for level in Level)
    lines = [" | ".join(filter(None, totals))]
    for number, patient in enumerate(patients, start=1):
        lines.append("└── " + _line(patient, deepest))
        lines += _branch(patient, deepest, "    " if number == len(patients) else "│   ")
    return "\n".join(lines)


def _branch(node: Node, deepest: Level, indent: str) -> Iterator[str]:
    children = node.children
    for child in children:
        last = child is children[-1]
        yield indent + ("└── " if last else "├── ") + _line(child, deepest)
        yield from _branch(child, deepest, indent + ("    " if last else "│   "))


def _line(node: Node, deepest: Level) -> str:
    known = [(label, printable(node.text(keyword))) for label, keyword in _SHOWN[node.level]]
    parts = [f"{label}: {text}" for label, text in known if text] or [f"UID: {printable(node.uid)}"]
    below = list(Level)[node.level + 1 :]
    parts += filter(None, (_counted(node.count(level, deepest), level) for level in below))
    return " | ".join(parts)


def _counted(count: int | None, level: Level) -> str:
    return "" if count is None else f"{count} {level.entities}"


def printable(text: str) -> str:
    """Return a text without control characters, so that text from a server cannot control the terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)
