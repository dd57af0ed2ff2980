"""Generated run folders: a realistic run, and variants changed by a test."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.browser import browser, open_page

__all__ = ["browser", "open_page"]  # fixtures

STARTED = datetime(2026, 11, 22, 9, 41, 3, tzinfo=UTC)

TITLES = {
    "dicom/echo": ["An echo is answered with success.", "An unknown AE title is refused."],
    "dicom/find": [
        "A star in PatientName matches every name with that beginning.",
        "A question mark matches exactly one character.",
        "A date range without an end matches everything from its beginning on.",
        "A list of UIDs matches each of them.",
        "Matching of a person name does not look at upper and lower case.",
        "A return key that the server does not hold comes back empty.",
    ],
    "dicom/get": ["C-GET brings the instances of one series and no other."],
    "dicom/move": ["C-MOVE sends to the destination that it names, and counts what it sent."],
    "dicom/store": ["What is stored comes back with the same bytes in every element."],
    "dicomweb/qido": ["limit and offset page through the studies in one order."],
    "dicomweb/wado": ["Frames are answered as multipart/related with the asked transfer syntax."],
    "rest/hierarchy": ["Deleting the last series of a study deletes the study."],
    "worklist/find": ["A worklist is matched by scheduled station AE title and date."],
}

EXCHANGE = """\
#1  09:41:17.204  DICOM  local -> remote  association ORTHANCTEST -> ORTHANC
    A-ASSOCIATE-RQ  1.2.840.10008.5.1.4.1.2.2.1 (Study Root Query/Retrieve - FIND)
    A-ASSOCIATE-AC  accepted, 1.2.840.10008.1.2 (Implicit VR Little Endian), maximum length 16384
#2  09:41:17.206  DICOM  local -> remote  C-FIND-RQ  message 1, priority medium
    (0008,0052) CS QueryRetrieveLevel   STUDY
    (0010,0010) PN PatientName          Mul*
#3  09:41:17.209  DICOM  remote -> local  C-FIND-RSP message 1, status FF00 (pending)
    (0010,0010) PN PatientName          Muller^Anna
#4  09:41:17.209  DICOM  remote -> local  C-FIND-RSP message 1, status 0000 (success)
"""
SERVER_LOG = """\
I1122 09:41:17.204112 CommandDispatcher.cpp:332] (dicom) Association from ORTHANCTEST
I1122 09:41:17.206431 OrthancFindRequestHandler.cpp:552] (dicom) C-FIND SCP request at level "Study"
I1122 09:41:17.208870 ServerContext.cpp:1634] Number of candidate resources: 1
I1122 09:41:17.209644 CommandDispatcher.cpp:935] (dicom) DICOM association closed
"""
REPRO = """\
#!/bin/sh
# CFIND-014: a star in PatientName matches every name with that beginning (PS3.4 C.2.2.2.4)
storescu -aet ORTHANCTEST -aec ORTHANC localhost 4242 muller.dcm mulder.dcm
findscu -v -S -aet ORTHANCTEST -aec ORTHANC localhost 4242 -k 0008,0052=STUDY -k '0010,0010=Mul*'
curl -s http://localhost:8042/tools/find -d '{"Level": "Study", "Query": {"PatientName": "Mul*"}}'
"""
TRACEBACK = """\
    def test_star_matches_any_suffix(dimse, stored):
        stored.study(PatientName="Muller^Anna")
        stored.study(PatientName="Mulder^Bob")

        found = dimse.find_studies(PatientName="Mul*")

>       assert names(found) == {"Muller^Anna", "Mulder^Bob"}
E       AssertionError: assert {'Muller^Anna'} == {'Mulder^Bob', 'Muller^Anna'}
E         Extra items in the right set:
E         'Mulder^Bob'

