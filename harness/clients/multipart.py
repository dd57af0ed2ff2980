"""multipart/related as DICOMweb uses it (PS3.18 8.6.1.2, RFC 2387), parsed strictly.

Only what RFC 2046 5.1.1 allows is accepted: lines end with CRLF, the boundary has valid characters,
there is at least one part, and the last delimiter closes the body. What the RFC requires readers to
tolerate is tolerated: a preamble, an epilogue, spaces after a delimiter, folded header fields.
"""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass

import pydicom
import requests
from pydicom.dataset import FileDataset

from harness.clients.answers import Malformed

BOUNDARY = "harness-boundary"

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rf"{_NAME}/{_NAME}")
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*({_NAME})=(?:({_NAME})|"((?:[^"\\]|\\.)*)")')
_FIELD = re.compile(rf"({_NAME}):[ \t]*([^\r\n]*)")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")


@dataclass(frozen=True)
class Part:
    """One part: its headers (names in lower case) and its content."""

    headers: dict[str, str]
    content: bytes

    @property
    def content_type(self) -> str:
        """The complete Content-Type of the part; empty if there is none."""
        return self.headers.get("content-type", "")

    @property
    def media_type(self) -> str:
        """The media type of the part without parameters, in lower case."""
        return media_type(self.content_type)[0]

    def dataset(self) -> FileDataset:
        """Read the content as a Part 10 file, with all its elements. Raises Malformed if it is not one."""
        try:
            found = pydicom.dcmread(io.BytesIO(self.content))
            for _ in found.iterall():  # pydicom converts a value only when it is accessed
                pass
        except Exception as error:  # pydicom can raise any exception for a broken file
            raise Malformed(f"a part is not a readable file: {error!r}") from error
        return found

    @property
    def stored_syntax(self) -> str | None:
        """The transfer syntax in the file meta information of the content, or None."""
        found = self.dataset().file_meta.get("TransferSyntaxUID")
        return None if found is None else str(found)

    @property
    def transfer_syntax(self) -> str | None:
        """The parameter `transfer-syntax` of the Content-Type (PS3.18 8.7.3.5.2)."""
        return media_type(self.content_type)[1].get("transfer-syntax")


def parts_of(answer: requests.Response) -> list[Part]:
    """Parse the body of an answer. Raises Malformed if it violates the grammar."""
    return parse(answer.headers.get("Content-Type", ""), answer.content)


def stated_type(answer: requests.Response) -> str:
    """Return the parameter `type` of an answer as sent; empty if there is none."""
    return media_type(answer.headers.get("Content-Type", ""))[1].get("type", "")


def media_type(content_type: str) -> tuple[str, dict[str, str]]:
    """Return the media type, in lower case, and the parameters of a Content-Type (RFC 2045 5.1)."""
    found = _MEDIA_TYPE.match(content_type)
    if found is None:
        raise Malformed(f"Content-Type {content_type!r} names no media type")
    at, parameters = found.end(), {}
    while match := _PARAMETER.match(content_type, at):
        name, token, quoted = match.groups()
        if name.lower() in parameters:
            raise Malformed(f"Content-Type {content_type!r} has {name} twice")
        parameters[name.lower()] = token or re.sub(r"\\(.)", r"\1", quoted or "")
        at = match.end()
    if content_type[at:].strip(" \t"):
        raise Malformed(f"Content-Type {content_type!r} goes on with {content_type[at:]!r}")
    return found.group().lower(), parameters


def parse(content_type: str, body: bytes) -> list[Part]:
    """Parse a multipart/related body. Raises Malformed if it violates the grammar."""
    kind, parameters = media_type(content_type)
    if kind != "multipart/related":
        raise Malformed(f"Content-Type {content_type!r} is not multipart/related")
    boundary = parameters.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise Malformed(f"Content-Type {content_type!r} has no valid boundary (RFC 2046)")
    # The CRLF before a delimiter belongs to it; the first delimiter may be at the very beginning.
    _, *pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if not pieces or not re.match(rb"--[ \t]*(\r\n|$)", pieces[-1]):
        raise Malformed(f"the body does not end with the delimiter --{boundary}--")
    parts = [_part(piece) for piece in pieces[:-1]]
    if not parts:
        raise Malformed("the body has no part")
    _check_root(parameters.get("type"), parts[0])
    return parts


def _part(piece: bytes) -> Part:
    padding, line_end, rest = piece.partition(b"\r\n")
    if padding.strip(b" \t") or not line_end:
        raise Malformed(f"a delimiter line goes on with {padding[:40]!r}")
    # A part without headers begins with an empty line.
    head, separator, content = (b"\r\n" + rest).partition(b"\r\n\r\n")
    if not separator:
        raise Malformed("a part has no empty line between its headers and its content")
    headers = _headers(head.removeprefix(b"\r\n").decode("latin-1"))
    stated = headers.get("content-length")
    if stated is not None and stated != str(len(content)):
        raise Malformed(f"a part of {len(content)} bytes says Content-Length: {stated}")
    return Part(headers, content)


def _headers(head: str) -> dict[str, str]:
    """Read header fields; a line that begins with a space continues the previous one (RFC 822 3.1.1)."""
    headers: dict[str, str] = {}
    unfolded = re.sub(r"\r\n[ \t]+", " ", head)
    for line in unfolded.split("\r\n") if unfolded else ():
        field = _FIELD.fullmatch(line)
        if field is None:
            raise Malformed(f"a part has the header line {line!r}")
        name = field.group(1).lower()
        if name in headers:
            raise Malformed(f"a part has the header {name} twice")
        headers[name] = field.group(2).strip(" \t")
    return headers


def _check_root(stated: str | None, root: Part) -> None:
    """Check that `type` is the media type of the root, the first part (RFC 2387 3.1 and 3.2).

    Orthanc's DICOMweb plugin repeats the parameters of the part in it, at least until 1.24;
    WADO-018 tests that. Here they only have to be those of the part, or every case about frames
    would fail for this header.
    """
    if stated is None:
        raise Malformed("the Content-Type has no parameter `type`, which RFC 2387 3.1 requires")
    kind, parameters = media_type(stated)
    of_root = media_type(root.content_type)[1]
    if kind != root.media_type or not parameters.items() <= of_root.items():
        raise Malformed(f"the type is {stated!r}, the first part is {root.content_type!r}")


def build(contents: Iterable[bytes], content_type: str, boundary: str = BOUNDARY) -> bytes:
    """Return the body of a STOW-RS request in which all parts have the same Content-Type."""
    lines = b"".join(
        f"--{boundary}\r\nContent-Type: {content_type}\r\n\r\n".encode() + content + b"\r\n"
        for content in contents
    )
    return lines + f"--{boundary}--\r\n".encode()
