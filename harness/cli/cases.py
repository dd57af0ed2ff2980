"""`harness cases`: list the cases without running them, as text or JSON."""

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from harness.case import SUITES
from harness.coverage import ClauseCases, by_clause, uncovered, upstream_tests
from harness.errors import HarnessError
from harness.plugin.outcome import suite_of
from harness.plugin.selecting import Cases, case_key, cases_of
from harness.report.text import counted
from harness.suites import suites_folder


class _Collector:
    """A pytest plugin that stores the collected cases."""

    cases: Cases

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.cases = cases_of(session.items)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="harness cases", description="List cases without running them."
    )
    parser.add_argument(
        "case",
        nargs="*",
        help="an id, a pattern, a name or a clause ('PS3.8 9.3*') (default: all cases)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--folder", default=None, help="the folder with the suites (default: those of the harness)"
    )
    view = parser.add_mutually_exclusive_group()
    view.add_argument(
        "--by-clause",
        action="store_true",
        help="list the clauses of the standard and their cases, including clauses without a case",
    )
    view.add_argument(
        "--uncovered",
        action="store_true",
        help="list tests of Orthanc's suites that no case covers",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Print all cases, or those that match the given names or patterns."""
    given = make_parser().parse_args(argv)
    found: dict[str, dict[str, Any]] = {}
    for item, info in _collect(given.folder or str(suites_folder()), given.case):
        entry = {
            "id": info.id,
            "name": getattr(item, "originalname", None) or item.name,
            "suite": suite_of(item),
            "ref": info.ref,
            "level": info.level,
            "needs": [str(need) for need in info.needs],
            "covers": list(info.covers),
            "runs": 0,
        }
        found.setdefault(info.id, entry)["runs"] += 1
    cases = sorted(found.values(), key=lambda each: (each["suite"], each["id"]))
    if given.uncovered:
        missing = uncovered(name for each in cases for name in each["covers"])
        print(json.dumps(missing, indent=2) if given.json else _missing(missing))
    elif given.by_clause:
        clauses = by_clause((each["id"], each["ref"]) for each in cases)
        print(_clauses_json(clauses) if given.json else _clauses(clauses))
    else:
        print(json.dumps(cases, indent=2) if given.json else _table(cases))
    return 0


def collected(folder: Path | None = None) -> list[str]:
    """Return the id of every run of every case, with parameters. Raises HarnessError if that fails."""
    return [case_key(*each) for each in _collect(str(folder or suites_folder()), ())]


def _collect(folder: str, asked: Sequence[str]) -> Cases:
    collector = _Collector()
    options = ["--collect-only", "-p", "no:terminal", "-p", "no:cacheprovider"]
    options += ["-p", "harness.plugin", "--all", *(f"--suite={each}" for each in SUITES)]
    status = pytest.main(
        [folder, *options, *(f"--case={each}" for each in asked)], plugins=[collector]
    )
    if status != pytest.ExitCode.OK:
        raise HarnessError(
            f"the suites in {folder} could not be collected; `pytest {folder} --co` shows why"
        )
    return collector.cases


def _table(cases: Sequence[dict[str, Any]]) -> str:
    lines = []
    for suite, found in groupby(cases, lambda each: each["suite"]):
        lines.append(suite)
        for each in found:
            times = f" x{each['runs']}" if each["runs"] > 1 else ""
            needs = f"  needs {', '.join(each['needs'])}" if each["needs"] else ""
            lines.append(f"  {each['id']:12}{each['name']}{times}  [{each['ref']}]{needs}")
    return "\n".join([*lines, f"{len(cases)} cases"])


def _missing(missing: Mapping[str, str]) -> str:
    """List the uncovered tests: first those without a reason, then the others by reason."""
    lines = [name for name, why in missing.items() if not why]
    open_ones = len(lines)
    excused = sorted((why, name) for name, why in missing.items() if why)
    for why, found in groupby(excused, lambda each: each[0]):
        lines += ["", f"{why}:", *(f"  {name}" for _, name in found)]
    every = len(upstream_tests())
    total = (
        f"{every - len(missing)} of {counted(every, 'test')} of Orthanc's suites have a case; "
        f"{open_ones} have none, {len(missing) - open_ones} are left out on purpose"
    )
    return "\n".join([*lines, "", total] if lines else [total])


def _clauses(clauses: Sequence[ClauseCases]) -> str:
    lines = []
    for part, group in groupby(clauses, lambda each: each.clause.part):
        found = list(group)
        listed = [each for each in found if each.text]
        tested = sum(bool(each.cases) for each in listed)
        share = f": {tested} of {counted(len(listed), 'listed clause')} tested" if listed else ""
        lines.append(f"{part}{share}")
        for each in found:
            number = counted(len(each.cases), "case") if each.cases else "NO CASE"
            lines.append(f"  {each.clause.number:16}{number:>9}  {each.text}".rstrip())
    return "\n".join(lines)


def _clauses_json(clauses: Sequence[ClauseCases]) -> str:
    found = [
        {"clause": str(each.clause), "asks": each.text or None, "cases": list(each.cases)}
        for each in clauses
    ]
    return json.dumps(found, indent=2)
