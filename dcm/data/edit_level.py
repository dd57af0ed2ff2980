"""The state that an edit keeps for a data set, a sequence or an item while it walks over it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from dcm.data.encoding import ITEM, UNDEFINED, Element, Encoding
from dcm.data.making import Scope, known_vr, named
from dcm.data.plan import Aim
from dcm.data.text import value_text
from dcm.data.values import text_of

CHARACTER_SET: Final = 0x00080005
_NO_AIMS: Final[dict[int, list[Aim]]] = {}


class EditLevel(Scope):
    """A data set, a sequence or an item that is being walked over.

    element: the element that begins it. own: the aims of a data set or an item. aims: the same by tag, as far
    as the tags are known. items: the aims for the items of a sequence.
    tags: the tag and position of each element. met: the tags of the aims that were found.
    grown: the number of bytes by which it becomes longer; by_group: the same for each group.
    put: the bytes that replace all of it, or None. passed: whether its contents are ignored.
    """

    __slots__ = (
        "aims", "by_group", "count", "element", "group_lengths", "grown", "is_sequence", "items", "met",
        "number", "own", "passed", "private", "put", "tags", "with_items",
    )  # fmt: skip

    def __init__(self, element: Element, encoding: Encoding, character_set: bytes) -> None:
        super().__init__(encoding, character_set)
        self.element = element
        self.aims = _NO_AIMS
        self.own: list[Aim] = []
        self.private: list[Aim] = []
        self.items: list[Aim] = []
        self.tags: list[tuple[int, int]] = []
        self.met: set[int] = set()
        self.group_lengths: list[Element] = []
        self.by_group: dict[int, int] = {}
        self.grown = self.count = self.number = 0
        self.put: bytes | None = None
        self.passed = self.is_sequence = self.with_items = False

    def aim(self, aims: list[Aim]) -> None:
        """Set the aims of a data set or an item."""
        self.own, self.aims = aims, {}
        for aim in aims:
            step, change = aim.steps[0], aim.change
            if step.creator:
                self.private.append(aim)
            elif step.tag is not None:
                self.aims.setdefault(step.tag, []).append(aim)
                if step.tag == CHARACTER_SET and change.makes:
                    self.character_set = text_of(change.value).encode("ascii", "replace")

    def add_creator(self, tag: int, name: str) -> None:
        """Note a private creator, and find the aims in its block."""
        self.creators[tag] = name
        for aim in self.private:
            step = aim.steps[0]
            if step.creator == name and step.tag is not None and step.tag >> 16 == tag >> 16:
                at = tag & 0xFFFF0000 | (tag & 0xFF) << 8 | step.tag & 0xFF
                self.aims.setdefault(at, []).append(aim)


class MetElement:
    """An element to which a change applies; see `dcm.data.plan.Met`.

    levels: the levels that enclose it. read: reads its value.
    """

    __slots__ = ("_element", "_level", "_levels", "_read")

    def __init__(
        self,
        level: EditLevel,
        element: Element,
        levels: Sequence[EditLevel],
        read: Callable[[Element], bytes],
    ) -> None:
        self._level = level
        self._element = element
        self._levels = levels
        self._read = read

    @property
    def tag(self) -> int:
        """See `Met.tag`."""
        return self._element.tag

    @property
    def vr(self) -> str:
        """See `Met.vr`."""
        return known_vr(self._element.tag, self._level, self._element.vr)

    @property
    def creator(self) -> str:
        """See `Met.creator`."""
        return self._level.creator_of(self._element.tag) if self._element.tag & 0x10000 else ""

    @property
    def value(self) -> bytes:
        """See `Met.value`."""
        if self._element.length == UNDEFINED or self.vr == "SQ":
            return b""
        return self._read(self._element)

    @property
    def text(self) -> str:
        """See `Met.text`."""
        return value_text(
            self.value, self.vr,
            character_set=self._level.character_set,
            little_endian=self._level.encoding.little_endian,
        )  # fmt: skip

    @property
    def nested(self) -> bool:
        """See `Met.nested`."""
        return len(self._levels) > 1

    @property
    def path(self) -> str:
        """See `Met.path`."""
        return path_of(self._levels[1:]) + named(self._element.tag)


def path_of(levels: Iterable[EditLevel]) -> str:
    """Return the path of the elements in the innermost level, without their own names."""
    path = ""
    for level in levels:
        tag = level.element.tag
        path += f"[{level.number}]." if tag == ITEM else named(tag)
    return path
