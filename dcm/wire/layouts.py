"""Command sets that are laid out like one that was read before, as nearly all are.

What a peer sends with each of a thousand instances differs in a few numbers and a UID. Everything else, tags
and lengths above all, is compared as it stands: whatever differs there is read with care, in `dimse_codec`.
"""

import struct
from typing import Final

from dcm.wire.command_set import BY_NAME, ELEMENT, LONGEST
from dcm.wire.dimse import Message

_OF_ONE_LENGTH: Final = 4
_NUMBERS: Final = {
    each.number: each.name
    for each in BY_NAME.values()
    if each.vr == "US" and each.name != "command_data_set_type"
}
_UIDS: Final = {
    BY_NAME[name].number: name
    for name in ("affected_sop_instance_uid", "requested_sop_instance_uid")
}


class Layout:
    """Where the values that vary stand in a command set, and the bytes between them."""

    def __init__(self, message: Message, data: bytes) -> None:
        """Learn from `data`, the command set of `message`, with nothing in it but fields of its kind."""
        self._message = message
        self._data = data
        self._kind: Final = type(message)
        self._values: Final = dict(message.__dict__)
        self._numbers: Final[list[tuple[str, int]]] = []
        self._uids: Final[list[tuple[str, int]]] = []
        form, constant, at, place = "<", 0, 0, 1
        while at < len(data):
            _, number, length = ELEMENT.unpack_from(data, at)
            at += ELEMENT.size + length
            constant += ELEMENT.size
            if number in _NUMBERS:
                self._numbers.append((_NUMBERS[number], place))
                form += f"{constant}sH"
            elif number in _UIDS and length <= LONGEST["UI"]:
                self._uids.append((_UIDS[number], place))
                form += f"{constant}s{length}s"
            else:
                constant += length
                continue
            constant, place = 0, place + 2
        self._struct: Final = struct.Struct(f"{form}{constant}s")
        self._constant: Final = self._struct.unpack(data)[::2]

    def read(self, data: bytes) -> Message | None:
        """Read a command set of the same length; None: it is laid out in another way, or has an odd value."""
        if data == self._data:  # as the answers to one query are
            return self._message
        parts = self._struct.unpack(data)
        if parts[::2] != self._constant:
            return None
        message = object.__new__(self._kind)  # what it would check is known
        values = message.__dict__
        values.update(self._values)
        for name, place in self._numbers:
            values[name] = parts[place]
        for name, place in self._uids:
            uid = parts[place].rstrip(b" \0")
            if not (uid.isascii() and (text := uid.decode()).isprintable()):
                return None
            values[name] = text
        self._data, self._message = data, message
        return message


class Layouts:
    """The layouts that were seen last, by the length of the whole."""

    def __init__(self) -> None:
        self._known: Final[dict[int, list[Layout]]] = {}

    def read(self, data: bytes) -> Message | None:
        """Read a command set, if one like it was learned."""
        for layout in self._known.get(len(data), ()):
            message = layout.read(data)
            if message is not None:
                return message
        return None

    def learn(self, message: Message, data: bytes) -> None:
        """Remember how the command set of a message is laid out."""
        seen = self._known.get(len(data), ())
        self._known[len(data)] = [Layout(message, data), *seen[: _OF_ONE_LENGTH - 1]]
