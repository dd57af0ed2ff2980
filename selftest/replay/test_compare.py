"""Differences between the recording and the replay, and what is chance."""

import pytest

from harness.evidence.recording import Recorded
from harness.relay.tape import Track
from harness.replay.compare import Compared, Pair, Said

CLIENT, SERVER = "closed by the client", "closed by the server"
RELEASED = Said(False, "A-RELEASE-RP")
ANSWERED = Said(False, "C-ECHO-RSP #1 0000H success, context 1")


def _compared(last: Pair, then: str, now: str) -> Compared:
    track = Track(1, "remote.dicom", "dicom", "127.0.0.1:1", "127.0.0.1:2", 0.0, continued=False)
    return Compared(Recorded(track, True, False), (last,), "", (then, now))


def test_who_closes_first_after_a_release_is_chance() -> None:
    """Either side may close after A-RELEASE-RP (PS3.8 9.2.3)."""
    assert not _compared(Pair(RELEASED, RELEASED), CLIENT, SERVER).ended_otherwise


@pytest.mark.parametrize("last", [Pair(ANSWERED, ANSWERED), Pair(RELEASED, None)], ids=str)
def test_an_end_without_a_release_is_compared(last: Pair) -> None:
    """A server that closes during an association, or no longer releases it, is noticed."""
    assert _compared(last, CLIENT, SERVER).ended_otherwise
    assert not _compared(last, CLIENT, CLIENT).ended_otherwise
