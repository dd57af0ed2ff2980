"""Functions that parse an answer, and fail the case if a part is missing or malformed."""

from collections.abc import Iterable
from typing import TypeVar
from xml.etree import ElementTree as ET

import requests

Item = TypeVar("Item")


class Malformed(AssertionError):  # noqa: N818 - inside a case it is the server's failure
    """Data from a server does not have the structure that the standard requires."""


def single(found: Iterable[Item], what: str = "answer") -> Item:
    """Return the only item of `found`; fails the case if there is none or more than one."""
    items = list(found)
    if len(items) != 1:
        raise AssertionError(f"expected one {what}, received {len(items) or 'none'}")
    return items[0]


def header(answer: requests.Response, name: str) -> str:
    """Return the value of a header field; fails the case if it is missing."""
    assert name in answer.headers, f"the answer has no header {name}"
    return str(answer.headers[name])


def number(text: object) -> float:
    """Return the number in JSON or text; fails the case if it is not a number."""
    try:
        return float(str(text))
    except ValueError:
        raise AssertionError(f"expected a number, received {text!r}") from None


def xml(answer: requests.Response | bytes) -> ET.Element:
    """Return the root element of a document; fails the case if it is not XML."""
    content = answer if isinstance(answer, bytes) else answer.content
    try:
        return ET.fromstring(content)  # noqa: S314 - the server under test is not hostile
    except ET.ParseError as error:
        raise AssertionError(f"expected XML, received {content[:80]!r}: {error}") from error
