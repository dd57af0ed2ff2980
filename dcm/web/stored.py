"""Responses to Store requests (PS3.18 10.5.3, Annex I): results of instances, in JSON or XML."""

import re
from typing import Any, Final, NamedTuple

from dcm.data.json_model import BadJson, read_answers, read_object
from dcm.data.match import Attributes, Value
from dcm.errors import AnswerError
from dcm.outcome import Outcome
from dcm.web.media import MediaType
from dcm.wire import CStoreRSP, describe

ACCEPT: Final = "application/dicom+json"
_DUPLICATE: Final = 0x0111
SYNTAX_NOT_SUPPORTED: Final = 0xC122
_WARNING_REASON, _FAILURE_REASON = "WarningReason", "FailureReason"
_WORDS: Final = {
    0xA700: "out of resources",
    0xA900: "the data set does not match the SOP class",
    0xB000: "elements were coerced",
    0xB006: "elements were discarded",
    0xB007: "the data set does not match the SOP class",
    0xC000: "it cannot be understood",
    0xC122: "its transfer syntax is not supported",
    0x0110: "processing failure",
    0x0122: "its SOP class is not supported",
}
"""Reasons of Annex I.2, by the full code, or by the leading digits shared by a range."""
_DOCTYPE: Final = re.compile(rb"<!\s*(doctype|entity)", re.IGNORECASE)


class Stored(NamedTuple):
    """The service's report on one instance. status: the reason, if given."""

    outcome: Outcome
    words: str = ""
    status: int | None = None

    @property
    def may_be_converted(self) -> bool:
        """Whether the instance may be accepted in another transfer syntax."""
        return self.outcome is Outcome.FAILED and self.status == SYNTAX_NOT_SUPPORTED


def read_stored(body: bytes, content_type: str) -> dict[str, Stored]:
    """Return the report on each instance by SOP Instance UID; empty for an empty body.

    Raises `AnswerError` if the body is not a response to a Store request.
    """
    if not body.strip():
        return {}
    try:
        name = MediaType.parse(content_type).name if content_type else ""
    except ValueError:
        name = ""
    looks_like_xml = body.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"<"
    if name.endswith(("json",)) or not looks_like_xml:
        objects = read_answers(body)
        found = [read_object(each) for each in objects]
    elif name.endswith("xml"):
        found = [_read_xml(body)]
    else:
        raise BadJson(f"neither JSON nor XML: {content_type}")
    stored: dict[str, Stored] = {}
    for attributes in found:
        for item in _items(attributes.get("ReferencedSOPSequence", "")):
            stored[_uid(item)] = _referenced(item)
        for item in _items(attributes.get("FailedSOPSequence", "")):
            stored[_uid(item)] = _failed(item)
    stored.pop("", None)
    return stored


def _items(value: Value) -> list[Attributes]:
    return [] if isinstance(value, str) else [*value]


def _uid(item: Attributes) -> str:
    return str(item.get("ReferencedSOPInstanceUID", "")).strip()


def _referenced(item: Attributes) -> Stored:
    status = _number(item.get(_WARNING_REASON, ""))
    if not status:
        return Stored(Outcome.STORED)
    return Stored(Outcome.WARNING, reason_words(status), status)


def _failed(item: Attributes) -> Stored:
    status = _number(item.get(_FAILURE_REASON, ""))
    if status == _DUPLICATE:
        return Stored(Outcome.ALREADY_THERE, reason_words(status), status)
    words = "the service failed without a reason" if status is None else reason_words(status)
    return Stored(Outcome.FAILED, words, status)


def _number(value: Value) -> int | None:
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if text.isascii() and text.isdecimal() else None


def reason_words(status: int) -> str:
    """Describe a reason."""
    words = _WORDS.get(status) or _WORDS.get(status & 0xFF00) or _WORDS.get(status & 0xF000)
    return f"{status:04X}H: {words}" if words else str(describe(status, CStoreRSP))


def _read_xml(body: bytes) -> dict[str, Value]:
    """Read the native DICOM model (PS3.19 A.1), as far as Store responses need it."""
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - rarely needed

    if _DOCTYPE.search(body):
        raise AnswerError("the XML response has a document type, which is not allowed")
    try:
        root = ET.fromstring(body)  # noqa: S314 - nothing is declared in it, see above
    except ET.ParseError as error:
        raise AnswerError(f"this is not XML: {error}") from None
    return _attributes_of(root, 0)


def _attributes_of(parent: Any, depth: int) -> dict[str, Value]:
    if depth > 16:
        raise AnswerError("the XML response is nested too deeply")
    found: dict[str, Value] = {}
    for element in parent:
        if _name(element) != "DicomAttribute":
            continue
        tag = element.get("tag", "")
        key = read_object({tag: {"vr": "UI"}}).popitem()[0]
        items = [each for each in element if _name(each) == "Item"]
        values = [each.text or "" for each in element if _name(each) == "Value"]
        found[key] = (
            [_attributes_of(item, depth + 1) for item in items]
            if items
            else "\\".join(values).strip()
        )
    return found


def _name(element: Any) -> str:
    """Return the name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]
