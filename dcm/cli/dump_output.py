"""The destination of the output of `dcm dump`: stdout, or a file that gets its name when it is complete."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from dcm.cli.logs import LOG
from dcm.part_file import PartFile

_OUTSIDE_ASCII: Final = re.compile("[^\0-\x7f]")


class Output(Protocol):
    """Accepts text and bytes."""

    def text(self, text: str) -> None:
        """Write text."""

    def bytes(self, data: bytes) -> None:
        """Write bytes."""


class Stdout:
    """Standard output. json: escape characters that it cannot encode, instead of replacing them by `?`."""

    def __init__(self, *, json: bool) -> None:
        self._encoding: Final = getattr(sys.stdout, "encoding", None) or "utf-8"
        self._limited: Final = self._encoding.lower().replace("-", "") != "utf8"
        self._json: Final = json
        self._replaced = False

    def text(self, text: str) -> None:
        """Write text."""
        if self._limited and not text.isascii():
            if self._json:
                text = _OUTSIDE_ASCII.sub(_escaped, text)
            self._replaced = self._replaced or not self._has(text)
        sys.stdout.write(text)

    def bytes(self, data: bytes) -> None:
        """Write bytes."""
        sys.stdout.buffer.write(data)

    def warn(self) -> None:
        """Warn if characters had to be replaced."""
        if self._replaced:
            LOG.warning(
                "the output has characters that %s cannot represent; they are shown as ?",
                self._encoding,
            )

    def _has(self, text: str) -> bool:
        try:
            text.encode(self._encoding)
        except UnicodeEncodeError:
            return False
        return True


class _File:
    def __init__(self, part: PartFile) -> None:
        self._part: Final = part

    def text(self, text: str) -> None:
        self._part.write([text.encode("utf-8", "surrogateescape")])

    def bytes(self, data: bytes) -> None:
        self._part.write([data])


@contextmanager
def output(path: str | None, *, json: bool) -> Iterator[Output]:
    """Provide the output while a block runs; at its end a file gets its name, replacing an existing one."""
    if path is None:
        stdout = Stdout(json=json)
        yield stdout
        stdout.warn()
        return
    with PartFile(os.path.dirname(path) or ".") as part:
        yield _File(part)
        part.replace(path)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 | code >> 10:04x}\\u{0xDC00 | code & 0x3FF:04x}"
