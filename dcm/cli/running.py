"""Running a command to its end: whatever happens is one sentence and an exit status, never a traceback."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Coroutine
from typing import Any, Final, Self

from dcm.cli.logs import LOG, logging_as_asked
from dcm.cli.output import forgiving_stdout
from dcm.cli.usage import UsageError
from dcm.errors import AnswerError, DcmError, RemoteProtocolError
from dcm.net.errors import NetworkError

_FAILED: Final = 1
_WRONG_USE: Final = 2
_INTERRUPTED: Final = 128 + signal.SIGINT  # as shells have it
_BROKEN_PIPE: Final = 128 + signal.SIGPIPE
_TERMINATED: Final = 128 + signal.SIGTERM

# All other errors of ours say that something cannot be as it was asked.
_ON_THE_WAY: Final = (NetworkError, RemoteProtocolError, AnswerError)


def run(command: Callable[[Namespace], int], arguments: Namespace) -> int:
    """Run a command with its logs as they were asked for, and give the exit status."""
    _unmask_interrupts()
    try:
        with forgiving_stdout(), logging_as_asked(arguments):
            return _attempt(command, arguments)
    except BrokenPipeError:
        return _BROKEN_PIPE
    except UsageError as error:  # the logs cannot be as they were asked for
        print(f"dcm {arguments.command}: {error}", file=sys.stderr)
        return _WRONG_USE
    finally:
        _leave_stdout()


def run_async(work: Coroutine[Any, Any, int], stop: Callable[[], None] | None = None) -> int:
    """Run work that uses the network; interrupted by SIGINT or SIGTERM, it ends its associations in order.

    With `stop`, the first signal only calls that, and the work ends by itself with its own exit status.
    """
    return asyncio.run(_until_signalled(work, stop))


def _attempt(command: Callable[[Namespace], int], arguments: Namespace) -> int:
    try:
        status = command(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        return _tell("interrupted", _INTERRUPTED)
    except DcmError as error:
        return _tell(str(error), _FAILED if isinstance(error, _ON_THE_WAY) else _WRONG_USE)
    except OSError as error:
        what = error.strerror or str(error)
        return _tell(f"{error.filename}: {what}" if error.filename else what, _FAILED)
    except Exception as error:  # noqa: BLE001 - people get a sentence, whatever it is
        return _tell(f"a defect of dcm: {error!r}; --debug shows where: please report it", _FAILED)
    return status


def _tell(words: str, status: int) -> int:
    LOG.error("%s", words)
    LOG.debug("It was raised here:", exc_info=True)
    return status


def _unmask_interrupts() -> None:
    """Let Ctrl-C work where whoever started us has masked it, as shells do for background jobs."""
    if threading.current_thread() is threading.main_thread():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave_stdout() -> None:
    """Where our output cannot be written any more, say no word about it again at the end of Python."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class _Signals:
    """SIGINT and SIGTERM while work runs: the first ends it in order, the next at once.

    stop: called by the first one, for work that ends by itself then; without it, the work is cancelled. The
    one after cancelling cuts short what is done to end in order, and a further one ends the process.
    """

    def __init__(self, stop: Callable[[], None] | None) -> None:
        self.first: int | None = None
        self.cancelled = False
        self._waiting: Final = [*([stop] if stop else []), self._cancel, self._cancel]
        self._task: Final = asyncio.current_task()
        self._loop: Final = asyncio.get_running_loop()

    def __enter__(self) -> Self:
        numbers = (signal.SIGINT, signal.SIGTERM)
        self._before = {number: signal.getsignal(number) for number in numbers}
        with contextlib.suppress(ValueError):  # not the main thread
            for number in numbers:
                signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(
            ValueError, TypeError
        ):  # the latter: a handler that is not Python's
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def _take(self, number: int, _frame: object) -> None:
        self.first = self.first or number
        if self._waiting:
            self._loop.call_soon_threadsafe(self._waiting.pop(0))
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def _cancel(self) -> None:
        self.cancelled = True
        if self._task is not None:
            self._task.cancel()


async def _until_signalled(work: Coroutine[Any, Any, int], stop: Callable[[], None] | None) -> int:
    with _Signals(stop) as signals:
        try:
            return await work
        except asyncio.CancelledError:
            if not signals.cancelled or signals.first is None:
                raise
            if signals.first == signal.SIGINT:
                return _tell("interrupted", _INTERRUPTED)
            return _TERMINATED
