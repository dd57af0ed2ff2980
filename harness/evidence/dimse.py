"""Assemble messages, complete or not, from the PDVs of one direction (PS3.8 9.3.5 and Annex E)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from dcm.errors import ProtocolError
from dcm.wire.codec import HEADER, PDV_HEADER
from dcm.wire.dimse import Message
from dcm.wire.dimse_codec import parse_message
from harness.evidence.data_set import MAX_KEPT
from harness.evidence.pdus import Pdu
from harness.relay.tape import Direction

NO_PDV: Final = -1
"""The context ID given to bytes found where a PDV should be."""
_COMMAND: Final = 1
_LAST: Final = 2


@dataclass(frozen=True)
class Pdv:
    """A PDV as it was received; the last one of a PDU may be truncated."""

    context_id: int
    control: int
    fragment: bytes
    trouble: str = ""
    """What is wrong with it, or with the bytes found in its place."""
    at: int = 0
    """Its offset within the body of its PDU."""


def pdvs(pdu: Pdu) -> Iterator[Pdv]:
    """Yield the PDVs of a P-DATA-TF, as far as they can be read."""
    body, at = bytes(pdu.body), 0
    if not body:
        yield Pdv(NO_PDV, 0, b"", "there is no PDV in it")
    while at < len(body):
        left = len(body) - at
        if left < PDV_HEADER.size:
            yield Pdv(NO_PDV, 0, body[at:], f"{left} bytes at its end are no PDV", at)
            return
        length, context_id, control = PDV_HEADER.unpack_from(body, at)
        if length < 2:  # the context ID and the control header
            yield Pdv(NO_PDV, 0, body[at:], f"a PDV says that it is {length} bytes long", at)
            return
        fragment = body[at + PDV_HEADER.size : at + 4 + length]
        lost = length - 2 - len(fragment)
        trouble = f"a PDV announces {length} bytes, {length - lost} are there" if lost > 0 else ""
        yield Pdv(context_id, control, fragment, trouble, at)
        at += 4 + length


@dataclass
class Recorded:
    """A message as it was received, complete or not."""

    direction: Direction
    context_id: int
    at: int
    """The offset of its first PDV in the byte stream of its direction."""
    began: float
    ended: float
    command: bytearray = field(default_factory=bytearray)
    message: Message | None = None
    """The decoded command set."""
    trouble: str = ""
    """Why the command set could not be decoded."""
    data: bytearray = field(default_factory=bytearray)
    """The first bytes of the data set, at most `MAX_KEPT`."""
    data_size: int = 0
    fragments: int = 0
    """How many fragments of the data set were received."""
    command_ended: bool = False
    data_ended: bool = False

    @property
    def lost(self) -> str:
        """What is missing at its end, or an empty string."""
        if not self.command and self.fragments:
            lost = "" if self.data_ended else " that does not end"
            return f"a data set without a command{lost}"
        if not self.command_ended:
            return "its command set does not end"
        if self.data_ended or self.message is None or not self.message.has_data_set:
            return ""
        return "its data set does not end" if self.fragments else "its data set is missing"

    @property
    def complete(self) -> bool:
        """Whether nothing more can belong to it; unknown, thus False, if the command was not decoded."""
        return self.data_ended or (
            self.message is not None and self.command_ended and not self.lost
        )


class Gatherer:
    """Assembles the messages of one direction."""

    def __init__(self, direction: Direction) -> None:
        self._direction = direction
        self._open: Recorded | None = None

    def take(self, pdv: Pdv, pdu: Pdu) -> Iterator[Recorded]:
        """Take the next PDV; yield the messages that end with it or before it."""
        command = pdv.control & _COMMAND != 0
        message = self._open
        if message is not None and (
            pdv.context_id != message.context_id
            or (command and (message.command_ended or message.fragments))
        ):  # the PDV begins another message
            yield from self.end()
            message = None
        if message is None:
            at = pdu.at + HEADER.size + pdv.at
            message = Recorded(self._direction, pdv.context_id, at, pdu.began, pdu.ended)
            self._open = message
        message.ended = pdu.ended
        last = pdv.control & _LAST != 0 and not pdv.trouble
        if command:
            message.command += pdv.fragment
            message.command_ended = last
            if last:
                try:
                    message.message = parse_message(message.command)
                except ProtocolError as error:
                    message.trouble = str(error)
        else:
            message.data += pdv.fragment[: max(0, MAX_KEPT - len(message.data))]
            message.data_size += len(pdv.fragment)
            message.fragments += 1
            message.data_ended = last
        if message.complete:
            yield from self.end()

    def end(self) -> Iterator[Recorded]:
        """Yield the message that was begun, if any: no more of it will follow."""
        if self._open is not None:
            yield self._open
        self._open = None
