r"""Convert DICOM JSON (PS3.18 Annex F) to plain values, and back.

    read_answers(body) -> [{"PatientName": "Muller^Anna", "ModalitiesInStudy": "CT\SR"}]

Values are those of `dcm.data.match`: texts, with several values separated by a backslash, or lists of items
for sequences. Bulk data that is not in the object is an empty text.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from dcm.data.dictionary import keyword_of, tag_of, vr_of
from dcm.data.match import Attributes, Value
from dcm.data.text import value_text
from dcm.errors import AnswerError

JSON: Final = "application/dicom+json"
"""The media type."""

_TAG: Final = re.compile("[0-9a-fA-F]{8}")
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_WHOLE: Final = frozenset(("IS", "SL", "SS", "SV", "UL", "US", "UV"))
_DECIMAL: Final = frozenset(("DS", "FD", "FL"))
_WHOLE_NUMBER: Final = re.compile(r"\s*[-+]?[0-9]{1,20}\s*")
_NUMBER: Final = re.compile(r"\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*")
_BINARY: Final = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_SINGLE_VALUED: Final = frozenset(("LT", "ST", "UR", "UT"))


class BadJson(AnswerError):  # noqa: N818 - reads as the sentence it is
    """A text that is not JSON, or JSON that does not conform to the DICOM JSON model."""


def read_answers(body: bytes | str) -> list[Any]:
    """Return the objects of an array, for `read_object`; none for an empty body. Raises `BadJson`."""
    text = body.decode("utf-8-sig", "replace") if isinstance(body, bytes) else body
    if not text.strip():
        return []
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadJson(f"this is not JSON: {error}") from None
    if isinstance(found, dict):
        return [found]
    if not isinstance(found, list):
        raise BadJson(f"this is not an array of DICOM JSON objects: {text[:60]!r}")
    return found


def read_object(content: Any) -> dict[str, Value]:
    """Return the attributes of a DICOM JSON object (F.2.2). Raises `BadJson`."""
    try:
        return _read(content)
    except RecursionError:
        raise BadJson("its sequences are nested too deeply") from None


def _read(content: Any) -> dict[str, Value]:
    if not isinstance(content, dict):
        raise BadJson(f"not a DICOM JSON object: {content!r:.60}")
    found: dict[str, Value] = {}
    for tag, element in content.items():
        try:
            values = element.get("Value")
            if not values:
                found[_keyword(tag)] = _without_values(tag, element)
            elif len(values) == 1 and type(values[0]) is str and type(values) is list:
                found[_keyword(tag)] = values[0].rstrip(" \0")  # the most frequent case
            elif type(values) is list:
                found[_keyword(tag)] = _value(tag, element.get("vr"), values)
            else:
                raise BadJson(f"the values of {tag} are not an array: {values!r:.60}")
        except (AttributeError, TypeError):
            raise BadJson(f"{tag} is not an element of DICOM JSON: {element!r:.60}") from None
    return found


@lru_cache(maxsize=4096)
def _keyword(tag: str) -> str:
    if _TAG.fullmatch(tag) is None:
        raise BadJson(f"{tag[:60]!r} is not a tag of eight hexadecimal digits")
    return keyword_of(int(tag, 16))


def _value(tag: str, vr: object, values: list[Any]) -> Value:
    vr = vr or vr_of(int(tag, 16))
    if vr == "SQ":
        return [_read({} if item is None else item) for item in values]
    if len(values) == 1:
        return _text(tag, vr, values[0])
    return "\\".join([_text(tag, vr, value) for value in values])


def _text(tag: str, vr: object, value: Any) -> str:
    kind = type(value)
    if kind is str:
        text: str = value
        return text.rstrip(" \0")
    if kind is int:
        return str(value)
    if value is None:
        return ""
    if kind is float:
        if vr in _WHOLE and math.isfinite(value) and value == int(value):
            return str(int(value))
        return str(value)
    if kind is dict and not value.keys() - set(_GROUPS):
        groups = [value.get(name) or "" for name in _GROUPS]
        if all(type(group) is str for group in groups):
            return "=".join(groups).rstrip("= \0")
    raise BadJson(f"{tag} cannot have the value {value!r:.60}")


def _without_values(tag: str, element: Mapping[str, Any]) -> Value:
    vr = element.get("vr") or vr_of(int(tag, 16))
    if vr == "SQ":
        return []
    encoded = element.get("InlineBinary")
    if not encoded:
        return ""
    import base64  # noqa: PLC0415 - rarely needed

    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise BadJson(f"the binary value of {tag} is not Base64: {error}") from None
    return value_text(data, vr_of(int(tag, 16)) if vr == "UN" else str(vr), character_set=b"UTF-8")


def write_object(attributes: Attributes) -> dict[str, Any]:
    """Return attributes as a DICOM JSON object, in the order of their tags, with VRs from the dictionary.

    An empty value becomes an element without `Value` (F.2.5). A value that should be a number but is not one
    is written as text. Raises `dcm.data.dictionary.UnknownElement`.
    """
    named = sorted([(*_tag_and_vr(keyword), value) for keyword, value in attributes.items()],
                   key=lambda each: each[0])  # fmt: skip
    return {tag: _element(vr, value) for tag, vr, value in named}


def write_answers(answers: Iterable[Attributes]) -> bytes:
    """Return answers as a JSON array."""
    content = [write_object(each) for each in answers]
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


@lru_cache(maxsize=4096)
def _tag_and_vr(keyword: str) -> tuple[str, str]:
    return f"{tag_of(keyword):08X}", vr_of(keyword)


def _element(vr: str, value: Value) -> dict[str, Any]:
    if not isinstance(value, str):
        items = [write_object(item) for item in value]
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
    if not value:
        return {"vr": vr}
    if vr in _BINARY:
        import base64  # noqa: PLC0415 - rarely needed

        return {"vr": vr, "InlineBinary": base64.b64encode(value.encode()).decode()}
    if "\\" not in value or vr in _SINGLE_VALUED:
        return {"vr": vr, "Value": [_json(vr, value)]}
    return {"vr": vr, "Value": [_json(vr, each) for each in value.split("\\")]}


def _json(vr: str, text: str) -> Any:
    if not text:
        return None
    if vr == "PN":
        groups = zip(_GROUPS, text.split("="), strict=False)
        return {name: group for name, group in groups if group}
    if vr in _WHOLE and _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    if vr in _DECIMAL and _NUMBER.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
