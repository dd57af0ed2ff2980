"""Results on stdout, whatever its encoding: characters that cannot be encoded are replaced."""

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

    Undecodable bytes of file names are written as they are; other characters that cannot be encoded become
    question marks.
    """
    stdout = sys.stdout
    if not isinstance(stdout, io.TextIOWrapper):  # replaced by a caller
        yield
        return
    codecs.register_error(_HANDLER, _replaced)
    before = stdout.errors
    stdout.reconfigure(errors=_HANDLER)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # it flushes; an error is reported elsewhere
            stdout.reconfigure(errors=before)


def print_text(text: str) -> None:
    """Print text, and warn if characters had to be replaced."""
    print(text)
    if not _can_print(text):
        LOG.warning(
            "the output has characters that %s cannot represent; they are shown as ?", _encoding()
        )


def print_json(text: str) -> None:
    """Print JSON; characters that stdout cannot encode are escaped, so nothing is lost."""
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
