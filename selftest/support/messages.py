"""Lies about whole messages: a data set changed, a message omitted or repeated (PS3.7 6.3).

MessageLie(where(of(C_FIND_RSP), data(PatientID=None)))
MessageLie(left_out(of(C_CANCEL_RQ)), Direction.TO_SERVER)
"""

import io
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import decode, encode

from dcm.wire import AssociateAC, fragments, parse, split_pdvs
from harness.relay import Direction
from harness.relay.lies import P_DATA_TF, Filter, PduFilter

NO_DATA_SET: Final = 0x0101
A_ASSOCIATE_AC: Final = 2
PDU_LENGTH: Final = 16000  # every peer here can receive this


@dataclass
class Message:
    """A whole message passing through the relay."""

    context_id: int
    command: Dataset
    data_set: Dataset | None

    def copy(self) -> "Message":
        """Return a copy for a lie to change."""
        return deepcopy(self)


Change = Callable[[Message], Iterable[Message] | None]
"""Returns the messages sent in place of one; None passes the original bytes."""


@dataclass(frozen=True)
class MessageLie:
    """Passes each whole message sent `towards` one side to `change`; holds back incomplete ones."""

    change: Change
    towards: Direction = Direction.TO_CLIENT

    def filter(self) -> Filter:
        """Return the filter for one association."""
        return PduFilter(_Association(self).pass_on)


@dataclass
class _Association:
    """The messages of one association in the direction that the lie changes."""

    lie: MessageLie
    syntaxes: dict[int, UID] = field(default_factory=dict)
    held: bytes = b""
    command: bytes = b""
    data: bytes = b""

    def pass_on(self, pdu: bytes, direction: Direction) -> bytes:
        if pdu[0] == A_ASSOCIATE_AC:
            self._note_syntaxes(pdu)
        if pdu[0] != P_DATA_TF or direction is not self.lie.towards:
            return pdu
        self.held += pdu
        passed = b""
        for context_id, control, fragment in split_pdvs(memoryview(pdu)[6:]):
            if control & 1:
                self.command += fragment
            else:
                self.data += fragment
            if control & 2:
                passed += self._ended(context_id, in_command=bool(control & 1))
        return passed

    def _note_syntaxes(self, pdu: bytes) -> None:
        accepted = parse(pdu)
        assert isinstance(accepted, AssociateAC)
        self.syntaxes = {
            each.context_id: UID(each.transfer_syntax or "")
            for each in accepted.presentation_contexts
            if each.accepted
        }

    def _ended(self, context_id: int, *, in_command: bool) -> bytes:
        """Return the bytes to send when a command set or a data set is complete."""
        command = decode(io.BytesIO(self.command), True, True)
        if in_command and command.CommandDataSetType != NO_DATA_SET:
            return b""
        data_set = None if in_command else _decoded(self.data, self.syntaxes[context_id])
        changed = self.lie.change(Message(context_id, command, data_set))
        held, self.held, self.command, self.data = self.held, b"", b"", b""
        return held if changed is None else b"".join(map(self._encoded, changed))

    def _encoded(self, message: Message) -> bytes:
        command, data_set = message.command, message.data_set
        if (data_set is None) != (command.CommandDataSetType == NO_DATA_SET):
            command.CommandDataSetType = NO_DATA_SET if data_set is None else 1
        del command[0x00000000]
        body = encode(command, True, True) or b""
        body = b"\0\0\0\0\4\0\0\0" + len(body).to_bytes(4, "little") + body
        passed = _pdus(message.context_id, body, command=True)
        if data_set is None:
            return passed
        syntax = self.syntaxes[message.context_id]
        encoded = encode(
            data_set, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated
        )
        return passed + _pdus(message.context_id, encoded or b"", command=False)


def _decoded(data: bytes, syntax: UID) -> Dataset:
    return decode(
        io.BytesIO(data), syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated
    )


def _pdus(context_id: int, data: bytes, *, command: bool) -> bytes:
    return b"".join(
        fragments(context_id, data, command=command, last=True, maximum_length=PDU_LENGTH)
    )


# Parts of lies


Edit = Callable[[Message], Any]
Condition = Callable[[Message], bool]


def where(condition: Condition, *edits: Edit) -> Change:
    """Change the messages that meet a condition."""

    def change(message: Message) -> Iterable[Message] | None:
        if not condition(message):
            return None
        changed = message.copy()
        for edit in edits:
            edit(changed)
        return [changed]

    return change


def left_out(condition: Condition) -> Change:
    """Omit messages."""
    return lambda message: [] if condition(message) else None


def twice(condition: Condition) -> Change:
    """Send messages twice."""
    return lambda message: [message, message.copy()] if condition(message) else None


def of(command_field: int, **command: Any) -> Condition:
    """Match messages with this command field and these elements in the command set."""

    def met(message: Message) -> bool:
        return message.command.CommandField == command_field and all(
            message.command.get(keyword) == value for keyword, value in command.items()
        )

    return met


def command(**elements: Any) -> Edit:
    """Set elements of the command set; None removes an element."""
    return lambda message: _set(message.command, elements)


def data(**elements: Any) -> Edit:
    """Set elements of the data set; None removes an element."""
    return lambda message: message.data_set is None or _set(message.data_set, elements)


def _set(dataset: Dataset, elements: dict[str, Any]) -> None:
    for keyword, value in elements.items():
        if value is not None:
            setattr(dataset, keyword, value)
        elif keyword in dataset:
            delattr(dataset, keyword)


def present(**elements: Any) -> Edit:
    """Set those of these elements that have a value in the data set."""
    return each(elements.get)


def each(change: Callable[[str, Any], Any]) -> Edit:
    """Pass the value of each element of the data set that has one to `change`, by keyword."""

    def edit(message: Message) -> None:
        for element in message.data_set or ():
            if element.value not in (None, ""):
                element.value = change(element.keyword, element.value)

    return edit


def beside(condition: Condition, *edits: Edit) -> Change:
    """Send a changed copy after each message that meets a condition."""
    changed = where(condition, *edits)
    return lambda message: [message, *(changed(message) or ())] if condition(message) else None


def before(condition: Condition, invented: Callable[[Message], Message]) -> Change:
    """Send an invented message before each one that meets a condition."""
    return lambda message: [invented(message), message] if condition(message) else None


def pending(command_field: int) -> Condition:
    """Match the pending responses of a kind (PS3.7 C.1.3)."""
    return lambda message: of(command_field)(message) and message.command.Status >> 8 == 0xFF


def final(command_field: int) -> Condition:
    """Match the response of a kind that ends an operation."""
    return lambda message: of(command_field)(message) and message.command.Status >> 8 != 0xFF
