"""C-MOVE as SCU (PS3.4 C.4.2): the archive is asked to send instances to somebody, maybe to us."""

import asyncio
from collections.abc import AsyncGenerator

from dcm.data.identifier import write_identifier
from dcm.data.match import Attributes
from dcm.net.association import Association
from dcm.net.cancel import cancel
from dcm.net.find import NATIVE
from dcm.net.limits import TimeLimits
from dcm.net.node import DcmNode
from dcm.net.suboperations import PATIENT_ROOT_MOVE, STUDY_ROOT_MOVE, SubOperations
from dcm.wire import CMoveRQ, CMoveRSP, Command, DataFragment, PresentationContextRQ


async def open_move(local: DcmNode, remote: DcmNode, limits: TimeLimits) -> Association:
    """Ask for an association for C-MOVE."""
    contexts = [
        PresentationContextRQ(1, STUDY_ROOT_MOVE, NATIVE),
        PresentationContextRQ(3, PATIENT_ROOT_MOVE, NATIVE),
    ]
    association = await Association.request(local, remote, contexts, limits=limits)
    association.doing = "C-MOVE"
    return association


async def move_one(
    association: Association,
    identifier: Attributes,
    destination: str,
    model: str = STUDY_ROOT_MOVE,
) -> AsyncGenerator[SubOperations, None]:
    """Give the responses as they come, the last one saying how it ended.

    Raises `NetworkError`. Who stops early and closes the generator cancels.
    """
    context = association.context(model)
    message_id = association.next_message_id()
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
            command = await association.command()
            if command is None:
                raise association.broken("it released the association before it had answered")
            progress = await SubOperations.read(association, command, CMoveRSP, message_id)
            if progress.last:
                break
            yield progress
    except (GeneratorExit, asyncio.CancelledError):
        await cancel(association, context.context_id, message_id)
        raise
    yield progress
