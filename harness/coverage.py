"""What the cases cover: tests of Orthanc's own suites, and clauses of the standard.

The names and clauses come from lists in `database/`, which do not depend on the cases.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.suites import database_folder

UPSTREAM = "upstream-tests.txt"
CLAUSES = "clauses.txt"
_PART = re.compile(r"PS3\.\d+")
_NUMBER = re.compile(r"(?:Table |Annex )?((?:[A-Z]{1,2}|\d+)(?:\.\d+)*)\b")
"""Matches a clause or table number; a table's number begins with that of its clause."""


@dataclass(frozen=True, order=True)
class Clause:
    """A clause by part and number, such as PS3.8 and 9.3.4."""

    part: str
    number: str

    def covers(self, other: "Clause") -> bool:
        """Return whether `other` is this clause or part of it."""
        return self.part == other.part and f"{other.number}.".startswith(f"{self.number}.")

    @property
    def order(self) -> tuple[object, ...]:
        """Return a sort key for the order of the standard: annexes after sections, 10 after 9."""
        steps = self.number.split(".")
        numbers = [(each.isdigit(), int(each) if each.isdigit() else 0, each) for each in steps]
        return int(self.part.removeprefix("PS3.")), not steps[0].isdigit(), numbers

    def __str__(self) -> str:
        return f"{self.part} {self.number}"


def clauses_of(ref: str) -> list[Clause]:
    """Return the clauses that the `ref` of a case names.

    `PS3.4 C.4.2, C.4.3; PS3.18 8.7.5 (2020b)` names three.
    """
    found: list[Clause] = []
    part = ""
    bare = re.sub(r"\(.*?\)|:[^;]*", "", ref)  # without editions and remarks
    for piece in re.split(r"[;,]| and ", bare):
        words = piece.strip()
        if named := _PART.match(words):
            part, words = named[0], words[named.end() :].strip()
        if part and (number := _NUMBER.match(words)):
            found.append(Clause(part, number[1]))
    return list(dict.fromkeys(found))


def known_clauses() -> Mapping[Clause, str]:
    """Return the clauses that can be tested, with what each requires."""
    found = {}
    for line in _lines(CLAUSES):
        named, _, text = line.partition("  ")
        part, _, number = named.partition(" ")
        found[Clause(part, number)] = text
    return found


@dataclass(frozen=True)
class ClauseCases:
    """A clause, what it requires (empty if it is not listed), and the ids of the cases that test it."""

    clause: Clause
    text: str
    cases: tuple[str, ...]


def by_clause(cases: Iterable[tuple[str, str]]) -> list[ClauseCases]:
    """Group cases, given as pairs of id and `ref`, by clause.

    Listed clauses are included even if no case tests them. A case of a clause that is not listed is
    counted for the nearest listed clause that contains it, if there is one.
    """
    known = known_clauses()
    found: dict[Clause, set[str]] = {clause: set() for clause in known}
    for case, ref in cases:
        for clause in clauses_of(ref):
            around = [each for each in known if each.covers(clause)]
            nearest = max(around, key=lambda each: len(each.number), default=clause)
            found.setdefault(nearest, set()).add(case)
    in_order = sorted(found, key=lambda each: each.order)
    return [ClauseCases(each, known.get(each, ""), tuple(sorted(found[each]))) for each in in_order]


def upstream_tests() -> Mapping[str, str]:
    """Return the tests of Orthanc's own suites by name, with the reason if no case is expected."""
    return {name: why for name, _, why in (line.partition("\t") for line in _lines(UPSTREAM))}


def uncovered(covered: Iterable[str]) -> dict[str, str]:
    """Return the upstream tests that are not among the names `covered`, with their reasons.

    A test in a module of a suite may be named without the module: `MaxStorage.test_upload`.
    """
    names = set(covered)
    return {name: why for name, why in upstream_tests().items() if not names & {name, _short(name)}}


def _short(name: str) -> str:
    words = name.split(".")
    return f"{words[0]}.{words[-1]}"


def _lines(name: str) -> Iterator[str]:
    text = (database_folder() / name).read_text(encoding="utf-8")
    return (line for line in text.splitlines() if line and not line.startswith("#"))
