"""The address under which the remote sees this computer."""

import socket

import pytest
from support.network import needs_ipv6

from harness.config.network import is_this_computer, local_address_towards
from harness.errors import ConfigError


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("127.0.1.1", "127.0.0.1"),  # Debian's address for the computer's own name
        pytest.param("::1", "::1", marks=needs_ipv6),
    ],
)
def test_a_remote_on_this_computer(host: str, address: str) -> None:
    """Its loopback addresses and names see this computer as loopback."""
    assert local_address_towards(host) == address
    assert is_this_computer(host)


def test_the_address_is_of_the_interface_to_the_remote() -> None:
    """The kernel's route decides, and the address is one of this computer."""
    try:
        address = local_address_towards("198.51.100.7")
    except ConfigError as error:
        pytest.skip(f"this computer has no network: {error}")

    assert not address.startswith("127.")
    with socket.socket() as one_of_ours:
        one_of_ours.bind((address, 0))
    assert is_this_computer(address)
    assert not is_this_computer("198.51.100.7")


def test_ipv4_wins_where_a_name_has_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orthanc listens on IPv4 in every version."""
    both = [
        (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("::1", 104, 0, 0)),
        (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", 104)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)

    assert local_address_towards("both.test") == "127.0.0.1"


def test_an_unknown_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names it, and what to do."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(ConfigError, match=r"'pacs.test'.*\(Name or service not known\).*--server"):
        local_address_towards("pacs.test")
    assert not is_this_computer("pacs.test")


def test_no_route_is_told() -> None:
    """The error names the host, and the workaround."""
    with pytest.raises(ConfigError, match=r"no route to 255\.255\.255\.255 .*--local-host"):
        local_address_towards("255.255.255.255")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "224.0.0.1"])  # noqa: S104 - refused
def test_addresses_of_no_computer_are_refused(host: str) -> None:
    """Wildcard and multicast addresses are not those of a remote."""
    with pytest.raises(ConfigError, match="not the address of a single computer"):
        local_address_towards(host)
