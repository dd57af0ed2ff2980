"""Instances in the response to a retrieval, written to a sink part by part (PS3.18 10.4).

The file meta information (PS3.10 7.1) at the beginning of a part is collected; the data set after
it is passed on as it arrives.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from dcm.data.encoding import LONG_VRS
from dcm.data.header import NotDicom
from dcm.data.identifier import BadIdentifier, read_identifier
from dcm.errors import DcmError
from dcm.sinks import Head, NotKept, Part, ReceivedInstance, Refused, Sink
from dcm.web.media import MediaType
from dcm.web.multipart import Event, PartBegun, PartData
from dcm.wire import CStoreRQ

DICOM: Final = "application/dicom"
_MOST: Final = 1 << 16
"""The longest file meta information that is accepted, in bytes."""
_STEP: Final = 1 << 11
"""The number of bytes collected at a time."""
_START: Final = 132
"""Where the file meta information begins, after preamble and prefix."""
_EXPLICIT: Final = "1.2.840.10008.1.2.1"
_META: Final = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")


class Damaged(NamedTuple):
    """An instance that was received incompletely."""

    sop_instance_uid: str
    words: str


OnInstance: TypeAlias = Callable[[ReceivedInstance | NotKept | Damaged], object]


class IncomingParts:
    """Passes the parts of one response to a sink.

    on_instance: called with the result of each instance, kept or not. remarks: for parts that are not
    instances.
    """

    def __init__(
        self, sink: Sink, remote: str, on_instance: OnInstance, remarks: list[str]
    ) -> None:
        self._sink: Final = sink
        self._remote: Final = remote
        self._on_instance: Final = on_instance
        self._remarks: Final = remarks
        self._head: bytearray | None = None
        """The collected beginning of a part; None while its content is passed on or skipped."""
        self._part: Part | None = None
        self._uid = ""

    async def take(self, event: Event) -> None:
        """Process the next event."""
        if isinstance(event, PartData):
            if self._head is not None:
                self._collect(event.data)
            elif self._part is not None:
                self._write(event.data)
        elif isinstance(event, PartBegun):
            self._begin(event.headers.get("content-type", DICOM))
        else:
            await self._end(event.length, event.stated)

    def close(self) -> None:
        """Discard an incomplete part."""
        if self._part is not None:
            self._part.discard()
        self._part = self._head = None

    def _begin(self, content_type: str) -> None:
        self.close()
        self._uid = ""
        try:
            name = MediaType.parse(content_type).name
        except ValueError:
            name = content_type
        if name == DICOM:
            self._head = bytearray()
        else:
            self._remarks.append(
                f"a part of the response has the media type {name[:60]}, and was ignored"
            )

    def _collect(self, data: memoryview) -> None:
        """Collect the beginning of a file until its file meta information is complete."""
        while self._head is not None and data:
            self._head += data[:_STEP]
            data = data[_STEP:]
            size = _meta_end(self._head)
            if size is not None:
                head, self._head = self._head, None
                self._begin_data(bytes(head[:size]), memoryview(bytes(head[size:])))
            elif len(self._head) > _MOST:
                self._not_an_instance(f"its file meta information is longer than {_MOST} bytes")
        if self._part is not None and data:
            self._write(data)

    def _begin_data(self, head: bytes, data: memoryview) -> None:
        try:
            self._part = self._open(head)
        except NotDicom as error:
            self._not_an_instance(error.reason)
        except (Refused, OSError) as error:
            self._keep_not(_words(error))
        if self._part is not None and data:
            self._write(data)

    def _open(self, head: bytes) -> Part | None:
        if not head:
            raise NotDicom("it is not a Part 10 file: the prefix DICM is missing")
        meta = _meta(head)
        sop_class, self._uid, syntax = meta
        if not all(meta):
            raise NotDicom("its file meta information lacks a UID")
        request = CStoreRQ(
            message_id=1, affected_sop_class_uid=sop_class, affected_sop_instance_uid=self._uid
        )
        return self._sink.begin(Head(request, syntax, self._remote, "", ""))

    def _write(self, data: memoryview) -> None:
        assert self._part is not None
        try:
            self._part.write([data])
        except (Refused, OSError) as error:
            self._part.discard()
            self._part = None
            self._keep_not(_words(error))

    async def _end(self, length: int, stated: int | None) -> None:
        if self._head is not None:
            self._head = None
            self._not_an_instance(f"it has only {length} bytes")
        part, self._part = self._part, None
        if part is None:
            return
        try:
            if stated is not None and stated != length:
                part.discard()
                words = f"it has {length} bytes instead of {stated}"
                self._on_instance(Damaged(self._uid, words))
                return
            received = await part.commit()
        except (Refused, OSError) as error:
            self._keep_not(_words(error))
        else:
            self._on_instance(received)
        finally:
            part.discard()

    def _keep_not(self, words: str) -> None:
        self._on_instance(NotKept(self._uid, words))

    def _not_an_instance(self, words: str) -> None:
        self._head = None
        self._remarks.append(f"a part of the response is not an instance: {words}")


def _words(error: DcmError | OSError) -> str:
    return getattr(error, "strerror", None) or str(error)


def _meta_end(head: bytearray) -> int | None:
    """Return where the file meta information ends, 0 without one, or None if not known yet.

    It ends where group 0002 ends; the group length is not used, as it is often wrong.
    """
    if head[128:132] != b"DICM"[: max(0, len(head) - 128)]:
        return 0
    at = _START
    while len(head) >= at + 8:
        if head[at : at + 2] != b"\x02\0":
            return at if at > _START else 0
        if bytes(head[at + 4 : at + 6]) in LONG_VRS:
            if len(head) < at + 12:
                return None
            at += 12 + int.from_bytes(head[at + 8 : at + 12], "little")
        else:
            at += 8 + int.from_bytes(head[at + 6 : at + 8], "little")
    return None


def _meta(head: bytes) -> tuple[str, str, str]:
    """Return SOP class, instance and transfer syntax of file meta information (PS3.10 7.1)."""
    try:
        found = read_identifier(head[_START:], _EXPLICIT)
    except BadIdentifier as error:
        raise NotDicom(str(error)) from None
    sop_class, uid, syntax = (str(found.get(name, "")) for name in _META)
    return sop_class, uid, syntax
