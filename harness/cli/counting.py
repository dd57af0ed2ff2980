"""How many cases a selection takes, read from the sources of the suites: to import them takes seconds."""

import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from _pytest.mark.expression import Expression

_CASE = re.compile(
    r'^@(?:\w+\.)?case\(\s*"([A-Z][A-Z0-9]*-\d{3})"(.*?)^def (\w+)\(', re.MULTILINE | re.DOTALL
)
_COVERED = re.compile(r'"(\w+\.test_\w+)"')


@dataclass(frozen=True)
class Source:
    """One test function that is a case: where it stands, and every name by which it is found."""

    path: Path
    names: frozenset[str]

    def has(self, pattern: str) -> bool:
        """Return whether one of its names fits a pattern, as `--case` takes it."""
        return any(fnmatch.fnmatchcase(name, pattern) for name in self.names)

    def fits(self, expression: Expression) -> bool:
        """Return whether pytest's `-k` takes it."""
        words = [name.lower() for name in (*self.names, *self.path.parts)]

        def is_part(word: str, /, **_: object) -> bool:
            return any(word.lower() in each for each in words)

        return expression.evaluate(is_part)


def sources(folder: Path) -> Iterator[Source]:
    """Find the cases below a folder."""
    for path in sorted(folder.rglob("test_*.py")):
        for case_id, decorators, function in _CASE.findall(path.read_text()):
            covered = [
                name
                for full in _COVERED.findall(decorators)
                for name in (full, full.rpartition(".")[2])
            ]
            names = {case_id, function, *covered}
            names |= {name.removeprefix("test_") for name in names}
            yield Source(path.relative_to(folder), frozenset(names))


def count(folder: Path, patterns: Sequence[str], keywords: str | None) -> int:
    """Count the cases below a folder that one of `patterns` names (any, without one) and that fit `-k`.

    Parameters are not looked at. An expression that pytest will refuse takes none.
    """
    try:
        expression = None if keywords is None else Expression.compile(keywords)
    except SyntaxError:
        return 0
    return sum(
        (not patterns or any(each.has(pattern) for pattern in patterns))
        and (expression is None or each.fits(expression))
        for each in sources(folder)
    )
