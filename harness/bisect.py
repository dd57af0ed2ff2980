"""Find where a case begins to fail among ordered servers, the oldest or most trusted first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.errors import ConfigError
from harness.report.load import Run

Verdict = Literal["good", "bad", "unclear"]

RELEASES = ("bullseye", "bookworm", "trixie", "testing")
"""Debian releases, oldest first."""


@dataclass(frozen=True)
class Tried:
    """A server on which the case was tried; `said` describes the result."""

    spec: str
    run: Run | None
    verdict: Verdict
    said: str


def in_order(good: str, bad: str, between: Sequence[str]) -> list[str]:
    """Return the servers to try, in order.

    The releases between two Debian releases are known and can be omitted.
    """
    if between:
        return [good, *between, bad]
    product, _, first = good.partition(":")
    _, _, last = bad.partition(":")
    if bad.startswith(f"{product}:") and {first, last} <= set(RELEASES):
        begin, end = RELEASES.index(first), RELEASES.index(last)
        step = 1 if begin < end else -1
        inner = RELEASES[begin + step : end : step]
        return [good, *(f"{product}:{release}" for release in inner), bad]
    return [good, bad]


def bisect(specs: Sequence[str], attempt: Callable[[str], Tried]) -> tuple[Tried, Tried]:
    """Find two neighbours of which the first is good and the second is bad.

    Servers on which the case could not run are skipped. Raises ConfigError if the first server is
    not good or the last is not bad.
    """
    ends = []
    for spec, said in ((specs[0], "good"), (specs[-1], "bad")):
        ends.append(attempt(spec))
        if ends[-1].verdict != said:
            raise ConfigError(f"--{said} {spec} is not {said}: {ends[-1].said}")
    good, bad = ends
    between = list(specs[1:-1])
    while between:
        middle = len(between) // 2
        tried = attempt(between[middle])
        if tried.verdict == "good":
            good, between = tried, between[middle + 1 :]
        elif tried.verdict == "bad":
            bad, between = tried, between[:middle]
        else:
            del between[middle]
    return good, bad


def judged(spec: str, run: Run | None, trouble: str | None) -> Tried:
    """Return the verdict of a run of the case on one server."""
    if run is None or not run.cases:
        return Tried(spec, run, "unclear", trouble or "the case did not run")
    outcomes = {case.outcome for case in run.cases}
    failed = next((case for case in run.cases if case.outcome in ("failed", "known")), None)
    if failed is not None:
        why = failed.failure.message if failed.failure else failed.reason
        return Tried(spec, run, "bad", f"{run.server}: {failed.full_id} {failed.outcome}: {why}")
    verdict: Verdict = "good" if outcomes == {"passed"} else "unclear"
    why = next((case.why for case in run.cases if case.outcome != "passed"), None)
    said = ", ".join(sorted(outcomes))
    return Tried(spec, run, verdict, f"{run.server}: {said}{f': {why}' if why else ''}")
