"""Logging to stderr and to a file, at the levels given on the command line."""

import contextlib
import logging
import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import Final, TextIO

from dcm.cli.usage import UsageError

LOG: Final = logging.getLogger("dcm.cli")
_LONG: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


@contextlib.contextmanager
def logging_as_asked(arguments: Namespace) -> Iterator[logging.Logger]:
    """Log to stderr, and to a file if one is given, until the block ends.

    Raises `UsageError` if the file cannot be written.
    """
    if arguments.quiet and (arguments.verbose or arguments.debug):
        raise UsageError("--quiet cannot be used with --verbose or --debug")
    logger = logging.getLogger("dcm")
    handlers = [_stderr_handler(arguments), *_file_handlers(arguments)]
    level, propagated = logger.level, logger.propagate
    logger.setLevel(min(handler.level for handler in handlers))
    left_out = [logging.getLogger(f"dcm.net.{name}") for name in arguments.debug_filter]
    for each in left_out:
        each.setLevel(logging.INFO)
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield LOG
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()
        for each in left_out:
            each.setLevel(logging.NOTSET)
        logger.setLevel(level)
        logger.propagate = propagated


def log_json() -> None:
    """From now on, log JSON lines: time, level, logger, message, and the traceback of an error."""
    for handler in logging.getLogger("dcm").handlers:
        handler.setFormatter(_JsonFormatter())


def _stderr_handler(arguments: Namespace) -> logging.Handler:
    handler = _StderrHandler()
    if arguments.debug:
        handler.setLevel(logging.DEBUG)
    elif arguments.quiet:
        handler.setLevel(logging.ERROR)
    else:
        handler.setLevel(logging.INFO if arguments.verbose else logging.WARNING)
    handler.setFormatter(
        _Formatter(_LONG if arguments.debug else f"dcm {arguments.command}: %(message)s")
    )
    return handler


def _file_handlers(arguments: Namespace) -> list[logging.Handler]:
    path = arguments.log_path or os.environ.get("DCM_LOG_PATH")
    if not path:
        return []
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the log cannot be written: {path}: {error.strerror}") from error
    handler.setLevel(arguments.file_log_level.upper())
    handler.setFormatter(_Formatter(_LONG))
    return [handler]


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to the current `sys.stderr`, which a progress bar replaces while it is shown."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        """The current `sys.stderr`."""
        return sys.stderr

    @stream.setter
    def stream(self, _value: TextIO) -> None:
        """Do nothing: `sys.stderr` is always used."""


class _Formatter(logging.Formatter):
    """Removes control characters: they may come from servers, and could control the terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - of logging
        """Return the line of a record."""
        from dcm.data.tree import printable  # noqa: PLC0415 - mostly nothing is logged

        record.message = printable(record.message)
        return super().formatMessage(record)


class _JsonFormatter(logging.Formatter):
    """Formats each record as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        import json  # noqa: PLC0415 - few want this
        from datetime import UTC, datetime  # noqa: PLC0415

        words = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            words["traceback"] = self.formatException(record.exc_info)
        return json.dumps(words, ensure_ascii=False)
