"""Cancelling an operation: C-CANCEL (PS3.7 9.3.2.3), until the peer has stopped."""

import asyncio
import contextlib
from typing import Final

from dcm.errors import RemoteProtocolError
from dcm.net.association import Association
from dcm.net.errors import NetworkError
from dcm.wire import CCancelRQ, Command, CStoreRQ, CStoreRSP, Response, StatusClass, status_class

_CANCELLED: Final = 0xA700


async def cancel(association: Association, context_id: int, message_id: int) -> None:
    """Ask the peer to stop and wait for its last response, then release the association. Raises nothing.

    Instances that it sends meanwhile are refused. A peer that does not end within the limit `release` is
    left to the abort that follows when an error leaves the block of the association.
    """
    association.doing = "C-CANCEL"
    with contextlib.suppress(NetworkError, RemoteProtocolError, TimeoutError):
        async with asyncio.timeout(association.limits.release):
            message = CCancelRQ(message_id_being_responded_to=message_id)
            await association.send(Command(context_id, message))
            while not await _stopped(association):  # noqa: ASYNC110 - it waits for messages
                await asyncio.sleep(0)  # or a flood of responses would keep the limit from passing
        await association.release()


async def _stopped(association: Association) -> bool:
    """Take one message and return whether it is the last."""
    command = await association.command()
    if command is None:
        return True
    message = command.message
    if isinstance(message, Response) and status_class(message.status) is not StatusClass.PENDING:
        return True  # a data set that may follow is not waited for
    while message.has_data_set and not (await association.fragments())[1]:
        pass
    if isinstance(message, CStoreRQ):
        refusal = CStoreRSP(
            message_id_being_responded_to=message.message_id,
            status=_CANCELLED,
            affected_sop_class_uid=message.affected_sop_class_uid,
            affected_sop_instance_uid=message.affected_sop_instance_uid,
            error_comment="cancelled",
        )
        await association.send(Command(command.context_id, refusal))
    return False
