"""The negotiation of an association in words: contexts, roles, lengths, names (PS3.8 9.3.2 and 9.3.3).

`dcm.wire.parse` decodes all of an A-ASSOCIATE PDU or nothing. Here each item is decoded on its own, so
that the items before and after a malformed one are shown.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Final

from dcm.errors import ProtocolError, RemoteProtocolError
from dcm.wire.codec import HEADER
from dcm.wire.items import (
    APPLICATION_CONTEXT,
    USER_INFORMATION,
    ContextResult,
    PresentationContextAC,
    PresentationContextRQ,
    RawItem,
    build_items,
)
from dcm.wire.limits import Limits
from dcm.wire.pdu import DICOM_APPLICATION_CONTEXT, AssociateAC, AssociateRQ
from dcm.wire.user_items import (
    AsynchronousOperationsWindow,
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
    UserIdentityType,
    parse_user_information,
)
from harness.evidence.bodies import dump
from harness.evidence.data_set import named
from harness.evidence.pdus import Pdu
from harness.evidence.redact import Redactor

_FIXED: Final = 68
"""Bytes before the items: protocol version, AE titles, reserved."""
_ITEM_HEADER: Final = 4
_CONTEXTS: Final = (PresentationContextRQ.TYPE, PresentationContextAC.TYPE)
_LIMITS: Final = Limits()
_RESULTS: Final[dict[int, str]] = {
    ContextResult.ACCEPTANCE: "accepted",
    ContextResult.USER_REJECTION: "rejected by the user",
    ContextResult.NO_REASON: "rejected without a reason",
    ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED: "abstract syntax not supported",
    ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED: "transfer syntaxes not supported",
}


@dataclass
class Negotiation:
    """The presentation contexts that both sides of an association sent, by ID."""

    proposed: dict[int, PresentationContextRQ] = field(default_factory=dict)
    answered: dict[int, PresentationContextAC] = field(default_factory=dict)

    def abstract_syntax(self, context_id: int) -> str | None:
        """Return the abstract syntax of a context, or None if it was not seen."""
        context = self.proposed.get(context_id)
        return None if context is None else context.abstract_syntax

    def transfer_syntax(self, context_id: int) -> str | None:
        """Return the transfer syntax accepted for a context, or None if it was not seen."""
        context = self.answered.get(context_id)
        return context.transfer_syntax if context and context.accepted else None

    def remark(self, context_id: int) -> str:
        """Return what is wrong with using a context, or an empty string."""
        if not self.answered:
            return "its negotiation was not seen"
        context = self.answered.get(context_id)
        return "" if context and context.accepted else "which was not accepted"


def titles(pdu: Pdu) -> str:
    """Describe which AE calls which, from the fields of the PDU."""
    called, calling = (
        bytes(pdu.body[at : at + 16]).decode("latin-1").strip(" \0") or "(empty)" for at in (4, 20)
    )
    return f"{calling} calls {called}"


def negotiated(pdu: Pdu, negotiation: Negotiation, redactor: Redactor) -> list[str]:
    """Add an A-ASSOCIATE-RQ or -AC to `negotiation`, and describe it, with a line for each item."""
    body = bytes(pdu.body)
    said = [f"{titles(pdu)}; protocol version {int.from_bytes(body[:2], 'big')}"]
    kinds = set()
    for item in _items(body, _FIXED):
        kinds.add(item.kind)
        if item.kind in _CONTEXTS:
            said += _described(item, partial(_context, pdu.kind, negotiation), redactor)
        elif item.kind == USER_INFORMATION:
            inner = (_described(each, _user_item, redactor) for each in _items(item.body))
            said += [*chain.from_iterable(inner), *item.remark]
        elif item.kind != APPLICATION_CONTEXT or item.trouble:
            said += item.undecoded(redactor)
        elif item.text != DICOM_APPLICATION_CONTEXT:
            said.append(f"application context name {item.text}, which is not DICOM's")
    if len(body) < _FIXED:
        said.append(f"({len(body)} of the {_FIXED} bytes before its items are there)")
    if kinds.isdisjoint(_CONTEXTS):
        said.append("(no presentation context)")
    return said


def user_identities(pdu: Pdu) -> Iterator[slice]:
    """Yield the slices that hold secrets, counted in the byte stream of the PDU's direction."""
    if not (pdu.framed and pdu.kind in (AssociateRQ.TYPE, AssociateAC.TYPE)):
        return
    for outer in _items(bytes(pdu.body), _FIXED):
        for item in _items(outer.body) if outer.kind == USER_INFORMATION else ():
            if item.secret:
                begin = pdu.at + HEADER.size + outer.at + _ITEM_HEADER + item.at + _ITEM_HEADER
                yield slice(begin, begin + len(item.body))


