"""Produce output from many files, in order, in this process or in several if that is faster."""

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from dcm.errors import DcmError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

Made = TypeVar("Made")

_ALONE: Final = 2000
"""The number of files from which starting processes is worthwhile."""
_AT_ONCE: Final = 100
"""The number of files sent to a process at a time."""
_MOST: Final = 8


class WorkerDied(DcmError):  # noqa: N818 - reads as the sentence it is
    """A process that was reading files ended unexpectedly."""


def processes() -> int:
    """Return the default number of processes."""
    return min(len(os.sched_getaffinity(0)), _MOST)


def all_made(
    make: Callable[[str], Made], paths: Iterator[str], count: int, *, at_once: int = _AT_ONCE
) -> Generator[Made, None, None]:
    """Yield the result for each file, in order; after a while, with `count` processes.

    At most a few results for each process are kept in memory. `make` is sent to the processes.
    """
    first = _ALONE if count > 1 else None
    for path in islice(paths, first):
        yield make(path)
    if first is not None:
        for some in _made_elsewhere(make, paths, count, at_once):
            yield from some


def _made_elsewhere(
    make: Callable[[str], Made], paths: Iterator[str], count: int, at_once: int
) -> Iterator[list[Made]]:
    free: deque[Connection] = deque()
    busy: deque[Connection] = deque()
    started: list[SpawnProcess] = []
    try:
        while some := [*islice(paths, at_once)]:
            done: list[Made] | None = None
            if not free and len(started) < count:
                process, connection = _started(make)
                started.append(process)
                free.append(connection)
            elif not free:
                free.append(busy.popleft())
                done = _received(free[-1])
            busy.append(free.popleft())
            busy[-1].send(some)
            if done is not None:
                yield done
        while busy:
            free.append(busy.popleft())
            yield _received(free[-1])
    finally:
        for connection in (*free, *busy):
            connection.close()
        for process in started:
            process.terminate()
            process.join()


def _started(make: Callable[[str], Made]) -> "tuple[SpawnProcess, Connection]":
    import multiprocessing  # noqa: PLC0415 - only for many files

    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, make), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _received(connection: "Connection") -> list[Made]:
    try:
        found: list[Made] = connection.recv()
    except (EOFError, OSError):
        raise WorkerDied(
            "a process that was reading files ended unexpectedly; try --jobs 1"
        ) from None
    return found


def _serve(connection: "Connection", make: Callable[[str], Made]) -> None:
    """Produce results until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process ends this one
    with suppress(EOFError, OSError):
        while True:
            connection.send([make(path) for path in connection.recv()])
