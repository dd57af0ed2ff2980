"""Each of the ten defects of `flawed` is found by a bent conversation, shrunk, and kept once.

benchmarks/fuzz_flawed.py shows that they are found by chance, from three seeds.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz.smallest import LIMIT, SMALLEST, Defect, shortfalls  # type: ignore[import-not-found,unused-ignore]

from harness.fuzz import dicom, web
from harness.fuzz.conversation import Conversation, Step
from harness.fuzz.findings import Ledger, Server
from harness.fuzz.hunt import Hunt
from harness.fuzz.objects import TOKENS, part10, tiny
from harness.fuzz.parts import Part
from harness.fuzz.playing import Patience
from harness.fuzz.source import Source
from harness.fuzz.starting import Where, begin
from harness.fuzz.subject import Subject

FLAWED = Path(__file__).with_name("flawed.py")
ASKED = dicom.associate([dicom.ECHO_CONTEXT])
FIND = dicom.associate([(dicom.PATIENT_ROOT[dicom.FIND], [dicom.IMPLICIT])])
STOW = web.stow("/dicom-web", part10(tiny()))
CHUNKED = web.request("POST", b"/dicom-web/studies", body=part10(tiny()), chunked=True)
SEARCH = web.request("GET", b'/dicom-web/studies?limit=1&x="', (b"Accept", web.DICOM_JSON))

BENT: dict[int, list[Part]] = {
    1: [ASKED.having("implementation class", lie=500), dicom.ECHO, dicom.RELEASE],
    2: [ASKED, dicom.ECHO, ASKED, dicom.RELEASE],
    3: [ASKED, dicom.ECHO, dicom.ABORT],
    4: [FIND, *map(dicom.query, TOKENS[:2]), dicom.RELEASE],
    5: [ASKED, dicom.ECHO.having("CommandField", content=b"\x99\x99"), dicom.RELEASE],
    6: [ASKED.having("transfer syntax", times=500), dicom.ECHO],
    7: [STOW.having("counted", lie=-1)],
    8: [CHUNKED.having("last chunk", content=b"xyz\r\n")],
    9: [STOW.having("PixelData", lie=5)],
    10: [SEARCH],
}


@pytest.fixture(scope="module")
def subject() -> Iterator[Subject]:
    """Run the server for all tests: it is restarted when it crashes or hangs."""
    with begin(Where(str(FLAWED)), Patience(stuck=LIMIT)) as server:
        yield server


class Given(Source):
    """Produces one input, and no other."""

    def __init__(self, conversation: Conversation) -> None:
        super().__init__(0, [conversation])
        self._given = conversation

    def __getitem__(self, number: int) -> Conversation:
        return self._given


SLOW = (6, 8)
"""Defects of a kind that another one also has; each check takes a second."""


@pytest.mark.parametrize(
    "defect",
    [
        pytest.param(
            each, id=f"{each.number}-{each.kind}", marks=[pytest.mark.slow] * (each.number in SLOW)
        )
        for each in SMALLEST
    ],
)
def test_defect_is_found_and_shrunk(subject: Subject, defect: Defect, tmp_path: Path) -> None:
    """A conversation that triggers a defect becomes one finding, close to the shortest."""
    door = "http" if defect.number >= 7 else "dicom"
    steps = tuple(Step(0, door, each) for each in BENT[defect.number])  # type: ignore[arg-type]
    ledger = Ledger(tmp_path, Server("flawed", "1", str(FLAWED)), 0)
    given = Given(Conversation(steps, ("given",), ("bent by hand",)))
    hunt = Hunt(subject, given, ledger, _silent, time.monotonic() + 600)
    hunt.run([0])
    hunt.run([1])

    wanted = [f"defect {each.number} was found 0 times" for each in SMALLEST if each is not defect]
    assert shortfalls(tmp_path / "findings") == wanted


def _silent(_: str) -> None:
    """Log nothing."""
