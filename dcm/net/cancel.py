"""Giving up an operation in order: C-CANCEL (PS3.7 9.3.2.3), until the peer has stopped."""

import asyncio
import contextlib
from typing import Final

from dcm.errors import RemoteProtocolError
from dcm.net.association import Association
from dcm.net.errors import NetworkError
from dcm.wire import CCancelRQ, Command, CStoreRQ, CStoreRSP, Response, StatusClass, status_class

_CANCELLED: Final = 0xA700


async def cancel(association: Association, context_id: int, message_id: int) -> None:
    """Ask the peer to stop, and wait a moment for its last response; no error is raised.

    Instances that it sends meanwhile are refused. Whoever is not done in time is left to the abort that
    follows when an error leaves the association.
    """
    association.doing = "C-CANCEL"
    with contextlib.suppress(NetworkError, RemoteProtocolError, TimeoutError):
        async with asyncio.timeout(association.limits.release):
            message = CCancelRQ(message_id_being_responded_to=message_id)
            await association.send(Command(context_id, message))
            while not await _stopped(association):
                pass


async def _stopped(association: Association) -> bool:
    """Take one message; tell whether it is the last."""
    command = await association.command()
    if command is None:
        return True
    message = command.message
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
    return isinstance(message, Response) and (
        status_class(message.status) is not StatusClass.PENDING
    )
