"""C-FIND as SCU (PS3.4 Annex C, and Annex K for worklists)."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from functools import cached_property
from types import TracebackType
from typing import Final, Self

from dcm.data.identifier import BadIdentifier, read_identifier, write_identifier
from dcm.data.keys import Query, attributes_of
from dcm.data.match import Attributes, Value
from dcm.frozen import Frozen
from dcm.net.association import Association
from dcm.net.cancel import cancel
from dcm.net.errors import AssociationAborted, ConnectionLost, NotAccepted, OperationFailed
from dcm.net.pool import Pool
from dcm.net.uids import NATIVE, STUDY_ROOT_FIND
from dcm.wire import (
    AcceptedContext,
    CFindRQ,
    CFindRSP,
    Command,
    DataFragment,
    PresentationContextRQ,
    StatusClass,
    describe,
)

_MANY: Final = 16  # answers: up to this number, each is passed on as soon as it arrives
_TOGETHER: Final = 0.001
"""Seconds to let answers accumulate when there are many: waking up for each costs too much."""
_SOME_KEYS_IGNORED: Final = 0xFF01

_PERFORMED: Final = logging.getLogger(
    "dcm.net.performed_queries"
)  # each can be filtered from a log
_RESPONSES: Final = logging.getLogger("dcm.net.query_responses")


class Answer(Frozen):
    """A match as it was received: the encoded data set, decoded only on demand."""

    data: bytes
    transfer_syntax_uid: str
    status: int = 0xFF00

    @property
    def heeds_all_keys(self) -> bool:
        """Whether the peer claims to have matched all keys, including optional ones (PS3.4 C.4.1.1.4)."""
        return self.status != _SOME_KEYS_IGNORED

    @cached_property
    def attributes(self) -> dict[str, Value]:
        """The values by keyword. Raises `BadIdentifier`."""
        return read_identifier(self.data, self.transfer_syntax_uid)


class Finder:
    """Sends queries one after the other on one association, while its block runs.

    models: the information models that can be used, the preferred one first. If the peer ends the
    association between two queries, as many do after some inactivity, a new one is requested.
    """

    def __init__(self, pool: Pool, models: Sequence[str]) -> None:
        self._pool: Final = pool
        self._models: Final = models
        self._lease = AsyncExitStack()
        self._association: Association | None = None
        self._used = False

    async def __aenter__(self) -> Self:
        await self._connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._lease.__aexit__(kind, error, traceback)

    @property
    def model(self) -> str:
        """The first of the models that the peer accepted. Raises `NotAccepted`."""
        return self._context().abstract_syntax

    async def find(self, identifier: Attributes) -> AsyncGenerator[Answer, None]:
        """Yield the matches as they arrive.

        Raises `NetworkError`: `OperationFailed` if the peer ends with a status other than success. Closing
        the generator early cancels the query.
        """
        if self._association is None or self._association.spoilt:
            await self._connect()
        while True:
            try:
                async with aclosing(self._answers(identifier)) as answers:
                    async for answer in answers:
                        yield answer
            except _Stale:  # the next association may have been used before, too
                await self._connect()
            else:
                return

    async def _connect(self) -> None:
        await self._lease.aclose()
        contexts = [
            PresentationContextRQ(2 * place + 1, model, NATIVE)
            for place, model in enumerate(self._models)
        ]
        self._association = await self._lease.enter_async_context(self._pool.lease(contexts))
        self._association.doing = "C-FIND"
        self._used = self._association.used

    def _context(self) -> AcceptedContext:
        assert self._association is not None, "the block of the finder was not entered"
        for model in self._models[:-1]:
            with suppress(NotAccepted):
                return self._association.context(model)
        return self._association.context(self._models[-1])

    async def _answers(self, identifier: Attributes) -> AsyncGenerator[Answer, None]:
        context, association = self._context(), self._association
        assert association is not None
        message_id = association.next_message_id()
        request = CFindRQ(message_id=message_id, affected_sop_class_uid=context.abstract_syntax)
        data = write_identifier(identifier, context.transfer_syntax)
        used, self._used = self._used, True
        _PERFORMED.debug("%s: C-FIND: %s", association.remote, identifier)
        given = 0
        try:
            await association.send(
                Command(context.context_id, request),
                DataFragment(context.context_id, data, last=True),
            )
            try:
                answers = await association.answers(CFindRSP, message_id)
            except (AssociationAborted, ConnectionLost) as error:
                raise (_Stale(error) if used else error) from error
            while True:
                for response, found in answers:
                    status = describe(response.status, CFindRSP)
                    if status.kind is not StatusClass.PENDING:
                        break
                    answer = Answer(found, context.transfer_syntax, response.status)
                    if _RESPONSES.isEnabledFor(logging.DEBUG):
                        _RESPONSES.debug("%s: %s", association.remote, _shown(answer))
                    yield answer
                if status.kind is not StatusClass.PENDING:
                    break
                given += len(answers)
                if given >= _MANY:
                    await asyncio.sleep(_TOGETHER)
                answers = await association.answers(CFindRSP, message_id)
        except (GeneratorExit, asyncio.CancelledError):
            association.spoilt = True
            await cancel(association, context.context_id, message_id)
            raise
        # A data set announced by the final response may or may not arrive (PS3.7 9.1.2.1 does not allow one),
        # so the association cannot be used any more.
        association.spoilt = response.has_data_set and not found
        if status.kind is not StatusClass.SUCCESS:
            raise OperationFailed(
                association.remote, association.doing, status, response.error_comment
            )


class _Stale(Exception):  # noqa: N818 - internal
    """The association was used before, and had ended when the next query was sent."""


def _shown(answer: Answer) -> object:
    """Return the text of an answer for a log."""
    try:
        return answer.attributes
    except BadIdentifier as error:
        return error


async def find(
    pool: Pool, identifier: Query, model: str = STUDY_ROOT_FIND
) -> AsyncGenerator[Answer, None]:
    """Yield the matches of one identifier as they arrive; see `Finder.find` and `attributes_of`."""
    keys = attributes_of(identifier)
    async with (
        Finder(pool, [model]) as finder,
        aclosing(finder.find(keys)) as answers,
    ):
        async for answer in answers:
            yield answer
