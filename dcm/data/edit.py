"""Edit encoded data sets: only changed elements are rewritten, everything else stays byte for byte.

    result = edit(MemorySource(data), 0, len(data), EXPLICIT, Plan([Change(Target.of("PatientID"), "4711")]))
    data = spliced_bytes(data, result.splices)

Values that are not needed for a change are not read, and pixels never are. The lengths of sequences and items
and group lengths (PS3.5 7.2) are updated; undefined lengths stay undefined.

A text that the character set of its data set cannot represent is an error, with one exception: a data set
that declares ASCII or no character set, and has only ASCII texts, becomes UTF-8, since that changes no other
byte. Otherwise all texts would have to be encoded again, which is a change that was not requested.
"""

import struct
from typing import Final, Literal, NamedTuple

from dcm.data.dictionary import vr_of
from dcm.data.edit_level import CHARACTER_SET, EditLevel, MetElement, path_of
from dcm.data.encoding import (
    IMPLICIT,
    ITEM,
    ITEM_END,
    PIXELS,
    SEQUENCE_END,
    SEQUENCE_VRS,
    UNDEFINED,
    Element,
    Encoding,
    MalformedData,
    Reader,
    TruncatedData,
)
from dcm.data.making import FIRST_BLOCK, LAST_BLOCK, encoded, known_vr, made, made_items, named
from dcm.data.plan import DELETE, KEEP, Aim, CannotEdit, Change, Mark, Met, Plan
from dcm.data.source import VALUE_LIMIT, Source
from dcm.data.target import ALL, Target
from dcm.data.text import LOCALISED, value_text
from dcm.data.values import NotHeld
from dcm.data.whole import Edit

SOP_CLASS, SOP_INSTANCE = 0x00080016, 0x00080018
_IDENTITY: Final = frozenset((SOP_CLASS, SOP_INSTANCE))
_UTF_8: Final = "ISO_IR 192"


class Edited(NamedTuple):
    """The result of an edit: the splices in order of their positions, and the new UIDs if they changed."""

    splices: tuple[Edit, ...] = ()
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    remarks: tuple[str, ...] = ()


def edit(source: Source, position: int, end: int, encoding: Encoding, plan: Plan) -> Edited:
    """Return the changes of a plan to the data set from `position` to `end`. Raises `CannotEdit`."""
    try:
        try:
            return _Editing(source, position, end, encoding, plan).run()
        except NotHeld as error:
            widened = _widened(source, position, end, encoding, plan)
            if widened is None:
                raise CannotEdit(f"{error}; ASCII always works") from None
        done = _Editing(source, position, end, encoding, widened).run()
        return done._replace(remarks=(f"its character set is now {_UTF_8} (UTF-8)",))
    except NotHeld as error:
        raise CannotEdit(str(error)) from None
    except TruncatedData as error:
        raise CannotEdit(f"the data set ends {error}") from None
    except (MalformedData, struct.error) as error:
        raise CannotEdit(f"the data set cannot be read: {error}") from None
    except ValueError as error:
        raise CannotEdit(f"the edit failed: {error}") from error


