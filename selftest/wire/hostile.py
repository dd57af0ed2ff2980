"""Invariants for arbitrary bytes: the readers of `dcm`, driven by untrusted input.

The first byte of an input selects the reader for the rest. benchmarks/fuzz_wire.py searches for
inputs, and the tests repeat those that it found. An input is fine if `drive` returns.
"""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Final

from wire.pair import PATHS, RELEASE, answer, in_state

from dcm.conf import Configuration, ConfigurationError
from dcm.data.encoding import BIG_ENDIAN, EXPLICIT, IMPLICIT
from dcm.data.header import NotDicom, scan_bytes
from dcm.data.identifier import BadIdentifier, read_identifier
from dcm.data.match import attribute_matches
from dcm.data.source import MemorySource
from dcm.data.whole import NotWhole, check, check_deflated
from dcm.errors import LocalProtocolError, RemoteProtocolError
from dcm.wire import (
    AssociateRQ,
    CloseTransport,
    Connection,
    DataFragments,
    ReleaseRP,
    ReleaseRQ,
    Role,
    State,
    build,
    build_message,
    parse,
    parse_message,
)

SYNTAXES: Final = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
ENCODINGS: Final = (IMPLICIT, EXPLICIT, BIG_ENDIAN)
VRS: Final = (
    *(
        "AE",
        "AS",
        "AT",
        "CS",
        "DA",
        "DS",
        "DT",
        "FD",
        "FL",
        "IS",
        "LO",
        "LT",
        "PN",
        "SH",
        "ST",
        "TM",
    ),
    *("UC", "UI", "UR", "US", "UT"),
)
STARTS: Final[tuple[tuple[Role, State], ...]] = tuple(
    (role, state)
    for paths in (PATHS, RELEASE)
    for role, states in paths.items()
    for state in states
    if state not in (State.STA1, State.STA4)  # nothing can be received there
)
_PREPARED: Final = tuple(pickle.dumps(in_state(*start)) for start in STARTS)
"""Connections in these states; establishing one for each input would take most of the time."""
_PIECES: Final = (1 << 20, 5, 30, 100)
_RELEASED: Final = (State.STA8, State.STA9, State.STA12)
"""States in which it is our turn to agree to a release."""


def drive(data: bytes) -> None:
    """Pass the rest to the reader that the first byte selects."""
    if data:
        READERS[data[0] % len(READERS)](data[1:])


def _connection(data: bytes) -> None:
    """Role and state by the first byte; the splitting, and whether we answer, by the second."""
    if len(data) < 2:
        return
    start, how, stream = data[0], data[1], data[2:]
    connection: Connection = pickle.loads(_PREPARED[start % len(STARTS)])  # noqa: S301 - our own
    size = _PIECES[how % 4]
    for at in range(0, len(stream), size):
        connection.receive_data(stream[at : at + size])
        _listen(connection, len(stream), answers=how & 8 != 0)
    connection.receive_data(b"")
    _listen(connection, len(stream), answers=False)
    assert connection.state is State.STA1
    assert connection.next_events() == []


def _listen(connection: Connection, length: int, *, answers: bool) -> None:
    """Take all pending events."""
    for _ in range(length + 20):
        try:
            events = connection.next_events()
        except RemoteProtocolError:
            assert connection.state is State.STA13
            connection.data_to_send()
            continue
        if not events:
            return
        for event in events:
            if isinstance(event, DataFragments):
                assert sum(map(len, event.parts)) <= length
            elif answers and isinstance(event, AssociateRQ) and connection.state is State.STA3:
                connection.send(answer(event))
            elif answers and isinstance(event, ReleaseRQ) and connection.state in _RELEASED:
                connection.send(ReleaseRP())
            elif isinstance(event, CloseTransport):
                assert connection.state is State.STA1
    raise AssertionError("there is no end of events")


def _pdu(data: bytes) -> None:
    """What is read can be built and then read the same, except for a request without AE titles."""
    try:
        pdu = parse(data)
    except RemoteProtocolError:
        return
    try:
        built = build(pdu)
    except LocalProtocolError:
        assert isinstance(pdu, AssociateRQ)
        assert not (pdu.called_ae_title.strip() and pdu.calling_ae_title.strip())
        return
    assert parse(built) == pdu


def _message(data: bytes) -> None:
    """What is read can be built, except for what only others send."""
    try:
        message = parse_message(data)
    except RemoteProtocolError:
        return
    try:
        built = build_message(message)
    except LocalProtocolError:
        return
    assert parse_message(built) == message


def _identifier(data: bytes) -> None:
    """The transfer syntax by the first byte."""
    if data:
        try:
            read_identifier(data[1:], SYNTAXES[data[0] % len(SYNTAXES)])
        except BadIdentifier:
            return


def _file(data: bytes) -> None:
    """All facts of a header can be read."""
    try:
        header = scan_bytes(data)
    except NotDicom:
        return
    assert isinstance(header.sop_class_uid + header.sop_instance_uid, str)
    for tag in header.elements:
        header.text(tag)


def _whole(data: bytes) -> None:
    """The encoding is selected by the first byte. A changed data set needs no second change."""
    if not data:
        return
    number, body = data[0] % (len(ENCODINGS) + 1), data[1:]
    try:
        if number == len(ENCODINGS):
            check_deflated(MemorySource(body), 0)
            return
        encoding = ENCODINGS[number]
        changed, at = b"", 0
        for edit in check(MemorySource(body), 0, len(body), encoding).edits:
            assert at <= edit.position <= len(body) - edit.dropped
            changed += body[at : edit.position] + edit.put
            at = edit.position + edit.dropped
        changed += body[at:]
        assert not check(MemorySource(changed), 0, len(changed), encoding).edits
    except NotWhole:
        return


def _match(data: bytes) -> None:
    """The VR is selected by the first byte, then come key and value, separated by a byte 0FFH."""
    if data:
        key, _, value = data[1:].partition(b"\xff")
        texts = (each.decode("utf-8", "replace") for each in (key, value))
        assert attribute_matches(VRS[data[0] % len(VRS)], *texts) in (True, False)


def _configuration(data: bytes) -> None:
    """A text as if a user had written it."""
    try:
        Configuration.parse(data.decode("utf-8", "replace"), Path("dcm_conf.toml"))
    except ConfigurationError:
        return


READERS: Final[tuple[Callable[[bytes], None], ...]] = (
    _connection,
    _pdu,
    _message,
    _identifier,
    _file,
    _whole,
    _match,
    _configuration,
)
