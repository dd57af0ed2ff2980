"""Create the elements that an edit adds: with a value, or whole sequences that lead to it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from dcm.data.dictionary import keyword_of, private_vr, vr_of
from dcm.data.encoding import ITEM, LONG_VRS, Encoding, Writer
from dcm.data.plan import DELETE, Aim, CannotEdit, Change
from dcm.data.target import ALL, Step, Target
from dcm.data.values import NotHeld, text_of, value_of

FIRST_BLOCK, LAST_BLOCK = 0x10, 0xFF
_CHARACTER_SET: Final = 0x00080005


class Scope:
    """The common properties of the elements of a data set or an item.

    creators: private creators by tag. taken: blocks in use, with group and block in one number.
    """

    __slots__ = ("character_set", "creators", "encoding", "taken")

    def __init__(self, encoding: Encoding, character_set: bytes) -> None:
        self.encoding = encoding
        self.character_set = character_set
        self.creators: dict[int, str] = {}
        self.taken: set[int] = set()

    def inner(self) -> "Scope":
        """Return the scope of an item in it, which inherits the character set (PS3.3 C.12.1.1.2)."""
        return Scope(self.encoding, self.character_set)

    def block(self, tag: int, creator: str) -> tuple[int, bool]:
        """Return the tag of a private element in the block of its creator, and whether the block is new."""
        group, low = tag & 0xFFFF0000, tag & 0xFF
        known = next(
            (
                at
                for at, name in self.creators.items()
                if name == creator and at & 0xFFFF0000 == group
            ),
            None,
        )
        if known is not None:
            return group | (known & 0xFF) << 8 | low, False
        for block in range(FIRST_BLOCK, LAST_BLOCK + 1):
            if group | block not in self.creators and group | block not in self.taken:
                self.creators[group | block] = creator
                return group | block << 8 | low, True
        raise CannotEdit(f"group {tag >> 16:04X} has no block left for {creator!r}")

    def creator_of(self, tag: int) -> str:
        """Return the creator of a private element; empty if it is not known."""
        return self.creators.get(tag & 0xFFFF0000 | (tag >> 8 & 0xFF), "")


class Made(NamedTuple):
    """A new encoded element, including its header."""

    tag: int
    data: bytes


def made(aims: Iterable[Aim], scope: Scope, above: str = "") -> list[Made]:
    """Create the elements of these aims, and the private creators they need, in the order of their tags."""
    found: dict[int, bytes] = {}
    by_tag: dict[int, list[Aim]] = {}
    for aim in aims:
        step = aim.steps[0]
        assert step.tag is not None
        tag = step.tag
        if step.creator:
            tag, new = scope.block(tag, step.creator)
            if new:
                at = tag & 0xFFFF0000 | (tag >> 8 & 0xFF)
                found[at] = encoded(at, Step(at, vr="LO"), step.creator, scope, b"")
        by_tag.setdefault(tag, []).append(aim)
    for tag, those in sorted(by_tag.items()):  # the character set precedes the texts
        last = those[-1]
        if len(last.steps) == 1:
            data = encoded(tag, last.steps[0], last.change.value, scope, b"", above)
            if tag == _CHARACTER_SET:
                scope.character_set = text_of(last.change.value).encode("ascii", "replace")
        else:
            data = _sequence(tag, [each for each in those if len(each.steps) > 1], scope, above)
        found[tag] = data
    return [Made(tag, data) for tag, data in sorted(found.items())]


def made_items(aims: Iterable[Aim], count: int, scope: Scope, above: str) -> list[bytes]:
    """Create the missing items of a sequence with `count` items; each aim's first step is the sequence."""
    lacking: dict[int, list[Aim]] = {}
    for aim in aims:
        item = aim.steps[0].item
        if item is None and not count:
            item = 0
        if item is not None and item != ALL and item >= count:
            lacking.setdefault(item, []).append(aim.beyond())
    items: list[bytes] = []
    for item, those in sorted(lacking.items()):
        if item != count + len(items):
            raise CannotEdit(f"{above}[{item}] cannot be set: it has {count} items")
        writer = Writer(scope.encoding)
        writer.begin(ITEM)
        for each in made(those, scope.inner(), f"{above}[{item}]."):
            writer.written += each.data
        items.append(bytes(writer.finished()))
    return items


