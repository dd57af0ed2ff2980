"""Command sets: the elements of group 0000 (PS3.7 6.3.1 and Annex E.1).

They are encoded as implicit VR little endian, in ascending order of tags, with the group length first. The
codec is our own because messages need no other encoding, and importing a data set library takes longer than
a C-ECHO.
"""

import struct
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from dcm.errors import AbortSource, LocalProtocolError, RemoteProtocolError
from dcm.wire.values import check_number, is_printable

GROUP_LENGTH: Final = 0x0000
COMMAND_FIELD: Final = 0x0100

ELEMENT: Final = struct.Struct("<HHI")
LONGEST: Final = {"AE": 16, "UI": 64, "LO": 64}


class Element(NamedTuple):
    """A command element: its number in group 0000, its VR, and the field of a message for it."""

    number: int
    vr: str
    name: str


ELEMENTS: Final = [
    Element(*row)
    for row in (
        (0x0002, "UI", "affected_sop_class_uid"),
        (0x0003, "UI", "requested_sop_class_uid"),
        (0x0110, "US", "message_id"),
        (0x0120, "US", "message_id_being_responded_to"),
        (0x0600, "AE", "move_destination"),
        (0x0700, "US", "priority"),
        (0x0800, "US", "command_data_set_type"),
        (0x0900, "US", "status"),
        (0x0901, "AT", "offending_element"),
        (0x0902, "LO", "error_comment"),
        (0x0903, "US", "error_id"),
        (0x1000, "UI", "affected_sop_instance_uid"),
        (0x1001, "UI", "requested_sop_instance_uid"),
        (0x1002, "US", "event_type_id"),
        (0x1005, "AT", "attribute_identifier_list"),
        (0x1008, "US", "action_type_id"),
        (0x1020, "US", "number_of_remaining_suboperations"),
        (0x1021, "US", "number_of_completed_suboperations"),
        (0x1022, "US", "number_of_failed_suboperations"),
        (0x1023, "US", "number_of_warning_suboperations"),
        (0x1030, "AE", "move_originator_application_entity_title"),
        (0x1031, "US", "move_originator_message_id"),
    )
]
"""The elements of PS3.7 Table E.1-1, except the group length and the command field."""

BY_NUMBER: Final = {element.number: element for element in ELEMENTS}


def check_value(element: Element, value: Any) -> None:
    """Raise `LocalProtocolError` for a value that its VR does not allow (PS3.5 6.2).

    A comment may be longer than its VR allows: servers send long comments, and reading them does no harm.
    """
    _, vr, name = element
    if vr == "US":
        check_number(name, value, 16)
    elif vr == "AT":
        for tag in value:
            check_number(f"a tag in {name}", tag, 32)
    elif vr != "LO" and (len(value) > LONGEST[vr] or not is_printable(value)):
        raise LocalProtocolError(
            f"{name} is {value[:70]!r}: at most {LONGEST[vr]} printable ASCII characters"
        )


def encode_value(element: Element, value: Any) -> bytes:
    """Return the bytes of a value, padded to an even length."""
    match element.vr:
        case "US":
            return value.to_bytes(2, "little")  # type: ignore[no-any-return]
        case "AT":
            return b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in value)
        case vr:
            if len(value) > LONGEST[vr]:
                raise LocalProtocolError(f"{element.name} is longer than {LONGEST[vr]} characters")
            try:
                text: bytes = value.encode("ascii", "surrogateescape")
            except UnicodeEncodeError:
                raise LocalProtocolError(
                    f"{element.name} is {value!r}: only ASCII characters can be sent"
                ) from None
            return text + (b"\0" if vr == "UI" else b" ") * (len(text) % 2)


def decode_value(element: Element, data: bytes) -> Any:
    """Decode the bytes of a value: the inverse of `encode_value`."""
    match element.vr:
        case "US":
            if len(data) != 2:
                raise _unreadable(f"{element.name} has {len(data)} bytes, not 2")
            return int.from_bytes(data, "little")
        case "AT":
            if len(data) % 4:
                raise _unreadable(
                    f"{element.name} has {len(data)} bytes, which is not a multiple of 4"
                )
            return tuple(group << 16 | number for group, number in struct.iter_unpack("<HH", data))
        case _:
            return data.decode("ascii", "surrogateescape").rstrip(" \0")


def build(elements: Iterable[tuple[int, bytes]]) -> bytes:
    """Encode the elements of a command set, given as numbers and values, with their group length."""
    pack = ELEMENT.pack
    body = b"".join([pack(0, number, len(value)) + value for number, value in sorted(elements)])
    return ELEMENT.pack(0, GROUP_LENGTH, 4) + len(body).to_bytes(4, "little") + body


def parse(
    data: bytes | bytearray,
) -> tuple[dict[int, bytes], tuple[tuple[int, bytes], ...]]:
    """Return the value of each element by its number, without the group length.

    Also return the elements of other groups by tag; they do not belong in a command set.

    Order and group length are not tested: the message control header shows where a command set ends, and
    other implementations accept a wrong group length, too.
    """
    data = bytes(data)  # values are short: views would cost more than copies
    found: dict[int, bytes] = {}
    foreign: list[tuple[int, bytes]] = []
    at, end = 0, len(data)
    while at < end:
        if end - at < ELEMENT.size:
            raise _unreadable(f"it ends with {end - at} bytes that are not an element")
        group, number, length = ELEMENT.unpack_from(data, at)
        at += ELEMENT.size + length
        if at > end:
            raise _unreadable(
                f"({group:04X},{number:04X}) declares {length} bytes, which are missing"
            )
        if group:
            foreign.append((group << 16 | number, data[at - length : at]))
            continue
        if number in found:
            raise _unreadable(f"(0000,{number:04X}) is there twice")
        found[number] = data[at - length : at]
    found.pop(GROUP_LENGTH, None)
    return found, tuple(foreign)


def _unreadable(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"unreadable command set: {what}", source=AbortSource.SERVICE_USER)
