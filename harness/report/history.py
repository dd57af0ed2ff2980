"""The last runs of the same server as a small chart: a bar for each, divided by outcome."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.report.load import OUTCOMES, Outcome, Run
from harness.report.text import link, printable

SHOWN = 12
"""Most runs in the chart."""
HEIGHT, STEP, WIDTH = 56, 22, 16
"""Height of the chart, width of a bar with its gap, width of a bar; in pixels."""
LEAST = 2.0
"""Smallest height of an outcome in pixels, so that one with few cases is visible."""
ORDER: tuple[Outcome, ...] = ("passed", "unsupported", "known", "error", "failed")
"""The outcomes in a bar, from bottom to top."""


@dataclass(frozen=True)
class Piece:
    """A part of a bar: an outcome and its position."""

    outcome: Outcome
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """A run in the chart."""

    started: datetime
    server: str
    counts: Mapping[Outcome, int]
    href: str | None
    """Its page, relative to the page of the current run; None for the current run."""
    x: int
    pieces: tuple[Piece, ...]

    @property
    def words(self) -> str:
        """The bar in words, for tooltips and screen readers."""
        counts = ", ".join(f"{number} {outcome}" for outcome, number in self.counts.items())
        return f"{self.started:%-d %B %Y, %H:%M}, {self.server}: {counts}"


def bars(run: Run) -> list[Bar]:
    """Return bars for the last runs of this server up to this one, or [] if there are no others.

    Runs of a selection of cases are left out: they say little about the server.
    """
    if run.selected:
        return []
    found = sorted(_earlier(run), key=lambda each: each[0])[-(SHOWN - 1) :]
    if not found:
        return []
    found.append((run.started, str(run.server), run.counts, None))
    most = max(sum(counts.values()) for _, _, counts, _ in found) or 1
    return [
        Bar(started, server, counts, href, number * STEP, tuple(_pieces(counts, most)))
        for number, (started, server, counts, href) in enumerate(found)
    ]


def _pieces(counts: Mapping[Outcome, int], most: int) -> Iterator[Piece]:
    bottom = float(HEIGHT)
    for outcome in ORDER:
        if counts.get(outcome):
            height = max(LEAST, counts[outcome] / most * (HEIGHT - 4 * LEAST))
            bottom -= height
            yield Piece(outcome, round(bottom, 1), round(height, 1))


Earlier = tuple[datetime, str, Mapping[Outcome, int], str | None]


def _earlier(run: Run) -> Iterator[Earlier]:
    """Read the records of earlier runs of the same server from the same parent folder."""
    for path in run.folder.resolve().parent.glob("*/run.json"):
        try:
            record = json.loads(path.read_bytes())
            started = datetime.fromisoformat(record["started"])
            counts = _counts(record["counts"])
            same = record["server"]["name"] == run.server.name and not record["selected"]
            version = record["server"]["version"]
        except (OSError, KeyError, TypeError, ValueError):
            continue  # written by an older harness, or not a run
        page = path.with_name("report.html")
        if same and counts and started < run.started and page.is_file():
            name = printable(f"{run.server.name} {version}" if version else run.server.name)
            yield started, name, counts, link(page, run.folder)


def _counts(record: Mapping[str, Any]) -> dict[Outcome, int]:
    return {outcome: int(record[outcome]) for outcome in OUTCOMES if record.get(outcome)}


def size(found: list[Bar]) -> tuple[int, int]:
    """Return the width and height of the chart in pixels."""
    return len(found) * STEP, HEIGHT
