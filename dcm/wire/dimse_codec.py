"""Messages to command sets and back (PS3.7 6.3.1)."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from dcm.errors import AbortSource, LocalProtocolError, RemoteProtocolError
from dcm.frozen import REQUIRED, fields
from dcm.wire import command_set
from dcm.wire.command_set import COMMAND_FIELD, ELEMENT, GROUP_LENGTH, Element
from dcm.wire.dimse import LAYOUTS, MESSAGES, Message, Response
from dcm.wire.layouts import Layouts

_REQUIRED: Final = {
    command_field: {name for name, default in fields(kind).items() if default is REQUIRED}
    | {"command_data_set_type"}
    for command_field, kind in MESSAGES.items()
}
"""The fields without which there is no such message.

They have no default value; the command data set type has one for what we make, but a peer must state it.
"""
_BY_NUMBER: Final = {
    command_field: {element.number: element for element in layout.values()}
    for command_field, layout in LAYOUTS.items()
}
_GROUP_LENGTH: Final = ELEMENT.pack(0, GROUP_LENGTH, 4)


def _in_order(command_field: int) -> list[tuple[str, Element | None, bytes]]:
    """Return the elements of a message by number: field, what it is, and what stands before its value.

    Where the length is always the same it belongs to that, and so does all of the command field.
    """
    field = ELEMENT.pack(0, COMMAND_FIELD, 2) + command_field.to_bytes(2, "little")
    rows: list[tuple[int, str, Element | None, bytes]] = [(COMMAND_FIELD, "", None, field)]
    for name, element in LAYOUTS[command_field].items():
        head = ELEMENT.pack(0, element.number, 2)
        rows.append((element.number, name, element, head if element.vr == "US" else head[:4]))
    return [row[1:] for row in sorted(rows, key=lambda row: row[0])]


_IN_ORDER: Final = {command_field: _in_order(command_field) for command_field in LAYOUTS}
_PREPARED: Final = "prepared"
_SHORT: Final = 256  # bytes
_SEEN: Final = Layouts()


def prepare(message: Message) -> None:
    """Encode a message now, for `build_message`: where there is time now, and later there is none."""
    message.__dict__[_PREPARED] = build_message(message)


def build_message(message: Message) -> bytes:
    """Encode the command set of a message. Raises `LocalProtocolError` for what only a peer may have done."""
    prepared: bytes | None = message.__dict__.get(_PREPARED)
    if prepared is not None:
        return prepared
    if isinstance(message, Response) and message.foreign_elements:
        raise LocalProtocolError(
            f"{message.NAME} with {_tags(message.foreign_elements)}: only elements of group 0000"
            " belong into a command set; `dcm.wire.raw` builds others"
        )
    if not message.other_elements:  # as nearly always
        return _build_plain(message)
    elements = [(COMMAND_FIELD, message.COMMAND_FIELD.to_bytes(2, "little"))]
    # A number that a peer sent empty stands there; its field has the default value.
    stated = {number for number, _ in message.other_elements}
    for name, element in LAYOUTS[message.COMMAND_FIELD].items():
        value = getattr(message, name)
        if value is not None and element.number not in stated:
            elements.append((element.number, command_set.encode_value(element, value)))
    return command_set.build((*elements, *message.other_elements))


def _build_plain(message: Message) -> bytes:
    """Encode a message of nothing but its fields, which stand in the order of their numbers."""
    values = message.__dict__
    parts: list[bytes] = []
    for name, element, head in _IN_ORDER[message.COMMAND_FIELD]:
        if element is None:
            parts.append(head)
        elif (value := values[name]) is not None:
            if element.vr == "US":
                parts.append(head + value.to_bytes(2, "little"))
            else:
                data = command_set.encode_value(element, value)
                parts.append(head + len(data).to_bytes(4, "little") + data)
    body = b"".join(parts)
    return _GROUP_LENGTH + len(body).to_bytes(4, "little") + body


def parse_message(data: bytes | bytearray) -> Message:
    """Decode a command set: the inverse of `build_message`. Raises `RemoteProtocolError`.

    Elements of other groups are kept where they are in a response, since the operation is over or under way,
    and refused in a request.
    """
    # The answers to one query come with the same bytes a thousand times; a message cannot change.
    return _remembered(bytes(data)) if len(data) <= _SHORT else _parse(bytes(data))


@lru_cache(maxsize=16)
def _remembered(data: bytes) -> Message:
    return _SEEN.read(data) or _parse(data, learn=True)


def _parse(data: bytes, *, learn: bool = False) -> Message:
    elements, foreign = command_set.parse(data)
    command = int.from_bytes(elements.pop(COMMAND_FIELD, b""), "little")
    kind = MESSAGES.get(command)
    if kind is None:
        raise _wrong(f"a message with command field {command:04X}H, which no message has")
    values: dict[str, Any] = {}
    if foreign and not issubclass(kind, Response):
        raise _wrong(f"{kind.NAME}: {_tags(foreign)} does not belong into a command set")
    if foreign:
        values["foreign_elements"] = foreign
    others: list[tuple[int, bytes]] = []
    known = _BY_NUMBER[command]
    for number, value in elements.items():
        element = known.get(number)
        # An empty number says nothing; it stays among the other elements.
        if element is None or (element.vr == "US" and not value):
            others.append((number, value))
        else:
            values[element.name] = command_set.decode_value(element, value)
    if not _REQUIRED[command] <= values.keys():
        missing = sorted(_REQUIRED[command] - values.keys())
        raise _wrong(f"{kind.NAME} without {', '.join(missing)}")
    try:
        message = kind(**values, other_elements=tuple(sorted(others)))
    except LocalProtocolError as error:
        raise _wrong(f"{kind.NAME}: {error}") from error
    if learn and not (foreign or others or any(known[each].vr == "AT" for each in elements)):
        _SEEN.learn(kind, data, known)
    return message


def _tags(elements: Iterable[tuple[int, bytes]]) -> str:
    return ", ".join(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag, _ in elements)


def _wrong(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(what, source=AbortSource.SERVICE_USER)
