"""Work for other processes, where there is much of it: each is a Python program of its own.

    with Processes("dcm.sort.scan:scanned") as processes:
        for result in processes.map(items):
            ...

A process reads items from its stdin and writes results to its stdout. It imports nothing of the program that
started it, so that any program can start it. Items and results are what `marshal` can carry.
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
    """As many processes as there are processors.

    function: as `module:name`; takes an item, returns a result.
    lost: gives the result of an item whose process ended before it had one; None: the function does, in this
    process. most: the most processes.
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
        """Start a process; if that is not possible, the work is done here."""
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
                with contextlib.suppress(OSError):  # one that has ended takes nothing any more
                    if stream:
                        stream.close()
        for each in processes:
            each.wait()

    def map(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield the results in the order of the items, of which few are taken before they are needed."""
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
        except IndexError:  # none could be started
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
    """Give stdout the result for each item of stdin, until that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started this process ends it
    given = sys.stdin.buffer
    # What a library prints must not get between the results.
    taken = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    work = named(function)
    while True:
        try:
            item = marshal.load(given)  # noqa: S302 - of who started this process
        except EOFError:
            return
        marshal.dump(work(item), taken)
        taken.flush()
