"""The only way to the server: it reaches the addresses that were named, and no others.

Conversations hold no addresses, only the name of an interface ("door"). In addition, `confine`
makes Python itself refuse any other destination in this process, whichever library requests it.
"""

import ipaddress
import socket
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from harness.errors import HarnessError
from harness.model import Endpoint

Address = tuple[str, int]


class Forbidden(HarnessError):  # noqa: N818 - reads as the sentence it is
    """A connection to an address that was not named was attempted."""


class Doors:
    """The interfaces ("doors") of one server, by name."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Resolve each name now, so that later changes have no effect."""
        self._addresses: Final = {name: _resolved(each) for name, each in endpoints.items()}

    @property
    def names(self) -> frozenset[str]:
        """The names of the interfaces."""
        return frozenset(self._addresses)

    @property
    def addresses(self) -> frozenset[Address]:
        """Their addresses."""
        return frozenset(self._addresses.values())

    def connect(self, door: str, time_limit: float) -> socket.socket:
        """Open a connection. Raises Forbidden for an unknown interface, OSError if it is closed."""
        if door not in self._addresses:
            raise Forbidden(
                f"{door!r} is not an allowed interface: only {', '.join(sorted(self.names))}"
            )
        connected = socket.create_connection(self._addresses[door], timeout=time_limit)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected


def _resolved(endpoint: Endpoint) -> Address:
    found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    return str(found[0][4][0]), endpoint.port


def confine(addresses: Iterable[Address] = (), *, loopback: bool = False) -> None:
    """Permanently forbid this process to send anything to another address.

    `loopback`: also allow this computer, where a server is started on ports that the kernel
    chooses. An attempt raises Forbidden.
    """
    allowed = frozenset(addresses)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo" and not _is_known(arguments[0], allowed):
            raise Forbidden(f"{arguments[0]} is not an allowed host")
        if event not in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            return
        address = arguments[-1]
        if address is None or not isinstance(address, tuple):  # connected already, or no network
            return
        host, port = address[:2]
        if (host, port) in allowed or (loopback and _is_loopback(host)):
            return
        raise Forbidden(f"{host}:{port} is not an allowed address")

    sys.addaudithook(hook)


def _is_known(host: object, allowed: frozenset[Address]) -> bool:
    """Return whether a host needs no name resolution, or was named."""
    text = host.decode() if isinstance(host, bytes) else str(host)
    return host is None or _is_loopback(text) or text in {each for each, _ in allowed}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
