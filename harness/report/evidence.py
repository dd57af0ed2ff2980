"""The evidence of a case as a report shows it: its files, and as much of their text as fits."""

from dataclasses import dataclass
from pathlib import Path

from harness.report.load import CaseResult, Run
from harness.report.text import link, printable, read_excerpt

FIRST = ("backtrace-remote.txt", "exchange.txt", "server.log", "local.log", "tools.txt", "repro.sh")
FOR_PROGRAMS = {"recording.json"}
"""Read only by `harness replay`; not shown as text."""
READABLE = {".txt", ".log", ".sh", ".json", ".xml"}

FILE_LIMIT = 200_000
PAGE_LIMIT = 32_000_000
"""Most bytes of evidence in a page: it must still open if a dead server fails every case."""


@dataclass(frozen=True)
class EvidenceFile:
    """A file; `text` is None if it is not for reading, and `href` is relative to the run folder."""

    name: str
    size: int
    href: str
    text: str | None
    cut: bool


def paths(case: CaseResult) -> list[Path]:
    """Return the files of a case's evidence, in the order in which to read them."""
    folder = case.evidence
    if folder is None:
        return []
    found = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    rank = {name: number for number, name in enumerate(FIRST)}
    return sorted(found, key=lambda path: (rank.get(path.name, len(rank)), path))


def name(case: CaseResult, path: Path) -> str:
    """Return the printable name of a file of a case's evidence."""
    return printable(path.relative_to(case.evidence or path.parent).as_posix())


def files(run: Run, case: CaseResult, limit: int) -> list[EvidenceFile]:
    """Read a case's evidence, at most `limit` bytes of each file."""
    return [_file(path, run, case, limit) for path in paths(case)]


def limit_for(run: Run) -> int:
    """Return how many bytes of each file to show so that the page stays within its limit."""
    shown = sum(path.suffix in READABLE for case in run.cases for path in paths(case))
    return max(4_000, min(FILE_LIMIT, PAGE_LIMIT // max(1, shown)))


def _file(path: Path, run: Run, case: CaseResult, limit: int) -> EvidenceFile:
    size = path.stat().st_size
    text = None
    if path.suffix in READABLE and path.name not in FOR_PROGRAMS:
        try:
            text = read_excerpt(path, limit)
        except OSError as trouble:
            text = f"This file cannot be read: {trouble}"
    cut = text is not None and size > limit
    return EvidenceFile(name(case, path), size, link(path, run.folder), text, cut)
