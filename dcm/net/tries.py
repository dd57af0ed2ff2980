"""When to try again, and when to give up."""

import asyncio
import logging
from typing import Final

from dcm.net.errors import AssociationRejected, NoProgress, NotAccepted, OperationFailed

_MOST: Final = 3
_PAUSE: Final = 0.1  # seconds, doubled with each failure
_FIRST_PAUSE: Final = 0.25  # seconds, while a peer is busy
_LONGEST_PAUSE: Final = 8.0

_LOG: Final = logging.getLogger(__name__)


class Patience:
    """Growing pauses while a peer rejects associations for now, together no longer than `limit` seconds."""

    def __init__(self, limit: float) -> None:
        self._left = limit
        self._next = _FIRST_PAUSE

    async def pause(self, rejected: AssociationRejected) -> bool:
        """Wait until the peer may be asked again; False: not at all, since it is of no use or too late."""
        if rejected.permanent or self._left <= 0:
            return False
        seconds = min(self._next, self._left)
        level = logging.WARNING if self._next == _FIRST_PAUSE else logging.INFO
        _LOG.log(
            level, "%s; asking again, after %g s and for up to %g s", rejected, seconds, self._left
        )
        self._left -= seconds
        self._next = min(2 * self._next, _LONGEST_PAUSE)
        await asyncio.sleep(seconds)
        return True


class Tries:
    """Counts failures of an operation, and decides whether to try again.

    busy: for how many seconds to wait for a peer that rejects associations for now; 0 where
    `Association.request` has waited for it already.
    """

    def __init__(self, busy: float = 0.0) -> None:
        self.without_progress = 0
        self.after_error = False
        """Whether the last try made no progress and ended with an error: an instance may be the cause."""
        self._given_up = 0
        self._over = False
        self._patience: Final = Patience(busy)
        self._error: Exception | None = None

    @property
    def left(self) -> bool:
        """Whether to try again."""
        return not self._over

    def count(self, *, progress: bool, error: Exception | None = None) -> None:
        """Count a try and the error that ended it, if any; some errors are final."""
        self._error = error
        if isinstance(error, AssociationRejected):
            return  # `pause` decides
        self.without_progress = 0 if progress else self.without_progress + 1
        self.after_error = error is not None and not progress
        self._given_up = 0 if progress else self._given_up
        hopeless = isinstance(error, NotAccepted | OperationFailed | NoProgress)
        self._over = hopeless or self.without_progress >= _MOST

    def one_given_up(self) -> None:
        """Go on without the instance that seems to be the cause, unless that did not help before."""
        self._given_up += 1
        self._over = self._given_up >= _MOST
        self.without_progress = 0
        self.after_error = False

    async def pause(self) -> None:
        """Wait after an error, longer each time."""
        if isinstance(self._error, AssociationRejected):
            self._over = not await self._patience.pause(self._error)
        elif self.left:
            seconds = _PAUSE * 2**self.without_progress
            _LOG.info("%s; trying again in %g s", self._error, seconds)
            await asyncio.sleep(seconds)
