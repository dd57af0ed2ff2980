"""Command sets that are laid out like one that was read before, as nearly all are: read with a single call.

What a peer sends with each of a thousand instances differs in a message ID and a UID. All else, tags and
lengths above all, is compared as it stands: whatever differs there is read with care, in `dimse_codec`.
"""

import struct
from typing import Any, Final

from dcm.frozen import fields
from dcm.wire.command_set import ELEMENT, LONGEST, Element
from dcm.wire.dimse import Message

_OF_ONE_LENGTH: Final = 4


class Layout:
    """Where the values stand in a command set, and the bytes between them."""

    def __init__(self, kind: type[Message], data: bytes, known: dict[int, Element]) -> None:
        """Learn from `data`, a command set without anything odd: only fields of its kind, each once."""
        self._kind: Final = kind
        self._defaults: Final = dict(fields(kind))
        self._texts: Final[list[tuple[str, int]]] = []
        names, parts, between, at = [], ["<"], 0, 0
        while at < len(data):
            _, number, length = ELEMENT.unpack_from(data, at)
            element = known.get(number)
            at += ELEMENT.size + length
            between += ELEMENT.size
            if element is None:  # group length and command field
                between += length
                continue
            names.append(element.name)
            parts.append(f"{between}s{length}s" if element.vr != "US" else f"{between}sH")
            between = 0
            if element.vr != "US":
                self._texts.append((element.name, LONGEST[element.vr]))
        parts.append(f"{between}s")
        self._struct: Final = struct.Struct("".join(parts))
        self._names: Final = tuple(names)
        self._between: Final = self._struct.unpack(data)[::2]

    def read(self, data: bytes) -> Message | None:
        """Read a command set of the same length; None: it is laid out in another way, or has an odd value."""
        parts = self._struct.unpack(data)
        if parts[::2] != self._between:
            return None
        values: dict[str, Any] = dict(self._defaults)
        values.update(zip(self._names, parts[1::2], strict=True))
        for name, longest in self._texts:
            text = values[name].decode("ascii", "replace").rstrip(" \0")
            if len(text) > longest or not text.isprintable() or not text.isascii():
                return None
            values[name] = text
        return self._kind.unchecked(values)


class Layouts:
    """The layouts that were seen, by the length of the whole."""

    def __init__(self) -> None:
        self._known: Final[dict[int, list[Layout]]] = {}

    def read(self, data: bytes) -> Message | None:
        """Read a command set, if one like it was learned."""
        for layout in self._known.get(len(data), ()):
            message = layout.read(data)
            if message is not None:
                return message
        return None

    def learn(self, kind: type[Message], data: bytes, known: dict[int, Element]) -> None:
        """Remember how a command set without anything odd is laid out."""
        seen = self._known.setdefault(len(data), [])
        if len(seen) < _OF_ONE_LENGTH:
            seen.append(Layout(kind, data, known))
