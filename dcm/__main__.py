"""The command `dcm` as a separate process, also as `python -m dcm`, tuned to start fast.

This module changes the garbage collector and the way asyncio is imported, which must not be done in another
program. `dcm.cli.main` does neither. The figures are CPU times of `dcm echo`, which takes 82 ms in total
(Python 3.11, the minimum of 30 interleaved runs with and without each change).
"""

import gc
import sys
from typing import Final

from dcm.cli import WRONG_USE, load, parse

_TLS_OF_ASYNCIO: Final = frozenset(("serve",))
"""Commands that need the TLS of asyncio's own transports, because uvicorn uses it."""


def command() -> int:
    """Run the command of `sys.argv` and return the exit status."""
    arguments = parse(sys.argv[1:])
    if arguments is None:
        return WRONG_USE
    gc.disable()  # imports create no garbage, and looking for it takes 19 ms
    try:
        if arguments.command not in _TLS_OF_ASYNCIO:
            _import_asyncio()
        run = load(arguments)
    finally:
        gc.freeze()  # modules never become garbage: saves 13 ms when 3000 files are sent
        gc.enable()
    return run()


def _import_asyncio() -> None:
    """Import asyncio without OpenSSL, which takes 8 ms.

    Our TLS runs in memory (`dcm.net.tls_transport`) and imports `ssl` itself. Only the TLS of asyncio's own
    transports becomes unavailable, which is needed only by `_TLS_OF_ASYNCIO`.
    """
    if "asyncio" not in sys.modules and "ssl" not in sys.modules:
        sys.modules["ssl"] = None  # type: ignore[assignment]  # so that it cannot be imported
        try:
            import asyncio  # noqa: F401, PLC0415
        finally:
            del sys.modules["ssl"]


if __name__ == "__main__":
    sys.exit(command())
