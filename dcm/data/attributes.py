"""Read all attributes of a file that precede its pixels, including sequences, as plain values."""

import os
import zlib

from dcm.data.encoding import (
    DEFLATED,
    EXPLICIT,
    NATIVE,
    PIXELS,
    Encoding,
    MalformedData,
    Reader,
    TruncatedData,
)
from dcm.data.header import NotDicom, scan
from dcm.data.identifier import BadIdentifier, read_identifier
from dcm.data.match import Value
from dcm.data.source import FileSource, InflatedSource, Source

_SYNTAXES = {encoding: syntax for syntax, encoding in NATIVE.items()}


def attributes_of_file(path: str) -> dict[str, Value]:
    """Return the attributes of a file's data set by keyword. Raises `NotDicom` and `OSError`."""
    header = scan(path, ())
    syntax, start = header.transfer_syntax_uid, header.data_set_offset
    encoding = NATIVE.get(syntax, EXPLICIT)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        source: Source = FileSource(descriptor)
        if syntax in DEFLATED:
            source, start = InflatedSource(source, start), 0
        data = source.read(start, _end(source, start, encoding) - start)
        return read_identifier(data, _SYNTAXES[encoding])
    except (MalformedData, TruncatedData, BadIdentifier, ValueError, zlib.error) as error:
        raise NotDicom(f"the data set cannot be read: {error}", path) from None
    finally:
        os.close(descriptor)


def _end(source: Source, start: int, encoding: Encoding) -> int:
    """Return the start of the pixels, or the end of the data set."""
    at = start
    for element in Reader(source).walk(start, encoding):
        if element.depth == 0 and element.tag >= PIXELS:
            return element.header
        at = element.end
    return at
