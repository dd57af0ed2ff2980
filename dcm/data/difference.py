"""Compare two data sets: one difference for each element, at any depth.

with opened("a.dcm") as left, opened("b.dcm") as right:
    for each in differences(left, right, DifferenceRules(any_encoding=True)):
        print(each.path, each.kind.value, each.left, each.right)
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import zip_longest
from typing import Final, NamedTuple

from dcm.data.content import Content, Entry
from dcm.data.difference_rules import DifferenceRules, Ignored
from dcm.data.dump import summary
from dcm.data.element_path import Where, where_text
from dcm.data.encoding import IMPLICIT, NATIVE
from dcm.data.same import Placed, digest, first_difference, is_same, meaning

__all__ = ["Difference", "DifferenceRules", "Ignored", "Kind", "Seen", "differences"]

_TRANSFER_SYNTAX: Final = 0x00020010
_PIXEL_DATA: Final = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
"""Float Pixel Data, Double Float Pixel Data and Pixel Data."""
_SHOWN: Final = 16
"""Binary values up to this number of bytes are shown; longer ones are described."""

Elements = Mapping[int, Entry]


class Kind(Enum):
    """How two data sets differ in an element, or in an item."""

    LEFT = "only left"
    RIGHT = "only right"
    VALUE = "value"
    VR = "VR"
    PIXELS = "pixels"


class Seen(NamedTuple):
    """The value on one side. text: the value, or a description if it is long and binary."""

    vr: str
    text: str


class Difference(NamedTuple):
    """A difference. where: tags, with item numbers in between. note: describes where a value differs."""

    where: Where
    kind: Kind
    left: Seen | None
    right: Seen | None
    note: str = ""

    @property
    def path(self) -> str:
        """The path as text: `ReferencedSeriesSequence[0].SeriesInstanceUID`."""
        return where_text(self.where)


def differences(
    left: Content, right: Content, rules: DifferenceRules | None = None
) -> Iterator[Difference]:
    """Yield the differences, in the order of tags.

    Values are compared by their meaning: padding, byte order and text encoding do not matter. The transfer
    syntax matters, unless the rules say otherwise. Raises `NotDicom` if a data set cannot be read completely,
    and `CannotCompare` for pixels that cannot be decoded.
    """
    return _Comparison(left, right, rules or DifferenceRules()).all()


class _Comparison:
    def __init__(self, left: Content, right: Content, rules: DifferenceRules) -> None:
        self._left: Final = left
        self._right: Final = right
        self._rules: Final = rules
        self._vrs_count: Final = not rules.any_encoding and not any(
            NATIVE.get(each.transfer_syntax_uid) == IMPLICIT for each in (left, right)
        )

    def all(self) -> Iterator[Difference]:
        left, right = self._left, self._right
        if self._rules.meta:
            yield from self._of_elements(_by_tag(left.meta()), _by_tag(right.meta()), ())
        elif left.transfer_syntax_uid != right.transfer_syntax_uid:
            where = (_TRANSFER_SYNTAX,)
            if not self._rules.ignores(Entry(_TRANSFER_SYNTAX, "UI", 0, 0), where):
                seen = [Seen("UI", each.transfer_syntax_uid) for each in (left, right)]
                yield Difference(where, Kind.VALUE, seen[0], seen[1])
        yield from self._of_elements(_by_tag(left.entries()), _by_tag(right.entries()), ())

    def _of_elements(self, left: Elements, right: Elements, above: Where) -> Iterator[Difference]:
        for tag in sorted(left.keys() | right.keys()):
            where = (*above, tag)
            one, other = left.get(tag), right.get(tag)
            if any(each is not None and self._rules.ignores(each, where) for each in (one, other)):
                continue
            if one is None or other is None:
                yield self._of_one_side(one, other, where)
            elif self._rules.pixels and tag in _PIXEL_DATA and not above:
                yield from self._of_pixels(one, other, where)
            elif one.items is not None and other.items is not None:
                yield from self._of_items(one.items, other.items, where)
            else:
                yield from self._of_values(one, other, where)

    def _of_one_side(self, left: Entry | None, right: Entry | None, where: Where) -> Difference:
        if left is not None:
            return Difference(where, Kind.LEFT, self._seen((self._left, left)), None)
        assert right is not None
        return Difference(where, Kind.RIGHT, None, self._seen((self._right, right)))

    def _of_values(self, left: Entry, right: Entry, where: Where) -> Iterator[Difference]:
        one, other = (self._left, left), (self._right, right)
        both_values = left.items is None and right.items is None
        if both_values and is_same(one, other, self._rules):
            if self._vrs_count and left.vr != right.vr:
                yield Difference(where, Kind.VR, self._seen(one), self._seen(other))
            return
        note = ""
        if left.is_binary and right.is_binary and max(left.size, right.size) > _SHOWN:
            at = first_difference(one, other, self._rules)
            note = "" if at is None else f"first difference at byte {at}"
        yield Difference(where, Kind.VALUE, self._seen(one), self._seen(other), note)

    def _of_pixels(self, left: Entry, right: Entry, where: Where) -> Iterator[Difference]:
        from dcm.data.pixel_difference import pixel_difference  # noqa: PLC0415 - needs numpy

        note = pixel_difference(self._left, self._right, self._rules.tolerance or 0)
        if note:
            seen = [self._seen(each) for each in ((self._left, left), (self._right, right))]
            yield Difference(where, Kind.PIXELS, seen[0], seen[1], note)

    def _of_items(
        self, left: Sequence[list[Entry]], right: Sequence[list[Entry]], where: Where
    ) -> Iterator[Difference]:
        pairs: Iterable[tuple[int | None, int | None]]
        if self._rules.any_order:
            pairs = self._matched(left, right, where)
        else:
            pairs = zip_longest(range(len(left)), range(len(right)))
        for one, other in pairs:
            if one is None:
                assert other is not None
                seen = Seen("", f"{len(right[other])} elements")
                yield Difference((*where, other), Kind.RIGHT, None, seen)
            elif other is None:
                seen = Seen("", f"{len(left[one])} elements")
                yield Difference((*where, one), Kind.LEFT, seen, None)
            else:
                yield from self._of_elements(
                    _by_tag(left[one]), _by_tag(right[other]), (*where, one)
                )

    def _matched(
        self, left: Sequence[list[Entry]], right: Sequence[list[Entry]], where: Where
    ) -> list[tuple[int | None, int | None]]:
        """Pair the items that have no equal item on the other side, in their order."""
        same: defaultdict[Hashable, list[int]] = defaultdict(list)
        for number, item in enumerate(right):
            same[self._key(self._right, item, (*where, number))].append(number)
        rest = []
        for number, item in enumerate(left):
            equal = same[self._key(self._left, item, (*where, number))]
            if equal:
                equal.pop(0)
            else:
                rest.append(number)
        others = sorted(number for numbers in same.values() for number in numbers)
        if self._rules.tolerance is not None:
            rest = [
                one for one in rest if not self._has_close(left[one], right, others, (*where, one))
            ]
        return [*zip_longest(rest, others)]

    def _has_close(
        self, item: list[Entry], right: Sequence[list[Entry]], others: list[int], where: Where
    ) -> bool:
        """Remove the first other item that is equal within the tolerance; return whether one was found."""
        for other in others:
            if not any(self._of_elements(_by_tag(item), _by_tag(right[other]), where)):
                others.remove(other)
                return True
        return False

    def _key(self, content: Content, item: Iterable[Entry], above: Where) -> Hashable:
        """Return a key that is equal for items that are the same."""
        found: list[tuple[int, Hashable]] = []
        for entry in item:
            where = (*above, entry.tag)
            if self._rules.ignores(entry, where):
                continue
            if entry.items is None:
                value = meaning((content, entry), entry.value_vr, self._rules)
            else:
                inside = [
                    self._key(content, each, (*where, number))
                    for number, each in enumerate(entry.items)
                ]
                value = tuple(sorted(inside, key=repr))
            found.append((entry.tag, (entry.vr if self._vrs_count else "", value)))
        return tuple(sorted(found, key=lambda each: each[0]))

    def _seen(self, placed: Placed) -> Seen:
        content, entry = placed
        if entry.is_binary and entry.size > _SHOWN:
            digits = digest(placed, self._rules)
            words = summary(content, entry).partition(":")[0]
            return Seen(entry.vr, f"{words}, SHA-256 {digits}")
        if entry.items is None and not entry.is_binary and entry.fragments is None:
            return Seen(entry.vr, content.text(entry))
        return Seen(entry.vr, summary(content, entry, bulk=True))


def _by_tag(entries: Iterable[Entry]) -> Elements:
    return {entry.tag: entry for entry in entries}
