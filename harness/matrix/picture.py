"""The picture of the whole: for each suite a tile, in it a lane for each server and a place for each case.

Every outcome has its own colour and its own shape, so that it can be told on paper and without seeing
colours. Tiles are narrow enough for a phone; cases that do not fit go into the next band of lanes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.matrix.model import Column, Row

WIDTH, HEIGHT = 7, 9
STEP, LANE = WIDTH + 1, HEIGHT + 1
IN_A_BAND = 39
MARGIN = 13
"""Left of the lanes: room for the server's letter."""
TICKS = 5
"""Above the lanes: room for the mark of a difference."""
BETWEEN = 6

ORDER = ("passed", "known", "failed", "error", "cross", "unsupported", "absent", "none", "tick")
"""What is drawn first; what comes later lies above it."""

Shapes = Mapping[str, str]


@dataclass(frozen=True)
class Tile:
    """The picture of a suite: paths by what they show, and where the letters of the servers stand."""

    suite: str
    rows: Sequence[Row]
    anchors: Sequence[str]
    width: int
    height: int
    paths: Shapes
    letters: Sequence[tuple[int, str]]

    @property
    def differing(self) -> int:
        """How many cases have different outcomes."""
        return sum(row.kind == "different" for row in self.rows)


def tiles(rows: Sequence[Row], columns: Sequence[Column], anchors: Sequence[str]) -> list[Tile]:
    """Draw each suite; `rows` are in order of suites, `anchors` are the ids of their elements."""
    places = zip(rows, anchors, strict=True)
    return [
        _tile(suite, list(found), columns)
        for suite, found in groupby(places, lambda place: place[0].case.suite)
    ]


def samples() -> dict[str, Shapes]:
    """Draw each outcome once, for the legend."""
    names = ("passed", "failed", "error", "known", "unsupported", "absent")
    return {name: dict(_shapes(name, 1, 1)) for name in names}


def band_height(columns: Sequence[Column]) -> int:
    """Return the height of one band of lanes, with the room below it: the script finds a case by it."""
    return TICKS + len(columns) * LANE + BETWEEN


def _tile(suite: str, places: Sequence[tuple[Row, str]], columns: Sequence[Column]) -> Tile:
    rows = [row for row, _ in places]
    band = band_height(columns)
    found: dict[str, list[str]] = {}
    letters: list[tuple[int, str]] = []
    for number, row in enumerate(rows):
        x = MARGIN + number % IN_A_BAND * STEP
        top = number // IN_A_BAND * band
        if row.kind == "different":
            found.setdefault("tick", []).append(f"M{x} {top}h{WIDTH}l-{WIDTH / 2:g} 4z")
        for lane, (column, cell) in enumerate(zip(columns, row.cells, strict=True)):
            y = top + TICKS + lane * LANE
            if number % IN_A_BAND == 0:
                letters.append((y + HEIGHT - 1, column.letter))
            outcome = cell.outcome if cell else "none" if column.trouble else "absent"
            for name, path in _shapes(outcome, x, y):
                found.setdefault(name, []).append(path)
    bands = -(-len(rows) // IN_A_BAND)
    return Tile(
        suite=suite,
        rows=rows,
        anchors=[anchor for _, anchor in places],
        width=MARGIN + min(len(rows), IN_A_BAND) * STEP,
        height=bands * band - BETWEEN,
        paths={name: "".join(found[name]) for name in ORDER if name in found},
        letters=letters,
    )


def _shapes(outcome: str, x: int, y: int) -> Iterator[tuple[str, str]]:
    """Draw one place: the name of each path and its data."""
    middle = y + HEIGHT / 2
    whole = f"M{x} {y}h{WIDTH}v{HEIGHT}h-{WIDTH}z"
    if outcome in ("passed", "failed", "error"):
        yield outcome, whole
    if outcome == "failed":
        yield "cross", f"M{x + 1.5} {y + 2.5}l4 4m0-4l-4 4"
    elif outcome == "error":
        yield "cross", f"M{x + 3.5} {y + 1.5}v3.5m0 1.3v1.2"
    elif outcome == "known":
        yield "known", f"M{x} {y + HEIGHT}h{WIDTH}v-{HEIGHT}z"
    elif outcome == "unsupported":
        yield "unsupported", f"M{x + 1} {middle:g}h{WIDTH - 2}"
    elif outcome == "absent":
        yield "absent", f"M{x + 3} {middle:g}h1"
    elif outcome == "none":
        yield "none", f"M{x - 0.5:g} {middle:g}h{STEP}"
