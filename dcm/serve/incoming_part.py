"""One instance, received as a part of a request and written to a sink.

Its beginning is collected until its header is known; all further data is written as it arrives.
"""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from typing import Final, NamedTuple

from dcm.data.encoding import EXPLICIT, NATIVE
from dcm.data.header import Header, NotDicom, scan, scan_bytes
from dcm.data.source import FileSource
from dcm.data.whole import NotWhole, checked, ends_with_pixels
from dcm.errors import DcmError, LocalProtocolError
from dcm.serve.accept import DICOM
from dcm.sinks import OUT_OF_RESOURCES, Head, Part, Refused, Sink
from dcm.web.media import MediaType
from dcm.wire import CStoreRQ, PresentationContextRQ

BEGINNING: Final = 1 << 16
"""The number of bytes searched for the UIDs of an instance before it is begun."""

CANNOT_UNDERSTAND: Final = 0xC000
DOES_NOT_MATCH: Final = 0xA900
PROCESSING_FAILURE: Final = 0x0110
_PLACE: Final = ("StudyInstanceUID", "SeriesInstanceUID")


class Stored(NamedTuple):
    """An instance that was stored."""

    sop_class_uid: str
    sop_instance_uid: str
    study: str
    series: str


class NotStored(NamedTuple):
    """A part that was not stored. reason: Failure Reason (PS3.18 I.2.2). bad_request: not an instance."""

    sop_class_uid: str
    sop_instance_uid: str
    reason: int
    words: str
    bad_request: bool = False


class _Failure(DcmError):  # noqa: N818 - reads as the sentence it is
    """Raised when a part cannot be stored."""

    def __init__(self, reason: int, words: str, *, bad_request: bool = False) -> None:
        super().__init__(words)
        self.reason = reason
        self.bad_request = bad_request


class IncomingPart:
    """A part of a request. study: the study that it must belong to; empty for any."""

    def __init__(self, sink: Sink, headers: Mapping[str, str], study: str, remote: str) -> None:
        self._sink: Final = sink
        self._study: Final = study
        self._remote: Final = remote
        self._beginning: bytearray | None = bytearray()
        self._header: Header | None = None
        self._part: Part | None = None
        self._failure: _Failure | None = None
        self._uids = "", ""
        self._length = 0
        """Bytes of the data set written so far."""
        kind = headers.get("content-type", DICOM)
        with contextlib.suppress(ValueError):
            kind = MediaType.parse(kind).name
        if kind != DICOM:
            self._fail(_Failure(CANNOT_UNDERSTAND, f"a part of type {kind[:80]} is not {DICOM}"))

    def write(self, data: memoryview) -> None:
        """Add the next data; after a failure it is discarded."""
        if self._failure is not None:
            return
        if self._beginning is None:
            self._write(data)
            return
        self._beginning += data
        if len(self._beginning) >= BEGINNING:
            self._begin()

    async def finish(self, length: int, stated: int | None) -> Stored | NotStored:
        """Store the completed part. stated: its Content-Length, or None."""
        try:
            if self._failure is None and self._beginning is not None:
                self._begin()
            if stated not in (None, length):
                words = f"{length} bytes were received instead of Content-Length {stated}"
                self._fail(_Failure(CANNOT_UNDERSTAND, words))
            if self._failure is not None:
                raise self._failure
            return await self._commit()
        except _Failure as failure:
            return NotStored(*self._uids, failure.reason, str(failure), failure.bad_request)
        except Refused as refused:
            return NotStored(*self._uids, refused.status, str(refused))
        except OSError as error:
            return NotStored(*self._uids, OUT_OF_RESOURCES, _file_words(error))
        finally:
            self.discard()

    def discard(self) -> None:
        """Discard everything unless it is stored."""
        if self._part is not None:
            self._part.discard()

    def _begin(self) -> None:
        assert self._beginning is not None
        data, self._beginning = bytes(self._beginning), None
        try:
            header = self._header = scan_bytes(data, _PLACE)
        except NotDicom as error:
            words = f"a part is not a DICOM file: {error.reason}"
            self._fail(_Failure(CANNOT_UNDERSTAND, words, bad_request=True))
            return
        self._uids = header.sop_class_uid, header.sop_instance_uid
        try:
            self._part = self._sink.begin(_head(header, self._remote))
        except (_Failure, Refused, OSError) as error:
            self._fail(error)
            return
        self._write(memoryview(data)[header.data_set_offset :])

    def _write(self, data: memoryview) -> None:
        assert self._part is not None
        try:
            if data:
                self._part.write([data])
                self._length += len(data)
        except (Refused, OSError) as error:
            self._fail(error)

    def _fail(self, error: DcmError | OSError) -> None:
        if isinstance(error, Refused):
            error = _Failure(error.status, str(error))
        elif isinstance(error, OSError):
            error = _Failure(OUT_OF_RESOURCES, _file_words(error))
        assert isinstance(error, _Failure)
        self._failure = error
        self._beginning = None
        self.discard()

    async def _commit(self) -> Stored:
        assert self._part is not None
        assert self._header is not None
        header, path = self._header, self._part.path
        study, series = header.text(_PLACE[0]), header.text(_PLACE[1])
        if not (study and series):  # they may come after the part that was searched
            study, series = await asyncio.to_thread(_place, path)
        if not (study and series):
            raise _Failure(
                DOES_NOT_MATCH, "it has no Study or Series Instance UID", bad_request=True
            )
        if self._study and study != self._study:
            raise _Failure(DOES_NOT_MATCH, f"it belongs to the study {study}, not {self._study}")
        _check(path, self._length, header.transfer_syntax_uid)
        await self._part.commit()
        return Stored(*self._uids, study, series)


def _head(header: Header, remote: str) -> Head:
    uid, sop_class = header.sop_instance_uid, header.sop_class_uid
    if not uid:
        raise _Failure(DOES_NOT_MATCH, "it has no SOP Instance UID", bad_request=True)
    try:
        PresentationContextRQ(1, sop_class, (header.transfer_syntax_uid,))
        request = CStoreRQ(
            message_id=1, affected_sop_class_uid=sop_class, affected_sop_instance_uid=uid
        )
    except LocalProtocolError as error:
        raise _Failure(DOES_NOT_MATCH, str(error), bad_request=True) from error
    return Head(request, header.transfer_syntax_uid, remote, "", "")


def _place(path: str) -> tuple[str, str]:
    """Return the Study and Series Instance UIDs of a complete file."""
    try:
        header = scan(path, _PLACE)
    except NotDicom as error:
        raise _Failure(CANNOT_UNDERSTAND, error.reason, bad_request=True) from error
    return header.text(_PLACE[0]), header.text(_PLACE[1])


def _check(path: str, length: int, syntax: str) -> None:
    """Raise `_Failure` if a data set of `length` bytes, the end of a file, ends within an element."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        end = os.fstat(descriptor).st_size
        start = end - length
        data = os.pread(descriptor, min(length, 1 << 14), start)
        tail = os.pread(descriptor, 8, end - 8)
        encoding = NATIVE.get(syntax, EXPLICIT)
        if not ends_with_pixels(data, len(data), tail, encoding, length):
            checked(FileSource(descriptor), start, end, syntax)
    except NotWhole as error:
        raise _Failure(CANNOT_UNDERSTAND, f"it is incomplete: {error}") from error
    finally:
        os.close(descriptor)


def _file_words(error: OSError) -> str:
    return f"it cannot be written: {error.strerror or error}"
