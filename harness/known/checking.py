"""Which entries of a list of known issues no longer excuse anything."""

import fnmatch
from collections.abc import Iterator, Mapping, Sequence

from harness.known.issue import Abilities, KnownIssue
from harness.known.judging import Failed, concerning
from harness.model import Version


def stale(issues: Sequence[KnownIssue], keys: Sequence[str], whole: bool) -> Iterator[str]:
    """Yield a sentence for each entry that has expired, and for each pattern that names no case.

    `keys` are the cases that were selected: unless they are the `whole` of the suites, a pattern that
    names none of them may name another one.
    """
    for issue in issues:
        for pattern in issue.cases:
            if whole and not fnmatch.filter(keys, pattern):
                what = "delete the entry" if len(issue.cases) == 1 else "remove it from the entry"
                yield f"{issue.place}: no case is called {pattern}: {what} ({issue})"
        if issue.expired and any(issue.names(key) for key in keys):
            yield (
                f"{issue.place}: the entry for {', '.join(issue.cases)} expired on {issue.expires}: "
                f"delete it, or check it again and set a new date ({issue})"
            )


def idle(
    issues: Sequence[KnownIssue],
    ended: Mapping[str, Failed | None],
    version: Version,
    abilities: Abilities,
) -> Iterator[str]:
    """Yield a sentence for each pattern about a server that matched no failure of a run.

    `ended` are the completed cases, with their failure, or None for those that passed.
    """
    taken = {}
    for key, failure in ended.items():
        listed = [each.issue for each in concerning(issues, key, version, abilities)]
        fitting = (
            each for each in listed if failure and each.fits(failure.text, died=failure.died)
        )
        taken[key] = next(fitting, None)
    for issue in issues:
        if issue.concerns(version, abilities) == "no" or issue.sometimes_passes:
            continue
        for pattern in issue.cases:
            named = fnmatch.filter(ended, pattern)
            if named and not any(taken[key] is issue for key in named):
                failed = sum(ended[key] is not None for key in named)
                yield (
                    f"{issue.place}: {pattern} matched no failure: {len(named)} ran, {failed} failed, "
                    f"but none as listed ({issue})"
                )
