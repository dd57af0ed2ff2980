"""Cancel an operation by C-CANCEL (PS3.7 9.3.2.3), and wait until the peer has stopped."""

import asyncio
import contextlib
from typing import Final

from dcm.errors import RemoteProtocolError
from dcm.net.association import Association
from dcm.net.errors import NetworkError
from dcm.wire import CCancelRQ, Command, CStoreRQ, CStoreRSP, Response, StatusClass, status_class

_CANCELLED: Final = 0xA700


async def cancel(association: Association, context_id: int, message_id: int) -> None:
    """Ask the peer to stop, wait for its final response, then release the association. Never raises.

    Instances that it sends meanwhile are rejected. If the peer does not stop within the limit `release`, the
    association is aborted when the error leaves its block.
    """
    association.doing = "C-CANCEL"
    with contextlib.suppress(NetworkError, RemoteProtocolError, TimeoutError):
        async with asyncio.timeout(association.limits.release):
            message = CCancelRQ(message_id_being_responded_to=message_id)
            await association.send(Command(context_id, message))
            while not await _stopped(association):  # noqa: ASYNC110 - it waits for messages
                await asyncio.sleep(0)  # otherwise a flood of responses would prevent the timeout
        await association.release()


async def _stopped(association: Association) -> bool:
    """Receive one message and return whether it is the last."""
    command = await association.command()
    if command is None:
        return True
    message = command.message
    if isinstance(message, Response) and status_class(message.status) is not StatusClass.PENDING:
        return True  # do not wait for a data set that may follow
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
