"""Distribute work among other processes, each of which is a separate Python program.

    with Processes("dcm.sort.scan:scanned") as processes:
        for result in processes.map(items):
            ...

A process reads items from stdin and writes results to stdout. It does not import the program that started
it, so any program can start it. Items and results must be supported by `marshal`.
"""

import contextlib
import importlib
import marshal
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Self

_MOST: Final = 8
_PROGRAM: Final = (
    "import sys; sys.path[:] = {}; from dcm.processes import serve; serve(sys.argv[1])"
)


class Processes:
    """A process for each processor.

    function: as `module:name`; takes an item and returns a result.
    lost: returns the result for an item whose process ended prematurely; None: call the function in this
    process. most: the maximum number of processes.
    """

    def __init__(
        self, function: str, lost: Callable[[Any], Any] | None = None, most: int = _MOST
    ) -> None:
        self._name: Final = function
        self._lost: Final = lost
        self._count: Final = max(1, min(most, len(os.sched_getaffinity(0))))
        self._processes: Final[deque[subprocess.Popen[bytes]]] = deque()
        self._ended: Final[list[subprocess.Popen[bytes]]] = []
        self._threads: Final = ThreadPoolExecutor(self._count, "dcm-process")

    def __enter__(self) -> Self:
        for _ in range(self._count):
            self._start()
        return self

    def _start(self) -> None:
        """Start a process; if that fails, the work is done in this one."""
        command = [sys.executable, "-c", _PROGRAM.format(repr(sys.path)), self._name]
        with contextlib.suppress(OSError):
            self._processes.append(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        processes = [*self._processes, *self._ended]
        for each in processes:
            for stream in (each.stdin, each.stdout):
                with contextlib.suppress(
                    OSError
                ):  # a process that has ended no longer accepts anything
                    if stream:
                        stream.close()
        for each in processes:
            each.wait()

    def map(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield the results in the order of the items; only a few items are read ahead."""
        waiting: deque[Future[Any]] = deque()
        for item in items:
            waiting.append(self._threads.submit(self._work, item))
            if len(waiting) > 2 * self._count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _work(self, item: Any) -> Any:
        try:
            process = self._processes.pop()
        except IndexError:  # no process could be started
            return named(self._name)(item)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            marshal.dump(item, process.stdin)
            process.stdin.flush()
            result = marshal.load(process.stdout)  # noqa: S302 - our own
        except (OSError, EOFError, ValueError, TypeError):
            process.kill()
            self._ended.append(process)
            if self._lost is None:
                return named(self._name)(item)
            self._start()
            return self._lost(item)
        self._processes.append(process)
        return result


def named(function: str) -> Callable[[Any], Any]:
    """Import a function by `module:name`."""
    module, _, name = function.partition(":")
    found: Callable[[Any], Any] = getattr(importlib.import_module(module), name)
    return found


def serve(function: str) -> None:
    """Write the result for each item on stdin to stdout, until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program that started this process ends it
    given = sys.stdin.buffer
    # Output of a library must not be mixed with the results.
    taken = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    work = named(function)
    while True:
        try:
            item = marshal.load(given)  # noqa: S302 - from the program that started this process
        except EOFError:
            return
        marshal.dump(work(item), taken)
        taken.flush()
