"""Verification: C-ECHO (PS3.4 Annex A)."""

from typing import Final

from dcm.net.association import Association
from dcm.net.limits import TimeLimits
from dcm.net.node import DcmNode
from dcm.wire import CEchoRQ, CEchoRSP, Command, PresentationContextRQ

VERIFICATION: Final = "1.2.840.10008.1.1"
_CONTEXTS: Final = (
    PresentationContextRQ(1, VERIFICATION, ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")),
)


async def echo(local: DcmNode, remote: DcmNode, limits: TimeLimits) -> bool:
    """Ask whether `remote` answers; False: it does, but with a status other than success."""
    async with await Association.request(local, remote, _CONTEXTS, limits=limits) as association:
        association.doing = "C-ECHO"
        context = association.context(VERIFICATION)
        message_id = association.next_message_id()
        await association.send(Command(context.context_id, CEchoRQ(message_id=message_id)))
        return (await association.response(CEchoRSP, message_id)).status == 0
