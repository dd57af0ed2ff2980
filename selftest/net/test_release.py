"""The release of an association."""

import asyncio
import socket
import time

from net.peers import US

from dcm.net import DcmNode, Remote, TimeLimits
from dcm.net.association import Association
from dcm.net.echo import VERIFICATION
from dcm.net.establish import OUR_INFORMATION
from dcm.net.transport import Transport
from dcm.wire import AssociateAC, AssociateRQ, PresentationContextRQ, State, answer_contexts

PATIENT = TimeLimits(release=60)
IMPLICIT = "1.2.840.10008.1.2"


async def _accept(request: AssociateRQ) -> AssociateAC:
    return AssociateAC(
        called_ae_title=request.called_ae_title,
        calling_ae_title=request.calling_ae_title,
        presentation_contexts=answer_contexts(
            request.presentation_contexts, {VERIFICATION: [IMPLICIT]}
        ),
        user_information=OUR_INFORMATION,
    )


def test_both_may_ask_for_it_at_once() -> None:
    """A collision (PS3.8 7.2.2.7): the requestor answers first, and both sides finish."""

    async def scenario() -> list[State]:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setblocking(False)
            peer = DcmNode("127.0.0.1", "PEER", listening.getsockname()[1])
            contexts = [PresentationContextRQ(1, VERIFICATION, (IMPLICIT,))]
            asking = asyncio.create_task(Association.request(US, Remote(peer, PATIENT), contexts))
            taken, _ = await asyncio.get_running_loop().sock_accept(listening)
            acceptor = await Association.accept(Transport(taken), "us", _accept, PATIENT)
            requestor = await asking
        assert acceptor is not None
        await asyncio.gather(requestor.release(), acceptor.release())
        return [each._connection.state for each in (requestor, acceptor)]

    began = time.monotonic()
    assert asyncio.run(scenario()) == [State.STA1, State.STA1]
    assert time.monotonic() - began < PATIENT.release  # not ended by the limit
