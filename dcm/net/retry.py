"""When to retry after an association has failed, and when to give up: one policy for all operations."""

import asyncio
import logging
from typing import Final

from dcm.frozen import Frozen
from dcm.net.errors import (
    AssociationRejected,
    KeyIgnored,
    NoProgress,
    NotAccepted,
    NotAllFound,
    OperationFailed,
)

_FINAL: Final = (
    AssociationRejected, NotAccepted, OperationFailed, NoProgress, KeyIgnored, NotAllFound,
)  # fmt: skip
"""Errors for which retrying is useless; transient rejections were already retried before being raised."""

_LOG: Final = logging.getLogger(__name__)


class Retry(Frozen):
    """The policy of a `Remote`.

    attempts: how often to try without progress. dead_ends: how many associations in a row may end without any
    response. pause: seconds before the next attempt, doubled each time up to `longest`.
    later: seconds before sending an instance once more to a remote that had no room for it.
    """

    attempts: int = 3
    dead_ends: int = 10
    pause: float = 0.25
    longest: float = 8.0
    later: float = 0.5

    async def wait(self, failures: int, error: Exception | None) -> None:
        """Wait before the next attempt, after this number of failures in a row."""
        seconds = min(self.pause * 2 ** max(0, failures - 1), self.longest)
        _LOG.info("%s; retrying in %g s", error, seconds)
        await asyncio.sleep(seconds)


class Patience:
    """Growing pauses while a peer transiently rejects associations, at most `limit` seconds in total."""

    def __init__(self, limit: float, retry: Retry) -> None:
        self._left = limit
        self._retry: Final = retry
        self._next = retry.pause

    async def pause(self, rejected: AssociationRejected) -> bool:
        """Wait before the next request; return False if retrying is useless or too late."""
        if rejected.permanent or self._left <= 0:
            return False
        seconds = min(self._next, self._left)
        level = logging.WARNING if self._next == self._retry.pause else logging.INFO
        _LOG.log(level, "%s; retrying in %g s, for up to %g s", rejected, seconds, self._left)
        self._left -= seconds
        self._next = min(2 * self._next, self._retry.longest)
        await asyncio.sleep(seconds)
        return True


class Tries:
    """Counts the failures of an operation, and decides whether to retry."""

    def __init__(self, retry: Retry) -> None:
        self.without_progress = 0
        self.after_error = False
        """Whether the last attempt failed without progress: an instance may be the cause."""
        self._retry: Final = retry
        self._given_up = 0
        self._over = False
        self._error: Exception | None = None

    @property
    def left(self) -> bool:
        """Whether to retry."""
        return not self._over

    def count(self, *, progress: bool, error: Exception | None = None) -> None:
        """Count an attempt and the error that ended it, if any; some errors are final."""
        self._error = error
        self.without_progress = 0 if progress else self.without_progress + 1
        self.after_error = error is not None and not progress
        self._given_up = 0 if progress else self._given_up
        self._over = isinstance(error, _FINAL) or self.without_progress >= self._retry.attempts

    def one_given_up(self) -> None:
        """Continue without the instance that seems to be the cause, unless that did not help before."""
        self._given_up += 1
        self._over = self._given_up >= self._retry.attempts
        self.without_progress = 0
        self.after_error = False

    async def pause(self) -> None:
        """Wait after an error, longer each time."""
        if self.left:
            await self._retry.wait(self.without_progress, self._error)
