"""The type of the fixture `observe`."""

from typing import Protocol


class Observe(Protocol):
    """Notes an ability of a server; `declared` and `found` are a few words each."""

    def __call__(self, subject: str, declared: str | None = None, found: str | None = None) -> None:
        """Note it."""
