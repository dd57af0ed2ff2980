"""Write the rows of a table to a Parquet file as they arrive. Needs the package pyarrow."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from dcm.cli.dump_output import Output
from dcm.cli.logs import LOG
from dcm.data.dictionary import vr_of
from dcm.data.element_path import ElementPath
from dcm.data.table import Table
from dcm.errors import DcmError

_ROWS: Final = 10_000
"""The number of rows in a row group, which is kept in memory."""
_WHOLE: Final = frozenset(("IS", "SL", "SS", "SV", "UL", "US"))
_REAL: Final = frozenset(("DS", "FD", "FL"))


class NoParquet(DcmError):  # noqa: N818 - reads as the sentence it is
    """The package that writes Parquet is not installed."""


class _Sink:
    """A file object with the methods that pyarrow needs."""

    closed = False

    def __init__(self, output: Output) -> None:
        self._output: Final = output
        self._at = 0

    def write(self, data: Any) -> int:
        some = bytes(data)
        self._output.bytes(some)
        self._at += len(some)
        return len(some)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class ParquetWriter:
    """Writes rows. Columns of numeric elements with a single value are numbers, all others are text.

    lost: the number of values that should be numbers but are not, and became null.
    """

    def __init__(self, table: Table, output: Output) -> None:
        try:
            import pyarrow as pa  # noqa: PLC0415 - an extra
            from pyarrow import parquet  # noqa: PLC0415
        except ImportError:
            raise NoParquet(
                "writing Parquet needs the package pyarrow: pip install pyarrow"
            ) from None
        self.lost = 0
        self._names: Final = ("File", *table.names)
        self._kinds: Final = (str, *map(_kind, table.paths))
        types: dict[type, Any] = {
            str: pa.string(), int: pa.int64(), float: pa.float64(),
        }  # fmt: skip
        fields = zip(self._names, (types[kind] for kind in self._kinds), strict=True)
        self._schema: Final = pa.schema([pa.field(*each) for each in fields])
        self._writer: Final = parquet.ParquetWriter(_Sink(output), self._schema)
        self._rows: list[list[Any]] = []
        self._batch: Final = pa.record_batch

    def add(self, row: Sequence[str | None]) -> None:
        """Add a row; see `Table.row`, with the file before it."""
        self._rows.append([*self._converted(row)])
        if len(self._rows) == _ROWS:
            self._write()

    def close(self) -> None:
        """Write the remaining rows."""
        if self._rows:
            self._write()
        self._writer.close()

    def _write(self) -> None:
        columns = [list(column) for column in zip(*self._rows, strict=True)]
        self._rows = []
        self._writer.write_batch(self._batch(columns, schema=self._schema))

    def _converted(self, row: Sequence[str | None]) -> Iterable[Any]:
        for name, kind, cell in zip(self._names, self._kinds, row, strict=True):
            if kind is str or cell is None:
                # Parquet cannot store a file name that is not UTF-8.
                yield cell and cell.encode("utf-8", "replace").decode()
                continue
            try:
                yield kind(cell) if cell.strip() else None
            except ValueError:
                self.lost += 1
                LOG.error(
                    "%s: %s is %r, which is not a number: written as null", row[0], name, cell
                )
                yield None


def _kind(path: ElementPath) -> type:
    """Return the type of a column: a number only if the element has a single value."""
    tag = path.steps[-1]
    assert tag is not None
    if None in path.steps or not _has_one_value(tag):
        return str
    vr = vr_of(tag)
    return int if vr in _WHOLE else float if vr in _REAL else str


def _has_one_value(tag: int) -> bool:
    from pydicom.datadict import dictionary_has_tag, dictionary_VM  # noqa: PLC0415 - slow to import

    return bool(dictionary_has_tag(tag)) and str(dictionary_VM(tag)) == "1"
