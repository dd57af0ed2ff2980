"""The configuration of an Orthanc for its role, as the adapters of processes and containers ask for it."""

from collections.abc import Sequence
from pathlib import Path

from harness.config.orthanc import local_configuration, remote_configuration
from harness.config.overrides import Override, overridden
from harness.config.settings import Ports, Setup
from harness.servers.orthanc import Configure
from harness.servers.product import Role


def configure_for(role: Role, plugins: tuple[str, ...], overrides: Sequence[Override]) -> Configure:
    """Return what makes the configuration: the suites' for the remote, a plain one for the local server."""

    def configure(ports: Ports, storage: Path, worklists: Path | None) -> dict[str, object]:
        if role.name == "local":
            return local_configuration(role.pair, storage, ports)
        setup = Setup(role.pair, storage, worklists, plugins)
        return overridden(remote_configuration(setup, ports), overrides)

    return configure
