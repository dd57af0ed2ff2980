"""Establish an association, from either side (PS3.8 7.1), with errors that say why it failed."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from dcm.errors import RemoteProtocolError
from dcm.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dcm.net.channel import Channel
from dcm.net.dial import connect
from dcm.net.errors import (
    AssociationRejected,
    ConnectionFailed,
    ConnectionLost,
    NotAccepted,
    TimedOut,
    TlsFailed,
)
from dcm.net.remote import Listen, Remote
from dcm.net.tls import Tls, UnusableTls
from dcm.net.transport import Transport
from dcm.wire import (
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    PresentationContextRQ,
    TransportOpened,
    UserIdentityAC,
    UserIdentityRQ,
    UserItem,
    rejection,
)

OUR_INFORMATION: Final[tuple[UserItem, ...]] = (
    MaximumLength(1 << 17),  # longer ones were not faster in tests, and dcmtk does not send any
    ImplementationClassUID(IMPLEMENTATION_CLASS_UID),
    ImplementationVersionName(IMPLEMENTATION_VERSION_NAME),
)

Answer = Callable[[AssociateRQ], Awaitable[AssociateAC | AssociateRJ]]

_LOG: Final = logging.getLogger(__name__)
_DOING: Final = "connection"
_ADVICE: Final = {
    (1, 1): "it may require a user identity, or a different one",
    (1, 3): "register our AE title at the peer, or use one that it knows",
    (1, 7): "check the AE title of the peer",
    (3, 1): "try again later, or with fewer associations",
    (3, 2): "try again later, or with fewer associations",
}


async def open_transport(remote: Remote, ours: Tls | None) -> Transport:
    """Connect, using TLS if `remote` has it, with a certificate of `ours` if it has none for us.

    Raises `NetworkError`.
    """
    host, port, within = remote.node.host, remote.node.port, remote.limits.connect
    try:
        context = remote.tls.to_connect(ours) if remote.tls else None
        async with asyncio.timeout(within):
            connected = await connect(host, port)
        if context is None:
            return Transport(connected)
        from dcm.net.tls_transport import secure  # noqa: PLC0415 - most nodes do not use it

        return await secure(connected, context, str(remote), within, host)
    except UnusableTls as error:
        raise TlsFailed(str(remote), _DOING, str(error)) from error
    except TimeoutError:
        raise TimedOut(
            str(remote), _DOING, f"no answer for {within:g} s", "a firewall may block it"
        ) from None
    except OSError as error:
        raise ConnectionFailed(
            str(remote),
            _DOING,
            _words(error),
            "check host and port, and that it is running",
        ) from error


def _rejected(remote: str, answer: AssociateRJ) -> AssociationRejected:
    """Return the error for a rejection: result, source and reason in words, and what to try."""
    return AssociationRejected(
        remote, rejection(answer), _ADVICE.get((answer.source, answer.reason), ""),
        permanent=answer.result == 1,
    )  # fmt: skip


def request_for(
    local: Listen,
    remote: Remote,
    contexts: Sequence[PresentationContextRQ],
    user_information: Sequence[UserItem],
) -> AssociateRQ:
    """Return the request for an association with `remote`."""
    identity = [remote.user_identity] if remote.user_identity else []
    return AssociateRQ(
        called_ae_title=remote.node.ae_title,
        calling_ae_title=local.ae_title,
        presentation_contexts=tuple(contexts),
        user_information=(*OUR_INFORMATION, *identity, *user_information),
    )


async def ask(channel: Channel, request: AssociateRQ) -> None:
    """Request an association on an open connection. Raises `NetworkError`."""
    await channel.send(request)
    await channel.event(None)  # OpenTransport: the connection is already open
    if channel.trace is not None:
        channel.trace.proposed(request)
    await channel.send(TransportOpened())
    try:
        event = await channel.event(channel.limits.association)
    except (ConnectionLost, RemoteProtocolError) as error:
        if channel.encrypted:
            raise
        raise _look_for_tls(channel.remote, channel.doing, error) from error
    if isinstance(event, AssociateRJ):
        raise _rejected(channel.remote, event)
    if not isinstance(event, AssociateAC):
        raise channel.broken(f"{type(event).__name__} where A-ASSOCIATE-AC was expected")
    wanted = any(item.positive_response_requested for item in request.items(UserIdentityRQ))
    if wanted and not event.items(UserIdentityAC):
        raise NotAccepted(
            channel.remote, channel.doing, "it does not confirm the user identity",
            "it may not support user identities: do not require a confirmation",
        )  # fmt: skip
    _log(channel)


async def answer_request(channel: Channel, answer: Answer) -> bool:
    """Wait for a request and answer it; return whether the association is established."""
    await channel.send(TransportOpened())
    event = await channel.event(channel.limits.association)
    if not isinstance(event, AssociateRQ):  # rejected by the connection because of the version
        await channel.send()
        return False
    if channel.trace is not None:
        channel.trace.proposed(event)
    said = await answer(event)
    await channel.send(said)
    if isinstance(said, AssociateRJ):
        _LOG.info("%s: %s", channel.remote, rejection(said))
        channel.finish()
        return False
    _log(channel)
    return True


def _log(channel: Channel) -> None:
    """Log the result of the negotiation."""
    request, answer = channel.request_pdu, channel.answer_pdu
    _LOG.info(
        "%s: association, %d of %d presentation contexts accepted",
        channel.remote, len(channel.contexts), len(request.presentation_contexts),
    )  # fmt: skip
    if channel.trace is not None:
        channel.trace.negotiated(request, answer)


def _look_for_tls(
    remote: str, doing: str, error: ConnectionLost | RemoteProtocolError
) -> ConnectionLost | RemoteProtocolError | TlsFailed:
    """Return a better error if the peer may expect TLS: it sends an alert (type 15H), or hangs up."""
    if isinstance(error, ConnectionLost):
        return ConnectionLost(remote, doing, error.what, "it may expect TLS")
    if str(error).endswith(" 15H is not a PDU type"):
        return TlsFailed(remote, doing, "it answers with TLS", "set tls for it")
    return error


def _words(error: OSError) -> str:
    """Return the system's message, without the prefix of asyncio."""
    if error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return error.strerror or str(error)
