"""multipart/related as DICOMweb uses it (PS3.18 8.6.1.2, RFC 2387): read strictly, written plainly.

Only what RFC 2046 5.1.1 allows is taken: lines end with CRLF, the boundary is of its characters, there is
at least one part, and the last delimiter closes the body. What it tells a reader to tolerate is tolerated:
a preamble, an epilogue, spaces after a delimiter, folded header fields.
"""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass

import pydicom
import requests
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError

BOUNDARY = "harness-boundary"

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rf"{_NAME}/{_NAME}")
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*({_NAME})=(?:({_NAME})|"((?:[^"\\]|\\.)*)")')
_FIELD = re.compile(rf"({_NAME}):[ \t]*([^\r\n]*)")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")


class MalformedMultipart(AssertionError):  # noqa: N818 - inside a case it is the server's failure
    """A body that does not follow the grammar of RFC 2046 5.1."""


@dataclass(frozen=True)
class Part:
    """One part: its headers, names in lower case, and its content."""

    headers: dict[str, str]
    content: bytes

    @property
    def content_type(self) -> str:
        """The whole Content-Type of the part, empty where there is none."""
        return self.headers.get("content-type", "")

    @property
    def media_type(self) -> str:
        """The media type of the part without parameters, in lower case."""
        return media_type(self.content_type)[0]

    def dataset(self) -> FileDataset:
        """Read the content as a Part 10 file; fails the case if it is none."""
        try:
            return pydicom.dcmread(io.BytesIO(self.content))
        except (InvalidDicomError, EOFError, ValueError, KeyError) as error:
            raise MalformedMultipart(f"a part is no DICOM file: {error}") from error

    @property
    def transfer_syntax(self) -> str | None:
        """The parameter `transfer-syntax` of the Content-Type (PS3.18 8.7.3.5.2)."""
        return media_type(self.content_type)[1].get("transfer-syntax")


def parts_of(answer: requests.Response) -> list[Part]:
    """Take the body of an answer apart. Raises MalformedMultipart where the grammar is broken."""
    return parse(answer.headers.get("Content-Type", ""), answer.content)


def media_type(content_type: str) -> tuple[str, dict[str, str]]:
    """Give the media type, in lower case, and the parameters of a Content-Type (RFC 2045 5.1)."""
    found = _MEDIA_TYPE.match(content_type)
    if found is None:
        raise MalformedMultipart(f"Content-Type {content_type!r} names no media type")
    at, parameters = found.end(), {}
    while match := _PARAMETER.match(content_type, at):
        name, token, quoted = match.groups()
        if name.lower() in parameters:
            raise MalformedMultipart(f"Content-Type {content_type!r} has {name} twice")
        parameters[name.lower()] = token or re.sub(r"\\(.)", r"\1", quoted or "")
        at = match.end()
    if content_type[at:].strip(" \t"):
        raise MalformedMultipart(
            f"Content-Type {content_type!r} goes on with {content_type[at:]!r}"
        )
    return found.group().lower(), parameters


def parse(content_type: str, body: bytes) -> list[Part]:
    """Take a multipart/related body apart. Raises MalformedMultipart where the grammar is broken."""
    kind, parameters = media_type(content_type)
    if kind != "multipart/related":
        raise MalformedMultipart(f"Content-Type {content_type!r} is not multipart/related")
    boundary = parameters.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise MalformedMultipart(
            f"Content-Type {content_type!r} has no boundary as RFC 2046 has it"
        )
    # The CRLF before a delimiter belongs to it; the first one may stand at the very beginning.
    _, *pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if not pieces or not re.match(rb"--[ \t]*(\r\n|$)", pieces[-1]):
        raise MalformedMultipart(f"the body does not end with the delimiter --{boundary}--")
    parts = [_part(piece) for piece in pieces[:-1]]
    if not parts:
        raise MalformedMultipart("the body has no part")
    _check_root(parameters.get("type"), parts[0])
    return parts


def _part(piece: bytes) -> Part:
    padding, line_end, rest = piece.partition(b"\r\n")
    if padding.strip(b" \t") or not line_end:
        raise MalformedMultipart(f"a delimiter line goes on with {padding[:40]!r}")
    # An empty line comes first where a part has no headers.
    head, separator, content = (b"\r\n" + rest).partition(b"\r\n\r\n")
    if not separator:
        raise MalformedMultipart("a part has no empty line between its headers and its content")
    headers = _headers(head.removeprefix(b"\r\n").decode("latin-1"))
    stated = headers.get("content-length")
    if stated is not None and stated != str(len(content)):
        raise MalformedMultipart(f"a part of {len(content)} bytes says Content-Length: {stated}")
    return Part(headers, content)


def _headers(head: str) -> dict[str, str]:
    """Read header fields; a line that begins with a space goes on with the one before (RFC 822 3.1.1)."""
    headers: dict[str, str] = {}
    unfolded = re.sub(r"\r\n[ \t]+", " ", head)
    for line in unfolded.split("\r\n") if unfolded else ():
        field = _FIELD.fullmatch(line)
        if field is None:
            raise MalformedMultipart(f"a part has the header line {line!r}")
        name = field.group(1).lower()
        if name in headers:
            raise MalformedMultipart(f"a part has the header {name} twice")
        headers[name] = field.group(2).strip(" \t")
    return headers


def _check_root(stated: str | None, root: Part) -> None:
    """See that `type` says what the root, which is the first part, is (RFC 2387 3.1, 3.2)."""
    if stated is None:
        raise MalformedMultipart(
            "the Content-Type has no parameter type, which RFC 2387 3.1 demands"
        )
    # Orthanc's DICOMweb plugin writes the transfer syntax inside the quotes, at least until 1.24.
    if media_type(stated)[0] != root.media_type:
        raise MalformedMultipart(f"the type is {stated!r}, the first part is {root.content_type!r}")


def build(contents: Iterable[bytes], content_type: str, boundary: str = BOUNDARY) -> bytes:
    """Make the body of a STOW-RS request: each content with the same Content-Type."""
    lines = b"".join(
        f"--{boundary}\r\nContent-Type: {content_type}\r\n\r\n".encode() + content + b"\r\n"
        for content in contents
    )
    return lines + f"--{boundary}--\r\n".encode()
