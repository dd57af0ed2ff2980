"""Instances as DICOM files (PS3.18 10.4.1.1.1): as stored, or converted on the way.

Without a `transfer-syntax` in Accept, an instance is sent in Explicit VR Little Endian (8.7.3.5.2).
If it has lossy compression or cannot be decompressed here, it is sent as it is, and its part says
so.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from dcm.data.encoding import DEFLATED, NATIVE
from dcm.instances import Kind, MemoryInstance
from dcm.net.convert import EXPLICIT_LITTLE, CannotConvert, converted
from dcm.serve.accept import DICOM, MULTIPART, not_acceptable, wanted
from dcm.serve.archive import Archive, found, syntaxes, transfer_syntax, url_of
from dcm.serve.body import Streamed, file_slices
from dcm.serve.refusal import Refusal
from dcm.sinks import Head, file_meta
from dcm.store.catalogue import Found
from dcm.web.multipart import MultipartWriter
from dcm.wire import CStoreRQ

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

LOG: Final = logging.getLogger(__name__)

STORED: Final = "*"
"""The name of the transfer syntax in which an instance is stored."""
_LOSSLESS: Final = frozenset(
    f"1.2.840.10008.1.2.{last}" for last in ("4.57", "4.70", "4.80", "4.90", "4.201", "4.202", "5")
)


class File(NamedTuple):
    """A Part 10 file to send. size: its length, or None if it is not known in advance."""

    syntax: str
    size: int | None
    slices: Callable[[], Iterator[bytes]]


async def instances(archive: Archive, request: "Request") -> "Response":
    """Respond with all instances that the path names, each in a part, or a single one alone."""
    listed = await found(archive, request)
    single = "instance" in request.path_params
    multipart, syntax = _choice(request, listed, single=single)
    if not multipart:
        return await _by_itself(listed[0], syntax)
    writer = MultipartWriter(DICOM)
    base = archive.base(request)
    if syntax != STORED:
        parts = (part for each in listed for part in _part(writer, base, each, _file(each, syntax)))
        answer = Streamed(_closed(parts, writer), {"Content-Type": writer.content_type})
        return await _prepared(answer)
    files = [_file(each, STORED) for each in listed]
    heads = [_head(writer, base, *each) for each in zip(listed, files, strict=True)]
    last = writer.end()
    length = sum(map(len, heads)) + sum(each.size or 0 for each in files) + len(last)

    def parts_as_stored() -> Iterator[bytes]:
        for head, file in zip(heads, files, strict=True):
            yield head
            yield from file.slices()
        yield last

    return Streamed(parts_as_stored(), {"Content-Type": writer.content_type}, length)


def _choice(request: "Request", listed: Sequence[Found], *, single: bool) -> tuple[bool, str]:
    """Return whether to respond multipart, and the transfer syntax: `STORED`, a UID, or empty."""
    stored = syntaxes(listed)
    for each in wanted(request):
        if not each.covers(DICOM) or (each.multipart is False and not single):
            continue
        multipart = each.multipart is not False
        if each.syntax in ("", STORED) or stored == {each.syntax}:
            plain = not each.syntax and stored == {EXPLICIT_LITTLE}
            return multipart, STORED if each.syntax or plain else ""
        if each.syntax in NATIVE and all(convertible(one) for one in stored):
            return multipart, each.syntax
    raise not_acceptable(
        f'{MULTIPART}; type="{DICOM}"'
        + (f" and {DICOM}" if single else "")
        + ", in the transfer syntaxes "
        f"{', '.join(sorted(stored))} (transfer-syntax=*) and, as far as there are decoders, "
        f"{', '.join(NATIVE)}"
    )


def convertible(syntax: str) -> bool:
    """Return whether instances in a transfer syntax can be converted to a native one."""
    if syntax in NATIVE or syntax in DEFLATED:
        return True
    from pydicom.pixels import get_decoder  # noqa: PLC0415 - slow to import
    from pydicom.uid import UID  # noqa: PLC0415

    try:
        return bool(get_decoder(UID(syntax)).is_available)
    except NotImplementedError:
        return False


async def _by_itself(each: Found, syntax: str) -> "Response":
    file = _file(each, syntax)
    answer = Streamed(file.slices(), {"Content-Type": _content_type(file)}, file.size)
    return await _prepared(answer)


async def _prepared(answer: Streamed) -> "Response":
    try:
        return await answer.prepared()
    except CannotConvert as error:
        raise Refusal(406, f"the instance {error}; accept it with transfer-syntax=*") from error


def _file(each: Found, syntax: str) -> File:
    """Return a file in a transfer syntax; empty: Explicit VR Little Endian if that is lossless."""
    instance = each.instance
    stored = transfer_syntax(instance)
    if syntax in (STORED, stored):
        return _as_stored(each)
    if syntax:
        return File(syntax, None, lambda: _converted(each, syntax))
    if stored == EXPLICIT_LITTLE or not (
        stored in NATIVE or stored in DEFLATED or (stored in _LOSSLESS and convertible(stored))
    ):
        return _as_stored(each)
    return File(EXPLICIT_LITTLE, None, lambda: _converted(each, EXPLICIT_LITTLE))


def _as_stored(each: Found) -> File:
    """Return the file as it is; preamble and file meta information are added if missing."""
    kind, uid, path, offset = each.instance
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        whole = offset > 132 and os.pread(descriptor, 4, 128) == b"DICM"
    finally:
        os.close(descriptor)
    if whole:
        return File(kind[1], size, lambda: file_slices(path, 0, size))
    meta = _meta(kind, uid)

    def slices() -> Iterator[bytes]:
        yield meta
        yield from file_slices(path, offset, size - offset)

    return File(kind[1], len(meta) + size - offset, slices)


def _meta(kind: Kind, uid: str) -> bytes:
    """Return preamble, prefix and file meta information of an instance."""
    request = CStoreRQ(message_id=1, affected_sop_class_uid=kind[0], affected_sop_instance_uid=uid)
    return file_meta(Head(request, kind[1], "", "", ""))


def _converted(each: Found, syntax: str) -> Iterator[bytes]:
    made = converted(each.instance, syntax)
    assert isinstance(made, MemoryInstance)
    yield _meta(made.kind, made.sop_instance_uid)
    yield made.data


def _part(writer: MultipartWriter, base: str, each: Found, file: File) -> Iterator[bytes]:
    # Content is made before its head is sent, so a failure of the first part can still be reported.
    slices = file.slices()
    first = next(slices)
    yield _head(writer, base, each, file) + first
    yield from slices


def _head(writer: MultipartWriter, base: str, each: Found, file: File) -> bytes:
    headers = {"Content-Type": _content_type(file), "Content-Location": url_of(base, each)}
    if file.size is not None:
        headers["Content-Length"] = str(file.size)
    return writer.begin(headers)


def _content_type(file: File) -> str:
    return f"{DICOM}; transfer-syntax={file.syntax}"


def _closed(parts: Iterator[bytes], writer: MultipartWriter) -> Iterator[bytes]:
    yield from parts
    yield writer.end()
