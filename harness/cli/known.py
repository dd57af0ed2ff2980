"""`harness known`: the lists of known issues."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from harness.cli.cases import collected
from harness.errors import ConfigError
from harness.known import KnownIssue, idle, list_of, read_known, stale, with_entry
from harness.known.pattern import pattern_for
from harness.model import Version
from harness.report.load import CaseResult, Run, load
from harness.servers.capabilities import LIBRARY, Capabilities
from harness.servers.libraries import FILES
from harness.suites import known_folder


def main(argv: Sequence[str]) -> int:
    """Add to the lists, or print or check them; return 1 if a check finds an entry to change."""
    given = make_parser().parse_args(argv)
    folder: Path = given.known or known_folder()
    if given.command == "add":
        return _add(folder, given)
    products = sorted(file.stem for file in folder.glob("*.toml"))
    return _list(folder, products) if given.command == "list" else _check(folder, products, given)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="harness known", description="Manage the lists of known issues of each server."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    add_to = commands.add_parser("add", help="add failed cases of a run to the list")
    add = add_to.add_argument
    day = date.fromisoformat
    cases = "ids with parameters, or patterns: 'CFIND-026-c1*'; use one entry for all failures of a defect"
    shows = "a regular expression that matches the failures (default: made from what they have in common)"
    brings = "a condition of the failure: plugin.gdcm>=1.8 or library.dcmtk<3.6.8; may be repeated"
    add("run", type=Path, metavar="RUN", help="the folder of the run")
    add("cases", nargs="+", metavar="CASE", help=cases)
    add("--reason", help="what the server does wrong (default: ask for it)")
    add("--shows", metavar="PATTERN", help=shows)
    where = add_to.add_mutually_exclusive_group().add_argument
    where("--ref", help="where it was reported: the number of an issue, or a URL")
    unreported = "it was not reported yet on this day (default: today)"
    where("--unreported", type=day, metavar="DAY", help=unreported)
    add("--clause", help="the clause that it violates: 'PS3.4 C.2.2.2.4'")
    add("--since", metavar="VERSION", help="the first version that has it")
    add("--fixed", metavar="VERSION", help="the first version that no longer has it")
    add("--with", action="append", metavar="CONDITION", help=brings)
    expires = "the day on which the entry expires: 2027-03-01"
    add("--expires", type=day, metavar="DAY", help=expires)
    commands.add_parser("list", help="print all entries")
    check = commands.add_parser(
        "check", help="find entries that no longer match any failure"
    ).add_argument
    runs = "a run folder: also find entries for its server that matched no failure in it"
    check("runs", nargs="*", type=Path, metavar="RUN", help=runs)
    check("--folder", type=Path, help="the folder with the suites (default: those of the harness)")
    for each in commands.choices.values():
        each.add_argument(
            "--known",
            type=Path,
            metavar="DIR",
            help="the folder with the lists (default: those of the harness)",
        )
    return parser


def _add(folder: Path, given: argparse.Namespace) -> int:
    run = load(given.run)
    cases = _failed(run, given.cases)
    file = list_of(folder, run.server.name)
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    written = with_entry(file, text, _entry(given, cases))
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".toml.new")
    draft.write_text(written, encoding="utf-8")
    draft.replace(file)
    names = ", ".join(given.cases)
    print(f"{file}: added {names}; the entry matches {len(cases)} of the failed cases of the run")
    return 0


def _entry(given: argparse.Namespace, cases: Sequence[CaseResult]) -> dict[str, object]:
    keys = ("since", "fixed", "with", "expires", "ref", "clause", "unreported")
    entry: dict[str, object] = {"cases": given.cases, "reason": given.reason or _asked(cases)}
    entry |= {key: getattr(given, key) for key in keys}
    if not given.ref and not given.unreported:
        entry["unreported"] = datetime.now(UTC).date()
    died = {case.died for case in cases}
    if len(died) > 1:
        raise ConfigError("the server died in only some of these cases: make two entries")
    entry["dies"] = died == {True}
    entry["shows"] = given.shows or (None if entry["dies"] else _common(cases))
    return {key: value for key, value in entry.items() if value}


def _common(cases: Sequence[CaseResult]) -> str:
    texts = {case.full_id: case.failed.text for case in cases if case.failed is not None}
    found = pattern_for(list(texts.values()))
    if found is None:
        shown = "\n".join(f"{key}: {text}" for key, text in texts.items())
        raise ConfigError(
            f"the failures have no line in common; describe them with --shows:\n{shown}"
        )
    return found


def _failed(run: Run, patterns: Sequence[str]) -> list[CaseResult]:
    """Return the failed cases that an entry would match. Raises ConfigError for a wrong entry."""
    found: list[CaseResult] = []
    for pattern in patterns:
        named = run.matching(pattern)
        if not named:
            raise ConfigError(f"{run.folder} has no case {pattern!r}")
        passed = [case.full_id for case in named if case.outcome == "passed"]
        if passed:
            raise ConfigError(
                f"{', '.join(passed)} passed: an entry for {pattern} would make the next run fail; "
                "name fewer cases"
            )
        failed = [case for case in named if case.outcome == "failed"]
        if not failed:
            outcomes = ", ".join(sorted({case.outcome for case in named}))
            raise ConfigError(f"{pattern} did not fail in {run.folder}: {outcomes}")
        found += failed
    return found


def _asked(cases: Sequence[CaseResult]) -> str:
    if not sys.stdin.isatty():
        raise ConfigError("say what the server does wrong with --reason")
    for case in cases:
        print(f"{case.full_id} ({case.ref}): {case.why}")
    return input("What does the server do wrong? ").strip() or _asked(cases)


def _list(folder: Path, products: Sequence[str]) -> int:
    for product in products:
        for issue in read_known(folder, product):
            facts = {
                "": issue.clause,
                "since ": issue.since,
                "fixed in ": issue.fixed,
                "with ": ", with ".join(map(str, issue.conditions)),
                "expires ": issue.expires,
                "not reported on ": issue.unreported,
            }
            found = [f"{word}{fact}" for word, fact in facts.items() if fact]
            said = ", ".join(filter(None, [issue.manifestation, *found]))
            print(f"{issue.place:28}{', '.join(issue.cases)}: {issue.reason} [{said}]")
            if issue.ref:
                print(f"{'':28}{issue.ref}")
    return 0


def _check(folder: Path, products: Sequence[str], given: argparse.Namespace) -> int:
    lists = {product: read_known(folder, product) for product in products}
    keys = collected(given.folder)
    found = [sentence for issues in lists.values() for sentence in _wrong(issues, keys)]
    for each in given.runs:
        run = load(each)
        issues = lists.get(run.server.name.lower(), ())
        found += [f"{sentence} in {each}" for sentence in _idle(issues, run)]
    print("\n".join(found) or f"the lists of {', '.join(products) or 'no server'} are up to date")
    return int(bool(found))


def _wrong(issues: Sequence[KnownIssue], keys: Sequence[str]) -> Iterator[str]:
    yield from stale(issues, keys, whole=True)
    for issue in issues:
        for each in issue.conditions:
            if each.need.name.startswith(LIBRARY) and each.need.name not in _LIBRARIES:
                known = ", ".join(sorted(_LIBRARIES))
                yield f"{issue.place}: with {each}: the libraries are {known}"


def _idle(issues: Sequence[KnownIssue], run: Run) -> Iterator[str]:
    ended = {
        case.full_id: case.failed
        for case in run.cases
        if case.outcome in ("passed", "known") or (case.outcome == "failed" and case.failed)
    }
    versions = {
        name: None if version is None else Version(version)
        for name, version in run.capabilities.items()
    }
    version = Version(run.server.version or "")
    return idle(issues, ended, version, Capabilities(versions))


_LIBRARIES = frozenset(LIBRARY + name for name in FILES)
