"""Storing instances in a place: each is given to a `Writer`, and has an outcome."""

from typing import Protocol

from dcm.instances import Instance, Sendable
from dcm.outcome import InstanceResult, Report


class Writer(Protocol):
    """Takes instances for a place, each with an outcome; see `dcm.net.sender.Sender`."""

    given_up: Exception | None
    """The error after which nothing more is tried."""

    async def put(self, what: Sendable) -> None:
        """Add a file, a data set or another instance, and wait while many others wait."""

    def add(self, instance: Instance) -> None:
        """Add an instance without waiting."""

    def settle(self, result: InstanceResult) -> None:
        """Record the outcome of an instance that is not to be stored."""

    async def room(self) -> None:
        """Wait while many instances wait."""

    async def finish(self) -> Report:
        """Wait for all outcomes, and return them in the order in which the instances were added."""
