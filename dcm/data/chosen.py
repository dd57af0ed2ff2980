"""Select elements of a data set, and read no more of a file than they need.

wanted = Choice(include=(ElementPath.of("PatientName"),))
with wanted.reading("image.dcm") as (content, entries):
    print([content.text(entry) for entry in entries])
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import Final

from dcm.data.content import Content, Entry, Scope, opened
from dcm.data.dictionary import vr_choice, vr_of
from dcm.data.element_path import ElementPath, Where
from dcm.data.encoding import EVERYTHING, PIXELS
from dcm.data.header import Header, scan
from dcm.data.source import MemorySource
from dcm.frozen import Frozen

_META: Final = 0x0002
_META_LAST: Final = 0x0002FFFF
_CHARACTER_SET: Final = 0x00080005
_NOTHING: Final = (b"", b"")

LEFT_OUT: Final[list[Entry]] = []
"""Placeholder for an item without selected elements, so that the other items keep their numbers."""


class Choice(Frozen):
    """The elements to select; all, unless something limits them.

    include: these, regardless of the other limits.
    exclude: not these; a path that does not lead into a sequence also applies to items.
    groups: only these group numbers, including the contents of their sequences.
    keyword: only elements whose keyword it matches, including those in items.
    private: whether to select private elements. meta: whether to select file meta information. An element in
    `include` is always selected.
    """

    include: tuple[ElementPath, ...] = ()
    exclude: tuple[ElementPath, ...] = ()
    groups: frozenset[int] = frozenset()
    keyword: re.Pattern[str] | None = None
    private: bool = True
    meta: bool = True

    @contextmanager
    def reading(self, path: str | os.PathLike[str]) -> Iterator[tuple[Content, Iterator[Entry]]]:
        """Open a file, and provide the selected entries. Raises `OSError` and `NotDicom`."""
        tags = self._plain_tags
        if tags is not None:
            yield _of_header(scan(path, tags), tags)
            return
        with opened(path) as content:
            yield content, self.of(content)

    def of(self, content: Content) -> Iterator[Entry]:
        """Yield the selected elements of a file, file meta information first. Raises `NotDicom`."""
        if self._wants_meta:
            yield from self._taken(content.meta())
        if self._last > _META_LAST:
            yield from self._taken(content.entries())

    def _taken(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        last = self._last
        for entry in entries:
            if entry.tag > last:
                break
            taken = self._part(entry, (), inside=False)
            if taken is not None:
                yield taken

    def _part(self, entry: Entry, above: Where, *, inside: bool) -> Entry | None:
        """Return the selected part of an element; None if nothing is selected."""
        where = (*above, entry.tag)
        included = any(path.matches(where) for path in self.include)
        if self._is_excluded(entry, where, included=included):
            return None
        whole = inside or included or self._is_matched(entry, where)
        if entry.items is None:
            return entry if whole else None
        items = [
            [
                part
                for each in item
                if (part := self._part(each, (*where, number), inside=whole)) is not None
            ]
            or (item if whole and not item else LEFT_OUT)
            for number, item in enumerate(entry.items)
        ]
        if whole or any(items):
            return entry._replace(items=items)
        return None

    def _is_excluded(self, entry: Entry, where: Where, *, included: bool) -> bool:
        if entry.is_private and not (self.private or included):
            return True
        return any(
            path.matches(where) if path.is_nested else path.tag == entry.tag
            for path in self.exclude
        )

    def _is_matched(self, entry: Entry, where: Where) -> bool:
        """Return whether an element is selected by the limits other than `include`, or by default."""
        if not self.groups and self.keyword is None:
            return not self.include
        in_group = not self.groups or where[0] >> 16 in self.groups
        return in_group and (self.keyword is None or bool(self.keyword.search(entry.keyword)))

    @cached_property
    def _wants_meta(self) -> bool:
        if any(path.tag <= _META_LAST for path in self.include):
            return True
        if self.groups:
            return _META in self.groups
        return self.meta and (self.keyword is not None or not self.include)

    @cached_property
    def _last(self) -> int:
        """The last tag that may be selected."""
        if self.keyword is not None or not (self.include or self.groups):
            return EVERYTHING[-1]
        ends = [group << 16 | 0xFFFF for group in self.groups]
        return max([*ends, *(path.tag for path in self.include)])

    @cached_property
    def _plain_tags(self) -> tuple[int, ...] | None:
        """The wanted tags if a header scan finds all of them (none may be a sequence), else None."""
        if not self.include or self.groups or self.keyword is not None:
            return None
        if not all(_is_plain(path) for path in self.include):
            return None
        excluded = {path.tag for path in self.exclude if not path.is_nested}
        return tuple(sorted({path.tag for path in self.include} - excluded))


def _is_plain(path: ElementPath) -> bool:
    return not path.is_nested and _META_LAST < path.tag < PIXELS and _has_plain_vr(path.tag)


@lru_cache(maxsize=1024)
def _has_plain_vr(tag: int) -> bool:
    choice = vr_choice(tag)
    return choice not in ("SQ", "UN") and len(choice) == 2


def _of_header(header: Header, tags: Iterable[int]) -> tuple[Content, Iterator[Entry]]:
    """Return values of a header as the entries of a `Content` that has no other elements."""
    found = header.elements
    character_set = found.get(_CHARACTER_SET, _NOTHING)[1]
    scope = Scope(character_set, header.little_endian)
    entries, values, at = [], [], 0
    for tag in tags:
        if tag in found:
            vr, value = found[tag]
            entries.append(Entry(tag, vr.decode() or vr_of(tag), at, len(value), scope))
            values.append(value)
            at += len(value)
    return Content(MemorySource(b"".join(values)), 0, ""), iter(entries)
