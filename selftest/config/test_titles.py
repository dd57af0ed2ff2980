"""The AE title of a server is the configured one, not the one it reports."""

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
    """A server whose title differs from its configuration keeps the configured one."""
    configured = replace(servers.setup.pair.remote, ae_title=AETitle("CONFIGURED"))

    pair = replace(servers.setup.pair, remote=configured)
    with (
        Guard() as guard,
        contextlib.closing(attach(Role("remote", pair, guard), None, time_limit=5.0)) as server,
    ):
        assert server.identity.ae_title == "CONFIGURED"
        assert servers.remote.get("system")["DicomAet"] == "ORTHANC"  # type: ignore[index]
