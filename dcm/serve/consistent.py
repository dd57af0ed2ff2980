"""A sink in front of another one that rejects instances which an archive could not find again."""

import asyncio
from collections.abc import Sequence
from typing import Final

from dcm.data.encoding import DEFLATED, EXPLICIT, NATIVE
from dcm.data.header import NotDicom, scan
from dcm.data.whole import ends_with_pixels
from dcm.held import is_whole
from dcm.sinks import Head, Part, ReceivedInstance, Refused, Sink
from dcm.wire import Buffer

_DOES_NOT_MATCH: Final = 0xA900
_NOT_UNDERSTOOD: Final = 0xC000
_LONG: Final = 1 << 20
_KEPT: Final = 1 << 14
_PATH: Final = ("StudyInstanceUID", "SeriesInstanceUID")


class ConsistentSink:
    """Accepts only complete data sets with the identifiers of their C-STORE request (PS3.4 B.2.3)."""

    def __init__(self, sink: Sink) -> None:
        self._sink: Final = sink

    def begin(self, head: Head) -> Part:
        """Begin to take an instance."""
        return _Consistent(self._sink.begin(head), head)


class _Consistent:
    """An instance being received."""

    def __init__(self, part: Part, head: Head) -> None:
        self._part: Final = part
        self._head: Final = head
        self._length = 0
        self._beginning: Final = bytearray()
        self._tail = b""

    @property
    def path(self) -> str:
        return self._part.path

    def write(self, buffers: Sequence[Buffer]) -> None:
        self._part.write(buffers)
        for each in buffers:
            if (room := _KEPT - len(self._beginning)) > 0:
                self._beginning.extend(each[:room])
            self._length += len(each)
            self._tail = (self._tail + bytes(each[-8:]))[-8:]

    async def commit(self) -> ReceivedInstance:
        if self._length < _LONG:
            self._check()
        else:  # there may be many elements
            await asyncio.to_thread(self._check)
        return await self._part.commit()

    def discard(self) -> None:
        self._part.discard()

    def _check(self) -> None:
        """Raise `Refused` if the data set does not match its request, or is not complete."""
        request, path = self._head.request, self._part.path
        try:
            header = scan(path, ("SOPClassUID", "SOPInstanceUID", *_PATH))
        except NotDicom as error:
            raise Refused(_NOT_UNDERSTOOD, f"no data set: {error.reason}") from error
        said = {
            "SOPClassUID": request.affected_sop_class_uid,
            "SOPInstanceUID": request.affected_sop_instance_uid,
        }
        for keyword, uid in said.items():
            if header.text(keyword) != uid:
                raise Refused(_DOES_NOT_MATCH, f"{keyword} differs from the request")
        for keyword in _PATH:
            if not header.text(keyword):
                raise Refused(_DOES_NOT_MATCH, f"{keyword} is missing")
        if not self._ends_plainly() and not is_whole(path, header):
            raise Refused(_NOT_UNDERSTOOD, "the data set ends in the middle of an element")

    def _ends_plainly(self) -> bool:
        """Return whether the received data shows its own end, as for nearly all images."""
        syntax, count = self._head.transfer_syntax_uid, len(self._beginning)
        encoding = NATIVE.get(syntax, EXPLICIT)
        plain = ends_with_pixels(self._beginning, count, self._tail, encoding, self._length)
        return syntax not in DEFLATED and plain
