"""Run a command: every failure becomes one line and an exit status, never a traceback."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

from dcm.cli.logs import LOG, logging_as_asked
from dcm.cli.output import forgiving_stdout
from dcm.cli.usage import UsageError
from dcm.errors import AnswerError, DcmError, RemoteProtocolError
from dcm.net.errors import NetworkError

_FAILED: Final = 1
_WRONG_USE: Final = 2
_INTERRUPTED: Final = 128 + signal.SIGINT  # what a shell reports
_BROKEN_PIPE: Final = 128 + signal.SIGPIPE
_TERMINATED: Final = 128 + signal.SIGTERM

# Any other `DcmError` means that the request cannot be carried out.
_ON_THE_WAY: Final = (NetworkError, RemoteProtocolError, AnswerError)


def run(command: Callable[[Namespace], int], arguments: Namespace) -> int:
    """Run a command with the requested logging, and return the exit status."""
    _unmask_interrupts()
    try:
        with forgiving_stdout(), logging_as_asked(arguments):
            return _attempt(command, arguments)
    except BrokenPipeError:
        return _BROKEN_PIPE
    except UsageError as error:  # logging as requested is not possible
        print(f"dcm {arguments.command}: {error}", file=sys.stderr)
        return _WRONG_USE
    finally:
        _leave_stdout()


def run_async(work: Coroutine[Any, Any, int], stop: Callable[[], None] | None = None) -> int:
    """Run work that uses the network; on SIGINT or SIGTERM, it ends and closes its associations.

    With `stop`, the first signal only calls that function, and the work ends with its own exit
    status.
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
        return _tell(f"bug in dcm: {error!r}; please report it with the output of --debug", _FAILED)
    return status


def _tell(words: str, status: int) -> int:
    LOG.error("%s", words)
    LOG.debug("Traceback:", exc_info=True)
    return status


def _unmask_interrupts() -> None:
    """Make Ctrl-C work even if SIGINT is masked or ignored, as in background jobs of a shell."""
    if threading.current_thread() is threading.main_thread():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave_stdout() -> None:
    """If stdout is no longer writable, keep Python from reporting that again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


async def _until_signalled(work: Coroutine[Any, Any, int], stop: Callable[[], None] | None) -> int:
    """Do work that SIGINT and SIGTERM stop: the first signal properly, the second immediately.

    The first signal calls `stop`, or cancels the work if there is no `stop`. A signal after
    cancelling aborts the clean-up, and another one ends the process.
    """
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    steps: list[Callable[[], object]] = [*([stop] if stop else []), task.cancel, task.cancel]
    came: list[int] = []

    def take(number: int, _frame: object) -> None:
        came.append(number)
        if len(came) <= len(steps):
            loop.call_soon_threadsafe(steps[len(came) - 1])
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    with _handling(take):
        try:
            return await work
        except asyncio.CancelledError:
            if len(came) <= len(steps) - 2:  # cancelled from elsewhere
                raise
            if came[0] == signal.SIGINT:
                return _tell("interrupted", _INTERRUPTED)
            return _TERMINATED


@contextlib.contextmanager
def _handling(take: Callable[[int, object], None]) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with contextlib.suppress(ValueError):  # not the main thread
        for number in before:
            signal.signal(number, take)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError, TypeError):  # the latter: a handler not set by Python
            for number, handler in before.items():
                signal.signal(number, handler)
