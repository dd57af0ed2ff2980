r"""Parse the text of selectors: `[!] Attr op value`.

    Modality == CT                     StudyDate >= 2024-01-01        ! SeriesDescription ~= (?i)localizer
    Modality in CT, MR                 SliceThickness < 1.5           PatientName == "Doe^Jane"
    RequestAttributesSequence[0].ScheduledProcedureStepID != 7

The element is a target (`dcm.data.target`). Quotes around a value are only needed if it begins or ends with a
space or a quote, or contains a comma in a list.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from dcm.data.dictionary import vr_of
from dcm.data.target import BadTarget, Target
from dcm.errors import DcmError
from dcm.filt.compare import TooComplex, check_pattern, comparable
from dcm.filt.selectors import Comparison, Selector

OPERATORS: Final = ("==", "!=", "<=", ">=", "~=", "<", ">", "in")
_OPERATOR: Final = re.compile(r"\s*(==|!=|<=|>=|~=|<|>|in(?=[\s(\[\"']|$))\s*")
_QUOTED: Final = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)')\s*""")
_LISTED: Final = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([^,"']*?))\s*(?:,|$)""")


class BadSelector(DcmError):  # noqa: N818 - reads as the sentence it is
    """A text that is not a selector; `position` is that of the error."""

    def __init__(self, words: str, text: str, position: int) -> None:
        super().__init__(f"selector {text!r}, at character {position + 1}: {words}")
        self.words = words
        self.position = position


def read_selector(text: str, named: Mapping[str, Selector] | None = None) -> Selector:
    """Parse a selector, or return the one with this name. Raises `BadSelector`."""
    if named is not None and text.strip() in named:
        return named[text.strip()]
    at = len(text) - len(text.lstrip())
    invert = text.startswith("!", at)
    if at == len(text):
        raise BadSelector(f"expected {_FORM}", text, at)
    try:
        target, at = Target.at(text, at + invert)
    except BadTarget as error:
        raise BadSelector(error.words, text, error.position) from None
    found = _OPERATOR.match(text, at)
    if found is None:
        raise BadSelector(_no_operator(text[at:]), text, min(at + 1, len(text)))
    operator, start = found[1], found.end()
    values = _values(text, start, operator)
    return comparison(target, operator, values, invert=invert, text=text, position=start)


def comparison(
    target: Target,
    operator: str,
    values: Sequence[str],
    *,
    invert: bool = False,
    reject_missing: bool = False,
    text: str = "",
    position: int = 0,
) -> Comparison:
    """Check the values, and return a comparison. Raises `BadSelector`."""
    tag = target.steps[-1].tag
    vr = "UN" if tag is None or target.steps[-1].creator else vr_of(tag)
    if operator == "~=":
        try:
            check_pattern(values[0])
        except re.error as error:
            at = position + (error.pos or 0)
            raise BadSelector(f"not a regular expression: {error.msg}", text, at) from None
        except TooComplex as error:
            raise BadSelector(str(error), text, position) from None
    else:
        for value in values:
            words = comparable(vr, value) if value else ""
            if words or (not value and operator in ("<", "<=", ">", ">=")):
                raise BadSelector(f"expected {words or 'a value'}", text, position)
    return Comparison(target, operator, tuple(values), invert, reject_missing)


_FORM: Final = "[!] Attr op value, such as Modality == CT,"


def _no_operator(rest: str) -> str:
    allowed = f"expected an operator: {' '.join(OPERATORS)}"
    return f"{allowed} (== compares)" if rest.lstrip().startswith("=") else allowed


def _values(text: str, start: int, operator: str) -> list[str]:
    rest = text[start:]
    if operator != "in":
        quoted = _QUOTED.fullmatch(rest)
        return [(quoted[1] or quoted[2] or "") if quoted else rest.strip()]
    rest = rest.strip()
    if rest[:1] + rest[-1:] in ("[]", "()"):
        rest = rest[1:-1]
    values, at = [], 0
    while at < len(rest):
        found = _LISTED.match(rest, at)
        if found is None:
            raise BadSelector("a quote is not closed, or a comma is missing", text, start + at)
        values.append(next((each for each in found.groups() if each is not None), ""))
        at = found.end()
    if not any(values):
        raise BadSelector("expected a list of values, as in CT, MR", text, start)
    return values
