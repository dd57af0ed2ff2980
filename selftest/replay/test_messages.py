"""Whole messages are counted while bytes arrive, in pieces of any size."""

import pytest

from harness.replay.messages import Counter

ECHO = bytes.fromhex("04000000000a00000006010301020304")  # one PDV, the last of a command
PART = bytes.fromhex("0400000000080000000401010102")  # a PDV that another one follows
RELEASE = bytes.fromhex("05000000000400000000")


@pytest.mark.parametrize("step", [1, 3, 100])
def test_dicom(step: int) -> None:
    """PDUs are counted; messages that continue in another PDU are counted at their end."""
    data = RELEASE + PART + PART + ECHO
    counter = Counter("dicom")

    counts = [counter.feed(data[at : at + step]) for at in range(0, len(data), step)]

    assert counts[-1] == 2


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_http(step: int) -> None:
    """Responses with and without a body; that to HEAD has none, whatever its length header."""
    data = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
        b"HTTP/1.1 204 No Content\r\n\r\n"
    )
    counter = Counter("http", ["HEAD", "GET", "PUT"])

    counts = [counter.feed(data[at : at + step]) for at in range(0, len(data), step)]

    assert counts[-1] == 3
