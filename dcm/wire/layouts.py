"""A fast path for command sets with the same layout as one built or read before, as nearly all have.

The command sets of a thousand instances differ in a few numbers and a UID. Everything else, mainly tags and
lengths, is copied or compared as bytes. If these differ, `dimse_codec` parses the command set element by
element.
"""

import struct
from typing import Any, Final

from dcm.wire.command_set import BY_NUMBER, ELEMENT, LONGEST
from dcm.wire.dimse import Message

ENCODED: Final = "encoded"
"""The key in a message's `__dict__` of its encoded form, if it has one."""
_UIDS: Final = ("affected_sop_instance_uid", "requested_sop_instance_uid")


class Layout:
    """The places of the values that vary in a command set, and the bytes between them."""

    def __init__(self, message: Message, data: bytes) -> None:
        """Derive the layout from `data`, the command set of `message`; it has no elements but its fields."""
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
            element = BY_NUMBER.get(number)
            name = element.name if element else ""
            if element and element.vr == "US" and name != "command_data_set_type":
                self._numbers.append((name, place))
                form += f"{constant}sH"
            elif name in _UIDS and length <= LONGEST["UI"]:
                self._uids.append((name, place))
                form += f"{constant}s{length}s"
            else:
                constant += length
                continue
            constant, place = 0, place + 2
        self._struct: Final = struct.Struct(f"{form}{constant}s")
        self._parts: Final = self._struct.unpack(data)
        self._constant: Final = self._parts[::2]

    def read(self, data: bytes) -> Message | None:
        """Read a command set of the same length; None if its layout differs or a value is unusual."""
        if data == self._data:  # like the responses to one query
            return self._message
        parts = self._struct.unpack(data)
        if parts[::2] != self._constant:
            return None
        message = object.__new__(self._kind)  # without the checks, which are not needed here
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

    def fill(self, message_id: int, uid: str) -> Any:
        """Return a message with this valid ID and SOP Instance UID, encoded in advance."""
        message = object.__new__(self._kind)
        values = message.__dict__
        values.update(self._values)
        parts = [*self._parts]
        name, place = self._numbers[0]
        values[name] = parts[place] = message_id
        name, place = self._uids[0]
        values[name] = uid
        parts[place] = uid.encode()  # the struct pads it with a zero
        values[ENCODED] = self._struct.pack(*parts)
        return message
