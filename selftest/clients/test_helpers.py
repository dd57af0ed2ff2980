"""Small helpers of the cases: statuses, single answers, replacements for a response."""

import pytest

from harness.clients.answers import single
from harness.clients.dimse import Status, is_failure


def test_status_is_shown_in_hexadecimal() -> None:
    """A failed comparison shows a status as the standard writes it."""
    assert repr(Status(0xFE00)) == str(Status(0xFE00)) == "0xfe00"
    assert Status(0xA702) == 0xA702


@pytest.mark.parametrize("status", [0xA700, 0xA801, 0xC000, 0x0110, 0x0122, 0x0211])
def test_failures(status: int) -> None:
    """Axxx, Cxxx, 01xx and 02xx are failures (PS3.7 C)."""
    assert is_failure(status)


@pytest.mark.parametrize("status", [0x0000, 0xFF00, 0xFE00, 0xB000, 0x0001, 0x0107, 0x0116])
def test_other_statuses_are_no_failures(status: int) -> None:
    """Success, pending, cancel and the warnings are not."""
    assert not is_failure(status)


@pytest.mark.parametrize(("found", "words"), [([], "none"), ([1, 2], "2")])
def test_single_fails_the_case(found: list[int], words: str) -> None:
    """Any number but one is a failed assertion that names what was expected."""
    assert single(["only"], "part") == "only"
    with pytest.raises(AssertionError, match=f"expected one part, received {words}"):
        single(found, "part")
