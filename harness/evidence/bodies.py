"""Format bodies of HTTP messages for reading: pretty-printed, named or dumped, and never too long."""

import codecs
import json
import re
from collections.abc import Iterator
from email.message import Message
from typing import Final

from harness.evidence.redact import Redactor

MAX_TEXT: Final = 4096
MAX_DUMP: Final = 256

_META_NAMES: Final = {b"\x02": "SOP Class", b"\x03": "SOP Instance", b"\x10": "Transfer Syntax"}
_META_UIDS: Final = re.compile(rb"\x02\0([\x02\x03\x10])\0UI..([0-9.]+)", re.DOTALL)


def describe(content_type: str, body: bytes, size: int, redactor: Redactor) -> str:
    """Describe a body of `size` bytes; `body` is all of it or its beginning."""
    if not size:
        return ""
    if parts := split_parts(content_type, body):
        return "\n".join(_describe_parts(parts, redactor))
    kind = content_type.partition(";")[0].strip().lower() or "application/octet-stream"
    if body[128:132] == b"DICM":
        names = (f"{name} {uid}" for name, uid in meta_uids(body).items())
        return f"({', '.join(['DICOM file', *names])}, {size} bytes)"
    if kind.startswith("image/"):
        return f"({kind}, {size} bytes)"
    text = _as_text(body)
    if text is None:
        return f"({kind}, {size} bytes)\n{dump(body, redactor)}"
    text = redactor.text(_pretty(text))
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}\n... cut; {size} bytes in all"


def meta_uids(body: bytes) -> dict[str, str]:
    """Return the UIDs found in the file meta information of a DICOM file (PS3.10 7.1), by name."""
    return {_META_NAMES[of]: uid.decode() for of, uid in _META_UIDS.findall(body, 132, 1024)}


def split_parts(content_type: str, body: bytes) -> list[tuple[str, bytes]]:
    """Return the header and content of each part of a multipart body (RFC 2046 5.1.1).

    What follows the closing delimiter is returned as a last part. Any other body has no parts.
    """
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary()
    if header.get_content_maintype() != "multipart" or not boundary:
        return []
    delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
    parts = (
        part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        for part in (b"\r\n" + body).split(delimiter)[1:]
    )
    return [(head.decode("latin-1").strip(), content) for head, _, content in parts]


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


def _describe_parts(parts: list[tuple[str, bytes]], redactor: Redactor) -> Iterator[str]:
    for number, (head, content) in enumerate(parts, 1):
        if head.startswith("--"):
            return
        headers = redactor.text(head)
        found = re.search(r"(?im)^content-type:[ \t]*(.*?)[ \t]*$", headers)
        yield f"-- part {number}"
        if headers:
            yield headers.replace("\r\n", "\n")
        yield describe(found.group(1) if found else "", content, len(content), redactor)
    yield "-- (the multipart body does not end here)"


def _as_text(body: bytes) -> str | None:
    """Return a body as text, or None if it is binary; it may end in the middle of a character."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(body)
    except UnicodeDecodeError:
        return None
    return None if re.search(r"[\0-\x08\x0e-\x1f]", text) else text


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):  # not JSON, or nested too deeply
        return text.rstrip()
