"""Connect to a host with several addresses, some of which may not work (RFC 8305).

Attempts overlap: the next address is tried a quarter of a second after the previous one, or as soon as that
has failed, and the first established connection is used. So an address that swallows packets costs only a
moment instead of the whole time limit.
"""

import asyncio
import logging
import os
import socket
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any, Final

_HEAD_START: Final = 0.25  # seconds (RFC 8305 5)

_LOG: Final = logging.getLogger(__name__)

_Address = tuple[int, int, int, str, Any]
_Attempt = asyncio.Task[socket.socket]


async def connect(host: str, port: int) -> socket.socket:
    """Return a socket connected to one of the addresses of `host`. Raises `OSError`.

    If all attempts fail, the error names each address with its reason.
    """
    addresses = await _addresses(host, port)
    if len(addresses) == 1:
        return await _attempt(addresses[0])
    return await _race(_alternating(addresses))


async def _addresses(host: str, port: int) -> Sequence[_Address]:
    """Look up the host in a thread, unless it is an address."""
    try:
        return socket.getaddrinfo(
            host.encode("ascii"),  # a str would load the tables for international names
            port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_NUMERICHOST,
        )
    except (socket.gaierror, UnicodeError):
        pass
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # an empty label, or one that is too long
        raise OSError(f"{host} is not a valid host name") from error
    if not found:
        raise OSError(f"{host} has no address")
    _LOG.debug("%s is at %s", host, ", ".join(map(_name, found)))
    return found


def _alternating(addresses: Sequence[_Address]) -> Sequence[_Address]:
    """Alternate address families, each in the order of the resolver (RFC 8305 4)."""
    first = [each for each in addresses if each[0] == addresses[0][0]]
    second = [each for each in addresses if each[0] != addresses[0][0]]
    return [each for pair in zip_longest(first, second) for each in pair if each is not None]


async def _race(addresses: Sequence[_Address]) -> socket.socket:
    waiting = deque(addresses)
    running: dict[_Attempt, _Address] = {}
    failures: list[str] = []
    try:
        while waiting or running:
            if waiting:
                address = waiting.popleft()
                running[asyncio.create_task(_attempt(address))] = address
            head_start = _HEAD_START if waiting else None
            done, _ = await asyncio.wait(
                running, timeout=head_start, return_when=asyncio.FIRST_COMPLETED
            )
            for attempt in done:
                error = attempt.exception()
                if error is None:
                    del running[attempt]
                    return attempt.result()
                failures.append(f"{_name(running.pop(attempt))}: {_reason(error)}")
        raise OSError("; ".join(failures))
    finally:
        await _abandon(running)


async def _abandon(attempts: Iterable[_Attempt]) -> None:
    """Cancel the remaining attempts; close one that has just succeeded."""
    started = [*attempts]
    for attempt in started:
        attempt.cancel()
    for late in await asyncio.gather(*started, return_exceptions=True):
        if isinstance(late, socket.socket):
            late.close()


async def _attempt(address: _Address) -> socket.socket:
    family, kind, protocol, _, where = address
    _LOG.debug("connecting to %s", _name(address))
    connecting = socket.socket(family, kind, protocol)
    try:
        connecting.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connecting, where)
    except BaseException as error:
        connecting.close()
        _LOG.debug("%s: %s", _name(address), _reason(error))
        raise
    _LOG.info("connected to %s", _name(address))
    return connecting


def _name(address: _Address) -> str:
    host, port = address[4][:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return "given up" if isinstance(error, asyncio.CancelledError) else str(error)
