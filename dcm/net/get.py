"""C-GET as SCU (PS3.4 C.4.3): the instances arrive on our own association, and go directly into a sink."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

from dcm.data.identifier import write_identifier
from dcm.data.match import Attributes
from dcm.net.association import Association
from dcm.net.cancel import cancel
from dcm.net.incoming import receive
from dcm.net.kinds import contexts_for, roles_for
from dcm.net.pool import Pool
from dcm.net.suboperations import PATIENT_ROOT_GET, STUDY_ROOT_GET, Progress, SubOperations
from dcm.net.uids import NATIVE
from dcm.sinks import NotKept, ReceivedInstance, Sink
from dcm.wire import CGetRQ, CGetRSP, Command, CStoreRQ, DataFragment, PresentationContextRQ

Taken: TypeAlias = Callable[[ReceivedInstance | NotKept], Awaitable[None] | None]
"""Called with each instance; the result is awaited before the next one."""


@asynccontextmanager
async def open_get(pool: Pool, classes: Sequence[str]) -> AsyncIterator[Association]:
    """Lease an association for C-GET of these SOP classes; if empty, of the common ones."""
    offered = tuple(classes)
    contexts = [
        PresentationContextRQ(1, STUDY_ROOT_GET, NATIVE),
        PresentationContextRQ(3, PATIENT_ROOT_GET, NATIVE),
        *contexts_for(offered, first_id=5),
    ]
    async with pool.lease(contexts, roles_for(offered)) as association:
        association.doing = "C-GET"
        yield association


async def get(
    association: Association,
    identifier: Attributes,
    sink: Sink,
    taken: Taken,
    model: str = STUDY_ROOT_GET,
) -> SubOperations:
    """Retrieve instances into a sink, and return the final response.

    Raises `NetworkError`: `NoProgress` after the limit `operation`; instances received until then are kept.
    Cancelling this coroutine cancels the operation.
    """
    context = association.context(model)
    message_id = association.next_message_id()
    request = CGetRQ(message_id=message_id, affected_sop_class_uid=model)
    data = write_identifier(identifier, context.transfer_syntax)
    try:
        await association.send(
            Command(context.context_id, request),
            DataFragment(context.context_id, data, last=True),
        )
        progress = Progress(association)
        while True:
            command = await progress.command()
            message = command.message
            if isinstance(message, CStoreRQ):
                response, received = await receive(association, command, sink)
                await association.send(Command(command.context_id, response))
                progress.made()
                waited = taken(
                    received
                    or NotKept(message.affected_sop_instance_uid, response.error_comment or "")
                )
                if waited is not None:
                    await waited
            elif (last := await progress.response(command, CGetRSP, message_id)) is not None:
                return last
    except asyncio.CancelledError:
        await cancel(association, context.context_id, message_id)
        raise
