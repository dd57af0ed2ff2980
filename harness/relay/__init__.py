"""Relays between all clients and servers, which record the traffic.

A relay is transparent unless it is told to disturb or to lie. With `Tls` it speaks TLS on both
sides; the plain bytes are recorded and changed.

    with RelayLoop() as loop:
        relay = loop.open("remote.rest", target=Endpoint("127.0.0.1", 4711), protocol="http")
        tape = loop.start_tape("CFIND-014")
        ...  # clients connect to relay.endpoint
"""

from harness.relay.disturb import Disturbance
from harness.relay.http import HttpRequest, HttpResponse
from harness.relay.lies import DicomLie, HttpLie, change_status, replace_in_pdata
from harness.relay.loop import RelayLoop
from harness.relay.relay import Relay
from harness.relay.tape import Direction, Tape, Track
from harness.relay.tls import Tls

__all__ = [
    "DicomLie",
    "Direction",
    "Disturbance",
    "HttpLie",
    "HttpRequest",
    "HttpResponse",
    "Relay",
    "RelayLoop",
    "Tape",
    "Tls",
    "Track",
    "change_status",
    "replace_in_pdata",
]
