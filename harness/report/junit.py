"""The run as JUnit XML, for GitLab, Jenkins and other programs that read it."""

from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from harness.report.load import CaseResult, Run
from harness.report.text import excerpt

TEXT_LIMIT = 100_000
_TAGS = {"failed": "failure", "error": "error", "known": "skipped", "unsupported": "skipped"}


def write(run: Run, path: Path) -> None:
    """Write the run to `path`: a test suite for each suite, the facts of a case as properties.

    Unsupported cases and known failures are written as skipped, with the reason: JUnit has no
    better category for them.
    """
    root = Element("testsuites", {"name": str(run.server), **_totals(run.cases)})
    for name, cases in run.suites.items():
        # The JUnit schema requires UTC, without a time zone.
        started = min(case.started for case in cases).astimezone(UTC).replace(tzinfo=None)
        facts = {"name": name, **_totals(cases), "timestamp": started.isoformat(timespec="seconds")}
        suite = SubElement(root, "testsuite", facts)
        for case in cases:
            _testcase(suite, run, case)
    indent(root)
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _totals(cases: Sequence[CaseResult]) -> dict[str, str]:
    tags = [_TAGS.get(case.outcome) for case in cases]
    return {
        "tests": str(len(cases)),
        "failures": str(tags.count("failure")),
        "errors": str(tags.count("error")),
        "skipped": str(tags.count("skipped")),
        "time": f"{sum(case.duration for case in cases):.3f}",
    }


def _testcase(suite: Element, run: Run, case: CaseResult) -> None:
    element = SubElement(
        suite,
        "testcase",
        classname=case.suite.replace("/", "."),
        name=f"{case.id} {case.full_name}",
        file=case.nodeid.partition("::")[0],
        time=f"{case.duration:.3f}",
    )
    properties = SubElement(element, "properties")
    for name, value in _properties(run, case):
        SubElement(properties, "property", name=name, value=value)
    if tag := _TAGS.get(case.outcome):
        outcome = SubElement(element, tag, type=case.outcome, message=case.why or case.outcome)
        if case.failure:
            outcome.text = excerpt(case.failure.text, TEXT_LIMIT)


def _properties(run: Run, case: CaseResult) -> list[tuple[str, str]]:
    found = [("id", case.id), ("title", case.title), ("ref", case.ref), ("level", case.level)]
    found += [("needs", need) for need in case.needs]
    found += [("covers", covered) for covered in case.covers]
    found += case.figures.items()
    if case.evidence:
        found.append(("evidence", case.evidence.relative_to(run.folder).as_posix()))
    return found
