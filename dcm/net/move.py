"""C-MOVE as SCU (PS3.4 C.4.2): the archive sends instances to a node that it knows, possibly our own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from dcm.data.identifier import write_identifier
from dcm.data.match import Attributes
from dcm.net.association import Association
from dcm.net.cancel import cancel
from dcm.net.pool import Pool
from dcm.net.suboperations import PATIENT_ROOT_MOVE, STUDY_ROOT_MOVE, Progress, SubOperations
from dcm.net.uids import NATIVE
from dcm.wire import CMoveRQ, CMoveRSP, Command, DataFragment, PresentationContextRQ

OnProgress: TypeAlias = Callable[[SubOperations], object]


@asynccontextmanager
async def open_move(pool: Pool) -> AsyncIterator[Association]:
    """Lease an association for C-MOVE. Raises `NetworkError`."""
    contexts = [
        PresentationContextRQ(1, STUDY_ROOT_MOVE, NATIVE),
        PresentationContextRQ(3, PATIENT_ROOT_MOVE, NATIVE),
    ]
    async with pool.lease(contexts) as association:
        association.doing = "C-MOVE"
        yield association


async def move_one(
    association: Association,
    identifier: Attributes,
    destination: str,
    model: str = STUDY_ROOT_MOVE,
    *,
    message_id: int | None = None,
    progress: Progress | None = None,
    on_progress: OnProgress | None = None,
) -> SubOperations:
    """Request a C-MOVE, and return the final response; `on_progress` is called with each response.

    progress: the caller notifies it of instances that arrive elsewhere. Raises `NetworkError`: `NoProgress`
    after the limit `operation`. Cancelling this coroutine cancels the operation.
    """
    context = association.context(model)
    message_id = message_id or association.next_message_id()
    progress = progress or Progress(association)
    request = CMoveRQ(
        message_id=message_id, affected_sop_class_uid=model, move_destination=destination
    )
    data = write_identifier(identifier, context.transfer_syntax)
    try:
        await association.send(
            Command(context.context_id, request),
            DataFragment(context.context_id, data, last=True),
        )
        while True:
            command = await progress.command()
            last = await progress.response(command, CMoveRSP, message_id, on_progress)
            if last is not None:
                return last
            await asyncio.sleep(0)  # otherwise a flood of responses would block everything else
    except asyncio.CancelledError:
        await cancel(association, context.context_id, message_id)
        raise
