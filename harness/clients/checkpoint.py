"""A repair of pynetdicom 3.0: requests whose response its own background thread takes away.

An association's reactor thread must stand still while a request waits for its response. pynetdicom asks
for that by clearing an event and then looks at a flag which the thread may still hold from the request
before; when the peer answers fast, the thread runs one more round and swallows the response ("Received
unexpected C-STORE service message", then silence until the time limit). Here `clear` returns only when the
thread really stands still.
"""

import threading

PATIENCE = 2.0  # seconds; a reactor comes by every millisecond unless its association is over


class ReactorCheckpoint:
    """Takes the place of the `threading.Event` at which pynetdicom's reactor stops."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = True
        self._parked = False

    def is_set(self) -> bool:
        """Return whether the reactor may pass."""
        return self._open

    def wait(self) -> None:
        """Stop the reactor here until it may pass."""
        with self._changed:
            while not self._open:
                self._parked = True
                self._changed.notify_all()
                self._changed.wait()

    def set(self) -> None:
        """Let the reactor pass."""
        with self._changed:
            self._open = True
            self._parked = False
            self._changed.notify_all()

    def clear(self) -> None:
        """Stop the reactor, and return when it has stopped."""
        with self._changed:
            self._open = False
            self._changed.wait_for(lambda: self._parked, timeout=PATIENCE)
