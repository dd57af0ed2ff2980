"""Mutations of inputs: in one part of a message, or in the order and connections of a conversation.

Each takes a random generator and returns a mutated copy, or None if it does not apply. They are
plain functions of the standard's structure rather than a general engine: hypothesis needs two
milliseconds to draw such an input, ten times as long, and its shrinker minimises choices where we
want fewer bytes. Its strength, a search guided by feedback, does not help with a server that we
cannot see into.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Final

from harness.fuzz.conversation import Conversation, Step
from harness.fuzz.parts import WIDTHS, Part

Bend = Callable[[Random, Part], Part | None]

NUMBERS: Final = (
    0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 254, 255, 256, 257, 1000,
    1024, 4095, 4096, 16384, 32767, 32768, 65534, 65535, 65536, 1 << 20, (1 << 31) - 1, 1 << 31, (1 <<
    32) - 2, (1 << 32) - 1,
)  # fmt: skip
DIGITS: Final = (
    b"-1",
    b"0",
    b"00",
    b"4294967296",
    b"9999999999999999999",
    b"1e9",
    b"0x10",
    b"",
    b" 7",
    b"NaN",
)
WORDS: Final = (
    b"*", b"?", b"\\", b"\\\\\\", b"'", b'"', b"%s%n", b"../../../x", b"\0", b"\x1b$B", b"\x1b(B",
    b"\xff\xfe", b"ISO 2022 IR 87", b"GB18030", b"<!--", b"&amp;", b"{", b"[[", b"1.2.",
    b"1.2.840.10008.1.2.1.99",
    b"^^^^^=",
    b"\xc0\x80", b"99999999", b"-", b"20000230-19000101",
)  # fmt: skip
VRS: Final = (
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US"
    b" UT UV ZZ"
).split()
COUNTS: Final = (2, 3, 5, 17, 64, 256, 1000, 5000)
DULL: Final = ("reserved", "preamble")
"""Parts that servers ignore."""
MOST: Final = 1 << 18
"""Most bytes in a message that is made by repeating or splicing."""
LARGEST: Final = 1 << 22


def bent(random: Random, message: Part, others: Sequence[Part]) -> tuple[Part, str] | None:
    """Mutate one part of a message; return it and the mutation's name, or None if inapplicable."""
    paths = [(path, part) for path, part in message.walk() if path and part.name not in DULL]
    if not paths:
        return None
    path, part = random.choice(paths)
    name, way = random.choice(_WAYS)
    if name == "splice":
        new = _spliced(random, others)
    elif name in ("removed", "swapped"):
        return _ordered(random, message, path, name), f"{name} {part.name}"
    else:
        new = way(random, part)
    if new is None:
        return None
    found = message.with_at(path, new)
    return found, f"{name} {part.name}"


def _ordered(random: Random, message: Part, path: tuple[int, ...], name: str) -> Part:
    if name == "removed":
        return message.with_at(path)
    above = message.at(path[:-1]) if path[:-1] else message
    children = list(above.children())
    other = random.randrange(len(children))
    children[path[-1]], children[other] = children[other], children[path[-1]]
    return message.with_at(path[:-1], replace(above, content=tuple(children)))


def _length(random: Random, part: Part) -> Part | None:
    """Falsify a length, by a little or completely."""
    if not part.coding:
        return None
    true = len(replace(part, coding="", head=b"", between=b"", tail=b"", times=1).render())
    near = (true - 1, true + 1, true + 2, true - 2, 2 * true, true // 2)
    lie = random.choice(near if random.random() < 0.4 else NUMBERS)
    if part.coding == "decimal" and random.random() < 0.2:
        lie = -1
    return replace(part, lie=lie)


def _no_end(_: Random, part: Part) -> Part | None:
    """Make the length undefined, and leave out the end."""
    if WIDTHS.get(part.coding) != 4:
        return None
    return replace(part, lie=(1 << 32) - 1)


def _number(random: Random, part: Part) -> Part | None:
    """Write another number into a value, at any offset and of any width."""
    content = part.content
    if not isinstance(content, bytes) or not content:
        return None
    if content.isdigit():
        return replace(part, content=random.choice(DIGITS))
    width = random.choice((1, 2, 2, 4))
    at = random.randrange(0, max(1, len(content) - width + 1), 1 if len(content) < 64 else 2)
    number = random.choice(NUMBERS) & ((1 << 8 * width) - 1)
    value = number.to_bytes(width, random.choice(("little", "big")))
    return replace(part, content=content[:at] + value + content[at + width :])


def _value(random: Random, part: Part) -> Part | None:
    """Change the value of a leaf."""
    content = part.content
    if not isinstance(content, bytes):
        return None
    how = random.randrange(6)
    at = random.randint(0, len(content))
    if how == 0:
        new = b""
    elif how == 1:
        new = content[:at]
    elif how == 2:
        new = content[:at] + random.choice(WORDS) + content[at:]
    elif how == 3:
        new = random.choice(WORDS)
    elif how == 4:
        new = content + bytes([random.choice(b"A0 .\0")]) * random.choice(
            (1, 15, 64, 65, 1024, 70000)
        )
    else:
        new = content[:at] + random.randbytes(random.choice((1, 2, 4, 16)))
        new += content[len(new) :]
    return replace(part, content=new)


def _head(random: Random, part: Part) -> Part | None:
    """Change a type, a tag or a VR."""
    if not part.head:
        return None
    head = bytearray(part.head)
    if len(head) >= 6 and head[4:6].isalpha() and random.random() < 0.6:
        head[4:6] = random.choice(VRS)
    else:
        at = random.randrange(len(head))
        head[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF, head[at] ^ 1 << random.randrange(8)))
    return replace(part, head=bytes(head))


