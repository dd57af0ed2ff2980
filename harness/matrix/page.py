"""The matrix as one static page; links to evidence lead into the runs, relative to the page."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from harness.errors import HarnessError
from harness.matrix import picture
from harness.matrix.model import KINDS, Column, Kind, Matrix, Row
from harness.report import evidence, html, pages, write_reports
from harness.report.load import CaseResult
from harness.report.text import link

VALUE_LIMIT = 2_000
"""Most characters of one value: the report of its run has all of it."""

PARTS: dict[Kind, tuple[str, str]] = {
    "different": ("Differences", "the outcomes differ where the case ran"),
    "partly": (
        "Not on every server",
        "the same outcome wherever the case ran, but not every server supports it",
    ),
    "alike": ("The same everywhere", "one outcome on all servers"),
}
"""The heading of each part of the page, and its description."""


@dataclass(frozen=True)
class Answer:
    """The outcome of a case on one server, with the path to its evidence."""

    column: Column
    case: CaseResult
    anchor: str
    report: str | None
    files: Sequence[tuple[str, str]]
    """Names of the evidence files, and links to them."""
    expected: str | None
    received: str | None


@dataclass(frozen=True)
class Entry:
    """A row with everything that the page shows; `answers` has one entry per column."""

    row: Row
    anchor: str
    answers: Sequence[Answer | None]


def write(matrix: Matrix, path: Path) -> None:
    """Write the page to `path`, and reports for runs that have none because they were cut off."""
    for column in matrix.columns:
        if column.run is not None and not (column.run.folder / "report.html").exists():
            # In a read-only folder this fails: the page then links to the evidence alone.
            with suppress(HarnessError, OSError):
                write_reports(column.run.folder)
    path.write_text(render(matrix, path), encoding="utf-8")


def render(matrix: Matrix, path: Path) -> str:
    """Return the page of `matrix`, to be written to `path`."""
    place = path.parent
    anchors = pages.anchors([row.case for row in matrix.rows])
    answers = [
        list(_answers(matrix, number, anchors, place)) for number in range(len(matrix.columns))
    ]
    entries = [
        Entry(row, anchor, told)
        for row, anchor, *told in zip(matrix.rows, anchors, *answers, strict=True)
    ]
    return pages.render(
        "matrix.html",
        styles=["matrix.css"],
        scripts=["matrix.js"],
        verdict=matrix.verdict,
        judgement=matrix.judgement,
        matrix=matrix,
        parts=list(_parts(entries)),
        kinds={kind: len(matrix.of(kind)) for kind in KINDS},
        titles=PARTS,
        tiles=picture.tiles(matrix.rows, matrix.columns, anchors),
        samples=picture.samples(),
        geometry=picture.geometry(matrix.columns),
        suites=list(dict.fromkeys(row.case.suite for row in matrix.rows)),
        levels=sorted({row.case.level for row in matrix.rows}),
        record=path.with_suffix(".json").name,
        folders=[column.run and link(column.run.folder, place) for column in matrix.columns],
    )


def _parts(entries: Sequence[Entry]) -> Iterator[tuple[Kind, dict[str, list[Entry]]]]:
    """Yield the entries by kind, differences first, and by suite."""
    for kind in KINDS:
        found = [entry for entry in entries if entry.row.kind == kind]
        if found:
            suites = groupby(found, lambda entry: entry.row.case.suite)
            yield kind, {name: list(each) for name, each in suites}


def _answers(
    matrix: Matrix, number: int, anchors: Sequence[str], place: Path
) -> Iterator[Answer | None]:
    """Yield the answer of column `number` in each row, with links from `place` into its run."""
    column = matrix.columns[number]
    cases = column.run.cases if column.run else ()
    there = {case.full_id: each for case, each in zip(cases, pages.anchors(cases), strict=True)}
    page = column.run and column.run.folder / "report.html"
    report = link(page, place) if page and page.exists() else None
    for row, anchor in zip(matrix.rows, anchors, strict=True):
        case = row.cells[number]
        if case is None:
            yield None
            continue
        yield Answer(
            column,
            case,
            f"{anchor}~{column.letter}",
            report and f"{report}#{quote(there[case.full_id])}",
            [(evidence.name(case, path), link(path, place)) for path in evidence.paths(case)],
            *html.values(case, VALUE_LIMIT),
        )
