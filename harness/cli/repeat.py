"""`harness run --repeat N`: run the same cases several times, and print a table of the differences."""

import argparse
from collections.abc import Iterator, Sequence

from harness.errors import ConfigError
from harness.matrix.running import Asked, run_all
from harness.report.difference import compare
from harness.report.load import BAD, CaseResult, Run
from harness.report.pages import SIGNS
from harness.report.terminal import shown_path
from harness.report.text import counted


def main(argv: Sequence[str]) -> int:
    """Run the cases N times and print the differences; return 1 if a case failed in any run."""
    parser = argparse.ArgumentParser(prog="harness run", add_help=False, allow_abbrev=False)
    parser.add_argument("--repeat", required=True)
    given, rest = parser.parse_known_args(list(argv))
    if not given.repeat.isdecimal() or int(given.repeat) < 2:
        raise ConfigError(f"--repeat {given.repeat}: expected a number of 2 or more")
    asked = [Asked(f"run {number}", rest) for number in range(1, int(given.repeat) + 1)]
    ended, interrupted = run_all(asked, 1)
    for each in ended:
        if each.run is None:
            print(f"{each.asked}: {each.trouble}")
        else:
            print(f"{each.asked}  {each.run.verdict}  {shown_path(each.run.folder)}")
    runs = [each.run for each in ended if each.run is not None]
    print("\n".join(["", *table(runs)]))
    if interrupted:
        return 2
    return int(len(runs) < len(ended) or any(run.of(*BAD) for run in runs))


def table(runs: Sequence[Run]) -> list[str]:
    """Return a line for each case that differs: its outcome in each run, and other differences."""
    if len(runs) < 2:
        return ["Fewer than two runs were completed, so there is nothing to compare."]
    keys = {key: case for run in runs for key, case in run.by_id.items()}
    said = _said_otherwise(runs)
    lines = []
    for key, case in sorted(keys.items()):
        each = [run.by_id.get(key) for run in runs]
        outcomes = {None if one is None else one.outcome for one in each}
        if len(outcomes) > 1 or key in said:
            signs = " ".join(" " if one is None else SIGNS[one.outcome] for one in each)
            remark = _remark(each) if len(outcomes) > 1 else said[key]
            lines.append(f"{signs}  {case.full_id} {case.name}  {remark}".rstrip())
    same = counted(len(keys) - len(lines), "case")
    if not lines:
        return [f"All {len(runs)} runs had the same results, in {same}."]
    legend = ", ".join(f"{sign} {outcome}" for outcome, sign in SIGNS.items())
    return [f"Differences ({legend}):", "", *lines, "", f"{same} had the same result in all runs."]


def _remark(cases: Sequence[CaseResult | None]) -> str:
    """Return the distinct reasons why the case did not pass."""
    found = [case.why for case in cases if case is not None and case.why]
    return "; ".join(dict.fromkeys(found))


def _said_otherwise(runs: Sequence[Run]) -> dict[str, str]:
    """Return the cases in which a server's answers differ from those in the first run."""
    return dict(_answers(runs))


def _answers(runs: Sequence[Run]) -> Iterator[tuple[str, str]]:
    for number, run in enumerate(runs[1:], 2):
        for change in compare(runs[0], run).changes:
            if change.case_before and change.case_after and change.kind == "content":
                lines = [f"{each.sign} {each.shown}" for each in change.said[:3]]
                yield change.key, f"different answer in run {number}: {' | '.join(lines)}"
