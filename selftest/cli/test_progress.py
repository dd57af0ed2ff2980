"""Progress: after a moment, on a terminal, and nowhere else."""

import asyncio
import contextlib
import os
import pty
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import TextIO

import pytest

from dcm.cli import progress
from dcm.cli.logs import LOG, logging_as_asked
from dcm.cli.progress import Progress, wanted

OPTIONS = Namespace(
    command="get", quiet=False, no_progress=False, verbose=False, debug=False, debug_filter=[],
    log_path=os.devnull, file_log_level="error",
)  # fmt: skip


class Terminal:
    """A terminal in place of stderr."""

    def __init__(self) -> None:
        self._ours, theirs = pty.openpty()
        self.file: TextIO = os.fdopen(theirs, "w")

    def close(self) -> None:
        """Close the terminal."""
        self.file.close()
        os.close(self._ours)

    def read(self) -> str:
        """Wait for output, and return it."""
        return os.read(self._ours, 1 << 16).decode(errors="replace")

    def shown(self) -> str:
        """Return all output; there can be no more."""
        self.file.close()
        said = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while more := os.read(self._ours, 1 << 16):
                said += more
        return said.decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A terminal whose output a test can read."""
    made = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    yield made
    made.close()


def test_a_bar_after_a_moment(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts, disappears at the end, and messages appear above it."""
    monkeypatch.setattr(progress, "_MOMENT", 0)
    monkeypatch.setattr(sys, "stderr", terminal.file)

    async def scenario() -> str:
        text = ""
        async with Progress("sending", 3, shown=wanted(OPTIONS)) as shown, asyncio.timeout(60):
            shown.done += 2
            while "2/3" not in text:
                text += await asyncio.to_thread(terminal.read)
            LOG.error("one failed")
        return text

    with logging_as_asked(OPTIONS):
        text = asyncio.run(scenario())
    assert "sending" in text
    text += terminal.shown()
    assert "dcm get: one failed\r\n" in text


def test_what_is_quick_shows_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a single byte is written."""
    monkeypatch.setattr(sys, "stderr", terminal.file)

    monkeypatch.setattr(progress, "_bar", lambda: made.append("rich was imported"))
    made: list[str] = []

    async def scenario() -> None:
        async with Progress("sending", 3, shown=wanted(OPTIONS)) as shown:
            await asyncio.sleep(0)
            shown.done += 3

    asyncio.run(scenario())
    assert (terminal.shown(), made) == ("", [])


@pytest.mark.parametrize("option", ["quiet", "no_progress"])
def test_who_does_not_want_it(
    option: str, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option switches it off."""
    monkeypatch.setattr(sys, "stderr", terminal.file)
    assert wanted(OPTIONS)
    assert not wanted(Namespace(**{**vars(OPTIONS), option: True}))


def test_nobody_looks() -> None:
    """There is no progress in a pipe."""
    assert not wanted(OPTIONS)
