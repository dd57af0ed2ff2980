"""Messages cut into P-DATA-TF PDUs, and reassembled (PS3.8 9.3.5 and Annex E)."""

from collections.abc import Container
from typing import Final

from dcm.errors import LocalProtocolError, RemoteProtocolError
from dcm.wire.codec import COMMAND, HEADER, LAST, PDV_HEADER
from dcm.wire.dimse_codec import parse_message
from dcm.wire.events import Command, DataFragment
from dcm.wire.limits import Limits
from dcm.wire.pdu import PDataTF
from dcm.wire.values import Buffer

SHORTEST_MAXIMUM: Final = PDV_HEADER.size + 2
"""The smallest maximum length that leaves room for a fragment."""


def fragments(
    context_id: int, data: Buffer, *, command: bool, last: bool, maximum_length: int
) -> list[Buffer]:
    """Cut `data` into P-DATA-TF PDUs of at most `maximum_length`, one fragment in each.

    Returns the buffers for one gathered write: headers as separate bytes, and slices of `data` between them.
    The last part of a message may be empty. Raises `LocalProtocolError` for an odd length (PS3.8 E.1).
    """
    if len(data) % 2:
        raise LocalProtocolError(
            f"{len(data)} bytes cannot be sent as a part of a message: fragments have an even length"
        )
    if maximum_length < SHORTEST_MAXIMUM:
        raise LocalProtocolError(f"no fragment fits into PDUs of {maximum_length} bytes")
    size = (maximum_length - PDV_HEADER.size) & ~1
    view = memoryview(data)
    full = max(0, len(data) - 1) // size  # the final one, full or not, has a header of its own
    buffers: list[Buffer] = [_header(context_id, size, command)] * (2 * full)
    buffers[1::2] = [view[at : at + size] for at in range(0, full * size, size)]
    rest = view[full * size :]
    if len(rest) or last:
        buffers += (_header(context_id, len(rest), command | last << 1), rest)
    return buffers


def _header(context_id: int, length: int, control: int) -> bytes:
    pdu = HEADER.pack(PDataTF.TYPE, PDV_HEADER.size + length)
    return pdu + PDV_HEADER.pack(length + 2, context_id, control)


class Assembler:
    """Puts the messages of one direction together from their fragments.

    `contexts` holds the IDs of the accepted presentation contexts. Command sets are gathered, since they are
    small; data sets are not. A fragment should have an even length (PS3.8 E.1), but nothing here depends on
    it and many senders leave out a padding byte, so an odd one is taken as it is.
    """

    def __init__(self, contexts: Container[int], limits: Limits) -> None:
        self._contexts: Final = contexts
        self._limit: Final = limits.command_set
        self._command = bytearray()
        self._context_id: int | None = None
        self._in_data_set = False

    @property
    def data_set_on(self) -> int | None:
        """The context of the data set that is due; None: a command set is due."""
        return self._context_id if self._in_data_set else None

    def receive(
        self, context_id: int, control: int, fragment: memoryview
    ) -> Command | DataFragment | None:
        """Take one PDV; return None while the command set is incomplete. Raises `RemoteProtocolError`."""
        self._check(context_id, control)
        last = control & LAST != 0
        if self._in_data_set:
            if last:
                self.end()
            return DataFragment(context_id, fragment, last)
        self._context_id = context_id
        if len(self._command) + len(fragment) > self._limit:
            raise RemoteProtocolError(f"a command set is longer than {self._limit} bytes")
        self._command += fragment
        if not last:
            return None
        message = parse_message(self._command)
        self._in_data_set = message.has_data_set
        self._command = bytearray()
        if not self._in_data_set:
            self.end()
        return Command(context_id, message)

    def end(self) -> None:
        """Expect the next message: the last part of this one was taken."""
        self._context_id = None
        self._in_data_set = False

    def _check(self, context_id: int, control: int) -> None:
        if context_id != self._context_id:
            if context_id not in self._contexts:
                raise RemoteProtocolError(f"a PDV on context {context_id}, which was not accepted")
            if self._context_id is not None:
                raise RemoteProtocolError(
                    f"a PDV on context {context_id} within a message on context {self._context_id}"
                )
        if (control & COMMAND != 0) is self._in_data_set:
            expected, met = (
                ("data set", "command") if self._in_data_set else ("command", "data set")
            )
            raise RemoteProtocolError(f"a {met} fragment where the {expected} of a message is due")
