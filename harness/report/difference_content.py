"""Changes in a server's messages between two runs, including content that no case checks."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Literal

from harness.report.load import CaseResult, Run

SHARED = 4
"""A change that at least this many cases share is reported once for all of them."""

_TAG = re.compile(r"(?<![0-9A-F])([0-9A-F]{4}),?([0-9A-F]{4})(?![0-9A-F])")


@dataclass(frozen=True, order=True)
class Said:
    """Content that only the earlier run (`-`) or only the later one (`+`) has.

    It is a line of the messages of one kind, or those messages as a whole if `line` is empty. `~` marks
    a difference beyond the lines that were recorded.
    """

    message: str
    sign: Literal["-", "+", "~"]
    line: str = ""

    @property
    def shown(self) -> str:
        """The line for display, with the names of tags."""
        if self.sign == "~":
            return "different in content that was too long to be recorded"
        return with_names(self.line or self.message)


@dataclass(frozen=True)
class Shared:
    """Changes that occur together in the same many cases."""

    said: tuple[Said, ...]
    cases: tuple[str, ...]


def said_otherwise(before: Run, old: CaseResult, after: Run, new: CaseResult) -> tuple[Said, ...]:
    """Compare the server's messages in both runs of a case; () if either run has no record of them."""
    if old.content is None or new.content is None:
        return ()
    found: list[Said] = []
    for message in sorted({*old.content, *new.content}):
        was, now = old.content.get(message), new.content.get(message)
        if was == now:
            continue
        if was is None or now is None:
            found.append(Said(message, "+" if was is None else "-"))
            continue
        lines = {*before.said.get(was, ())}, {*after.said.get(now, ())}
        only = [Said(message, "-", line) for line in sorted(lines[0] - lines[1])]
        only += [Said(message, "+", line) for line in sorted(lines[1] - lines[0])]
        found += only or [Said(message, "~")]
    return tuple(found)


def shared_by_many(changes: Mapping[str, Iterable[Said]]) -> list[Shared]:
    """Return those of `changes`, given by case, that many cases share; the most widespread first.

    A line counts as the same in messages of any kind: one header may be in every response.
    """
    cases: dict[Said, set[str]] = defaultdict(set)
    for case, said in changes.items():
        for each in said:
            cases[_anywhere(each)].add(case)
    groups: dict[tuple[str, ...], list[Said]] = defaultdict(list)
    for each, having in cases.items():
        if len(having) >= SHARED:
            groups[tuple(sorted(having))].append(each)
    found = [
        Shared(tuple(sorted(said, key=lambda each: (each.sign == "+", each))), having)
        for having, said in groups.items()
    ]
    return sorted(found, key=lambda each: (-len(each.cases), each.cases))


def of_its_own(found: Iterable[Said], shared: Iterable[Shared]) -> Iterator[Said]:
    """Leave out the changes that many cases share."""
    told = {said for group in shared for said in group.said}
    return (each for each in found if _anywhere(each) not in told)


def by_message(said: Iterable[Said]) -> list[tuple[str, list[Said]]]:
    """Group changes by the message they are in; changes of whole messages have an empty heading."""
    groups = groupby(said, lambda each: each.message if each.line else "")
    return [(message, list(found)) for message, found in groups]


@lru_cache(maxsize=4096)
def with_names(text: str) -> str:
    """Format tags as the standard does, with the names of the elements."""
    return _TAG.sub(_named, text)


def _named(found: re.Match[str]) -> str:
    group, number = found.groups()
    from pydicom.datadict import keyword_for_tag  # noqa: PLC0415 - slow, and for differences only

    keyword = keyword_for_tag(int(group + number, 16))
    return f"({group},{number}){f' {keyword}' if keyword else ''}"


def _anywhere(said: Said) -> Said:
    return Said("", said.sign, said.line) if said.line else said
