"""The negotiation of an association in words: contexts, roles, lengths, names (PS3.8 9.3.2 and 9.3.3).

`dcm.wire.parse` gives all of an A-ASSOCIATE PDU or nothing. Here each item is read for itself, so that those
before and after a wrong one are shown.
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
"""Bytes before the items: version, titles, reserved."""
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
    """What both sides of an association said of presentation contexts, by their IDs."""

    proposed: dict[int, PresentationContextRQ] = field(default_factory=dict)
    answered: dict[int, PresentationContextAC] = field(default_factory=dict)

    def abstract_syntax(self, context_id: int) -> str | None:
        """Return what a context is for, None where that was not seen."""
        context = self.proposed.get(context_id)
        return None if context is None else context.abstract_syntax

    def transfer_syntax(self, context_id: int) -> str | None:
        """Return how data sets on a context are encoded, None where that was not seen."""
        context = self.answered.get(context_id)
        return context.transfer_syntax if context and context.accepted else None

    def remark(self, context_id: int) -> str:
        """Say what is wrong with using a context."""
        if not self.answered:
            return "its negotiation was not seen"
        context = self.answered.get(context_id)
        return "" if context and context.accepted else "which was not accepted"


def titles(pdu: Pdu) -> str:
    """Say who calls whom, as the fields of the PDU have it."""
    called, calling = (
        bytes(pdu.body[at : at + 16]).decode("latin-1").strip(" \0") or "(empty)" for at in (4, 20)
    )
    return f"{calling} calls {called}"


def negotiated(pdu: Pdu, negotiation: Negotiation, redactor: Redactor) -> list[str]:
    """Take note of what an A-ASSOCIATE-RQ or -AC says, and return it in words, a line for each item."""
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
    """Return the places of what nobody may read, among all bytes that went in the PDU's direction."""
    if not (pdu.framed and pdu.kind in (AssociateRQ.TYPE, AssociateAC.TYPE)):
        return
    for outer in _items(bytes(pdu.body), _FIXED):
        for item in _items(outer.body) if outer.kind == USER_INFORMATION else ():
            if item.secret:
                begin = pdu.at + HEADER.size + outer.at + _ITEM_HEADER + item.at + _ITEM_HEADER
                yield slice(begin, begin + len(item.body))


@dataclass(frozen=True)
class _Item:
    """An item as it stands in a PDU, or what is there of it."""

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
        """Show an item that cannot be decoded, or that means nothing to us."""
        reasons = "; ".join(filter(None, (why, self.trouble)))
        head = f"item {self.kind:02X}H at byte {self.at}, {len(self.body)} bytes"
        shown = [] if self.secret or not self.body else [dump(self.body, redactor)]
        return [f"{head}: {reasons}" if reasons else head, *shown]


def _items(data: bytes, at: int = 0) -> Iterator[_Item]:
    """Return the items of one level; the last may be cut, by its PDU or by a length that lies."""
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
    """Put an item into words; its bytes where there are none."""
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
    """Put a sub-item of the user information into words; nothing for one that is not known."""
    # One for itself: what is wrong with it shall not hide the others.
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
