"""The messages of one association (PS3.7), as requestor or acceptor.

    async with await Association.request(local, remote, contexts) as association:
        await association.send(Command(1, CEchoRQ(message_id=1)))
        response = await association.response(CEchoRSP, 1)

Leaving the block releases the association; an exception that leaves it aborts the association.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, Self, TypeVar

from dcm.net.channel import Channel
from dcm.net.errors import AssociationRejected, NotAccepted
from dcm.net.establish import (
    Answer,
    answer_request,
    ask,
    open_transport,
    request_for,
)
from dcm.net.limits import TimeLimits
from dcm.net.remote import Listen, Remote
from dcm.net.retry import Patience
from dcm.net.transport import Transport
from dcm.wire import (
    AcceptedContext,
    Buffer,
    Command,
    Connection,
    DataFragments,
    PresentationContextRQ,
    ReleaseRP,
    ReleaseRQ,
    Response,
    StatusClass,
    UserItem,
    status_class,
)

_LOG: Final = logging.getLogger(__name__)

AnyResponse = TypeVar("AnyResponse", bound=Response)


class Association(Channel):
    """An established association.

    used: whether it was used for an operation before.
    spoilt: whether messages of an earlier operation may still arrive, so no other can begin on it.
    """

    used = False
    spoilt = False
    _message_id = 0

    @classmethod
    async def request(
        cls,
        local: Listen,
        remote: Remote,
        contexts: Sequence[PresentationContextRQ],
        user_information: Sequence[UserItem] = (),
        *,
        patient: bool = True,
    ) -> Self:
        """Connect to `remote` and request an association.

        If the peer rejects it transiently (PS3.8 9.3.4: result 2), retries for `limits.busy` seconds if
        `patient`. Raises `NetworkError`, and `UnprotectedIdentity` before anything is sent.
        """
        remote.check_identity()
        patience = Patience(remote.limits.busy if patient else 0, remote.retry)
        request = request_for(local, remote, contexts, user_information)
        while True:
            transport = await open_transport(remote, local.tls)
            name = f"{remote} (we are {local.ae_title})"
            association = cls(Connection("requestor"), transport, name, remote.limits)
            try:
                await ask(association, request)
            except AssociationRejected as error:
                await association.abort()
                if not await patience.pause(error):
                    raise
            except (
                asyncio.CancelledError
            ):  # a peer that serves one association at a time would make us wait
                await association.abort(heard=False)
                raise
            except BaseException:
                await association.abort()
                raise
            else:
                return association

    @classmethod
    async def accept(
        cls, transport: Transport, remote: str, answer: Answer, limits: TimeLimits
    ) -> Self | None:
        """Wait for the request on an accepted connection and answer it; None if it is rejected."""
        association = cls(Connection("acceptor"), transport, remote, limits)
        try:
            accepted = await answer_request(association, answer)
        except BaseException:
            await association.abort()
            raise
        if not accepted:
            association.close()
            return None
        return association

    @property
    def is_quiet(self) -> bool:
        """Whether another operation can begin: the association is open, and nothing is in progress."""
        return not self.spoilt and super().is_quiet

    def next_message_id(self) -> int:
        """Return a message ID that was not used recently."""
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def context(self, abstract_syntax: str, transfer_syntax: str | None = None) -> AcceptedContext:
        """Return an accepted context. Raises `NotAccepted`."""
        found = self._connection.context_for(abstract_syntax, transfer_syntax)
        if found is None:
            wanted = (
                f"{abstract_syntax} in {transfer_syntax}" if transfer_syntax else abstract_syntax
            )
            raise NotAccepted(
                self.remote, self.doing, f"no presentation context was accepted for {wanted}",
                "the peer may not support it, or not for our AE title",
            )  # fmt: skip
        return found

    def accepted_contexts(self) -> tuple[AcceptedContext, ...]:
        """Return all accepted contexts."""
        return tuple(self.contexts.values())

    def context_by_id(self, context_id: int) -> AcceptedContext:
        """Return the context on which a message arrived."""
        return self.contexts[context_id]

    async def command(self, within: float | None = None) -> Command | None:
        """Return the next message; None if the peer requested release, which is then granted."""
        limit, events = within or self.limits.response, self._events
        if not events:
            await self.wait_for_events(limit)
        event = events.popleft() if isinstance(events[0], Command) else await self.event(limit)
        if isinstance(event, Command):
            if self.trace is not None:
                self.trace.received(event)
            return event
        if isinstance(event, ReleaseRQ):
            await self.send(ReleaseRP())
            _LOG.info("%s: released by the peer", self.remote)
            return None
        raise self.broken(f"{type(event).__name__} where a message was expected")

    async def response(self, kind: type[AnyResponse], message_id: int) -> AnyResponse:
        """Return the next message, which must be a response of this kind to our request."""
        command = await self.command()
        if command is None:
            raise self.lost("the peer released it before answering")
        return self.expect(command, kind, message_id)

    async def answers(
        self, kind: type[AnyResponse], message_id: int
    ) -> Sequence[tuple[AnyResponse, bytes]]:
        """Return the next response to our request with its data set, and others that have already arrived."""
        found: list[tuple[AnyResponse, bytes]] = []
        await self.wait_for_events(self.limits.response)
        events = self._events
        while (
            len(events) > 1
            and isinstance(command := events[0], Command)
            and isinstance(data := events[1], DataFragments)
            and data.last
        ):
            events.popleft()
            events.popleft()
            if self.trace is not None:
                self.trace.received(command)
                self.trace.fragments_received(data.parts, last=True)
            found.append((self.expect(command, kind, message_id), data.data))
        if not found:
            response = await self.response(kind, message_id)
            # Only pending responses have a data set; some peers announce one with the last but never send it.
            pending = status_class(response.status) is StatusClass.PENDING
            due = response.has_data_set and pending
            found.append((response, await self.data_set() if due else b""))
        return found

    def expect(self, command: Command, kind: type[AnyResponse], message_id: int) -> AnyResponse:
        """Require that a message is a response of this kind to our request."""
        message = command.message
        if not isinstance(message, kind):
            raise self.broken(f"{message.NAME} where {kind.NAME} was expected")
        if message.message_id_being_responded_to != message_id:
            raise self.broken(
                f"{message.NAME} answers message {message.message_id_being_responded_to},"
                f" but message {message_id} is in progress"
            )
        return message

    async def fragments(self) -> tuple[Sequence[Buffer], bool]:
        """Return the fragments of a data set that have arrived, and whether that is its end.

        At least one is returned. They are views, valid until anything else is received.
        """
        events, limit = self._events, self.limits.response
        if not events:
            await self.wait_for_events(limit)
        fragments = isinstance(events[0], DataFragments)
        event = events.popleft() if fragments else await self.event(limit)
        if not isinstance(event, DataFragments):
            raise self.broken(f"{type(event).__name__} in the middle of a data set")
        if self.trace is not None:
            self.trace.fragments_received(event.parts, last=event.last)
        return event.parts, event.last

    async def data_set(self, limit: int = 1 << 24) -> bytes:
        """Return a whole small data set, such as an identifier."""
        gathered, last = bytearray(), False
        while not last:
            found, last = await self.fragments()
            for fragment in found:
                gathered += fragment
            if len(gathered) > limit:
                raise self.broken(f"the identifier is longer than {limit} bytes")
        return bytes(gathered)
