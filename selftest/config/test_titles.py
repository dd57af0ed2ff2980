"""The AE title of a server is what it was configured with, and not what it says."""

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.model import AETitle
from harness.servers.attached import attach
from harness.servers.guard import Guard
from harness.servers.product import Role

if TYPE_CHECKING:
    from conftest import Servers


def test_title_of_an_attached_server_is_the_configured_one(servers: "Servers") -> None:
    """A server that has another title than its configuration keeps the one of the configuration."""
    configured = replace(servers.setup.pair.remote, ae_title=AETitle("CONFIGURED"))

    pair = replace(servers.setup.pair, remote=configured)
    with (
        Guard() as guard,
        contextlib.closing(attach(Role("remote", pair, guard), None, time_limit=5.0)) as server,
    ):
        assert server.identity.ae_title == "CONFIGURED"
        assert servers.remote.get("system")["DicomAet"] == "ORTHANC"  # type: ignore[index]
