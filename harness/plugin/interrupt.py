"""Handling of Ctrl-C while cases run in this process: it ends the current case, and then the run.

Python can raise KeyboardInterrupt anywhere: in a finalizer, where it is lost; in the compiler,
where it becomes a SystemError; at an instruction without a line number, which pytest cannot show.
Therefore it is raised only in cases and their fixtures, and the run ends even if these catch it. A
second Ctrl-C is raised at once.
"""

import signal
from collections.abc import Generator
from types import FrameType

import pytest

MESSAGE = "interrupted"


class Interruption:
    """Registered as a plugin in a process that runs cases and can be interrupted by a user."""

    def __init__(self) -> None:
        self._session: pytest.Session
        self._in_case = False
        self._handled = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Install the signal handler, unless the signal is ignored or already handled."""
        self._session = session
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupt)
            self._handled = True

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        again = self._session.shouldstop == MESSAGE
        self._session.shouldstop = MESSAGE  # pytest checks it between two cases
        if self._in_case or again:
            signal.default_int_handler(number, frame)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Allow interrupting the start of the servers, the fixtures and the case itself."""
        self._in_case = True
        try:
            return (yield)
        except KeyboardInterrupt:
            # Without the traceback, in which a frame of Python 3.11 may have no line number.
            raise pytest.Session.Interrupted(f"Ctrl-C in {item.nodeid}") from None
        finally:
            self._in_case = False

    pytest_runtest_call = pytest_runtest_setup

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Restore the signal handler."""
        if self._handled:
            signal.signal(signal.SIGINT, signal.default_int_handler)
