"""PDUs to bytes and back (PS3.8 9.3).

Reserved fields are sent as zeros and not tested when received, unknown items are kept and mean nothing
(PS3.8 9.3.1). What a peer sent raises `RemoteProtocolError` where it breaks a rule.
"""

import struct
from collections.abc import Iterator
from typing import Final

from dcm.errors import AbortReason, LocalProtocolError, RemoteProtocolError
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
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PDataTF,
    ReleaseRP,
    ReleaseRQ,
)
from dcm.wire.user_items import UserItem, parse_user_information
from dcm.wire.values import Buffer, Reader, check_ae_title

HEADER: Final = struct.Struct(">BxI")
"""Of a PDU: type, a reserved byte, length of what follows."""
PDV_HEADER: Final = struct.Struct(">IBB")
"""Of a PDV: length of what follows, context ID, message control header (PS3.8 9.3.5.1, E.2)."""
COMMAND: Final = 1
"""Bit of the message control header: a fragment of a command set, not of a data set (PS3.8 E.2)."""
LAST: Final = 2
"""Bit of the message control header: the last fragment of the one or the other."""
_ASSOCIATE: Final = struct.Struct(">H2x16s16s32s")


def build(pdu: PDU) -> bytes:
    """Encode a PDU, header and all."""
    body = _body(pdu)
    return HEADER.pack(pdu.TYPE, len(body)) + body


def parse(data: Buffer, limits: Limits | None = None) -> PDU:
    """Decode one whole PDU: the inverse of `build`. Raises `RemoteProtocolError`."""
    reader = Reader("PDU", memoryview(data))
    kind, _ = reader.take(2)
    body = reader.take(reader.number(4))
    reader.end()
    return parse_body(kind, body, limits or Limits())


def parse_body(kind: int, body: memoryview, limits: Limits) -> PDU:
    """Decode what stands after the header of a PDU of type `kind`. Raises `RemoteProtocolError`."""
    if kind not in NAMES:
        raise RemoteProtocolError(
            f"{kind:02X}H is not a PDU type", reason=AbortReason.UNRECOGNIZED_PDU
        )
    try:
        return _parse(kind, body, limits)
    except LocalProtocolError as error:  # a value refused what the peer sent
        raise RemoteProtocolError(f"{NAMES[kind]}: {error}") from error


