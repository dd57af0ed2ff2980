"""The selectors of a configuration: comparisons, and combinations of others by name or as text."""

from collections.abc import Mapping
from typing import Final

from dcm.conf_table import Table
from dcm.data.dictionary import UnknownElement
from dcm.data.target import BadTarget, Target
from dcm.data.values import text_of
from dcm.filt.selector_text import OPERATORS, BadSelector, comparison, read_selector
from dcm.filt.selectors import Combination, Selector

_COMPARISON: Final = ("attr", "op", "rvalue", "invert", "reject_missing")
_EXPECTED: Final = "expected "
_COMBINATION: Final = ("all_of", "any_of", "none_of")


def read_selectors(tables: Mapping[str, Table]) -> dict[str, Selector]:
    """Read all selectors. Raises `ConfigurationError`."""
    reading = _Reading(tables)
    return {name: reading.read(name) for name in tables}


class _Reading:
    """The selectors already read, and those being read, which may refer to each other."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables: Final = tables
        self._done: Final[dict[str, Selector]] = {}
        self._begun: Final[list[str]] = []

    def read(self, name: str) -> Selector:
        """Read the selector with this name, and those that it refers to."""
        if name in self._done:
            return self._done[name]
        table = self._tables[name]
        if name in self._begun:
            raise table.fault(f"it refers to itself: {' -> '.join([*self._begun, name])}")
        self._begun.append(name)
        table.allow(*_COMPARISON, *_COMBINATION)
        if table.has(*_COMBINATION):
            if table.has(*_COMPARISON):
                raise table.fault(
                    "it must be either a comparison (attr, op, rvalue) or a combination"
                )
            found: Selector = Combination(*(self._named(table, key) for key in _COMBINATION))
        else:
            found = _comparison(table)
        self._begun.pop()
        self._done[name] = found
        return found

    def _named(self, table: Table, key: str) -> tuple[Selector, ...]:
        return tuple(self._one(table, text) for text in table.list_of_texts(key))

    def _one(self, table: Table, text: str) -> Selector:
        if text.strip() in self._tables:
            return self.read(text.strip())
        try:
            return read_selector(text)
        except BadSelector as error:
            names = ", ".join(self._tables)
            raise table.fault(f"{error}; the named selectors are {names}") from error


def _comparison(table: Table) -> Selector:
    operator = table.text("op", default="==")
    if operator not in OPERATORS:
        raise table.complaint("op", f"one of {' '.join(OPERATORS)}")
    if not table.has("rvalue"):
        raise table.complaint("rvalue", "a text, a number, or for `in` a list of them")
    value = table.value("rvalue")
    values = value if isinstance(value, list) else [value]
    if (operator == "in") != isinstance(value, list):
        raise table.complaint("rvalue", "a list for `in`, and a single value for all others")
    try:
        return comparison(
            Target.of(table.text("attr")), operator, [text_of(each) for each in values],
            invert=table.flag("invert", default=False),
            reject_missing=table.flag("reject_missing", default=False),
        )  # fmt: skip
    except BadTarget as error:
        raise table.fault(error) from error
    except UnknownElement as error:
        raise table.fault(error) from error
    except BadSelector as error:
        if error.words.startswith(_EXPECTED):
            raise table.complaint("rvalue", error.words.removeprefix(_EXPECTED)) from error
        raise table.fault(f"rvalue is {value!r}: {error.words}") from error
    except ValueError as error:
        raise table.complaint("rvalue", "a text or a number") from error
