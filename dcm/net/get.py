"""C-GET as SCU (PS3.4 C.4.3): the instances come on our own association, straight into files."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeGuard

from dcm.data.identifier import write_identifier
from dcm.data.match import Attributes
from dcm.frozen import Frozen
from dcm.net.association import Association
from dcm.net.cancel import cancel
from dcm.net.find import NATIVE
from dcm.net.incoming import Folder, ReceivedInstance, receive
from dcm.net.kinds import contexts_for, roles_for
from dcm.net.pool import Pool
from dcm.net.suboperations import PATIENT_ROOT_GET, STUDY_ROOT_GET, Progress, SubOperations
from dcm.wire import (
    CGetRQ,
    CGetRSP,
    Command,
    CStoreRQ,
    DataFragment,
    Message,
    PresentationContextRQ,
)

_PENDING: Final = 0xFF00


class NotKept(Frozen):
    """An instance that was sent and not kept, and why."""

    sop_instance_uid: str
    words: str


@asynccontextmanager
async def open_get(pool: Pool, classes: Sequence[str]) -> AsyncIterator[Association]:
    """Lease an association for C-GET of these SOP classes; if none are given, of the common ones."""
    contexts = [
        PresentationContextRQ(1, STUDY_ROOT_GET, NATIVE),
        PresentationContextRQ(3, PATIENT_ROOT_GET, NATIVE),
        *contexts_for(classes, first_id=5),
    ]
    async with pool.lease(contexts, roles_for(classes)) as association:
        association.doing = "C-GET"
        yield association


async def get(
    association: Association, identifier: Attributes, folder: Folder, model: str = STUDY_ROOT_GET
) -> AsyncGenerator[ReceivedInstance | NotKept | SubOperations, None]:
    """Yield the instances as they come, each complete in its file, and at the end the final response.

    Raises `NetworkError`: `NoProgress` after the limit `operation`; what came until then is there. Closing
    the generator early cancels the operation.
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
            if isinstance(command.message, CStoreRQ):
                response, received = await receive(association, command, folder)
                await association.send(Command(command.context_id, response))
                progress.made()
                yield received or NotKept(
                    command.message.affected_sop_instance_uid, response.error_comment or ""
                )
                continue
            if _is_plain_progress(command.message, message_id):
                progress.responded(command.message)
                continue
            last = await SubOperations.read(association, command, CGetRSP, message_id)
            if last.last:
                break
    except (GeneratorExit, asyncio.CancelledError):
        await cancel(association, context.context_id, message_id)
        raise
    yield last


def _is_plain_progress(message: Message, message_id: int) -> TypeGuard[CGetRSP]:
    """Return whether a message only says that more is to come, as after each instance."""
    return (
        isinstance(message, CGetRSP)
        and message.status == _PENDING
        and message.message_id_being_responded_to == message_id
        and not message.has_data_set
    )
