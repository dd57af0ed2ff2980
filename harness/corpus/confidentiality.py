"""How de-identification treats each attribute of PS3.15 Table E.1-1, and objects with all of them.

`confidentiality.tsv` has the actions of the basic profile in the editions 2008, 2013, July 2020 and
2023e. The editions that servers implement lie between two of these: an action applies if both agree
on it.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from harness.corpus.modules import item
from harness.corpus.place import uid

TABLE: Final = Path(__file__).with_suffix(".tsv")
_SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "2008": ("2008",),
    "2017c": ("2013", "2020"),
    "2021b": ("2020", "2023e"),
    "2023b": ("2023e",),
}
EDITIONS: Final = tuple(_SOURCES)
"""The editions to choose from, by the names that servers use."""
_NOT_ASKED: Final = (
    *("0000", "0002", "0004"),  # not part of a stored data set: PS3.15 note 1
    *("FFFA", "FFFC"),  # after the pixels, where a parser may stop
    *("00181204", "00181205"),  # in 2023e, unknown whether in 2023b
)
REPEATING: Final = (0x50003000, 0x60003000, 0x60004000)
"""Attributes of the first curve and first overlay, in repeating groups; only 2008 omits them."""
_REFERENCES: Final = (0x00081140, 0x00082112)  # Referenced Image and Source Image Sequence
SELECTOR_UN_VALUE: Final = 0x0072006D
"""The only attribute of VR UN. The objects with all other attributes do not have it."""


@functools.cache
def actions(edition: str) -> Mapping[int, str]:
    """Return the action for each attribute, by tag: X, Z, D, U, X/Z ... (PS3.15 E.1.1); P in 2008.

    P is protected: the edition requires only that the value is gone. Elements that no stored data
    set has are omitted, and so are those in repeating groups.
    """
    lines = TABLE.read_text("utf-8").splitlines()
    names = lines[1].split("\t")
    found = {}
    for line in lines[2:]:
        row = dict(zip(names, line.split("\t"), strict=True))
        said = {row[source] for source in _SOURCES[edition]}
        tag = row["tag"]
        if len(said) == 1 and "" not in said and not tag.startswith(_NOT_ASKED) and "x" not in tag:
            found[int(tag, 16)] = said.pop()
    return MappingProxyType(found)


def every_attribute() -> frozenset[int]:
    """Return the tags of all attributes that any edition names, except that of VR UN."""
    named = frozenset(tag for edition in EDITIONS for tag in actions(edition))
    return named.union(REPEATING) - {SELECTOR_UN_VALUE}


def fill(ds: Dataset, scope: str) -> None:
    """Add every attribute that any edition names to `ds`, with a unique value, unless present."""
    for tag in sorted(every_attribute() - set(map(int, ds.keys()))):
        vr = _vr(tag)
        ds.add(DataElement(tag, vr, _VALUES[vr](tag, scope)))


def _vr(tag: int) -> str:
    vr: str = dictionary_VR(tag)
    return str(vr).rpartition(" or ")[2]


def _text(length: int) -> Callable[[int, str], Any]:
    return lambda tag, _: f"WAS {tag:08X}"[-length:]


def _number(tag: int, _scope: str) -> int:
    return 1 + tag % 9973


def _date(tag: int, _scope: str) -> str:
    return f"19{10 + tag % 53:02}{1 + tag % 12:02}{1 + tag % 28:02}"


def _time(tag: int, _scope: str) -> str:
    return f"{tag % 24:02}{tag % 59:02}{tag % 47:02}"


def _sequence(tag: int, scope: str) -> Sequence:
    """Return one item; where U* may replace UIDs, it contains one."""
    found = item(CodeMeaning=f"WAS {tag:08X}")
    if tag in _REFERENCES:
        found.ReferencedSOPInstanceUID = _uid(tag, scope)
    return Sequence([found])


def _uid(tag: int, scope: str) -> str:
    return str(uid(scope, "attribute", tag))


_VALUES: Final[Mapping[str, Callable[[int, str], Any]]] = {
    **dict.fromkeys(("LO", "ST", "LT", "UT", "UC", "SH", "CS", "AE"), _text(16)),
    "PN": lambda tag, _: f"Was^{tag:08X}",
    "AS": lambda tag, _: f"{tag % 97:03}Y",
    "UR": lambda tag, _: f"http://was.invalid/{tag:08X}",
    "DA": _date,
    "TM": _time,
    "DT": lambda tag, scope: _date(tag, scope) + _time(tag, scope),
    "DS": lambda tag, _: str(1 + tag % 9973),
    "IS": lambda tag, _: str(1 + tag % 9973),
    "US": _number,
    **dict.fromkeys(("OB", "UN", "OW"), lambda tag, _: f"WAS {tag:08X}".encode()),
    "UI": _uid,
    "SQ": _sequence,
}


def broken(edition: str, action: str, before: Dataset, after: Dataset) -> Iterator[str]:
    """Yield a line for each attribute with this action in the edition that was not treated so.

    D is done if the value has changed. Whether it may be empty depends on the object, and so does
    whether an attribute of another kind of object may simply be removed (PS3.15 E.1.1, notes).
    """
    for tag, said in actions(edition).items():
        if said == action and tag in before and not _done(action, before[tag], after.get(tag)):
            yield _line(before[tag], after.get(tag))


def kept(edition: str, before: Dataset, after: Dataset) -> Iterator[str]:
    """Yield a line for each attribute named by an edition that still has its value."""
    for tag in actions(edition):
        if tag in before and before[tag] == after.get(tag):
            yield _line(before[tag], after.get(tag))


def _done(action: str, before: DataElement, after: DataElement | None) -> bool:
    """Return whether the new state of an attribute is an outcome that its action allows."""
    if after is None:
        return "X" in action or action == "P"
    if before == after or action == "X":
        return False
    return action != "U" or bool(after.value)


def _line(before: DataElement, after: DataElement | None) -> str:
    now = "removed" if after is None else f"set to {str(after.value)[:30]!r}"
    tag = before.tag
    return (
        f"({tag.group:04X},{tag.element:04X}) {before.name}: {'kept' if before == after else now}"
    )
