"""Worklist items are found by their attributes in dcmtk's worklist server."""

import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest

from harness.corpus import corpus, make
from harness.waiting import wait_until

AE_TITLE = "WORKLIST"


@pytest.fixture(scope="module")
def worklist_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Start dcmtk's wlmscpfs with all worklist samples and one generated item."""
    folder = tmp_path_factory.mktemp("worklists")
    items = folder / AE_TITLE
    items.mkdir()
    (items / "lockfile").touch()
    for sample in corpus.group("w"):
        sample.write(items)
    (items / "made.wl").write_bytes(make.worklist_item(PatientName="Made^Order", Modality="US"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = ["wlmscpfs", "-dfp", str(folder), str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: _answers(port), what="wlmscpfs")
            yield port
        finally:
            server.terminate()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


STEP = "ScheduledProcedureStepSequence[0]"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("Modality=MR", {"Worklist^Two"}),
        ("Modality=US", {"Made^Order"}),
        ("ScheduledStationAETitle=TWO", {"Worklist^Two", "Worklist^Three"}),
        ("ScheduledProcedureStepStartDate=20240116-", {"Worklist^Three"}),
        ("ScheduledStationAETitle=ONE", {"Worklist^One"}),
        (
            "ScheduledStationAETitle=STATION",
            {"Worklist^Four", "Yamada^Tarou", "Worklist^Six", "Made^Order"},
        ),
    ],
)
def test_items_are_found_by_their_step(
    key: str, expected: set[str], worklist_port: int, run: Callable[..., str]
) -> None:
    """Each query finds exactly the items that the catalogue lists."""
    keys = ("-k", "PatientName", "-k", f"{STEP}.{key}")
    printed = run("findscu", "-W", "-aec", AE_TITLE, *keys, "127.0.0.1", str(worklist_port))
    lines = [line for line in printed.splitlines() if line.endswith("PatientName") and "[" in line]
    names = [line.split("[")[1].split("]")[0].split("=")[0].strip() for line in lines]
    assert sorted(names) == sorted(expected)
