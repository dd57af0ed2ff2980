"""What a lie is to a connection: something that changes its bytes on their way."""

from typing import Protocol as Interface

from harness.relay.tape import Direction


class Filter(Interface):
    """What changes the bytes of one connection on their way."""

    def feed(self, direction: Direction, data: bytes) -> bytes:
        """Take what arrived, and return what is passed on now."""

    def end(self, direction: Direction) -> bytes:
        """Return what was held back: nothing more comes in this direction."""


class Lie(Interface):
    """One seeded bug."""

    def filter(self) -> Filter:
        """Make what tells the lie on one connection; over HTTP, in one exchange."""
