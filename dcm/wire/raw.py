"""Build what the standard forbids, to test how a server handles it.

Nothing is checked, and every length can be wrong. Valid PDUs are built from the values of the other modules,
and can be modified:

    raw.pdu(1, codec.build(request)[6:], length=2**32 - 1)      announces 4 GiB
    raw.associate(1, items=[raw.context(2, ...)])               an even context ID
    codec.build(request)[:40]                                   ends in the middle

All functions return bytes, which can be written or nested.
"""

from collections.abc import Iterable

from dcm.wire.command_set import ELEMENT
from dcm.wire.items import (
    ABSTRACT_SYNTAX,
    APPLICATION_CONTEXT,
    TRANSFER_SYNTAX,
    USER_INFORMATION,
    PresentationContextRQ,
)
from dcm.wire.pdu import DICOM_APPLICATION_CONTEXT
from dcm.wire.user_items import ImplementationClassUID, MaximumLength


def pdu(kind: int, body: bytes = b"", *, length: int | None = None, reserved: int = 0) -> bytes:
    """Build a PDU of any type; `length` is written instead of the true length."""
    announced = len(body) if length is None else length
    return bytes((kind, reserved)) + announced.to_bytes(4, "big") + body


def item(kind: int, body: bytes = b"", *, length: int | None = None, reserved: int = 0) -> bytes:
    """Build an item of any type; `length` is written instead of the true length."""
    announced = len(body) if length is None else length
    return bytes((kind, reserved)) + announced.to_bytes(2, "big") + body


def context(
    context_id: int, abstract_syntax: bytes, transfer_syntaxes: Iterable[bytes] = ()
) -> bytes:
    """Build a proposed presentation context with any ID, any UIDs and any number of transfer syntaxes."""
    syntaxes = [item(TRANSFER_SYNTAX, uid) for uid in transfer_syntaxes]
    body = bytes((context_id, 0, 0, 0)) + item(ABSTRACT_SYNTAX, abstract_syntax)
    return item(PresentationContextRQ.TYPE, body + b"".join(syntaxes))


def application_context(name: bytes = DICOM_APPLICATION_CONTEXT.encode()) -> bytes:
    """Build an application context item with any name."""
    return item(APPLICATION_CONTEXT, name)


def user_information(
    *items: bytes,
    maximum_length: int | None = 16384,
    implementation_class_uid: bytes | None = b"1.2.3",
) -> bytes:
    """Build a user information item: the two required sub-items unless they are None, then `items`."""
    sub_items = []
    if maximum_length is not None:
        sub_items.append(item(MaximumLength.TYPE, maximum_length.to_bytes(4, "big")))
    if implementation_class_uid is not None:
        sub_items.append(item(ImplementationClassUID.TYPE, implementation_class_uid))
    return item(USER_INFORMATION, b"".join((*sub_items, *items)))


def associate(
    kind: int,
    items: Iterable[bytes],
    *,
    called: bytes = b"ANY-SCP".ljust(16),
    calling: bytes = b"RAW-SCU".ljust(16),
    protocol_version: int = 1,
    reserved: int = 0,
    length: int | None = None,
) -> bytes:
    """Build an A-ASSOCIATE-RQ (1) or -AC (2) with any items in any order, and any reserved bytes."""
    head = protocol_version.to_bytes(2, "big") + bytes((reserved,)) * 2
    body = head + called + calling + bytes((reserved,)) * 32 + b"".join(items)
    return pdu(kind, body, length=length, reserved=reserved)


def pdv(
    context_id: int, control: int, fragment: bytes = b"", *, length: int | None = None
) -> bytes:
    """Build a PDV; bit 0 of `control`: command, bit 1: last. If empty, it has only its header."""
    announced = len(fragment) + 2 if length is None else length
    return announced.to_bytes(4, "big") + bytes((context_id, control)) + fragment


def p_data(*pdvs: bytes, length: int | None = None) -> bytes:
    """Build a P-DATA-TF from any number of PDVs."""
    return pdu(4, b"".join(pdvs), length=length)


def command_set(
    elements: Iterable[tuple[int, int, bytes]], *, group_length: int | None = None
) -> bytes:
    """Build a command set of elements (group, number, value) in the order given, after the group length.

    `group_length` is written instead of the true one. Values of odd length are not padded.
    """
    body = b"".join(
        ELEMENT.pack(group, number, len(value)) + value for group, number, value in elements
    )
    announced = len(body) if group_length is None else group_length
    return ELEMENT.pack(0, 0, 4) + announced.to_bytes(4, "little") + body
