r"""Convert the keys of queries from Python and pydicom types to plain values.

attributes_of({"SeriesNumber": 1, "StudyDate": (date(2024, 1, 1), None), (0x0010, 0x0010): "Mul*"})
-> {"SeriesNumber": "1", "StudyDate": "20240101-", "PatientName": "Mul*"}
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

from dcm.data.dictionary import keyword_of, tag_of, vr_of
from dcm.data.levels import Level
from dcm.data.match import Value
from dcm.data.moments import ends_before_it_begins, span
from dcm.errors import DcmError

if TYPE_CHECKING:
    from pydicom import Dataset

Query: TypeAlias = "Mapping[Any, object] | Dataset"
"""Keys by keyword or tag (a number, text or a pair of group and element), or a pydicom Dataset."""

_WHOLE: Final = frozenset(("IS", "SL", "SS", "SV", "UL", "US", "UV"))
_NUMBERS: Final = _WHOLE | {"DS", "FD", "FL"}
_BINARY: Final = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_PAIR: Final = "a (from, to) pair of these, either of which may be None, or text such as"
_ALLOWED: Final = {
    "DA": f"a date, {_PAIR} 20240101-20241231",
    "TM": f"a time without time zone, {_PAIR} 0800-1200",
    "DT": f"a datetime, a date, {_PAIR} 20240101-20241231",
    "SQ": "a mapping or a Dataset, or a list of these",
    "AT": "a tag as a number or eight hexadecimal digits",
    "PN": "text or a PersonName",
    **dict.fromkeys(("LO", "SH"), "text or a whole number"),
    **dict.fromkeys(_NUMBERS, "a finite number or text"),
    **dict.fromkeys(_WHOLE, "a whole number or text"),
}


class BadKey(DcmError):  # noqa: N818 - reads as the sentence it is
    """A key that cannot be sent, or that no archive could match."""


def attributes_of(query: "Query | None") -> dict[str, Value]:
    r"""Return the keys of a query by keyword, as texts and lists of items.

    None and empty texts match everything. A value can be that of a pydicom element, or: a number; a date,
    time or datetime; a pair (from, to) of these, where None means open; for a sequence, an item or a list of
    items. A list or set has several values, one of which must match. Text is used as it is.

    Raises `BadKey`, and `dcm.data.dictionary.UnknownElement` for an unknown keyword.
    """
    return {} if query is None else _attributes(query, "")


def _attributes(query: object, path: str) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, value in _pairs(query, path):
        if isinstance(key, tuple) and len(key) == 2 and all(isinstance(part, int) for part in key):
            key = key[0] << 16 | key[1]  # noqa: PLW2901
        if not isinstance(key, str | int) or (isinstance(key, int) and not 0 <= key < 1 << 32):
            raise BadKey(f"{path}{key!r} is not a keyword, a tag, or a pair of group and element")
        name = keyword_of(tag_of(key))
        if name in found:
            raise BadKey(f"{path}{name} is given twice")
        found[name] = _value(path + name, vr_of(name), value)
    return found


def _pairs(query: Any, path: str) -> Iterable[tuple[Any, object]]:
    if isinstance(query, Mapping):
        return query.items()
    try:
        return [(int(each.tag), None if each.is_empty else each.value) for each in query]
    except (TypeError, AttributeError):
        where = path[:-1] or "a query"
        raise BadKey(f"{where} cannot be {query!r:.80}: expected {_ALLOWED['SQ'][:22]}") from None


def _value(name: str, vr: str, value: Any) -> Value:
    if vr == "SQ":
        if value is None or value == "":
            return []
        items = value if _is_several(value) else [value]
        return [_attributes(item, f"{name}.") for item in items]
    if value is None:
        return ""
    if vr in ("DA", "TM", "DT") and isinstance(value, tuple):
        text = _range(name, vr, value)
    elif _is_several(value):
        texts = [_text(name, vr, each) for each in value]
        if not texts:
            raise BadKey(f"{name} cannot be an empty list: use None to match everything")
        text = "\\".join(sorted(texts) if isinstance(value, AbstractSet) else texts)
    else:
        text = _text(name, vr, value)
    for each in text.split("\\"):
        if ends_before_it_begins(vr, each):
            hint = (
                "a range of times cannot cross midnight: use two queries"
                if vr == "TM"
                else "swap them"
            )
            raise BadKey(
                f"{name}={each}: the range ends before it begins ({hint}; PS3.4 C.2.2.2.5)"
            )
    return text


def _is_several(value: object) -> bool:
    single = isinstance(value, str | bytes | bytearray | memoryview)
    return isinstance(value, Sequence | AbstractSet) and not single


def _range(name: str, vr: str, pair: tuple[Any, ...]) -> str:
    ends = ["" if end is None else _text(name, vr, end) for end in pair]
    if len(ends) != 2 or any(end and span(vr, end) is None for end in ends):
        _refuse(name, vr, pair)
    return "-".join(ends) if any(ends) else ""


def _text(name: str, vr: str, value: Any) -> str:
    text = None
    if isinstance(value, str):
        text = str.__str__(value)  # a plain str, even if it is of a subclass
    elif isinstance(value, Level):
        text = value.name if name == "QueryRetrieveLevel" else None
    elif isinstance(value, date | time):
        text = _moment(vr, value)
    elif vr == "PN" and hasattr(value, "ideographic"):
        text = str(value)
    elif not isinstance(value, bool):
        text = _number(vr, value)
    if text is None or (text and vr in _BINARY):
        _refuse(name, vr, value)
    return text


def _moment(vr: str, value: Any) -> str | None:
    original = getattr(value, "original_string", None)  # kept by pydicom, with its precision
    has_date, has_time = isinstance(value, date), isinstance(value, time | datetime)
    if vr not in ("DA", "TM", "DT") or not (has_time if vr == "TM" else has_date):
        return None
    if isinstance(original, str) and span(vr, original) is not None:
        return original
    text: str = "" if vr == "TM" else value.isoformat()[:10].replace("-", "")
    if vr == "DA" or not has_time:
        return text
    if vr == "TM" and value.tzinfo is not None:
        return None
    fraction = f".{value.microsecond:06}" if value.microsecond else ""
    return f"{text}{value:%H%M%S}{fraction}{value.strftime('%z')[:5]}"


def _number(vr: str, value: Any) -> str | None:
    from decimal import Decimal  # noqa: PLC0415 - the keys of commands are all texts
    from numbers import Integral, Real  # noqa: PLC0415

    real: Any = Real | Decimal
    if not (isinstance(value, real) and math.isfinite(value)):
        return None
    if vr in _WHOLE:
        return str(int(value)) if value == int(value) else None
    if isinstance(value, Integral):
        text = f"{int(value):08X}" if vr == "AT" else str(int(value))
        return text if vr in (*_NUMBERS, "AT", "LO", "SH") else None
    if vr == "DS":  # at most 16 characters (PS3.5 6.2)
        texts = (str(value), *(f"{value:.{digits}g}" for digits in range(16, 8, -1)))
        return next(text for text in texts if len(text) <= 16)
    return str(float(value)) if vr in _NUMBERS else None


def _refuse(name: str, vr: str, value: object) -> NoReturn:
    allowed = _ALLOWED.get(vr, "nothing but None" if vr in _BINARY else "text")
    several = "" if vr in _BINARY else "; use a list for several, None to match everything"
    raise BadKey(f"{name} cannot be {value!r:.80}: its VR {vr} allows {allowed}{several}")