class _Editing:
    """One edit of one data set."""

    def __init__(
        self, source: Source, position: int, end: int, encoding: Encoding, plan: Plan
    ) -> None:
        self._source: Final = source
        self._reader: Final = Reader(source)
        self._plan: Final = plan
        self._position: Final = position
        self._end: Final = end
        self._splices: Final[list[Edit]] = []
        self._identity: Final[dict[int, str]] = {}
        self._enter: Final[set[int]] = set()
        begin = Element(0, b"", position, position, end - position, -1)
        top = EditLevel(begin, encoding, b"")
        top.aim([*plan.aims])
        self.levels: Final = [top]

    def run(self) -> Edited:  # noqa: C901 - like `Reader.walk`, which it consumes
        """Walk over the data set, and return the changes."""
        plan, levels, deep, last = self._plan, self.levels, self._plan.deep, self._plan.last
        makes, anywhere = plan.makes, plan.anywhere
        at = self._position
        walk = self._reader.walk(
            at, levels[0].encoding, self._end, into_sequences=deep, enter=self._enter
        )
        for element in walk:
            tag, vr, header, start, length, depth = element
            if tag in (ITEM_END, SEQUENCE_END):
                self._delimiter(element)
                at = start
                continue
            while len(levels) > depth + 1:
                self._close(header)
            level = levels[-1]
            at = start if length == UNDEFINED else start + length
            if tag == ITEM:
                self._item(level, element)
                continue
            if makes and not depth % 2:
                level.tags.append((tag, header))
            if not depth and tag > last and (tag >= PIXELS or self._all_met()):
                at = header
                break
            passed = level.passed
            if not passed:
                number = tag & 0xFFFF
                if not number or (number <= LAST_BLOCK and tag & 0x10000):
                    self._administer(level, element)
                elif tag == CHARACTER_SET:
                    level.character_set = self.value(element)
                if anywhere or tag in level.aims:
                    self._visit(level, element)
                    continue
            if length == UNDEFINED or (deep and ((vr or vr_of(tag)) in SEQUENCE_VRS)):
                self._enter_sequence(level, element, [], passed=passed)
        while levels:
            self._close(at)
        self._splices.sort(key=_place)
        return Edited(
            tuple(self._splices),
            self._identity.get(SOP_CLASS, ""),
            self._identity.get(SOP_INSTANCE, ""),
        )

    def _all_met(self) -> bool:
        """Return whether all aims were found; others may still follow out of order, before the pixels."""
        top = self.levels[0]
        return not top.private and len(top.met) == len(top.aims)

    def value(self, element: Element) -> bytes:
        """Read a value. Raises `CannotEdit`."""
        if element.length > VALUE_LIMIT:
            raise CannotEdit(f"{named(element.tag)} has {element.length} bytes: too many to read")
        value = self._reader.peek(element.start, element.length)
        if len(value) < element.length:
            raise TruncatedData(f"within the value of {named(element.tag)}")
        return value

    def _administer(self, level: EditLevel, element: Element) -> None:
        """Note a group length or a private creator."""
        tag = element.tag
        if not tag & 0xFFFF:
            level.group_lengths.append(element)
        elif tag & 0x10000 and FIRST_BLOCK <= tag & 0xFFFF <= LAST_BLOCK:
            text = value_text(self.value(element), "LO", character_set=level.character_set)
            level.add_creator(tag, text.strip())

    def _visit(self, level: EditLevel, element: Element) -> None:
        """Apply the change of an element, if any, and enter its items if necessary."""
        tag, vr = element.tag, element.vr
        change, below = None, []
        aims = level.aims.get(tag)
        if aims:
            level.met.add(tag)
            for aim in aims:
                if len(aim.steps) == 1:
                    change = aim.change
                else:
                    below.append(aim)
        if change is None and self._plan.anywhere:
            change = self._anywhere(level, element)
        replaced = change is not None and self._changed(level, element, change)
        if replaced and not tag & 0xFFFF:
            level.group_lengths.pop()
        shown = (vr or vr_of(tag)) in SEQUENCE_VRS
        entered = element.length == UNDEFINED or (self._plan.deep and shown)
        if not (entered or replaced) and self._plan.deep and vr in (b"", b"UN"):
            entered = bool(below) or (self._plan.anywhere and known_vr(tag, level, vr) == "SQ")
            if entered:
                self._enter.add(element.header)
        if entered:
            self._enter_sequence(level, element, below, passed=replaced)
        elif below and not replaced:
            raise CannotEdit(f"{named(tag)} is not a sequence, so it has no items")

    def _anywhere(self, level: EditLevel, element: Element) -> Change | None:
        """Return the change at any depth that applies to an element."""
        plan, tag = self._plan, element.tag
        if plan.by_tag and tag in plan.by_tag:
            return plan.by_tag[tag]
        if plan.by_creator and tag & 0x10000 and tag & 0xFFFF > LAST_BLOCK:
            found = plan.by_creator.get((tag & 0xFFFF00FF, level.creator_of(tag)))
            if found is not None:
                return found
        if plan.by_vr:
            found = plan.by_vr.get(known_vr(tag, level, element.vr))
            if found is not None:
                return found
        return plan.for_all

    def _changed(self, level: EditLevel, element: Element, change: Change) -> bool:
        """Apply a change; return whether the element is replaced."""
        tag, vr, header, start, length, depth = element
        value = change.value
        if callable(value):
            value = value(MetElement(level, element, self.levels, self.value))
            if value is KEEP:
                return False
        put = b""
        if value is not DELETE:
            step = change.target.steps[-1]
            put = encoded(tag, step if step.tag is not None else None, value, level, vr)
        if not depth and tag in _IDENTITY:
            self._identify(tag, put)
        if tag == CHARACTER_SET:
            level.character_set = put[element.start - header :] if put else b""
        if length == UNDEFINED:
            level.put = put  # passed on to the level that begins now
            return True
        if len(put) != start + length - header or put != self._reader.peek(header, len(put)):
            self._splice(level, tag, Edit(header, start + length - header, put))
        return True

    def _identify(self, tag: int, put: bytes) -> None:
        """Note a new SOP Class or Instance UID. Raises `CannotEdit` if it is empty."""
        uid = put[8:].rstrip(b" \0").decode("ascii", "replace")
        if not uid:
            raise CannotEdit(f"an object needs its {named(tag)}: it can be set, but not deleted")
        self._identity[tag] = uid

    def _splice(self, level: EditLevel, tag: int, splice: Edit) -> None:
        self._splices.append(splice)
        grown = len(splice.put) - splice.dropped
        level.grown += grown
        level.by_group[tag >> 16] = level.by_group.get(tag >> 16, 0) + grown

    def _enter_sequence(
        self, level: EditLevel, element: Element, below: list[Aim], *, passed: bool
    ) -> None:
        """Begin a level for an element with items: a sequence, or encapsulated pixels."""
        encoding = IMPLICIT if element.vr == b"UN" else level.encoding  # PS3.5 6.2.2 note 4
        inner = EditLevel(element, encoding, level.character_set)
        inner.is_sequence, inner.items, inner.passed = True, below, passed
        inner.with_items = self._plan.deep and element.vr in (b"SQ", b"UN", b"")
        inner.put, level.put = level.put, None
        self.levels.append(inner)

    def _item(self, level: EditLevel, element: Element) -> None:
        """Begin an item, unless it is a fragment of pixels."""
        number, level.count = level.count, level.count + 1
        if element.length != UNDEFINED and not level.with_items:
            return
        inner = EditLevel(element, level.encoding, level.character_set)
        inner.passed, inner.number = level.passed, number
        if level.items:
            wanted = (None, ALL, number)
            inner.aim([aim.beyond() for aim in level.items if aim.steps[0].item in wanted])
        self.levels.append(inner)

    def _delimiter(self, element: Element) -> None:
        """Close the levels that a delimiter ends; see `Element.depth`."""
        levels = self.levels
        while len(levels) > element.depth + 1:
            self._close(element.header)
        if element.tag == ITEM_END:
            if not levels[-1].is_sequence and len(levels) > 1:
                self._close(element.header, element.start)
        else:
            if not levels[-1].is_sequence:
                self._close(element.header)
            if len(levels) > 1:
                self._close(element.header, element.start)

    def _close(self, at: int, behind: int | None = None) -> None:
        """End the innermost level, whose content ends `at`, and its delimiter, if it has one, `behind`."""
        level = self.levels.pop()
        element = level.element
        if element.length != UNDEFINED and self.levels:
            at = element.start + element.length
        behind = at if behind is None else behind
        if not level.passed:
            if not level.is_sequence:
                self._complete(level, at)
            elif level.items:
                self._add_items(level, at)
        if not self.levels:
            return
        outer = self.levels[-1]
        if level.put is not None:
            self._splice(
                outer, element.tag, Edit(element.header, behind - element.header, level.put)
            )
        elif level.grown:
            if element.length != UNDEFINED:
                length = (element.length + level.grown).to_bytes(4, _order(outer.encoding))
                self._splices.append(Edit(element.start - 4, 4, length))
            outer.grown += level.grown
            group = element.tag >> 16
            outer.by_group[group] = outer.by_group.get(group, 0) + level.grown

    def _complete(self, level: EditLevel, end: int) -> None:
        """Add the missing elements to a data set or an item, and correct its group lengths."""
        there = {id(aim) for tag in level.met for aim in level.aims[tag]}
        lacking = [aim for aim in level.own if aim.change.makes and id(aim) not in there]
        if lacking:
            level.taken.update(tag & 0xFFFF0000 | (tag >> 8 & 0xFF) for tag, _ in level.tags)
            for tag, data in made(lacking, level, self._above(level)):
                if level.element.depth < 0 and tag in _IDENTITY:
                    self._identify(tag, data)
                at = next((header for other, header in level.tags if other > tag), end)
                self._splice(level, tag, Edit(at, 0, data))
        for element in level.group_lengths:
            grown = level.by_group.get(element.tag >> 16)
            if grown and element.length == 4:
                order = _order(level.encoding)
                length = int.from_bytes(self.value(element), order) + grown
                if 0 <= length < UNDEFINED:
                    self._splices.append(Edit(element.start, 4, length.to_bytes(4, order)))

    def _add_items(self, level: EditLevel, end: int) -> None:
        aims = [aim for aim in level.items if aim.change.makes]
        above = self._above(level) + named(level.element.tag)
        for item in made_items(aims, level.count, level, above):
            self._splices.append(Edit(end, 0, item))
            level.grown += len(item)

    def _above(self, level: EditLevel) -> str:
        """Return the path of the elements in a level, without their own names."""
        return path_of([*self.levels[1:], level] if level.element.tag == ITEM else self.levels[1:])


def _place(splice: Edit) -> tuple[int, bool]:
    """Return a sort key: an insertion before an element precedes its replacement."""
    return splice.position, splice.dropped > 0


def _order(encoding: Encoding) -> Literal["little", "big"]:
    return "little" if encoding.little_endian else "big"


def _widened(
    source: Source, position: int, end: int, encoding: Encoding, plan: Plan
) -> Plan | None:
    """Return a plan that also changes the character set to UTF-8; None if that would change a text."""
    if any(each.target.last == CHARACTER_SET for each in plan.changes):
        return None

    def is_ascii(met: Met) -> Mark:
        if met.vr in LOCALISED or met.tag == CHARACTER_SET:
            value = met.value
            other = met.tag == CHARACTER_SET and value.strip(b" \0") not in (b"", b"ISO_IR 6")
            if other or not value.isascii() or b"\x1b" in value:
                raise NotHeld(met.path)
        return KEEP

    looking = Plan([Change(Target.of("**.*"), is_ascii)])
    try:
        _Editing(source, position, end, encoding, looking).run()
    except NotHeld:
        return None
    return plan.with_change(Change(Target.of("SpecificCharacterSet"), _UTF_8))
