"""Verification: C-ECHO (PS3.4 Annex A)."""

import time
from typing import Final

from dcm.net.errors import OperationFailed
from dcm.net.pool import Pool
from dcm.wire import CEchoRQ, CEchoRSP, Command, PresentationContextRQ, describe

VERIFICATION: Final = "1.2.840.10008.1.1"
_CONTEXTS: Final = (
    PresentationContextRQ(1, VERIFICATION, ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")),
)


async def echo(pool: Pool) -> float:
    """Send a C-ECHO to the remote; return the response time in seconds.

    Raises `NetworkError`: `OperationFailed` if the status is not success.
    """
    async with pool.lease(_CONTEXTS) as association:
        association.doing = "C-ECHO"
        context_id = association.context(VERIFICATION).context_id
        message_id = association.next_message_id()
        began = time.perf_counter()
        await association.send(Command(context_id, CEchoRQ(message_id=message_id)))
        response = await association.response(CEchoRSP, message_id)
        seconds = time.perf_counter() - began
    if response.status:
        words = describe(response.status, CEchoRSP)
        raise OperationFailed(str(pool.remote), "C-ECHO", words, None)
    return seconds
