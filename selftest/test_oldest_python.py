"""The oldest supported Python is Debian 12's 3.11.2, which has bugs that later 3.11 do not have."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("benchmarks", "database", "dcm", "harness", "selftest", "tests")

# `re` mismatches possessive quantifiers (`a++`) before 3.11.4; atomic groups use the same code.
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_CLASS = re.compile(r"\[\^?\]?[^]]*\]")
_LATER = re.compile(r"[*+?}][+]|\(\?>")


def _patterns(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the literal pattern of each call of `re`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
        ):
            yield from _texts(node)


def _texts(call: ast.Call) -> Iterator[tuple[int, str]]:
    for node in ast.walk(call):
        if isinstance(node, ast.JoinedStr):
            parts = (
                str(each.value) if isinstance(each, ast.Constant) else "x" for each in node.values
            )
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def needs_later_python(pattern: str) -> bool:
    """Return whether a pattern has a possessive quantifier or an atomic group."""
    return _LATER.search(_CLASS.sub("x", _ESCAPED.sub("x", pattern))) is not None


@pytest.mark.parametrize("pattern", [r"\d++-", "a*+", "a?+", "a{2}+", "(?>a|b)c"])
def test_later_patterns_are_recognised(pattern: str) -> None:
    """Both kinds, after any element."""
    assert needs_later_python(pattern)


@pytest.mark.parametrize("pattern", [r"\++", "[*+]+", r"a\*+", "a+?", "(?:a)+b", "[^]+*+]"])
def test_other_patterns_are_left_alone(pattern: str) -> None:
    """Neither an escaped character nor a class is a quantifier."""
    assert not needs_later_python(pattern)


def test_no_pattern_needs_a_later_python() -> None:
    """No module uses possessive quantifiers or atomic groups."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {pattern}"
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, pattern in _patterns(path)
        if needs_later_python(pattern)
    ]
    assert found == []
