"""Show elements of many files as a table, with a row for each file and a column for each path.

table = Table.of(["PatientID", "ReferencedSeriesSequence[*].SeriesInstanceUID"])
with table.choice.reading("image.dcm") as (content, entries):
    row = table.row(content, entries)
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from dcm.data.chosen import LEFT_OUT, Choice
from dcm.data.content import Content, Entry
from dcm.data.dump import summary
from dcm.data.element_path import ElementPath, Where


class Table(NamedTuple):
    """Columns, by their names and paths."""

    names: tuple[str, ...]
    paths: tuple[ElementPath, ...]

    @classmethod
    def of(cls, names: Sequence[str]) -> "Table":
        """Return a table of these columns. Raises `BadPath` and `UnknownElement`."""
        return cls(tuple(names), tuple(map(ElementPath.of, names)))

    @property
    def choice(self) -> Choice:
        """The elements to read from each file."""
        return Choice(include=self.paths)

    def row(self, content: Content, entries: Iterable[Entry]) -> list[str | None]:
        """Return a value for each column; None if the element is missing.

        The values of several items are separated by a backslash, like multiple values of an element. A
        sequence is shown as the number of items, a binary value as the number of bytes.
        """
        found: dict[ElementPath, list[str]] = {}
        nested = any(path.is_nested for path in self.paths)
        for where, entry in _all(entries, ()) if nested else ((None, each) for each in entries):
            for path in self.paths:
                if path.tag == entry.tag if where is None else path.matches(where):
                    found.setdefault(path, []).append(_cell(content, entry))
        return ["\\".join(found[path]) if path in found else None for path in self.paths]


def _cell(content: Content, entry: Entry) -> str:
    if entry.is_binary or entry.items is not None or entry.fragments is not None:
        return summary(content, entry)
    return content.text(entry)


def _all(entries: Iterable[Entry], above: Where) -> Iterator[tuple[Where, Entry]]:
    for entry in entries:
        where = (*above, entry.tag)
        yield where, entry
        for number, item in enumerate(entry.items or ()):
            if item is not LEFT_OUT:
                yield from _all(item, (*where, number))
