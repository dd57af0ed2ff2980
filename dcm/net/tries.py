"""When to try again, and when to give up."""

import asyncio
from typing import Final

from dcm.net.errors import AssociationRejected, NotAccepted, OperationFailed

_MOST: Final = 3
_PAUSE: Final = 0.1  # seconds, doubled with each failure


class Tries:
    """How often it was tried in vain, and whether to try again."""

    def __init__(self) -> None:
        self.without_progress = 0
        self.after_error = False
        """Whether an error ended the last one without progress: an instance may be the cause."""
        self._given_up = 0
        self._over = False

    @property
    def left(self) -> bool:
        """Whether to try again."""
        return not self._over

    def count(self, *, progress: bool, error: Exception | None = None) -> None:
        """Count a try, which an error ended or not; some errors are final."""
        self.without_progress = 0 if progress else self.without_progress + 1
        self.after_error = error is not None and not progress
        self._given_up = 0 if progress else self._given_up
        hopeless = isinstance(error, NotAccepted | OperationFailed) or (
            isinstance(error, AssociationRejected) and error.permanent
        )
        self._over = hopeless or self.without_progress >= _MOST

    def one_given_up(self) -> None:
        """Go on without the instance that seems to be the cause, unless that did not help before."""
        self._given_up += 1
        self._over = self._given_up >= _MOST
        self.without_progress = 0
        self.after_error = False

    async def pause(self) -> None:
        """Wait a little after an error, longer each time."""
        if self.left:
            await asyncio.sleep(_PAUSE * 2**self.without_progress)
