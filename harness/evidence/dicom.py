"""Decode recorded DICOM connections into steps: negotiation, messages, release, abort."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from pydicom.uid import ImplicitVRLittleEndian

from dcm.wire.codec import HEADER
from dcm.wire.dimse import NO_DATA_SET, CMoveRQ, CStoreRQ, Message, Response
from dcm.wire.pdu import NAMES, AssociateAC, AssociateRQ, PDataTF
from dcm.wire.status import StatusClass, describe
from harness.evidence.associate import Negotiation, negotiated, titles
from harness.evidence.bodies import dump
from harness.evidence.data_set import data_set_text, named, short_name, shown
from harness.evidence.dimse import NO_PDV, Gatherer, Recorded, pdvs
from harness.evidence.pdus import Pdu, pdus, refusal
from harness.evidence.redact import Redactor
from harness.relay.tape import Direction, Tape, Track

MAX_DETAILED: Final = 200
"""Messages of a connection that are shown element by element; failed ones always are."""

_ARROWS: Final = {Direction.TO_SERVER: "->", Direction.TO_CLIENT: "<-"}
_COUNTS: Final = ("remaining", "completed", "failed", "warning")
_COMMAND_FIELD, _DATA_SET_TYPE, _STATUS = 0x0100, 0x0800, 0x0900
_FIXED_LENGTH: Final = 4
"""Length of the PDUs that have no items or PDVs (PS3.8 9.3.4, 9.3.6 to 9.3.8)."""


@dataclass(frozen=True)
class Step:
    """An event on a connection: its time, a summary in one line, and the details."""

    time: float
    line: str
    details: str = ""
    at: int = 0
    """Its offset in the byte stream of its direction: steps received together have the same time."""


def decode(tape: Tape, track: Track, redactor: Redactor) -> list[Step]:
    """Decode a connection as far as possible; the steps are in the order in which they began."""
    association = _Association(redactor)
    steps = [step for pdu in pdus(tape, track) for step in association.take(pdu)]
    steps += association.end()
    return sorted(steps, key=lambda step: (step.time, step.at))


class _Association:
    """The state of an association while its PDUs are read."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._negotiation = Negotiation()
        self._gatherers = {each: Gatherer(each) for each in Direction}
        self._detailed = 0

    def take(self, pdu: Pdu) -> Iterator[Step]:
        """Yield the step of the PDU, and the messages that end with it."""
        if pdu.kind == PDataTF.TYPE and pdu.framed:
            yield from self._data(pdu)
            return
        yield from self._messages(self._gatherers[pdu.direction].end())
        if pdu.kind in (AssociateRQ.TYPE, AssociateAC.TYPE) and pdu.framed:
            yield self._negotiated(pdu)
        else:
            yield self._other(pdu)

    def end(self) -> Iterator[Step]:
        """Yield the messages that did not end."""
        for gatherer in self._gatherers.values():
            yield from self._messages(gatherer.end())

    def _negotiated(self, pdu: Pdu) -> Step:
        details = negotiated(pdu, self._negotiation, self._redactor)
        proposed, answered = self._negotiation.proposed, self._negotiation.answered
        count = f"{_counted(len(proposed))} proposed"
        if pdu.kind == AssociateAC.TYPE:
            accepted = sum(context.accepted for context in answered.values())
            count = f"{accepted} of {_counted(len(proposed))} accepted"
        said = f"({shown(titles(pdu), self._redactor)}), {count}"
        lines = (shown(line, self._redactor) if "\n" not in line else line for line in details)
        return _step(pdu, f"{pdu.name} {said}{_missing(pdu)}", *lines)

    def _other(self, pdu: Pdu) -> Step:
        """Describe a release, an abort, a rejection, or bytes that are not a PDU."""
        whole = pdu.framed and pdu.length == _FIXED_LENGTH and not pdu.missing
        if whole and pdu.kind in NAMES:
            return _step(pdu, f"{pdu.name} {refusal(pdu)}".rstrip())
        length = f"{pdu.received} bytes at byte {pdu.at}"
        announced = f", its header announces {pdu.length}" if pdu.framed else ""
        data = pdu.start + bytes(pdu.body)
        return _step(pdu, f"{pdu.name}, {length}{announced}", dump(data, self._redactor))

    def _data(self, pdu: Pdu) -> Iterator[Step]:
        gatherer = self._gatherers[pdu.direction]
        troubles, bad, at = [], b"", pdu.at + HEADER.size
        for pdv in pdvs(pdu):
            if pdv.trouble:
                at = pdu.at + HEADER.size + pdv.at
                troubles.append(f"at byte {pdv.at} of its body: {pdv.trouble}")
            if pdv.context_id == NO_PDV:
                bad = pdv.fragment
            else:
                yield from self._messages(gatherer.take(pdv, pdu))
        if troubles or pdu.missing:
            where = f"{pdu.name}, {pdu.length} bytes at byte {pdu.at}"
            said = "; ".join(troubles)
            line = f"{where}{': ' if said else ''}{said}{_missing(pdu)}"
            step = _step(pdu, line, dump(bad, self._redactor) if bad else "")
            yield replace(step, at=at)

    def _messages(self, found: Iterator[Recorded]) -> Iterator[Step]:
        for recorded in found:
            message = recorded.message
            self._detailed += 1
            needed = bool(recorded.lost or recorded.trouble or _failed(message))
            details = self._details(recorded) if needed or self._detailed <= MAX_DETAILED else ()
            line = f"{_ARROWS[recorded.direction]} {self._summary(recorded)}"
            yield Step(recorded.began, line, "\n".join(details), recorded.at)

    def _summary(self, recorded: Recorded) -> str:
        message, context_id = recorded.message, recorded.context_id
        if message is None:
            head = "message that cannot be decoded" if recorded.command else "no message"
        else:
            head = f"{message.NAME} {self._message(message, context_id)}"
        remark = self._negotiation.remark(context_id)
        parts = [head, f"context {context_id}{f' ({remark})' if remark else ''}"]
        if recorded.fragments:
            many = f" in {recorded.fragments} fragments" if recorded.fragments > 1 else ""
            parts.append(f"data set of {recorded.data_size} bytes{many}")
        troubles = [each for each in (recorded.trouble, _foreign(message), recorded.lost) if each]
        if troubles:
            parts.append(f"at byte {recorded.at}: {'; '.join(troubles)}")
        return ", ".join(parts)

    def _message(self, message: Message, context_id: int) -> str:
        """Summarise a message: the purpose of a request, or the result in a response."""
        fields: dict[str, Any] = vars(message)
        number = fields.get("message_id", fields.get("message_id_being_responded_to"))
        if isinstance(message, Response):
            said = [f"#{number} {describe(message.status, type(message))}"]
            counts = {name: fields.get(f"number_of_{name}_suboperations") for name in _COUNTS}
            said += [f"{count} {name}" for name, count in counts.items() if count is not None]
            if message.error_comment:
                said.append(shown(repr(message.error_comment), self._redactor))
            return ", ".join(said)
        uid = fields.get("affected_sop_class_uid") or fields.get("requested_sop_class_uid")
        name = short_name(uid or self._negotiation.abstract_syntax(context_id) or "")
        said = [f"#{number}", name]
        if isinstance(message, CStoreRQ):
            said.append(message.affected_sop_instance_uid)
        if isinstance(message, CMoveRQ):
            said.append(f"to {message.move_destination}")
        return " ".join(filter(None, said))

    def _details(self, recorded: Recorded) -> Iterator[str]:
        if recorded.command:
            command = bytes(recorded.command)
            words = _words(recorded.message)
            yield data_set_text(
                command, len(command), ImplicitVRLittleEndian, self._redactor, words
            )
        if recorded.fragments:
            syntax = self._negotiation.transfer_syntax(recorded.context_id)
            yield f"data set{f' in {named(syntax)}' if syntax else ''}, {recorded.data_size} bytes:"
            data = bytes(recorded.data)
            yield data_set_text(data, recorded.data_size, syntax, self._redactor)