@dataclass(frozen=True)
class _Item:
    """An item of a PDU, possibly truncated."""

    at: int
    kind: int
    body: bytes
    trouble: str = ""

    @property
    def text(self) -> str:
        return self.body.decode("latin-1").rstrip(" \0")

    @property
    def secret(self) -> bool:
        return self.kind in (UserIdentityRQ.TYPE, UserIdentityAC.TYPE)

    @property
    def remark(self) -> list[str]:
        return [f"({self.trouble})"] if self.trouble else []

    def undecoded(self, redactor: Redactor, why: str = "") -> list[str]:
        """Show an item that cannot be decoded or has an unknown type."""
        reasons = "; ".join(filter(None, (why, self.trouble)))
        head = f"item {self.kind:02X}H at byte {self.at}, {len(self.body)} bytes"
        shown = [] if self.secret or not self.body else [dump(self.body, redactor)]
        return [f"{head}: {reasons}" if reasons else head, *shown]


def _items(data: bytes, at: int = 0) -> Iterator[_Item]:
    """Yield the items of one level; the last may be cut off by its PDU or by a wrong length."""
    while at < len(data):
        if len(data) - at < _ITEM_HEADER:
            yield _Item(at, data[at], data[at + 1 :], "the header of the item is cut")
            return
        kind, length = struct.unpack_from(">BxH", data, at)
        body = data[at + _ITEM_HEADER : at + _ITEM_HEADER + length]
        lost = f"it announces {length} bytes, {len(body)} are there" if len(body) < length else ""
        yield _Item(at, kind, body, lost)
        at += _ITEM_HEADER + length


def _described(
    item: _Item, read: Callable[[_Item], Iterator[str]], redactor: Redactor
) -> list[str]:
    """Describe an item, or show its bytes if it cannot be described."""
    try:
        words = [*read(item)]
    except ProtocolError as error:
        return item.undecoded(redactor, str(error))
    return [*words, *item.remark] if words else item.undecoded(redactor)


def _context(pdu: int, negotiation: Negotiation, item: _Item) -> Iterator[str]:
    body = memoryview(item.body)
    if item.kind == PresentationContextAC.TYPE and pdu == AssociateAC.TYPE:
        answer = PresentationContextAC.parse(body, _LIMITS)
        negotiation.answered.setdefault(answer.context_id, answer)
        abstract = negotiation.abstract_syntax(answer.context_id)
        about = "which was not proposed" if abstract is None else named(abstract)
        meaning = _RESULTS.get(answer.result)
        result = f"result {answer.result}{f', {meaning}' if meaning else ''}"
        syntax = f": {named(answer.transfer_syntax or '')}" if answer.accepted else ""
        yield f"context {answer.context_id}: {about}: {result}{syntax}"
    elif item.kind == PresentationContextRQ.TYPE and pdu != AssociateAC.TYPE:
        context = PresentationContextRQ.parse(body, _LIMITS)
        negotiation.proposed.setdefault(context.context_id, context)
        yield f"context {context.context_id}: {named(context.abstract_syntax)}, proposed with"
        yield from (f"  {named(uid)}" for uid in context.transfer_syntaxes)
    else:
        raise RemoteProtocolError("an item that does not belong here")


def _user_item(item: _Item) -> Iterator[str]:
    """Describe a sub-item of the user information; yield nothing for an unknown one."""
    # Parsed alone, so that an error in it does not hide the others.
    data = build_items((RawItem(item.kind, item.body),))
    match parse_user_information(memoryview(data), _LIMITS)[0]:
        case MaximumLength(length):
            yield f"maximum length {length or '0, which means any'}"
        case ImplementationClassUID(uid):
            yield f"implementation class UID {uid}"
        case ImplementationVersionName(name):
            yield f"implementation version name {name}"
        case AsynchronousOperationsWindow(invoked, performed):
            yield f"asynchronous operations: {invoked} invoked, {performed} performed"
        case RoleSelection(uid, scu, scp):
            roles = [name for name, played in (("SCU", scu), ("SCP", scp)) if played]
            yield f"requestor's role for {named(uid)}: {' and '.join(roles) or 'none'}"
        case SOPClassExtendedNegotiation(uid, information):
            yield f"extended negotiation for {named(uid)}: {information[:64].hex(' ')}"
        case SOPClassCommonExtendedNegotiation(uid, service, related):
            also = f", related to {', '.join(map(named, related))}" if related else ""
            yield f"common extended negotiation for {named(uid)}: {named(service)}{also}"
        case UserIdentityRQ(kind):
            names = {int(each): each.name.lower().replace("_", " ") for each in UserIdentityType}
            yield f"user identity by {names.get(kind, f'type {kind}')}; its fields are never shown"
        case UserIdentityAC(response):
            yield f"user identity accepted, with a response of {len(response)} bytes"
