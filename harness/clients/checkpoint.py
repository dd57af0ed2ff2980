"""A repair of pynetdicom 3.0: requests whose response its own background thread takes away.

An association's reactor thread must stand still while a request waits for its response. pynetdicom asks
for that by clearing an event and then looks at a flag which the thread may still hold from the request
before; when the peer answers fast, the thread runs one more round and swallows the response ("Received
unexpected C-STORE service message", then silence until the time limit). Here `clear` returns only when the
thread really stands still.
"""

import threading

PATIENCE = 2.0  # seconds; a reactor comes by every millisecond unless its association is over


class ReactorCheckpoint(threading.Event):
    """Takes the place of the event at which pynetdicom's reactor stops; open to begin with."""

    def __init__(self) -> None:
        super().__init__()
        self._parked = threading.Event()
        self.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Stop the reactor here until it may pass."""
        while not self.is_set():  # not for one round more, if it was cleared again at once
            self._parked.set()
            super().wait(timeout)
        return True

    def clear(self) -> None:
        """Stop the reactor, and return when it has stopped."""
        if self.is_set():  # otherwise it has stopped already
            self._parked.clear()
        super().clear()
        self._parked.wait(PATIENCE)
