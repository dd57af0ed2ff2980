"""The overview picture: a tile per suite, with a lane for each server and a place for each case.

Every outcome has its own colour and shape, so that it is legible on paper and for colour-blind
readers. Tiles are narrow enough for a phone; cases that do not fit go into the next band of lanes.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.matrix.model import Column, Row

WIDTH, HEIGHT = 7, 9
STEP, LANE = WIDTH + 1, HEIGHT + 1
IN_A_BAND = 39
MARGIN = 13
"""Width left of the lanes, for the server's letter."""
TICKS = 5
"""Height above the lanes, for the mark of a difference."""
BETWEEN = 6

ORDER = ("passed", "known", "failed", "error", "cross", "unsupported", "absent", "none", "tick")
"""The drawing order; later shapes lie on top."""

_WHOLE = f"h{WIDTH}v{HEIGHT}h-{WIDTH}z"
SHAPES: dict[str, list[tuple[str, float, float, str]]] = {
    "passed": [("passed", 0, 0, _WHOLE)],
    "failed": [("failed", 0, 0, _WHOLE), ("cross", 1.5, 2.5, "l4 4m0-4l-4 4")],
    "error": [("error", 0, 0, _WHOLE), ("cross", 3.5, 1.5, "v3.5m0 1.3v1.2")],
    "known": [("known", 0, HEIGHT, f"h{WIDTH}v-{HEIGHT}z")],
    "unsupported": [("unsupported", 1, HEIGHT / 2, f"h{WIDTH - 2}")],
    "absent": [("absent", 3, HEIGHT / 2, "h1")],
    "none": [("none", -0.5, HEIGHT / 2, f"h{STEP}")],
}
"""The paths of each outcome: a name, its start within the place, and the rest of the path."""

Shapes = Mapping[str, str]


@dataclass(frozen=True)
class Tile:
    """The picture of a suite: its paths by name, and the positions of the servers' letters."""

    suite: str
    rows: Sequence[Row]
    anchors: Sequence[str]
    width: int
    height: int
    paths: Shapes
    letters: Sequence[tuple[int, str]]

    @property
    def differing(self) -> int:
        """The number of cases with different outcomes."""
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
    return {name: dict(_shapes(name, 1, 1)) for name in SHAPES if name != "none"}


def band_height(columns: Sequence[Column]) -> int:
    """Return the height of a band of lanes and the gap below it; the script needs it too."""
    return TICKS + len(columns) * LANE + BETWEEN


def geometry(columns: Sequence[Column]) -> dict[str, int]:
    """Return what the script needs to find the case under the pointer."""
    return {"margin": MARGIN, "step": STEP, "across": IN_A_BAND, "band": band_height(columns)}


def _tile(suite: str, places: Sequence[tuple[Row, str]], columns: Sequence[Column]) -> Tile:
    band = band_height(columns)
    found: dict[str, list[str]] = defaultdict(list)
    for number, (row, _) in enumerate(places):
        x = MARGIN + number % IN_A_BAND * STEP
        top = number // IN_A_BAND * band
        if row.kind == "different":
            found["tick"].append(f"M{x} {top}h{WIDTH}l-{WIDTH / 2:g} 4z")
        for lane, (column, cell) in enumerate(zip(columns, row.cells, strict=True)):
            outcome = cell.outcome if cell else "none" if column.trouble else "absent"
            for name, path in _shapes(outcome, x, top + TICKS + lane * LANE):
                found[name].append(path)
    tops = range(0, -(-len(places) // IN_A_BAND) * band, band)
    return Tile(
        suite=suite,
        rows=[row for row, _ in places],
        anchors=[anchor for _, anchor in places],
        width=MARGIN + min(len(places), IN_A_BAND) * STEP,
        height=len(tops) * band - BETWEEN,
        paths={name: "".join(found[name]) for name in ORDER if name in found},
        letters=[
            (top + TICKS + lane * LANE + HEIGHT - 1, column.letter)
            for top in tops
            for lane, column in enumerate(columns)
        ],
    )


def _shapes(outcome: str, x: int, y: int) -> Iterator[tuple[str, str]]:
    """Yield the name and data of each path in one place."""
    for name, right, down, path in SHAPES[outcome]:
        yield name, f"M{x + right:g} {y + down:g}{path}"
