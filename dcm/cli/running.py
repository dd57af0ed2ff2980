"""Running a command to its end: whatever happens is one sentence and an exit status, never a traceback."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Coroutine
from typing import Any, Final

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


def run_async(work: Coroutine[Any, Any, int]) -> int:
    """Run what speaks with others; interrupted, it ends its associations in order."""
    return asyncio.run(_until_terminated(work))


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


async def _until_terminated(work: Coroutine[Any, Any, int]) -> int:
    """Let SIGTERM end the work as SIGINT does: who stops a service must not break associations."""
    terminated = False
    task = asyncio.current_task()
    assert task is not None

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # not the main thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await work
    except asyncio.CancelledError:
        if terminated:
            return _TERMINATED
        raise
