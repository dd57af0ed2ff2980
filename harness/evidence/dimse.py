"""Messages put together from the PDVs of one direction, whole or not (PS3.8 9.3.5 and Annex E)."""

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
"""The context ID of what stands where a PDV should be."""
_COMMAND: Final = 1
_LAST: Final = 2


@dataclass(frozen=True)
class Pdv:
    """A PDV as it was received; the last of a PDU may be cut."""

    context_id: int
    control: int
    fragment: bytes
    trouble: str = ""
    """What is wrong with it, or with the bytes that stand where one should be."""
    at: int = 0
    """Where it begins within the body of its PDU."""


def pdvs(pdu: Pdu) -> Iterator[Pdv]:
    """Return the PDVs of a P-DATA-TF as far as they go."""
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
    """A message as it was received, or what is there of it."""

    direction: Direction
    context_id: int
    at: int
    """Where its first PDV begins among all bytes that went in its direction."""
    began: float
    ended: float
    command: bytearray = field(default_factory=bytearray)
    message: Message | None = None
    """The decoded command set."""
    trouble: str = ""
    """Why there is none."""
    data: bytearray = field(default_factory=bytearray)
    """The data set, at most `MAX_KEPT` bytes of it."""
    data_size: int = 0
    fragments: int = 0
    """Of the data set."""
    command_ended: bool = False
    data_ended: bool = False

    @property
    def lost(self) -> str:
        """Say what is missing at its end."""
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
        """Nothing more can belong to it; of one that was not understood, this is not known."""
        return self.data_ended or (
            self.message is not None and self.command_ended and not self.lost
        )


class Gatherer:
    """Puts the messages of one direction together."""

    def __init__(self, direction: Direction) -> None:
        self._direction = direction
        self._open: Recorded | None = None

    def take(self, pdv: Pdv, pdu: Pdu) -> Iterator[Recorded]:
        """Take the next PDV; give the messages that end with it or before it."""
        command = pdv.control & _COMMAND != 0
        message = self._open
        if message is not None and (
            pdv.context_id != message.context_id
            or (command and (message.command_ended or message.fragments))
        ):  # the PDV begins another
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
        """Return the message that was begun: no more of it will come."""
        if self._open is not None:
            yield self._open
        self._open = None
