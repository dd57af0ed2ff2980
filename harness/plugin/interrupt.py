"""Ctrl-C while cases run in this process: it ends the case under way, and the run behind it.

Python raises KeyboardInterrupt wherever it happens to be: in a finalizer, where it is lost; in the compiler,
where it becomes a SystemError; at an instruction that belongs to no line, which pytest cannot show. So it is
raised in cases and their fixtures alone, and the run ends whatever became of it there. A second Ctrl-C is
raised at once.
"""

import signal
from collections.abc import Generator
from types import FrameType

import pytest

MESSAGE = "interrupted"


class Interruption:
    """Registered as a plugin in a process that runs cases and that a person may interrupt."""

    def __init__(self) -> None:
        self._session: pytest.Session
        self._in_case = False
        self._handled = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Take the signal, unless it is ignored or somebody else has it."""
        self._session = session
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupt)
            self._handled = True

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        again = self._session.shouldstop == MESSAGE
        self._session.shouldstop = MESSAGE  # pytest looks at it between two cases
        if self._in_case or again:
            signal.default_int_handler(number, frame)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Let the start of the servers, the making of the fixtures and the case itself be interrupted."""
        self._in_case = True
        try:
            return (yield)
        except KeyboardInterrupt:
            # Without the way to the place, where a frame of Python 3.11 may be at no line.
            raise pytest.Session.Interrupted(f"Ctrl-C in {item.nodeid}") from None
        finally:
            self._in_case = False

    pytest_runtest_call = pytest_runtest_setup

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Give the signal back."""
        if self._handled:
            signal.signal(signal.SIGINT, signal.default_int_handler)