def encoded(  # noqa: PLR0917
    tag: int, step: Step | None, value: object, scope: Scope, vr: bytes, above: str = ""
) -> bytes:
    """Return an encoded element, including its header; `vr` is its previous VR, or empty.

    Raises `CannotEdit` and `NotHeld`.
    """
    explicit, little_endian = scope.encoding
    writer = Writer(scope.encoding)
    name = above + named(tag)
    if not isinstance(value, str | bytes) and _is_items(value):
        return _of_items(tag, [value] if isinstance(value, Mapping) else value, scope, name)
    known = known_vr(tag, scope, vr) if step is None or not step.vr else step.vr
    if known == "SQ" and not value:
        value = b""
    if isinstance(value, bytes | bytearray):
        data = bytes(value) + bytes(len(value) % 2)
    elif known == "UN" and value not in ("", None):
        raise CannotEdit(f"{name}: unknown VR; append it, as in {name}:LO")
    else:
        try:
            text = text_of(value, known)
            data = value_of(
                text, known, scope.character_set, explicit=explicit, little_endian=little_endian
            )
        except NotHeld as error:
            raise NotHeld(f"{name} cannot be {value!r:.80}: {error}") from error
        except ValueError as error:
            raise CannotEdit(f"{name} cannot be {value!r:.80}: {error}") from None
    if explicit and len(data) > 0xFFFE and known.encode() not in LONG_VRS:
        raise CannotEdit(f"{name} cannot have {len(data)} bytes: too long for VR {known}")
    writer.element(tag, known.encode(), data)
    return bytes(writer.written)


def known_vr(tag: int, scope: Scope, vr: bytes) -> str:
    """Return the VR of an element, from a dictionary if its own is empty or UN."""
    if vr and vr != b"UN":
        return vr.decode()
    if tag & 0x10000 and tag & 0xFFFF > LAST_BLOCK:
        return private_vr(tag, scope.creator_of(tag))
    return vr_of(tag)


def aims_of(item: Mapping[str, object]) -> list[Aim]:
    """Return the aims for the elements of an item. Raises `BadTarget` and `UnknownElement`."""
    found = []
    for key, value in item.items():
        target = Target.of(key)
        if target.anywhere or value is DELETE or callable(value):
            raise CannotEdit(f"{key} cannot be created in an item")
        found.append(Aim(target.steps, Change(target, value)))  # type: ignore[arg-type]
    return found


def _is_items(value: object) -> bool:
    """Return whether a value is an item, or a list that contains one."""
    return isinstance(value, Mapping) or (
        isinstance(value, Sequence) and any(isinstance(each, Mapping) for each in value)
    )


def _of_items(tag: int, items: Any, scope: Scope, name: str) -> bytes:
    writer = Writer(scope.encoding)
    writer.begin(tag)
    for number, item in enumerate(items):
        if not isinstance(item, Mapping):
            raise CannotEdit(f"{name}[{number}] is {item!r:.80}: an item is a mapping")
        writer.begin(ITEM)
        for each in made(aims_of(item), scope.inner(), f"{name}[{number}]."):
            writer.written += each.data
        writer.end()
    return bytes(writer.finished())


def _sequence(tag: int, aims: Sequence[Aim], scope: Scope, above: str) -> bytes:
    writer = Writer(scope.encoding)
    writer.begin(tag)
    for item in made_items(aims, 0, scope, above + named(tag)):
        writer.written += item
    return bytes(writer.finished())


def named(tag: int) -> str:
    """Return the keyword of a tag, or the tag itself."""
    known = keyword_of(tag)
    return f"({known[:4]},{known[4:]})" if known == f"{tag:08X}" else known
