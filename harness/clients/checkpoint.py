"""A workaround for pynetdicom 3.0, whose background thread can take the response to a request.

An association's reactor thread must be paused while a request waits for its response. pynetdicom
clears an event to pause it, and then checks a flag that may still be set from the previous request.
If the peer answers fast, the thread runs one more round and consumes the response ("Received
unexpected C-STORE service message", then silence until the time limit). Here `clear` returns only
when the thread is actually paused.
"""

import threading

PATIENCE = 2.0  # seconds; a reactor passes every millisecond unless its association is over


class ReactorCheckpoint(threading.Event):
    """Replaces the event that pauses pynetdicom's reactor; initially set."""

    def __init__(self) -> None:
        super().__init__()
        self._parked = threading.Event()
        self.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Pause the reactor here until the event is set."""
        while not self.is_set():  # wait again if it was cleared again at once
            self._parked.set()
            super().wait(timeout)
        return True

    def clear(self) -> None:
        """Pause the reactor, and return when it is paused."""
        if self.is_set():  # otherwise it is paused already
            self._parked.clear()
        super().clear()
        self._parked.wait(PATIENCE)
