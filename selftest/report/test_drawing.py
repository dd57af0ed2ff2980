"""Plots of a case's measurements, as SVG in the page."""

import math
import re
from xml.etree import ElementTree as ET

import pytest

from harness.measuring import in_turn, percentile
from harness.plot import Plot, exponent
from harness.report.drawing import svg


def parsed(drawn: str) -> ET.Element:
    """Return the picture parsed as XML."""
    return ET.fromstring(drawn)  # noqa: S314 - ours


@pytest.mark.parametrize("logarithmic", [True, False])
def test_points_stand_where_their_values_are(logarithmic: bool) -> None:
    """Greater values are further right and further up, and all are within the picture."""
    plot = Plot("cost", "objects", "ms", {"remote": [(10, 1), (100, 2), (1000, 50)]}, logarithmic)

    drawn = parsed(svg(plot))

    (line,) = (
        each.get("d", "") for each in drawn.iter("path") if "line" in each.get("class", "").split()
    )
    points = [tuple(map(float, each)) for each in re.findall(r"([\d.]+) ([\d.]+)", line)]
    assert len(points) == 3
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
    assert all(0 <= x <= 560 and 0 <= y <= 260 for x, y in points)


def test_names_are_text() -> None:
    """Names are escaped: they cannot become markup."""
    drawn = svg(Plot("<b>", "x", "y", {"</svg><script>": [(1, 1), (2, 2)]}))

    assert "<script>" not in drawn
    assert parsed(drawn).get("aria-label") == "<b>"


@pytest.mark.parametrize("lines", [{}, {"empty": []}])
def test_nothing_is_drawn_of_nothing(lines: dict[str, list[tuple[float, float]]]) -> None:
    """Without points there is no picture."""
    assert svg(Plot("none", "x", "y", lines)) == ""


def test_a_constant_is_drawn() -> None:
    """Horizontal lines and single points have axes, too."""
    for lines in ({"flat": [(1.0, 5.0), (2.0, 5.0)]}, {"one": [(1.0, 0.0)]}):
        parsed(svg(Plot("flat", "x", "y", lines)))
    parsed(svg(Plot("flat", "x", "y", {"flat": [(10, 1), (100, 1)]}, logarithmic=True)))


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_exponent_is_found(power: float) -> None:
    """The exponent of a power is found."""
    points = [(float(x), 3 * x**power) for x in (10, 100, 1000)]

    assert math.isclose(exponent(points), power, abs_tol=1e-9)


def test_plot_is_the_same_when_it_was_read_again() -> None:
    """A record has all the data of a plot."""
    plot = Plot("cost", "objects", "ms", {"remote": [(10.0, 1.0)]}, logarithmic=True)

    assert Plot.from_json(plot.as_json()) == plot


def test_percentiles_are_values_that_were_measured() -> None:
    """Percentiles are by nearest rank."""
    values = [4.0, 1.0, 3.0, 2.0]

    assert [percentile(values, each) for each in (1, 50, 75, 99, 100)] == [1.0, 2.0, 3.0, 4.0, 4.0]


def test_operations_are_done_in_turn() -> None:
    """Each operation runs as often as the others, and never twice in a row."""
    done: list[str] = []

    least = in_turn({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, times=3)

    assert done == ["a", "b"] * 3
    assert all(0 <= each < math.inf for each in least.values())
