"""Counting the messages received on a connection, which must arrive before the next request is sent."""

from collections.abc import Sequence
from itertools import islice

import h11

from dcm.wire.codec import HEADER
from dcm.wire.pdu import PDataTF
from harness.relay.http import MessageReader, RequestReader, ResponseReader
from harness.relay.tape import Protocol

_LAST = 0x02
"""Bit of a message control header: the last fragment of a command set or data set (PS3.8 E.2)."""


class Counter:
    """Counts complete messages as bytes arrive: PDUs and parts of DIMSE messages, or HTTP messages."""

    def __init__(self, protocol: Protocol, methods: Sequence[str] | None = None) -> None:
        """Count responses to requests with these `methods`, or requests if `methods` is None."""
        self.count = 0
        self._protocol = protocol
        self._methods = methods
        self._pending = bytearray()
        self._reader: MessageReader | None = None
        self._broken = False

    def feed(self, data: bytes) -> int:
        """Add more bytes; return how many messages have arrived in total."""
        if self._protocol == "dicom":
            self._pending += data
            self._dicom()
        elif not self._broken:
            self._http(data)
        return self.count

    def _dicom(self) -> None:
        while len(self._pending) >= HEADER.size:
            length = HEADER.size + int.from_bytes(self._pending[2:6], "big")
            if len(self._pending) < length:
                return
            kind, body = self._pending[0], bytes(self._pending[HEADER.size : length])
            del self._pending[:length]
            self.count += _ends(body) if kind == PDataTF.TYPE else 1

    def _http(self, data: bytes) -> None:
        rest = data
        while rest:
            if self._reader is None:
                self._reader = self._new_reader()
            try:
                rest = self._reader.feed(rest)
            except h11.RemoteProtocolError:
                self._broken = True
                return
            if self._reader.complete:
                self.count += 1
                self._reader = None

    def _new_reader(self) -> MessageReader:
        if self._methods is None:
            return RequestReader(0)
        return ResponseReader(next(islice(self._methods, self.count, None), "GET"), 0)


def _ends(body: bytes) -> int:
    """Count the last fragments in a P-DATA-TF PDU."""
    ends, at = 0, 0
    while at + HEADER.size <= len(body):
        length = int.from_bytes(body[at : at + 4], "big")
        ends += bool(body[at + 5] & _LAST)
        at += 4 + max(length, 2)
    return ends