def _step(pdu: Pdu, line: str, *details: str) -> Step:
    return Step(pdu.began, f"{_ARROWS[pdu.direction]} {line}", "\n".join(details), pdu.at)


def _missing(pdu: Pdu) -> str:
    return f", {pdu.missing} bytes are missing" if pdu.missing > 0 else ""


def _failed(message: Message | None) -> bool:
    return isinstance(message, Response) and describe(message.status).kind in (
        StatusClass.FAILURE,
        StatusClass.WARNING,
    )


def _foreign(message: Message | None) -> str:
    """Describe elements in a command set that are not command elements (PS3.7 6.3.1)."""
    if not isinstance(message, Response) or not message.foreign_elements:
        return ""
    tags = (f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag, _ in message.foreign_elements)
    return f"its command set has {', '.join(tags)}, which is no command element"


def _words(message: Message | None) -> dict[int, str]:
    """Return descriptions of the numbers in a command set, by tag."""
    if message is None:
        return {}
    follows = (
        "no data set" if message.command_data_set_type == NO_DATA_SET else "a data set follows"
    )
    words = {
        _COMMAND_FIELD: f"{message.COMMAND_FIELD:04X}H {message.NAME}",
        _DATA_SET_TYPE: f"{message.command_data_set_type:04X}H {follows}",
    }
    if isinstance(message, Response):
        words[_STATUS] = str(describe(message.status, type(message)))
    return words


def _counted(number: int) -> str:
    return f"{number} context{'' if number == 1 else 's'}"
