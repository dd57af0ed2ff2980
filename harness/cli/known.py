"""`harness known`: the lists of known issues."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.cli.cases import collected
from harness.errors import ConfigError
from harness.known import list_of, read_known, stale, with_entry
from harness.report.load import CaseResult, Run, load
from harness.suites import known_folder


def main(argv: Sequence[str]) -> int:
    """Add to the lists, print or check them; 1 if the check finds what is to be deleted."""
    given = _parser().parse_args(argv)
    folder: Path = given.known or known_folder()
    if given.command == "add":
        return _add(folder, given)
    products = sorted(file.stem for file in folder.glob("*.toml"))
    return _list(folder, products) if given.command == "list" else _check(folder, products, given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="harness known", description="The lists of failures that are known of a server."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="list a case that failed in a run as known")
    add.add_argument("run", type=Path, metavar="RUN", help="the folder of the run")
    add.add_argument(
        "case", metavar="CASE", help="id with parameters, or a pattern: 'CFIND-026-c1*'"
    )
    add.add_argument("--reason", help="what the server does; asked for where it is left out")
    add.add_argument("--ref", help="where it was reported")
    add.add_argument("--since", metavar="VERSION", help="the first version that has it")
    add.add_argument("--fixed", metavar="VERSION", help="the first version that has it no more")
    add.add_argument("--with", metavar="NEED", help="what brings it, such as plugin.gdcm>=1.8")
    add.add_argument("--expires", metavar="DAY", help="from when on it excuses nothing: 2027-03-01")
    commands.add_parser("list", help="print all entries")
    check = commands.add_parser("check", help="find entries that name no case or have expired")
    check.add_argument("--folder", type=Path, help="a folder of suites (default: our own)")
    for each in commands.choices.values():
        each.add_argument("--known", type=Path, metavar="DIR", help="another folder of lists")
    return parser


def _add(folder: Path, given: argparse.Namespace) -> int:
    run = load(given.run)
    cases = _failed(run, given.case)
    values = {key: getattr(given, key) for key in ("since", "fixed", "with", "expires", "ref")}
    entry = {"case": given.case, "reason": given.reason or _asked(cases), **values}
    file = list_of(folder, run.server.name)
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    written = with_entry(file, text, {key: value for key, value in entry.items() if value})
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".toml.new")
    draft.write_text(written, encoding="utf-8")
    draft.replace(file)
    print(f"{file}: {given.case} is listed; {len(cases)} of the run's cases are excused by it")
    return 0


def _failed(run: Run, pattern: str) -> list[CaseResult]:
    """Give the cases that an entry would excuse. Raises ConfigError where it would not be right."""
    named = run.matching(pattern)
    if not named:
        raise ConfigError(f"no case of {run.folder} is called {pattern!r}")
    passed = [case.full_id for case in named if case.outcome == "passed"]
    if passed:
        raise ConfigError(
            f"{', '.join(passed)} passed: an entry for {pattern} would fail the next run; name fewer"
        )
    failed = [case for case in named if case.outcome == "failed"]
    if not failed:
        outcomes = ", ".join(sorted({case.outcome for case in named}))
        raise ConfigError(f"{pattern} did not fail in {run.folder}: {outcomes}")
    return failed


def _asked(cases: Sequence[CaseResult]) -> str:
    if not sys.stdin.isatty():
        raise ConfigError("say by --reason what the server does")
    for case in cases:
        print(f"{case.full_id} ({case.ref}): {case.why}")
    return input("What does the server do wrong? ").strip() or _asked(cases)


def _list(folder: Path, products: Sequence[str]) -> int:
    for product in products:
        for issue in read_known(folder, product):
            versions = [f"since {issue.since}" if issue.since else ""]
            versions += [f"fixed in {issue.fixed}" if issue.fixed else ""]
            versions += [f"with {issue.brought_by}" if issue.brought_by else ""]
            versions += [f"expires {issue.expires}" if issue.expires else ""]
            said = ", ".join(filter(None, versions))
            print(f"{issue.place:28}{issue.case:24}{issue}{f' [{said}]' if said else ''}")
    return 0


def _check(folder: Path, products: Sequence[str], given: argparse.Namespace) -> int:
    keys = collected(given.folder)
    found = [
        sentence
        for product in products
        for sentence in stale(read_known(folder, product), keys, whole=True)
    ]
    print("\n".join(found) or f"the lists of {', '.join(products) or 'no server'} are right")
    return int(bool(found))
