"""The picture: every case has a place, each outcome a shape, and no mark is covered."""

from matrix.conftest import Fleet
from report.conftest import RunFolder

from harness.matrix import picture


def _tiles(fleet: Fleet, folders: list[RunFolder]) -> list[picture.Tile]:
    matrix = fleet.matrix(*folders)
    return picture.tiles(matrix.rows, matrix.columns, [row.case.full_id for row in matrix.rows])


def test_every_case_has_its_place(real_looking: tuple[Fleet, list[RunFolder]]) -> None:
    """For each outcome there are as many shapes as cells, and a tick for each difference."""
    fleet, folders = real_looking
    matrix = fleet.matrix(*folders)
    cells = [cell.outcome if cell else "absent" for row in matrix.rows for cell in row.cells]

    tiles = _tiles(fleet, folders)

    for outcome in {*cells}:
        drawn = sum(tile.paths.get(outcome, "").count("M") for tile in tiles)
        assert drawn == cells.count(outcome), outcome
    ticks = sum(tile.paths.get("tick", "").count("M") for tile in tiles)
    assert ticks == len(matrix.of("different"))
    assert [case for tile in tiles for case in tile.anchors] == [
        row.case.full_id for row in matrix.rows
    ]


def test_outcomes_are_told_without_colour() -> None:
    """No two outcomes look alike without colours."""
    drawn = ["".join(shapes.values()) for shapes in picture.samples().values()]

    assert len({*drawn}) == len(drawn) == 6


def test_marks_lie_above_what_they_mark(real_looking: tuple[Fleet, list[RunFolder]]) -> None:
    """The cross of a failure is drawn after its background, whichever outcome comes first."""
    for tile in _tiles(*real_looking):
        names = list(tile.paths)
        grounds = [names.index(each) for each in ("failed", "error") if each in names]
        if grounds:
            assert names.index("cross") > max(grounds)


def test_a_large_suite_fits_a_phone(fleet: Fleet) -> None:
    """Cases that do not fit next to each other go into further bands, each with server letters."""
    folder = fleet.run("server", "1")
    for number in range(100):
        folder.add(f"CFIND-{number:03}")
    other = fleet.run("server", "2")
    other.add("CFIND-000")

    (tile,) = _tiles(fleet, [folder, other])

    assert tile.width <= 390 - 2 * (12 + 12)
    assert [letter for _, letter in tile.letters] == ["A", "B"] * 3
    band = picture.band_height(fleet.matrix(folder, other).columns)
    assert tile.height == 3 * band - picture.BETWEEN
