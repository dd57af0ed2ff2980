"""Messages as trees: each part has a head, an optional length, and a content; any length can lie.

Unless it lies, the length of a part follows from its content, so a tree stays well formed when one
of its parts is removed, repeated or replaced. An input can therefore be mutated in one place, and
shrunk later.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

Coding = Literal["", ">I", ">H", "<I", "<H", "decimal", "hex"]
"""How a length is encoded: a `struct` format, decimal or hexadecimal digits, or "" for none."""
WIDTHS: Final = {">I": 4, ">H": 2, "<I": 4, "<H": 2}
Path = tuple[int, ...]
"""The path to a part: the index of the child at each level."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a message: `head`, length, `between`, content and `tail`, all `times` times."""

    name: str
    content: "bytes | tuple[Part, ...]" = field(default=b"", repr=False)
    head: bytes = b""
    coding: Coding = ""
    between: bytes = b""
    """Bytes after the length that it does not count, such as the blank line in HTTP."""
    tail: bytes = b""
    lie: int | None = None
    """The length to announce instead of the true one."""
    times: int = 1

    def render(self) -> bytes:
        """Return the bytes to send."""
        content = self.content
        if not isinstance(content, bytes):
            content = b"".join([each.render() for each in content])
        length = self._length(len(content)) if self.coding else b""
        once = b"".join((self.head, length, self.between, content, self.tail))
        return once if self.times == 1 else once * self.times

    def _length(self, true: int) -> bytes:
        announced = true if self.lie is None else self.lie
        if self.coding == "decimal":
            return b"%d" % announced
        if self.coding == "hex":
            return b"%x" % max(0, announced)
        width = WIDTHS[self.coding]
        return struct.pack(self.coding, announced & ((1 << 8 * width) - 1))

    def children(self) -> "tuple[Part, ...]":
        """Return the parts below this one; a leaf has none."""
        return () if isinstance(self.content, bytes) else self.content

    def walk(self, path: Path = ()) -> "Iterator[tuple[Path, Part]]":
        """Yield each part with its path, starting with this one."""
        yield path, self
        for number, each in enumerate(self.children()):
            yield from each.walk((*path, number))

    def at(self, path: Path) -> "Part":
        """Return the part at a path."""
        found = self
        for number in path:
            found = found.children()[number]
        return found

    def with_at(self, path: Path, *parts: "Part") -> "Part":
        """Return this part with the one at `path` replaced by `parts`, or removed if none."""
        if not path:
            return parts[0] if len(parts) == 1 else Part(self.name, parts)
        first, *rest = path
        children = self.children()
        new = (children[first].with_at(tuple(rest), *parts),) if rest else parts
        return replace(self, content=(*children[:first], *new, *children[first + 1 :]))

    def having(self, name: str, **fields: Any) -> "Part":
        """Return this part with `fields` changed in each part called `name`, itself included."""
        if self.name == name:
            return replace(self, **fields)
        if isinstance(self.content, bytes):
            return self
        return replace(self, content=tuple(each.having(name, **fields) for each in self.content))

    def as_json(self) -> dict[str, Any]:
        """Return the part as JSON; bytes are text in Latin-1."""
        known: dict[str, Any] = {"name": self.name}
        if isinstance(self.content, bytes):
            known["content"] = self.content.decode("latin-1")
        else:
            known["parts"] = [each.as_json() for each in self.content]
        known |= {
            name: value.decode("latin-1")
            for name in ("head", "between", "tail")
            if (value := getattr(self, name))
        }
        if self.coding:
            known["coding"] = self.coding
        if self.lie is not None:
            known["lie"] = self.lie
        if self.times != 1:
            known["times"] = self.times
        return known

    @classmethod
    def from_json(cls, known: dict[str, Any]) -> "Part":
        """Read what `as_json` returned."""
        content: bytes | tuple[Part, ...]
        if "parts" in known:
            content = tuple(map(cls.from_json, known["parts"]))
        else:
            content = known["content"].encode("latin-1")
        texts = {
            name: known.get(name, "").encode("latin-1") for name in ("head", "between", "tail")
        }
        return cls(
            known["name"], content, coding=known.get("coding", ""), lie=known.get("lie"),
            times=known.get("times", 1), **texts,
        )  # fmt: skip
