"""Path templates for files in a folder, filled with values from the files.

    layout = Layout("{PatientID}/{StudyDate:%Y|undated}/{SeriesNumber:03d|unknown}/{SOPInstanceUID}.dcm")
    layout.path(scan(file, layout.needs))          # "4711/2024/002/1.2.3.dcm"

A field in braces is the keyword or the eight hexadecimal digits of an element, with an optional
format after a colon. If the value is missing or does not fit the format, the alternative after `|`
is used: another field or, at the end, a text; without a text, `unknown`. A quoted text can be
anything that is valid in a name; an unquoted word with a capital is taken for a keyword. Literal
braces are doubled.

- Dates and times (DA, TM, DT): %Y %y %m %d %j %G %V %H %M %S %f, and other characters between them.
- Numbers: `d` or `03d` for leading zeros; DS, FL and FD also `.2f` or `06.2f`.
- Text: `upper` or `lower`, `.8` for the first 8 characters, or both, as in `upper,.8`.

A template is checked completely when it is created, and never executed as code.
"""

import unicodedata
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

from dcm.data.dictionary import keyword_of
from dcm.data.header import Header
from dcm.frozen import Frozen
from dcm.store.layout_grammar import Choice, Component, Field, LayoutError, parsed
from dcm.store.names import LONGEST, cut, digest, file_name, printable

__all__ = ["DEFAULT", "Layout", "LayoutError"]

_MISSING: Final = "unknown"
_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_BESIDE: Final = 17
"""Bytes left free in a file name for the suffix that `dcm.held` adds if the name is taken."""
_IDENTIFIERS: Final = frozenset(
    # Study ID, accession number, SOP instance, patient ID and its issuer, study, series
    (0x00200010, 0x00080050, _SOP_INSTANCE, 0x00100020, 0x00100021, 0x0020000D, 0x0020000E)
)
"""Elements that identify a patient, study or instance: different values never get the same name."""


class Layout(Frozen):
    """A path template. Raises `LayoutError` if it is invalid."""

    template: str

    def __post_init__(self) -> None:
        self._components  # noqa: B018 - parsed now, so that its errors are raised now

    def __str__(self) -> str:
        return self.template

    @cached_property
    def _components(self) -> tuple[Component, ...]:
        return parsed(self.template)

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """The keywords, or tags if there is none, of the elements that `scan` has to read."""
        fields = (
            field.tag
            for component in self._components
            for part in component
            if isinstance(part, Choice)
            for field in part.fields
        )
        return tuple(map(keyword_of, dict.fromkeys(fields)))

    def path(self, header: Header) -> str:
        """Return the path of a file, relative to the folder. Each component is a safe file name.

        Different instances may get the same path if the template does not distinguish them, or not
        after unsafe characters are replaced: callers must check whether a name is taken, as
        `dcm.held.settle` does. Unsafe values of identifying elements, such as the Patient ID, get a
        digest as a suffix, so that two patients never share a folder because of it.
        """
        *folders, file = self._components
        names = [_name(component, header, LONGEST) for component in folders]
        return "/".join((*names, _name(file, header, LONGEST - _BESIDE)))


DEFAULT: Final = Layout(
    "{PatientID|PatientName}/{StudyInstanceUID}"
    "/{SeriesNumber:03d|000}-{SeriesDescription:.64|ProtocolName:.64|Modality|unnamed}"
    "/{SOPInstanceUID}.dcm"
)
"""Patient, study, series and instance."""


class _Piece(NamedTuple):
    """A part of a name. cuttable: whether it may be shortened; only values may."""

    text: str
    cuttable: bool


def _name(component: Component, header: Header, limit: int) -> str:
    pieces = [
        _Piece(part, cuttable=False)
        if isinstance(part, str)
        else _Piece(_value(part, header), True)
        for part in component
    ]
    name = "".join(piece.text for piece in pieces)
    if len(name) * 4 > limit and len(name.encode()) > limit:
        name = _shortened(pieces, limit)
    return file_name(name, limit) or _MISSING


def _value(choice: Choice, header: Header) -> str:
    for field in choice.fields:
        text = header.text(field.tag)
        if not text and field.tag in (
            _SOP_CLASS,
            _SOP_INSTANCE,
        ):  # use the file meta information
            is_class = field.tag == _SOP_CLASS
            text = header.sop_class_uid if is_class else header.sop_instance_uid
        value = _of_text(field, text) if text else ""
        if value:
            return value
    return _MISSING if choice.otherwise is None else choice.otherwise


@lru_cache(maxsize=4096)
def _of_text(field: Field, text: str) -> str:
    """Return a formatted value in safe characters; empty if it does not fit the format."""
    value = unicodedata.normalize("NFC", field.convert(text)).strip()
    safe = printable(value)
    if field.tag in _IDENTIFIERS and file_name(value, LONGEST) != value:
        return f"{safe}~{digest(value)}"
    return safe


def _shortened(pieces: list[_Piece], limit: int) -> str:
    """Join pieces, cutting the longest until they fit."""
    left = limit - sum(len(each.text.encode()) for each in pieces if not each.cuttable)
    lengths = sorted(len(each.text.encode()) for each in pieces if each.cuttable)
    most = left
    for place, length in enumerate(lengths):
        most = left // (len(lengths) - place)
        if length > most:
            break
        left -= length
    return "".join(cut(each.text, most) if each.cuttable else each.text for each in pieces)
