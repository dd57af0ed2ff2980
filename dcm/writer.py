"""Store instances in a place through a `Writer`, which reports an outcome for each."""

from typing import Protocol

from dcm.instances import Instance, Sendable
from dcm.outcome import InstanceResult, Report


class Writer(Protocol):
    """Accepts instances for a place, and records an outcome for each; see `dcm.net.sender.Sender`."""

    given_up: Exception | None
    """The error after which nothing else is tried."""

    async def put(self, what: Sendable) -> None:
        """Add a file, a data set or another instance; wait while the queue is full."""

    def add(self, instance: Instance) -> None:
        """Add an instance without waiting."""

    def settle(self, result: InstanceResult) -> None:
        """Record the outcome of an instance that is not to be stored."""

    async def room(self) -> None:
        """Wait while the queue is full."""

    async def finish(self) -> Report:
        """Wait for all outcomes, and return them in the order in which the instances were added."""
