"""Plots as inline SVG. Each line has its own marker as well as its own colour."""

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

from markupsafe import Markup

from harness.plot import Plot, Point

WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 58, 24, 26, 40
"""Margins around the plot, for its numbers and labels."""
LETTER, GAP = 7, 30
"""Estimated width of a letter, and the space between two names below the plot, with a marker in it."""
TICKS = 5
MARKS = (
    *("M-3-3h6v6h-6z", "M0-4l4 7h-8z", "M-4 0l4-4 4 4-4 4z"),
    *("M-3-3l6 6m0-6l-6 6", "M0 4l4-7h-8z", "M-4 0h8m-4-4v8"),
)
MOST_MARKS = 20
"""A line with more points than this is drawn without markers."""

Scale = Callable[[float], float]


def svg(plot: Plot) -> Markup:
    """Draw a plot; return empty markup if it has no points."""
    points = [point for line in plot.lines.values() for point in line]
    if plot.logarithmic:
        points = [(x, y) for x, y in points if x > 0 and y > 0]
    if not points:
        return Markup()
    across = _Axis([x for x, _ in points], LEFT, WIDTH - RIGHT, logarithmic=plot.logarithmic)
    up = _Axis(
        [0, *(y for _, y in points)] if not plot.logarithmic else [y for _, y in points],
        HEIGHT - BOTTOM, TOP, logarithmic=plot.logarithmic,
    )  # fmt: skip
    parts = [
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(plot.title)}">',
        f'<text class="title" x="{LEFT}" y="14">{escape(plot.title)}</text>',
        *_grid(across, up),
        f'<text x="{WIDTH - RIGHT}" y="14" text-anchor="end">{escape(plot.y)} over {escape(plot.x)}</text>',
    ]
    place = LEFT
    for number, (name, line) in enumerate(plot.lines.items()):
        drawn = [(across.at(x), up.at(y)) for x, y in line if not plot.logarithmic or min(x, y) > 0]
        parts += _line(name, drawn, number, place)
        place += LETTER * len(name) + GAP
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - texts are escaped


class _Axis:
    """A scale that maps values to coordinates between `begin` and `end`."""

    def __init__(
        self, values: Sequence[float], begin: float, end: float, *, logarithmic: bool
    ) -> None:
        self._begin, self._end = begin, end
        self._scale: Scale = math.log10 if logarithmic else float
        if logarithmic:
            low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
            high = max(high, low + 1)
            self.ticks = [10.0**each for each in range(low, high + 1)]
        else:
            step = _round_step((max(values) - min(values) or 1) / TICKS)
            low, high = math.floor(min(values) / step), math.ceil(max(values) / step)
            self.ticks = [each * step for each in range(low, max(high, low + 1) + 1)]

    def at(self, value: float) -> float:
        """Return the coordinate of a value."""
        low, high = self._scale(self.ticks[0]), self._scale(self.ticks[-1])
        return self._begin + (self._scale(value) - low) / (high - low) * (self._end - self._begin)


def _round_step(least: float) -> float:
    """Return the smallest step of 1, 2 or 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(each * power for each in (1, 2, 5, 10) if each * power >= least * (1 - 1e-9))


def _grid(across: _Axis, up: _Axis) -> Iterator[str]:
    for value in up.ticks:
        y = up.at(value)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
    for value in across.ticks:
        x = across.at(value)
        yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{value:g}</text>'


def _line(name: str, points: Sequence[Point], number: int, place: int) -> Iterator[str]:
    """Draw a line with its markers and, below the plot at `place`, its name."""
    kind = f"line{number % len(MARKS)}"
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    mark = MARKS[number % len(MARKS)]
    yield f'<path class="line {kind}" d="M{path}"/>'
    if len(points) <= MOST_MARKS:
        for x, y in points:
            yield f'<path class="mark {kind}" transform="translate({x:.1f} {y:.1f})" d="{mark}"/>'
    yield f'<path class="mark {kind}" transform="translate({place} {HEIGHT - 10})" d="{mark}"/>'
    yield f'<text x="{place + 9}" y="{HEIGHT - 6}">{escape(name)}</text>'
