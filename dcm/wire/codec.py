"""PDUs to bytes and back (PS3.8 9.3).

Reserved fields are sent as zeros and not tested when received. Unknown items are kept but ignored (PS3.8
9.3.1). Received data that breaks a rule raises `RemoteProtocolError`.
"""

import struct
from collections.abc import Iterator
from typing import Any, Final, TypeVar

from dcm.errors import AbortReason, LocalProtocolError, RemoteProtocolError
from dcm.wire.declared import Reader
from dcm.wire.items import (
    APPLICATION_CONTEXT,
    USER_INFORMATION,
    PresentationContextAC,
    PresentationContextRQ,
    RawItem,
    build_items,
    split_items,
)
from dcm.wire.limits import Limits
from dcm.wire.pdu import (
    NAMES,
    PDU,
    PDV,
    SHORT,
    AssociateAC,
    AssociateRQ,
    PDataTF,
)
from dcm.wire.user_items import UserItem, parse_user_information
from dcm.wire.values import Buffer, check_ae_title

HEADER: Final = struct.Struct(">BxI")
"""The header of a PDU: type, a reserved byte, length of the rest."""
PDV_HEADER: Final = struct.Struct(">IBB")
"""The header of a PDV: length of the rest, context ID, message control header (PS3.8 9.3.5.1, E.2)."""
COMMAND: Final = 1
"""Bit of the message control header: the fragment belongs to a command set, not a data set (PS3.8 E.2)."""
LAST: Final = 2
"""Bit of the message control header: the last fragment of the command set or data set."""
_ASSOCIATE: Final = struct.Struct(">H2x16s16s32s")

_Associate = TypeVar("_Associate", AssociateRQ, AssociateAC)


def build(pdu: PDU) -> bytes:
    """Encode a PDU, including its header."""
    if isinstance(pdu, PDataTF):
        body = b"".join(
            PDV_HEADER.pack(len(pdv.data) + 2, pdv.context_id, pdv.command | pdv.last << 1)
            + pdv.data
            for pdv in pdu.pdvs
        )
    elif isinstance(pdu, AssociateRQ | AssociateAC):
        if isinstance(pdu, AssociateRQ):
            pdu.check_titles()
        body = _associate_body(pdu)
    else:
        body = pdu.body()
    return HEADER.pack(pdu.TYPE, len(body)) + body


def parse(data: Buffer, limits: Limits | None = None) -> PDU:
    """Decode one whole PDU: the inverse of `build`. Raises `RemoteProtocolError`."""
    reader = Reader("PDU", memoryview(data))
    kind, _ = reader.take(2)
    body = reader.take(reader.number(4))
    reader.end()
    return parse_body(kind, body, limits or Limits())


def parse_body(kind: int, body: memoryview, limits: Limits) -> PDU:
    """Decode the body of a PDU of type `kind`. Raises `RemoteProtocolError`."""
    if kind not in NAMES:
        raise RemoteProtocolError(
            f"{kind:02X}H is not a PDU type", reason=AbortReason.UNRECOGNIZED_PDU
        )
    try:
        if kind in SHORT:
            return SHORT[kind].parse(body)
        if kind == AssociateRQ.TYPE:
            return _parse_associate(AssociateRQ, PresentationContextRQ, body, limits)
        if kind == AssociateAC.TYPE:
            return _parse_associate(AssociateAC, PresentationContextAC, body, limits)
        pdvs = (
            PDV(context_id, bool(control & COMMAND), bool(control & LAST), data)
            for context_id, control, data in split_pdvs(body)
        )
        return PDataTF(tuple(pdvs))
    except LocalProtocolError as error:  # what the peer sent is not a valid value
        raise RemoteProtocolError(f"{NAMES[kind]}: {error}") from error


def check_room(room: int, length: int = 2) -> None:
    """Raise `RemoteProtocolError` unless a PDV of this length fits into the `room` left in its P-DATA-TF.

    All lengths are in bytes. Without `length`, only the room for the header of a PDV is checked.
    """
    if room < PDV_HEADER.size:
        raise RemoteProtocolError(f"a P-DATA-TF ends with {room} bytes that are not a PDV")
    if not 2 <= length <= room - 4:
        raise RemoteProtocolError(
            f"a PDV says that it is {length} bytes long, where 2 to {room - 4} are possible"
        )


def split_pdvs(body: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield context ID, control header and fragment of each PDV in the body of a P-DATA-TF."""
    if not len(body):
        raise RemoteProtocolError("a P-DATA-TF without a PDV")
    while len(body):
        check_room(len(body))
        length, context_id, control = PDV_HEADER.unpack_from(body)
        check_room(len(body), length)
        yield context_id, control, body[PDV_HEADER.size : 4 + length]
        body = body[4 + length :]


def _associate_body(pdu: AssociateRQ | AssociateAC) -> bytes:
    titles = (pdu.called_ae_title, pdu.calling_ae_title)
    called, calling = (title.ljust(16).encode() for title in titles)
    context = RawItem(APPLICATION_CONTEXT, pdu.application_context_name.encode())
    user = RawItem(USER_INFORMATION, build_items(pdu.user_information))
    items = build_items((context, *pdu.presentation_contexts, user, *pdu.other_items))
    return _ASSOCIATE.pack(pdu.protocol_version, called, calling, pdu.reserved) + items


def _parse_associate(
    pdu: type[_Associate],
    context: type[PresentationContextRQ | PresentationContextAC],
    body: memoryview,
    limits: Limits,
) -> _Associate:
    reader = Reader(pdu.NAME, body)
    version, called, calling, reserved = _ASSOCIATE.unpack(reader.take(_ASSOCIATE.size))
    names: list[str] = []
    contexts: list[Any] = []
    user_information: tuple[UserItem, ...] = ()
    others: list[RawItem] = []
    for kind, data in split_items(reader.rest(), limits):
        if kind == APPLICATION_CONTEXT:
            names.append(reader.text(data))
        elif kind == context.TYPE:
            contexts.append(context.parse(data, limits))
        elif kind == USER_INFORMATION:
            user_information += parse_user_information(data, limits)
        else:
            others.append(RawItem(kind, bytes(data)))
    if len(names) != 1:
        raise RemoteProtocolError(f"{pdu.NAME} has {len(names)} application context names, not one")
    return pdu(
        called_ae_title=_ae_title(called),
        calling_ae_title=_ae_title(calling),
        protocol_version=version,
        application_context_name=names[0],
        presentation_contexts=tuple(contexts),
        user_information=user_information,
        other_items=tuple(others),
        reserved=reserved,
    )


def _ae_title(field: bytes) -> str:
    """Return the AE title in a field of an association PDU, with leading spaces; empty if it is not valid.

    Anything after a NUL is left over from a buffer that the peer did not clear, and is ignored.
    """
    title = field.partition(b"\0")[0].decode("ascii", "replace").rstrip(" ")
    try:
        check_ae_title("AE title", title)
    except LocalProtocolError:
        return ""
    return title
