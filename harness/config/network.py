"""Determines the address by which the remote sees this computer, without sending it anything."""

import ipaddress
import json
import socket
import subprocess

from harness.errors import ConfigError

DOCKER_LIMIT = 20.0  # seconds
WAY_OUT = "; or use --local-host with the address of this computer as seen from the remote"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def local_address_towards(host: str) -> str:
    """Return the address that this computer uses to reach `host`.

    That is the source address of the route, which the kernel reveals when a UDP socket is
    connected. The host name would not do: Debian resolves it to 127.0.1.1. Raises ConfigError in a
    sentence.
    """
    return str(_route(host)[1])


def is_this_computer(host: str) -> bool:
    """Return whether `host` is this computer; a name that cannot be resolved is not."""
    try:
        target, source = _route(host)
    except ConfigError:
        return False
    return target.is_loopback or target == source


def local_address_in(network: str) -> str:
    """Return this computer's address in a Docker network: the bridge's, or our own container's.

    Docker's own program returns the subnet, so nothing needs to be installed; the rest is the
    kernel's route. Raises ConfigError in a sentence.
    """
    for subnet in _subnets(network):
        address = ipaddress.ip_address(local_address_towards(str(subnet.broadcast_address - 1)))
        if address in subnet:
            return str(address)
    raise ConfigError(
        f"--docker {network}: this computer has no address in that network; use a bridge network"
        f" of an engine on this computer{WAY_OUT}"
    )


def _subnets(network: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Return the subnets of a Docker network, IPv4 first."""
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
            f"--docker needs the program docker, which cannot be run ({error.strerror}){WAY_OUT}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"--docker: the Docker engine does not answer{WAY_OUT}") from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise ConfigError(f"--docker {network}: docker reports {said[-1]!r}{WAY_OUT}")
    subnets = [ipaddress.ip_network(each["Subnet"]) for each in json.loads(done.stdout) or ()]
    return sorted(subnets, key=lambda subnet: subnet.version)


def _route(host: str) -> tuple[Address, Address]:
    """Return the address of `host` and the one from which we would reach it."""
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
                f"{host} is not the address of a single computer: use one that reaches the remote"
            )
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect(address)
                return target, ipaddress.ip_address(probe.getsockname()[0])
        except OSError as error:
            refused = error.strerror or str(error)
    raise ConfigError(
        f"this computer has no route to {host} ({refused}): use another --server, or give"
        " --local-host the address of this computer as seen from the remote"
    )


def is_loopback(host: str) -> bool:
    """Return whether this name or address only works within this computer."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
