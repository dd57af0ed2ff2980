"""Assemble messages from the PDVs of one direction (PS3.8 9.3.5 and Annex E)."""

from collections.abc import Container, Sequence
from typing import Final

from dcm.errors import RemoteProtocolError
from dcm.wire.codec import COMMAND, LAST
from dcm.wire.dimse_codec import parse_message
from dcm.wire.events import Command, DataFragments
from dcm.wire.framing import Framer, Part
from dcm.wire.limits import Limits
from dcm.wire.values import Buffer


class MessageReader:
    """Reads the messages of one direction.

    `contexts` contains the IDs of the accepted presentation contexts. Command sets are small and collected in
    memory; data sets are not. A fragment should have an even length (PS3.8 E.1), but nothing here depends on
    it, and many senders omit the padding byte, so an odd length is accepted.
    """

    def __init__(self, contexts: Container[int], limits: Limits) -> None:
        self._contexts: Final = contexts
        self._limit: Final = limits.command_set
        self._command = bytearray()
        """The beginning of an incomplete command set."""
        self._context_id: int | None = None
        """The context of the current message; None between messages."""
        self._data_due = False
        """Whether its data set is expected next."""
        self._error: RemoteProtocolError | None = None

    def read(self, framer: Framer) -> list[Command | DataFragments]:
        """Return all parts of messages that have arrived.

        Raises `RemoteProtocolError` if the peer breaks the protocol, after earlier parts were returned.
        """
        events: list[Command | DataFragments] = []
        while not events and self._error is None:
            parts: list[Part] = []
            try:
                framer.pdvs(parts)
            except RemoteProtocolError as error:
                self._error = error
            if not parts:
                break
            try:
                self.take(parts, events)
            except RemoteProtocolError as error:
                self._error = error
        if self._error is not None and not events:
            raise self._error
        return events

    def take(self, parts: Sequence[Part], events: list[Command | DataFragments]) -> None:
        """Convert PDVs to events, and add them to `events`. Raises `RemoteProtocolError`."""
        data_set: list[Buffer] = []
        due = COMMAND if not self._data_due else 0
        for context_id, control, data in parts:
            if context_id != self._context_id or control & COMMAND != due:
                if data_set:
                    events.append(DataFragments(self._context_id or 0, data_set, last=False))
                    data_set = []
                self._check(context_id, control)
                self._context_id = context_id
            if not due:
                data_set.append(data)
                if control & LAST:
                    events.append(DataFragments(context_id, data_set, last=True))
                    data_set, due = [], COMMAND
                    self._data_due, self._context_id = False, None
                continue
            if len(self._command) + len(data) > self._limit:
                raise RemoteProtocolError(f"a command set is longer than {self._limit} bytes")
            if not control & LAST:
                self._command += data
                continue
            message = parse_message(self._command + data if self._command else data)
            self._command = bytearray()
            events.append(Command(context_id, message))
            if message.has_data_set:
                self._data_due, due = True, 0
            else:
                self._context_id = None
        if data_set:
            events.append(DataFragments(self._context_id or 0, data_set, last=False))

    def _check(self, context_id: int, control: int) -> None:
        if context_id != self._context_id:
            if context_id not in self._contexts:
                raise RemoteProtocolError(f"a PDV on context {context_id}, which was not accepted")
            if self._context_id is not None:
                raise RemoteProtocolError(
                    f"a PDV on context {context_id} in a message on context {self._context_id}"
                )
        if (control & COMMAND != 0) is self._data_due:
            expected, met = ("data set", "command") if self._data_due else ("command", "data set")
            raise RemoteProtocolError(
                f"a {met} fragment where the {expected} of a message was expected"
            )
