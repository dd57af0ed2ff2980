"""Generated run folders of several servers: the results of each for the same cases."""

from pathlib import Path
from typing import Any

import pytest
from report.conftest import TITLES, TRACEBACK, RunFolder
from support.browser import browser, open_page

from harness.matrix.model import Matrix, columns, make_matrix
from harness.report import write_reports
from harness.report.load import load

__all__ = ["browser", "open_page"]  # fixtures

NEEDS = {"dicomweb": "dicomweb.qido", "rest": "rest", "worklist": "dimse.worklist"}
SERVERS: dict[str, tuple[str, str, set[str]]] = {
    "orthanc:bookworm": ("Orthanc", "1.10.1", {"dicomweb.qido", "rest", "dimse.worklist"}),
    "orthanc:trixie": ("Orthanc", "1.12.6", {"dicomweb.qido", "rest", "dimse.worklist"}),
    "dcmqrscp": ("dcmqrscp", "3.6.7", set()),
    "qrscp": ("qrscp", "3.0.4", set()),
    "tiny-pacs": ("tiny-pacs", "0.3", {"dicomweb.qido"}),
}
PER_SUITE = 16


class Fleet:
    """Runs of several servers in one folder."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs

    def run(self, name: str, version: str, **changes: Any) -> RunFolder:
        """Make a run folder that contains only its run.json."""
        folder = RunFolder(self.runs / f"20261122-094103-{name.lower()}-{version}")
        server = {"name": name, "version": version, "ae_title": "ORTHANC", "plugins": {}}
        folder.write_run(**{"server": server, "local": None} | changes)
        return folder

    def matrix(self, *folders: RunFolder) -> Matrix:
        """Read the runs into a matrix."""
        return make_matrix(columns([(None, load(each.path), None) for each in folders]))


def realistic_fleet(fleet: Fleet, per_suite: int = PER_SUITE) -> list[RunFolder]:
    """Fill a fleet with some of each outcome: two versions of one server, and three lesser ones."""
    folders = []
    for server, (name, version, able) in enumerate(SERVERS.values()):
        capabilities: dict[str, str | None] = dict.fromkeys({"dimse.find.study", *able})
        if name == "Orthanc":
            capabilities["orthanc"] = version
        plugins = {"dicom-web": "1.7", "gdcm": "1.5"} if name == "Orthanc" else {}
        told = {"name": name, "version": version, "ae_title": "ORTHANC", "plugins": plugins}
        folder = fleet.run(name, version, server=told, capabilities=capabilities)
        for place in range(len(TITLES)):
            for number in range(per_suite):
                _case(folder, server, place, number)
        folders.append(folder)
    return folders


def _case(folder: RunFolder, server: int, place: int, number: int) -> None:
    suite, titles = list(TITLES.items())[place]
    need = NEEDS.get(suite.split("/")[0])
    id_ = f"{suite.replace('/', '').upper()}-{number:03}"
    facts: dict[str, Any] = {
        "suite": suite,
        "title": titles[number % len(titles)],
        "needs": [need] if need else ["dimse.find.study"],
        "level": "should" if number % 11 == 0 else "must",
        "duration": 0.02 + (number * 37 % 61) / 90,
        "ref": f"PS3.4 C.{place}.{number}",
    }
    dice = (number * 7 + place * 5) % 31
    if need and need not in list(SERVERS.values())[server][2]:
        reason = f"needs {need}, which this server does not have"
        folder.add(id_, **facts, outcome="unsupported", reason=reason)
    elif dice == 3 and server in (2, 3):
        folder.fail(id_, **facts)
    elif dice == 9 and server == 1:
        failure = {
            "message": "the final response counts 2 completed sub-operations, 3 were stored",
            "expected": "status 0000, completed 3, failed 0, warning 0",
            "received": "status 0000, completed 2, failed 0, warning 0",
            "text": TRACEBACK,
        }
        folder.fail(id_, **facts | {"failure": failure})
    elif dice == 14 and server == 3:
        reason = "a list of UIDs makes it fail with C320 (pynetdicom #1001)"
        folder.add(id_, **facts, outcome="known", reason=reason)
    elif dice == 21 and server == 2 and place % 3 == 0:
        message = "findscu was not found: install dcmtk, or name it by --tools"
        failure = {"message": message, "expected": None, "received": None, "text": message}
        folder.fail(id_, **facts | {"outcome": "error", "failure": failure})
    elif not (dice == 27 and server == 4):  # a case that one run does not have
        folder.add(id_, **facts)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """An empty fleet."""
    return Fleet(tmp_path / "runs")


@pytest.fixture(scope="session")
def real_looking(tmp_path_factory: pytest.TempPathFactory) -> tuple[Fleet, list[RunFolder]]:
    """Make the runs of five servers with their reports; tests do not change them."""
    fleet = Fleet(tmp_path_factory.mktemp("matrix") / "runs")
    folders = realistic_fleet(fleet)
    for each in folders:
        write_reports(each.path)
    return fleet, folders