def split_pdvs(body: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield context ID, control header and fragment of each PDV in the body of a P-DATA-TF."""
    if not len(body):
        raise RemoteProtocolError("a P-DATA-TF without a PDV")
    while len(body):
        if len(body) < PDV_HEADER.size:
            raise RemoteProtocolError(f"a P-DATA-TF ends with {len(body)} bytes that are not a PDV")
        length, context_id, control = PDV_HEADER.unpack_from(body)
        if not 2 <= length <= len(body) - 4:
            raise RemoteProtocolError(
                f"a PDV says that it is {length} bytes long,"
                f" where 2 to {len(body) - 4} are possible"
            )
        yield context_id, control, body[PDV_HEADER.size : 4 + length]
        body = body[4 + length :]


def _body(pdu: PDU) -> bytes:
    match pdu:
        case AssociateRQ():
            pdu.check_titles()
            return _associate_body(pdu)
        case AssociateAC():
            return _associate_body(pdu)
        case AssociateRJ():
            return bytes((0, pdu.result, pdu.source, pdu.reason))
        case PDataTF():
            return b"".join(map(_pdv, pdu.pdvs))
        case ReleaseRQ() | ReleaseRP():
            return bytes(4)
        case Abort():
            return bytes((0, 0, pdu.source, pdu.reason))


def _pdv(pdv: PDV) -> bytes:
    control = pdv.command | pdv.last << 1
    return PDV_HEADER.pack(len(pdv.data) + 2, pdv.context_id, control) + pdv.data


def _associate_body(pdu: AssociateRQ | AssociateAC) -> bytes:
    titles = (pdu.called_ae_title, pdu.calling_ae_title)
    called, calling = (title.ljust(16).encode() for title in titles)
    context = RawItem(APPLICATION_CONTEXT, pdu.application_context_name.encode())
    user = RawItem(USER_INFORMATION, build_items(pdu.user_information))
    items = build_items((context, *pdu.presentation_contexts, user, *pdu.other_items))
    return _ASSOCIATE.pack(pdu.protocol_version, called, calling, pdu.reserved) + items


def _parse(kind: int, body: memoryview, limits: Limits) -> PDU:
    if kind == AssociateRQ.TYPE:
        return _parse_rq(body, limits)
    if kind == AssociateAC.TYPE:
        return _parse_ac(body, limits)
    if kind == PDataTF.TYPE:
        pdvs = (
            PDV(context_id, bool(control & COMMAND), bool(control & LAST), data)
            for context_id, control, data in split_pdvs(body)
        )
        return PDataTF(tuple(pdvs))
    reader = Reader(NAMES[kind], body)
    _, second, third, fourth = reader.take(4)
    reader.end()
    if kind == AssociateRJ.TYPE:
        return AssociateRJ(second, third, fourth)
    if kind == Abort.TYPE:
        return Abort(third, fourth)
    return ReleaseRQ() if kind == ReleaseRQ.TYPE else ReleaseRP()


def _parse_rq(body: memoryview, limits: Limits) -> AssociateRQ:
    found = _Association(AssociateRQ.NAME, body, limits, PresentationContextRQ.TYPE)
    contexts = (PresentationContextRQ.parse(data, limits) for data in found.contexts)
    return AssociateRQ(
        called_ae_title=ae_title(found.called),
        calling_ae_title=ae_title(found.calling),
        protocol_version=found.version,
        application_context_name=found.application_context_name,
        presentation_contexts=tuple(contexts),
        user_information=found.user_information,
        other_items=tuple(found.others),
        reserved=found.reserved,
    )


def _parse_ac(body: memoryview, limits: Limits) -> AssociateAC:
    found = _Association(AssociateAC.NAME, body, limits, PresentationContextAC.TYPE)
    contexts = (PresentationContextAC.parse(data, limits) for data in found.contexts)
    return AssociateAC(
        called_ae_title=ae_title(found.called),
        calling_ae_title=ae_title(found.calling),
        protocol_version=found.version,
        application_context_name=found.application_context_name,
        presentation_contexts=tuple(contexts),
        user_information=found.user_information,
        other_items=tuple(found.others),
        reserved=found.reserved,
    )


class _Association:
    """The body of an A-ASSOCIATE-RQ or -AC, taken apart."""

    def __init__(self, name: str, body: memoryview, limits: Limits, context_item: int) -> None:
        reader = Reader(name, body)
        fixed = _ASSOCIATE.unpack(reader.take(_ASSOCIATE.size))
        self.version, self.called, self.calling, self.reserved = fixed
        self.contexts: list[memoryview] = []
        self.others: list[RawItem] = []
        self.user_information: tuple[UserItem, ...] = ()
        names = []
        for kind, data in split_items(reader.rest(), limits):
            if kind == APPLICATION_CONTEXT:
                names.append(reader.text(data))
            elif kind == context_item:
                self.contexts.append(data)
            elif kind == USER_INFORMATION:
                self.user_information += parse_user_information(data, limits)
            else:
                self.others.append(RawItem(kind, bytes(data)))
        if len(names) != 1:
            raise RemoteProtocolError(f"{name} has {len(names)} application context names, not one")
        self.application_context_name = names[0]


def ae_title(field: bytes) -> str:
    """Return the AE title in a field of an association PDU, leading spaces kept; empty if it holds none.

    What follows a NUL is the rest of a buffer that the peer did not clear, and is ignored.
    """
    title = field.partition(b"\0")[0].decode("ascii", "replace").rstrip(" ")
    try:
        check_ae_title("AE title", title)
    except LocalProtocolError:
        return ""
    return title
