"""Table E.1-1 and Table E.3.10-1 of PS3.15 as data; `table.tsv` names the edition."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from dcm.data.dictionary import keyword_of, vr_of

CURVES, OVERLAYS = 0x5000, 0x6000
_HERE: Final = Path(__file__).parent
_WIDE: Final = "x"


class Row(NamedTuple):
    """An attribute: its name in the standard, its action in the basic profile, and its actions by option."""

    name: str
    basic: str
    options: Mapping[str, str]


@cache
def table() -> Mapping[int, Row]:
    """Return the rows by tag, except those of repeating groups."""
    return {int(tag, 16): row for tag, row in _rows() if _WIDE not in tag}


@cache
def cleaned_sequences() -> frozenset[str]:
    """Return the keywords of the sequences whose texts the Clean Descriptors Option cleans."""
    return frozenset(
        keyword_of(tag)
        for tag, row in table().items()
        if row.options.get("descriptors") == "C" and vr_of(tag) == "SQ"
    )


@cache
def repeating() -> Mapping[str, Row]:
    """Return the rows of repeating groups: 50xxxxxx (curves), 60xx3000, 60xx4000 (overlays)."""
    return {tag: row for tag, row in _rows() if _WIDE in tag}


@cache
def safe_private() -> Mapping[tuple[int, str], str]:
    """Return the VRs of the safe private attributes, by tag without block and by creator.

    An empty VR means that it is not known. The list does not have all rows of the table; attributes that are
    not in the list are removed.
    """
    cells = (line.split("\t") for line in _lines("safe_private.tsv"))
    return {(int(tag[:4] + "00" + tag[4:], 16), creator): vr for tag, creator, vr, *_ in cells}


@cache
def safe_creators() -> frozenset[tuple[int, str]]:
    """Return the groups and creators of the safe private attributes."""
    return frozenset((tag >> 16, creator) for tag, creator in safe_private())


@cache
def edition() -> str:
    """Return the edition of PS3.15 from which the table was taken."""
    head = (_HERE / "table.tsv").read_text("utf-8").partition("\n")[0]
    return head.partition("edition ")[2].split("; ")[0].partition(": ")[2]


def _rows() -> Iterator[tuple[str, Row]]:
    head, *lines = _lines("table.tsv", headed=True)
    columns = head.split("\t")[3:]
    for line in lines:
        tag, name, basic, *cells = line.split("\t")
        options = {column: cell for column, cell in zip(columns, cells, strict=False) if cell}
        yield tag, Row(name, basic, options)


def _lines(name: str, *, headed: bool = False) -> list[str]:
    lines = (_HERE / name).read_text("utf-8").splitlines()
    return lines[1 if headed else 2 :]
