"""A plot of the measurements of a case: lines of points over one axis."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression
from typing import Any, Self

Point = tuple[float, float]


@dataclass(frozen=True)
class Plot:
    """Named lines; both axes are logarithmic, or neither."""

    title: str
    x: str
    """The label of the horizontal axis, with its unit."""
    y: str
    lines: Mapping[str, Sequence[Point]]
    logarithmic: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the plot for the record of a case."""
        lines = {name: [list(point) for point in line] for name, line in self.lines.items()}
        return {**vars(self), "lines": lines}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read the output of `as_json`."""
        lines = {
            str(name): [(float(x), float(y)) for x, y in points]
            for name, points in record["lines"].items()
        }
        texts = {name: str(record[name]) for name in ("title", "x", "y")}
        return cls(**texts, lines=lines, logarithmic=bool(record["logarithmic"]))


def exponent(points: Sequence[Point]) -> float:
    """Return the exponent with which y grows with x, by least squares over the logarithms.

    0 means that y does not depend on x, 1 that it is proportional to x. Requires at least two
    points and positive values.
    """
    xs, ys = ([math.log(each) for each in values] for values in zip(*points, strict=True))
    return linear_regression(list(xs), list(ys)).slope
