"""The Native DICOM Model in XML (PS3.19 A.1), generated from the DICOM JSON model."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from dcm.data.dictionary import keyword_of

XML: Final = "application/dicom+xml"
"""The media type."""

_NAMESPACE: Final = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COMPONENTS: Final = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")


def native_xml(model: Mapping[str, Any]) -> bytes:
    """Return an object of the DICOM JSON model as an XML document."""
    body = "".join(_attributes(model))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<NativeDicomModel xmlns="{_NAMESPACE}" xml:space="preserve">{body}</NativeDicomModel>'
    ).encode()


def _attributes(model: Mapping[str, Any]) -> Iterator[str]:
    creators: dict[str, str] = {}
    for tag, element in model.items():
        number = int(tag, 16)
        named = f"tag={quoteattr(tag)} vr={quoteattr(element['vr'])}"
        if number >> 16 & 1:
            if tag[4:6] == "00":
                creators[tag[:4] + tag[6:]] = str(*element.get("Value", [])[:1])
            elif tag[:6] in creators:
                named += f" privateCreator={quoteattr(_text(creators[tag[:6]]))}"
        elif (keyword := keyword_of(number)) != tag:
            named += f" keyword={quoteattr(keyword)}"
        yield f"<DicomAttribute {named}>{''.join(_content(element))}</DicomAttribute>"


def _content(element: Mapping[str, Any]) -> Iterator[str]:
    if "BulkDataURI" in element:
        yield f"<BulkData uri={quoteattr(element['BulkDataURI'])}/>"
    if "InlineBinary" in element:
        yield f"<InlineBinary>{element['InlineBinary']}</InlineBinary>"
    for number, value in enumerate(element.get("Value", ()), 1):
        if element["vr"] == "SQ":
            yield f'<Item number="{number}">{"".join(_attributes(value or {}))}</Item>'
        elif element["vr"] == "PN":
            yield f'<PersonName number="{number}">{"".join(_groups(value or {}))}</PersonName>'
        else:
            text = "" if value is None else escape(_text(str(value)))
            yield f'<Value number="{number}">{text}</Value>'


def _groups(value: Mapping[str, str]) -> Iterator[str]:
    for group, text in value.items():
        components = zip(_COMPONENTS, text.split("^"), strict=False)
        yield f"<{group}>{''.join(_elements(components))}</{group}>"


def _elements(texts: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, text in texts:
        if text:
            yield f"<{name}>{escape(_text(text))}</{name}>"


def _text(text: str) -> str:
    """Return a text without characters that are not allowed in XML."""
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