tests/dicom/test_find.py:88: AssertionError
"""


@dataclass
class RunFolder:
    """A run folder under construction."""

    path: Path

    def write_run(self, **changes: Any) -> None:
        """Write run.json; `changes` replace the defaults."""
        record = {
            "format": 1,
            "started": STARTED.isoformat(),
            "finished": (STARTED + timedelta(seconds=48.2)).isoformat(),
            "duration": 48.2,
            "mode": "managed",
            "server": {
                "name": "Orthanc",
                "version": "1.10.1",
                "ae_title": "ORTHANC",
                "plugins": {"dicom-web": "1.7", "worklists": "1.10.1", "gdcm": "1.5"},
                "executable": "/usr/sbin/Orthanc",
            },
            "local": {
                "name": "Orthanc",
                "version": "1.10.1",
                "ae_title": "ORTHANCTEST",
                "plugins": {},
                "executable": "/usr/sbin/Orthanc",
            },
            "capabilities": {"rest": None, "orthanc": "1.10.1", "dimse.find.study": None},
            "command": ["pytest", "tests", "-n", "2", "-k", "not slow"],
            "workers": 2,
            "environment": {
                "python": "3.11.2",
                "platform": "Linux-6.1.0-x86_64",
                "dcmtk": "3.6.7",
                "harness": "0.1.0",
            },
            "notes": [],
            "exit_status": 0,
        }
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.joinpath("run.json").write_text(json.dumps(record | changes))

    def add(self, id_: str = "CFIND-014", **changes: Any) -> None:
        """Append a passed case; `changes` replace the defaults."""
        record = {
            "id": id_,
            "name": "test_star_matches_any_suffix",
            "title": "A star in PatientName matches every name with that beginning.",
            "suite": "dicom/find",
            "nodeid": "tests/dicom/test_find.py::test_star_matches_any_suffix",
            "parameters": None,
            "ref": "PS3.4 C.2.2.2.4",
            "level": "must",
            "needs": ["dimse.find.study"],
            "covers": ["Orthanc.test_incoming_findscu_2"],
            "outcome": "passed",
            "started": (STARTED + timedelta(seconds=1)).isoformat(),
            "duration": 0.043,
            "worker": "gw0",
            "reason": None,
            "failure": None,
            "evidence": None,
        } | changes
        with self.path.joinpath(f"cases-{record['worker']}.jsonl").open("a") as file:
            file.write(json.dumps(record) + "\n")

    def fail(self, id_: str = "CFIND-014", **changes: Any) -> None:
        """Append a failed case with its evidence; `changes` replace the defaults."""
        failure = {
            "message": "assert {'Muller^Anna'} == {'Mulder^Bob', 'Muller^Anna'}",
            "expected": "Mulder^Bob, Muller^Anna",
            "received": "Muller^Anna",
            "text": TRACEBACK,
        }
        named = f"cases/{id_}"
        facts = {"outcome": "failed", "failure": failure, "evidence": named, "duration": 0.312}
        self.add(id_, **facts | changes)
        for name, text in {
            "exchange.txt": EXCHANGE,
            "server.log": SERVER_LOG,
            "repro.sh": REPRO,
            "body-1.bin": "\x00\x01\x02",
        }.items():
            self.file(f"{named}/{name}", text.encode())

    def file(self, name: str, content: bytes) -> None:
        """Put a file into the run folder."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def realistic(folder: RunFolder) -> None:
    """Fill a folder with a typical run: 80 cases, some with each outcome."""
    folder.write_run(
        exit_status=1,
        notes=["dciodvfy was not found: sample objects were not checked against their IOD."],
    )
    folder.fail("CFIND-014")
    folder.fail(
        "CMOVE-003",
        name="test_move_counts_suboperations",
        title="C-MOVE sends to the destination that it names, and counts what it sent.",
        suite="dicom/move",
        ref="PS3.4 C.4.2.1.6",
        covers=["Orthanc.test_incoming_movescu", "Orthanc.test_move_counters"],
        failure={
            "message": "the final response counts 2 completed sub-operations, 3 were stored",
            "expected": "status 0000, completed 3, failed 0, warning 0",
            "received": "status 0000, completed 2, failed 0, warning 0",
            "text": TRACEBACK,
        },
    )
    folder.fail(
        "STORE-009",
        name="test_compressed_objects_come_back_unchanged",
        parameters="jpeg-ls",
        title="What is stored comes back with the same bytes in every element.",
        suite="dicom/store",
        ref="PS3.5 A.4",
        outcome="error",
        worker="gw1",
        failure={
            "message": "storescu was not found: install dcmtk, or name it by --tools",
            "expected": None,
            "received": None,
            "text": "harness.errors.ToolError: storescu was not found",
        },
    )
    folder.add(
        "WLIST-004",
        suite="worklist/find",
        outcome="known",
        title="Worklist items come in the order of their start time.",
        reason="Orthanc 1.10.1 gives them in the order of the file names (tracker 214)",
        level="product",
        ref="Orthanc book, worklists",
    )
    for number, need in enumerate(["orthanc>=1.12.0"] * 3 + ["plugin.ohif"]):
        folder.add(
            f"REST-{90 + number:03}",
            suite="rest/hierarchy",
            outcome="unsupported",
            title=f"Labels can be set and taken away again ({number}).",
            needs=["rest", need],
            duration=0.0,
            reason=f"needs {need}; the server offers {need.partition('>')[0]} 1.10.1",
            covers=[],
            level="product",
            ref="Orthanc REST API, labels",
        )
    suites = list(TITLES)
    for number in range(72):
        suite = suites[number % len(suites)]
        title = TITLES[suite][number // len(suites) % len(TITLES[suite])]
        prefix = suite.split("/")[-1].upper()
        folder.add(
            f"{prefix}-{20 + number:03}",
            name="test_" + "_".join(title.lower().strip(".").split()[:6]),
            title=title,
            suite=suite,
            level="should" if number % 11 == 0 else "must",
            duration=0.02 + (number * 37 % 61) / 90,
            worker=f"gw{number % 2}",
        )


@pytest.fixture
def run_folder(tmp_path: Path) -> RunFolder:
    """Make a run folder that contains only its run.json."""
    folder = RunFolder(tmp_path / "runs" / "20261122-094103-orthanc-1.10.1")
    folder.write_run()
    return folder


@pytest.fixture(scope="module")
def realistic_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Make a typical run; tests do not change it."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "20261122-094103-orthanc-1.10.1")
    realistic(folder)
    return folder
