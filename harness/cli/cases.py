"""`harness cases`: the cases without running them, for people or as JSON."""

import argparse
import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.plugin.outcome import suite_of
from harness.plugin.selecting import Cases, case_key, cases_of
from harness.suites import suites_folder


class _Collector:
    """A pytest plugin that keeps the cases that were collected."""

    cases: Cases

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.cases = cases_of(session.items)


def main(argv: Sequence[str]) -> int:
    """Print the cases; with names or patterns only these."""
    parser = argparse.ArgumentParser(
        prog="harness cases", description="List the cases without running them."
    )
    parser.add_argument("case", nargs="*", help="an id, a pattern or a name; all cases without it")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--folder", default=None, help="a folder of suites (default: our own)")
    given = parser.parse_args(argv)
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
    print(json.dumps(cases, indent=2) if given.json else _table(cases))
    return 0


def collected(folder: Path | None = None) -> list[str]:
    """Return every run of every case by its id, with parameters. Raises HarnessError where that fails."""
    return [case_key(*each) for each in _collect(str(folder or suites_folder()), ())]


def _collect(folder: str, asked: Sequence[str]) -> Cases:
    collector = _Collector()
    options = ["--collect-only", "-p", "no:terminal", "-p", "no:cacheprovider"]
    options += ["-p", "harness.plugin"]
    status = pytest.main(
        [folder, *options, *(f"--case={each}" for each in asked)], plugins=[collector]
    )
    if status != pytest.ExitCode.OK:
        raise HarnessError(
            f"the suites in {folder} could not be collected; `pytest {folder} --co` says why"
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
