"""The location of one pair of servers: a private Docker network, and our address in it."""

import contextlib
import socket
from typing import Any, Self

from harness.errors import ServerError
from harness.servers.container_engine import connect, engine_address, own_container, speaking
from harness.servers.container_labels import filter_of, new_labels, remove_orphans, remove_run
from harness.servers.guard import Guard


class ContainerSite(contextlib.ExitStack):
    """A private network without access to others, where containers and this process meet.

    On the host we are its gateway; in a container of the same engine we join it. A context manager.
    """

    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self._guard = guard
        self.engine: Any
        self.network: str
        self.own_address: str
        """The address at which the containers reach this process."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.engine = stack.enter_context(contextlib.closing(connect()))
            remove_orphans(self.engine)
            self.labels = new_labels(self.engine)
            address = engine_address()
            if address.startswith("unix://"):
                self._guard.watch_engine(address.removeprefix("unix://"), filter_of(self.labels))
            stack.callback(remove_run, self.engine, self.labels)
            self._make_network()
            self.own_address = self._joined(stack) or self._as_gateway()
            self.enter_context(stack.pop_all())
        return self

    def _make_network(self) -> None:
        try:
            with speaking("creating a Docker network for the servers"):
                made = self.engine.api.create_network(
                    f"dicom-harness-{filter_of(self.labels).partition('=')[2]}",
                    driver="bridge",
                    internal=True,  # nothing outside can change the verdict
                    labels=self.labels,
                )
        except ServerError as error:
            if "address pool" not in str(error):
                raise
            raise ServerError(f"{error}; `docker network prune` removes unused networks") from error
        self.network = made["Id"]

    def _joined(self, stack: contextlib.ExitStack) -> str | None:
        """Join the network and return our address in it; None if we are not in a container."""
        own = own_container(self.engine)
        if own is None:
            return None  # on the host
        api = self.engine.api
        mode = api.inspect_container(own)["HostConfig"]["NetworkMode"]
        if mode == "host":
            return None  # a container with the addresses of the host
        if mode == "none":
            raise ServerError(
                "the harness runs in a container with `--network none`, which cannot reach other containers: "
                "start it without that option"
            )
        with speaking("joining the network of the servers"):
            api.connect_container_to_network(own, self.network)
            stack.callback(api.disconnect_container_from_network, own, self.network, force=True)
            joined = api.inspect_container(own)["NetworkSettings"]["Networks"].values()
        return str(next(each["IPAddress"] for each in joined if each["NetworkID"] == self.network))

    def _as_gateway(self) -> str:
        with speaking("looking at the network of the servers"):
            pools = self.engine.api.inspect_network(self.network)["IPAM"]["Config"]
        # IPv4 first: Orthanc listens there in every version.
        address = min((str(pool["Gateway"]) for pool in pools), key=lambda one: ":" in one)
        try:
            with socket.socket() as probe:
                probe.bind((address, 0))
        except OSError as error:
            raise ServerError(
                f"the engine at {engine_address()} runs on another computer or in a virtual machine, and its "
                "containers cannot be reached from here: run the harness in a container there, as "
                "`./run-docker.sh --image NAME` does"
            ) from error
        return address