def _repeated(random: Random, part: Part) -> Part | None:
    """Repeat a part many times."""
    size = len(part.render()) or 1
    most = min(random.choice(COUNTS), MOST // size)
    return replace(part, times=part.times * most) if most > 1 else None


def _nested(random: Random, part: Part) -> Part | None:
    """Nest a part in itself by its head only, so that thousands of levels take few bytes."""
    if WIDTHS.get(part.coding) != 4 or not part.head:
        return None
    head = part.head + b"\xff" * 4
    if part.name != "item":
        head += b"\xfe\xff\x00\xe0" + b"\xff" * 4
    return Part("nested", (Part("level", head, times=random.choice((10, 100, 3000))), part))


def _compressed(random: Random, part: Part) -> Part | None:
    """Make a compressed stream expand to far more than was sent, or cut it."""
    if part.name not in ("deflated", "body", "chunk", "fragment"):
        return None
    content = part.content if isinstance(part.content, bytes) else part.render()
    if part.name != "deflated" or random.random() < 0.5:
        at = random.randint(0, len(content))
        return replace(part, content=content[:at] + content[at + random.randint(1, 40) :])
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    start = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content) if content else b""
    zeros = bytes(random.choice((1, 16)) << 20)
    return replace(part, content=packer.compress(start + zeros) + packer.flush())


def _spliced(random: Random, others: Sequence[Part]) -> Part | None:
    """Return a part of another message."""
    found = [each for _, each in random.choice(others).walk()]
    other = random.choice(found)
    return other if len(other.render()) < MOST else None


def _none(_: Random, __: Part) -> None:
    """Do nothing: `bent` makes this change itself, since it needs the surrounding parts."""


_WAYS: Final[tuple[tuple[str, Bend], ...]] = (
    ("length", _length), ("length", _length), ("length", _length), ("no end", _no_end), ("number", _number),
    ("number", _number), ("number", _number), ("value", _value), ("value", _value), ("head", _head),
    ("repeated", _repeated), ("nested", _nested), ("compressed", _compressed), ("splice", _none),
    ("removed", _none), ("removed", _none), ("swapped", _none),
)  # fmt: skip


def disordered(
    random: Random,
    conversation: Conversation,
    others: Sequence[Conversation],
    strays: Sequence[Part],
) -> tuple[Conversation, str]:
    """Change the order, connections or end of a conversation; return it and the mutation's name."""
    steps = list(conversation.steps)
    at = random.randrange(len(steps))
    step = steps[at]
    way = random.randrange(8)
    if way == 0:
        name = "said twice"
        steps.insert(at, step)
    elif way == 1 and len(steps) > 1:
        name = "left out"
        del steps[at]
    elif way == 2 and len(steps) > 1:
        name = "exchanged"
        other = random.randrange(len(steps))
        steps[at], steps[other] = steps[other], steps[at]
    elif way == 3 and step.door == "dicom":
        name = "stray"
        steps.insert(at, replace(step, message=random.choice(strays)))
    elif way == 4:
        name = "not awaited"
        steps[at] = replace(step, then="on")
    elif way == 5:
        name = "gone"
        steps = [*steps[:at], replace(step, then="drop")]
    elif way == 6:
        name = "cut"
        data = step.message.render()
        part = Part(step.message.name, data[: random.randint(1, max(1, len(data) - 1))])
        steps = [*steps[:at], replace(step, message=part)]
    else:
        name = "beside another"
        steps = _mingled(random, steps, random.choice(others).steps)
    return replace(conversation, steps=tuple(steps)), f"{name} {step.message.name}"


def _mingled(random: Random, steps: list[Step], others: Sequence[Step]) -> list[Step]:
    """Interleave two conversations, each on its own connections."""
    first = 1 + max(each.line for each in steps)
    mingled = list(steps)
    at = 0
    for each in others:
        at = random.randint(at, len(mingled))
        mingled.insert(at, replace(each, line=first + each.line))
        at += 1
    return mingled
