"""The command `dcm` in a process of its own, also as `python -m dcm`, tuned to start fast.

What is done here must not be done to another program: it changes the collector of garbage, and how asyncio
is imported. `dcm.cli.main` does neither.
"""

import gc
import sys
from typing import Final

from dcm.cli import WRONG_USE, load, parse

_GARBAGE: Final = 20_000  # objects before a collection: hardly anything of ours is ever in a cycle


def command() -> int:
    """Run the command of `sys.argv` and return the exit status."""
    arguments = parse(sys.argv[1:])
    if arguments is None:
        return WRONG_USE
    gc.set_threshold(_GARBAGE)
    gc.disable()  # imports make no garbage, and looking for it takes a tenth of the start
    try:
        _import_asyncio()
        run = load(arguments)
    finally:
        gc.freeze()
        gc.enable()
    return run()


def _import_asyncio() -> None:
    """Import asyncio without OpenSSL, which takes a tenth of the start.

    Our TLS runs in memory (`dcm.net.tls_transport`) and imports `ssl` itself; only the TLS of asyncio's own
    transports is lost, and no command of ours uses it.
    """
    if "asyncio" not in sys.modules and "ssl" not in sys.modules:
        sys.modules["ssl"] = None  # type: ignore[assignment]  # so that it cannot be imported
        try:
            import asyncio  # noqa: F401, PLC0415
        finally:
            del sys.modules["ssl"]


if __name__ == "__main__":
    sys.exit(command())
