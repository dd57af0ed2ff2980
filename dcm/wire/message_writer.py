"""Split messages into P-DATA-TF PDUs (PS3.8 9.3.5 and Annex E)."""

from collections.abc import Container
from typing import Final

from dcm.errors import LocalProtocolError
from dcm.wire.codec import COMMAND, LAST, PDV_HEADER
from dcm.wire.dimse_codec import build_message
from dcm.wire.events import Command, DataFragment
from dcm.wire.framing import ONE_PDV
from dcm.wire.pdu import PDataTF
from dcm.wire.values import Buffer

SHORTEST_MAXIMUM: Final = PDV_HEADER.size + 2
"""The smallest maximum length that leaves room for a fragment."""


def fragments(
    context_id: int, data: Buffer, *, command: bool, last: bool, maximum_length: int
) -> list[Buffer]:
    """Split `data` into P-DATA-TF PDUs of at most `maximum_length` bytes, with one fragment in each.

    Returns the buffers for one gathered write: headers, each followed by a slice of `data`. The last part of
    a message may be empty. Raises `LocalProtocolError` for an odd length (PS3.8 E.1).
    """
    length = len(data)
    if length % 2:
        raise LocalProtocolError(
            f"{length} bytes cannot be sent as part of a message: fragments have an even length"
        )
    if maximum_length < SHORTEST_MAXIMUM:
        raise LocalProtocolError(f"no fragment fits into PDUs of {maximum_length} bytes")
    control = COMMAND if command else 0
    size = (maximum_length - PDV_HEADER.size) & ~1
    if 0 < length <= size:
        return [_header(context_id, length, control | LAST if last else control), data]
    view = memoryview(data)
    full = max(0, length - 1) // size  # the final one has another header, even if it is full
    buffers: list[Buffer] = [_header(context_id, size, control)] * (2 * full)
    buffers[1::2] = [view[at : at + size] for at in range(0, full * size, size)]
    rest = view[full * size :]
    if len(rest) or last:
        control |= LAST if last else 0
        buffers += (_header(context_id, len(rest), control), rest)
    return buffers


def _header(context_id: int, length: int, control: int) -> bytes:
    return ONE_PDV.pack(PDataTF.TYPE, PDV_HEADER.size + length, length + 2, context_id, control)


class MessageWriter:
    """Converts the messages of one direction to buffers for a gathered write.

    `contexts` contains the IDs of the accepted presentation contexts. Raises `LocalProtocolError` for a part
    that does not belong to the current message.
    """

    def __init__(self, contexts: Container[int], maximum_length: int) -> None:
        self._contexts: Final = contexts
        self._maximum_length: Final = maximum_length
        self.unfinished: int | None = None
        """The context of a message whose data set was not sent completely, or None."""

    def write(self, event: Command | DataFragment) -> list[Buffer]:
        """Begin a message or continue its data set; return the buffers to write."""
        context_id = event.context_id
        data: Buffer
        if isinstance(event, Command):
            if context_id not in self._contexts:
                raise LocalProtocolError(f"context {context_id} was not accepted")
            if self.unfinished is not None:
                raise LocalProtocolError(
                    "the data set of the last message has not been sent completely"
                )
            data, command, last = build_message(event.message), True, True
            unfinished = context_id if event.message.has_data_set else None
        else:
            if self.unfinished != context_id:
                raise LocalProtocolError(
                    f"no message on context {context_id} is waiting for its data set"
                )
            data, command, last = event.data, False, event.last
            unfinished = None if last else context_id
        buffers = fragments(
            context_id, data, command=command, last=last, maximum_length=self._maximum_length
        )
        self.unfinished = unfinished
        return buffers
