"""The way to an association as requestor: the connection below it, and the words where there is none."""

import asyncio
import os
import socket
from typing import Final

from dcm.errors import RemoteProtocolError
from dcm.net.dial import connect
from dcm.net.errors import (
    AssociationRejected,
    ConnectionFailed,
    ConnectionLost,
    TimedOut,
    TlsFailed,
)
from dcm.net.remote import Remote
from dcm.net.tls import Tls, UnusableTls
from dcm.net.transport import Transport
from dcm.wire import AssociateRJ, rejection

_DOING: Final = "connection"
_ADVICE: Final = {
    (1, 1): "is user identity wanted, or another one?",
    (1, 3): "register our AE title at the peer, or use one that it knows",
    (1, 7): "check the AE title of the peer",
    (3, 1): "try again later, or with fewer associations",
    (3, 2): "try again later, or with fewer associations",
}


async def open_transport(remote: Remote, ours: Tls | None) -> Transport:
    """Connect, by TLS where `remote` has it, with a certificate of `ours` if it has none for us.

    Raises `NetworkError`.
    """
    host, port, within = remote.node.host, remote.node.port, remote.limits.connect
    try:
        if remote.tls is None:
            async with asyncio.timeout(within):
                return Transport(await connect(host, port))
        from dcm.net.tls_transport import connect_tls  # noqa: PLC0415 - most do without

        context = remote.tls.to_connect(ours)
        return await connect_tls(host, port, context, str(remote), within)
    except UnusableTls as error:
        raise TlsFailed(str(remote), _DOING, str(error)) from error
    except TimeoutError:
        raise TimedOut(
            str(remote), _DOING, f"no answer for {within:g} s", "is a firewall between?"
        ) from None
    except OSError as error:
        raise ConnectionFailed(
            str(remote),
            _DOING,
            _words(error),
            "check host and port, and that it runs",
        ) from error


def rejected(remote: str, answer: AssociateRJ) -> AssociationRejected:
    """Return the error for a rejection: result, source and reason in words, and what to try."""
    return AssociationRejected(
        remote, rejection(answer), _ADVICE.get((answer.source, answer.reason), ""),
        permanent=answer.result == 1,
    )  # fmt: skip


def look_for_tls(
    remote: str, doing: str, error: ConnectionLost | RemoteProtocolError
) -> ConnectionLost | RemoteProtocolError | TlsFailed:
    """Return a better error where the peer may want TLS: it sends an alert (type 15H), or hangs up."""
    if isinstance(error, ConnectionLost):
        return ConnectionLost(remote, doing, error.what, "does it want TLS?")
    if str(error).endswith(" 15H is no type of a PDU"):
        return TlsFailed(remote, doing, "it answers with TLS", "set tls for it")
    return error


def _words(error: OSError) -> str:
    """Return the system's words, without those that asyncio puts before them."""
    if error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return error.strerror or str(error)
