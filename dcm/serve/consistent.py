"""A sink before a sink, which refuses what an archive could not find again."""

import asyncio
from collections.abc import Sequence
from typing import Final

from dcm.data.header import NotDicom, scan
from dcm.held import is_whole
from dcm.sinks import Head, Part, ReceivedInstance, Refused, Sink
from dcm.wire import Buffer

_DOES_NOT_MATCH: Final = 0xA900
_NOT_UNDERSTOOD: Final = 0xC000
_LONG: Final = 1 << 20
_PATH: Final = ("StudyInstanceUID", "SeriesInstanceUID")


class ConsistentSink:
    """Takes only whole data sets with the identifiers of their C-STORE request (PS3.4 B.2.3)."""

    def __init__(self, sink: Sink) -> None:
        self._sink: Final = sink

    def begin(self, head: Head) -> Part:
        """Begin to take an instance."""
        return _Consistent(self._sink.begin(head), head)


class _Consistent:
    """An instance on its way."""

    def __init__(self, part: Part, head: Head) -> None:
        self._part: Final = part
        self._head: Final = head
        self._length = 0

    @property
    def path(self) -> str:
        return self._part.path

    def write(self, buffers: Sequence[Buffer]) -> None:
        self._part.write(buffers)
        self._length += sum(map(len, buffers))

    async def commit(self) -> ReceivedInstance:
        if self._length < _LONG:
            _check(self._part.path, self._head)
        else:  # it may have many elements
            await asyncio.to_thread(_check, self._part.path, self._head)
        return await self._part.commit()

    def discard(self) -> None:
        self._part.discard()


def _check(path: str, head: Head) -> None:
    """Raise `Refused` if the data set is not what its request says, or is not whole."""
    request = head.request
    try:
        header = scan(path, ("SOPClassUID", "SOPInstanceUID", *_PATH))
    except NotDicom as error:
        raise Refused(_NOT_UNDERSTOOD, f"no data set: {error}") from error
    said = {
        "SOPClassUID": request.affected_sop_class_uid,
        "SOPInstanceUID": request.affected_sop_instance_uid,
    }
    for keyword, uid in said.items():
        if header.text(keyword) != uid:
            raise Refused(_DOES_NOT_MATCH, f"{keyword} of the data set is not that of the request")
    for keyword in _PATH:
        if not header.text(keyword):
            raise Refused(_DOES_NOT_MATCH, f"{keyword} is missing")
    if not is_whole(path, header):
        raise Refused(_NOT_UNDERSTOOD, "the data set ends within an element")
