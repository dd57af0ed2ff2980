"""Under which address the remote will see this computer. Nothing is sent to the remote to find out."""

import ipaddress
import json
import socket
import subprocess

from harness.errors import ConfigError

DOCKER_LIMIT = 20.0  # seconds
WAY_OUT = "; or say with --local-host under which address the remote sees this computer"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def local_address_towards(host: str) -> str:
    """Return the address that this computer uses when it talks to `host`.

    That is the source address of the route, which the kernel tells once a UDP socket is connected.
    The host name would not do: Debian resolves it to 127.0.1.1. Raises ConfigError in a sentence.
    """
    return str(_route(host)[1])


def is_this_computer(host: str) -> bool:
    """Tell whether `host` is the computer that we run on; a name that nobody knows is not."""
    try:
        target, source = _route(host)
    except ConfigError:
        return False
    return target.is_loopback or target == source


def local_address_in(network: str) -> str:
    """Return the address of this computer in a Docker network: that of its bridge, or of our own container.

    Docker's own program is asked for the subnet, so that nothing need be installed; the rest is the
    kernel's route. Raises ConfigError in a sentence.
    """
    for subnet in _subnets(network):
        address = ipaddress.ip_address(local_address_towards(str(subnet.broadcast_address - 1)))
        if address in subnet:
            return str(address)
    raise ConfigError(
        f"--docker {network}: this computer has no address in that network; name one of the driver bridge"
        f" of an engine on this computer{WAY_OUT}"
    )


def _subnets(network: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Ask Docker for the subnets of a network, IPv4 first."""
    try:
        done = subprocess.run(
            ["docker", "network", "inspect", "--format", "{{json .IPAM.Config}}", network],
            capture_output=True,
            text=True,
            timeout=DOCKER_LIMIT,
            check=False,
        )
    except OSError as error:
        raise ConfigError(
            f"--docker asks the program docker, which cannot be run ({error.strerror}){WAY_OUT}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"--docker: the Docker engine does not answer{WAY_OUT}") from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise ConfigError(f"--docker {network}: docker says {said[-1]!r}{WAY_OUT}")
    subnets = [ipaddress.ip_network(each["Subnet"]) for each in json.loads(done.stdout) or ()]
    return sorted(subnets, key=lambda subnet: subnet.version)


def _route(host: str) -> tuple[Address, Address]:
    """Return the address of `host` and the one from which we would speak to it."""
    try:
        found = socket.getaddrinfo(host, 104, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"the host name {host!r} of the remote cannot be resolved ({reason}):"
            " correct --server, or give an address"
        ) from error
    refused = ""
    # IPv4 first: Orthanc listens there in every version.
    for family, _, _, _, address in sorted(found, key=lambda each: each[0] != socket.AF_INET):
        target = ipaddress.ip_address(str(address[0]))
        if target.is_unspecified or target.is_multicast:
            raise ConfigError(
                f"{host} is no address of one computer: name the remote as this computer reaches it"
            )
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect(address)
                return target, ipaddress.ip_address(probe.getsockname()[0])
        except OSError as error:
            refused = error.strerror or str(error)
    raise ConfigError(
        f"this computer has no route to {host} ({refused}): name another --server, or say with"
        " --local-host under which address the remote sees this computer"
    )
