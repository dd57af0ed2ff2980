"""The matrix as one static page; links to evidence lead into the runs, relative to the page."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from harness.errors import HarnessError
from harness.matrix import picture
from harness.matrix.model import KINDS, Column, Kind, Matrix, Row
from harness.report import evidence, html, pages, write_reports
from harness.report.load import CaseResult
from harness.report.text import printable

VALUE_LIMIT = 2_000
"""Characters of one value: the whole of it is in the report of its run."""

PARTS: dict[Kind, str] = {
    "different": "Differences",
    "partly": "Not on every server",
    "alike": "The same everywhere",
}
SAID: dict[Kind, str] = {
    "different": "the outcomes differ where the case ran",
    "partly": "the same outcome where the case ran, but not every server has what it needs",
    "alike": "one outcome on all servers",
}


@dataclass(frozen=True)
class Answer:
    """What became of a case on one server, with the way to its evidence."""

    column: Column
    case: CaseResult
    anchor: str
    report: str | None
    files: Sequence[tuple[str, str]]
    """Names of the files of evidence, and links to them."""
    expected: Markup | None
    received: Markup | None


@dataclass(frozen=True)
class Entry:
    """A row with all that the page shows of it; `answers` stand under the columns."""

    row: Row
    anchor: str
    answers: Sequence[Answer | None]

    @property
    def search(self) -> str:
        """The text in which a search looks."""
        return pages.search_text(self.row.case)


def write(matrix: Matrix, path: Path) -> None:
    """Write the page to `path`; reports of runs that have none (they were cut off) are made."""
    for column in matrix.columns:
        if column.run is not None and not (column.run.folder / "report.html").exists():
            _make_report(column.run.folder)
    path.write_text(render(matrix, path), encoding="utf-8")


def render(matrix: Matrix, path: Path) -> str:
    """Make the page of `matrix` that is to stand at `path`."""
    place = path.parent
    entries = list(_entries(matrix, place))
    return pages.render(
        "matrix.html",
        styles=["matrix.css"],
        scripts=["matrix.js"],
        verdict=matrix.verdict,
        judgement=matrix.judgement,
        matrix=matrix,
        parts=list(_parts(entries)),
        said=SAID,
        kinds={kind: len(matrix.of(kind)) for kind in KINDS},
        titles=PARTS,
        tiles=picture.tiles(matrix.rows, matrix.columns, [entry.anchor for entry in entries]),
        samples=picture.samples(),
        geometry=_geometry(matrix),
        suites=list(dict.fromkeys(row.case.suite for row in matrix.rows)),
        levels=sorted({row.case.level for row in matrix.rows}),
        record=path.with_suffix(".json").name,
        folders=[_link(column.run.folder, place) if column.run else None for column in matrix.columns],
    )  # fmt: skip


def _parts(entries: Sequence[Entry]) -> Iterator[tuple[Kind, dict[str, list[Entry]]]]:
    """Return the entries by kind, differences first, and by suite."""
    for kind in KINDS:
        found = [entry for entry in entries if entry.row.kind == kind]
        if found:
            suites = groupby(found, lambda entry: entry.row.case.suite)
            yield kind, {name: list(each) for name, each in suites}


def _entries(matrix: Matrix, place: Path) -> Iterator[Entry]:
    links = [_Links(column, place) for column in matrix.columns]
    for row, anchor in zip(
        matrix.rows, pages.anchors([row.case for row in matrix.rows]), strict=True
    ):
        cells = zip(links, row.cells, strict=True)
        yield Entry(row, anchor, [_answer(each, cell, anchor) for each, cell in cells])


class _Links:
    """The ways from the page into one run."""

    def __init__(self, column: Column, place: Path) -> None:
        self.column = column
        self.report: str | None = None
        self._place = place
        self._anchors: dict[str, str] = {}
        if column.run is not None:
            cases = column.run.cases
            named = zip(cases, pages.anchors(cases), strict=True)
            self._anchors = {case.full_id: anchor for case, anchor in named}
            if (column.run.folder / "report.html").exists():
                self.report = _link(column.run.folder / "report.html", place)

    def to(self, case: CaseResult) -> str | None:
        """Link to the case in the report of the run."""
        return self.report and f"{self.report}#{quote(self._anchors[case.full_id])}"

    def files(self, case: CaseResult) -> list[tuple[str, str]]:
        """Link to each file of the evidence of the case."""
        return [
            (
                printable(path.relative_to(case.evidence or path).as_posix()),
                _link(path, self._place),
            )
            for path in evidence.paths(case)
        ]


def _answer(links: _Links, case: CaseResult | None, anchor: str) -> Answer | None:
    if case is None:
        return None
    expected, received = html.values(case, VALUE_LIMIT)
    return Answer(
        links.column,
        case,
        f"{anchor}~{links.column.letter}",
        links.to(case),
        links.files(case),
        expected,
        received,
    )


def _geometry(matrix: Matrix) -> dict[str, int]:
    """Tell the script how to find the case under the pointer."""
    return {
        "margin": picture.MARGIN,
        "step": picture.STEP,
        "across": picture.IN_A_BAND,
        "band": picture.band_height(matrix.columns),
    }


def _link(path: Path, place: Path) -> str:
    relative = os.path.relpath(path.resolve(), place.resolve())
    return quote(Path(relative).as_posix().encode("utf-8", "surrogateescape"))


def _make_report(folder: Path) -> None:
    try:
        write_reports(folder)
    except (HarnessError, OSError):
        return  # a folder that we may only read: the page then leads to the evidence alone
