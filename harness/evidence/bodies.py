"""Bodies of HTTP messages, as people want to see them: pretty, named or dumped, and never too long."""

import codecs
import json
import re
from collections.abc import Iterator
from email.message import Message
from typing import Final

from harness.evidence.redact import Redactor

MAX_TEXT: Final = 4096
MAX_DUMP: Final = 256

_META_NAMES: Final = {
    b"\x02\x00\x02\x00": "SOP Class",
    b"\x02\x00\x03\x00": "SOP Instance",
    b"\x02\x00\x10\x00": "Transfer Syntax",
}
_LONG_VRS: Final = (b"OB", b"OW", b"SQ", b"UN", b"UT")


def describe(content_type: str, body: bytes, size: int, redactor: Redactor) -> str:
    """Describe a body of `size` bytes, of which `body` is all or the beginning."""
    if not size:
        return ""
    header = Message()
    header["Content-Type"] = content_type or "application/octet-stream"
    kind, boundary = header.get_content_type(), header.get_boundary()
    if header.get_content_maintype() == "multipart" and boundary:
        return "\n".join(_describe_parts(body, boundary, redactor))
    if body[128:132] == b"DICM":
        return f"({_describe_dicom(body)}, {size} bytes)"
    if header.get_content_maintype() == "image":
        return f"({kind}, {size} bytes)"
    text = _as_text(body)
    if text is None:
        return f"({kind}, {size} bytes)\n{dump(body, redactor)}"
    return _cut(redactor.text(_pretty(text)), size)


def dump(data: bytes, redactor: Redactor, limit: int = MAX_DUMP) -> str:
    """Show the beginning of `data` in hexadecimal and as characters."""
    shown = redactor.bytes(data)[:limit]
    lines = []
    for at in range(0, len(shown), 16):
        row = shown[at : at + 16]
        characters = "".join(chr(code) if 32 <= code < 127 else "." for code in row)
        lines.append(f"{at:06x}  {row.hex(' '):47}  {characters}")
    if len(data) > limit:
        lines.append(f"... {len(data) - limit} bytes more")
    return "\n".join(lines)


def _describe_parts(body: bytes, boundary: str, redactor: Redactor) -> Iterator[str]:
    """Describe the parts of a multipart body (RFC 2046 5.1.1)."""
    delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
    parts = (b"\r\n" + body).split(delimiter)
    for number, part in enumerate(parts[1:], 1):
        if part.startswith(b"--"):
            return
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = redactor.text(head.decode("latin-1").strip())
        found = re.search(r"(?im)^content-type:[ \t]*(.*?)[ \t]*$", headers)
        yield f"-- part {number}"
        if headers:
            yield headers.replace("\r\n", "\n")
        yield describe(found.group(1) if found else "", content, len(content), redactor)
    yield "-- (the multipart body does not end here)"


def _describe_dicom(body: bytes) -> str:
    """Name a DICOM file by its file meta information (PS3.10 7.1), as far as that can be read."""
    names = []
    at = 132
    while body[at : at + 2] == b"\x02\x00" and at + 8 <= len(body):
        long = body[at + 4 : at + 6] in _LONG_VRS
        start = at + (12 if long else 8)
        end = start + int.from_bytes(body[at + (8 if long else 6) : start], "little")
        name = _META_NAMES.get(body[at : at + 4])
        if name is not None:
            names.append(f"{name} {body[start:end].decode('latin-1').rstrip(chr(0) + ' ')}")
        at = end
    return ", ".join(["DICOM file", *names])


def _as_text(body: bytes) -> str | None:
    """Read a body as text, unless it is binary; its end may be cut within a character."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(body)
    except UnicodeDecodeError:
        return None
    return None if re.search(r"[\0-\x08\x0e-\x1f]", text) else text


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text.rstrip()


def _cut(text: str, size: int) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}\n... cut; {size} bytes in all"
