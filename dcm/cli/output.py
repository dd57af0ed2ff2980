"""Results on stdout, whatever its encoding: what cannot be encoded is replaced, and is not an error."""

import codecs
import contextlib
import io
import sys
from collections.abc import Iterator
from typing import Final

from dcm.cli.logs import LOG

_HANDLER: Final = "dcm.replace"


@contextlib.contextmanager
def forgiving_stdout() -> Iterator[None]:
    """Make stdout accept any text until the block ends.

    Bytes of file names that are not text are written as they are; other characters that its encoding lacks
    become question marks.
    """
    stdout = sys.stdout
    if not isinstance(stdout, io.TextIOWrapper):  # a caller has replaced it
        yield
        return
    codecs.register_error(_HANDLER, _replaced)
    before = stdout.errors
    stdout.reconfigure(errors=_HANDLER)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # it flushes, which is reported elsewhere
            stdout.reconfigure(errors=before)


def print_text(text: str) -> None:
    """Print a result for people, and warn if characters had to be replaced."""
    print(text)
    if not _can_print(text):
        LOG.warning("the output has characters that %s lacks; they are shown as ?", _encoding())


def print_json(text: str) -> None:
    """Print JSON; what the encoding of stdout lacks is escaped, so nothing is lost."""
    if not _can_print(text):
        import json  # noqa: PLC0415 - most terminals are UTF-8

        text = json.dumps(json.loads(text), separators=(",", ":"))
    print(text)


def _can_print(text: str) -> bool:
    try:
        text.encode(_encoding())
    except UnicodeEncodeError:
        return False
    return True


def _encoding() -> str:
    return getattr(sys.stdout, "encoding", None) or "utf-8"


def _replaced(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    replaced = bytearray()
    for char in error.object[error.start : error.end]:
        escaped = 0xDC80 <= ord(char) <= 0xDCFF  # by surrogateescape (PEP 383)
        replaced.append(ord(char) - 0xDC00 if escaped else ord("?"))
    return bytes(replaced), error.end
