"""`harness matrix` itself: real runs on real servers, a missing server, usage errors."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from markupsafe import escape
from matrix.conftest import Fleet
from plugin.conftest import orthanc
from report.conftest import RunFolder
from support.suites import HEAD, INI

from harness.cli import matrix as command
from harness.matrix.running import PAIR, share
from harness.report.load import load

__all__ = ["orthanc"]  # fixtures

TESTS = Path(__file__).resolve().parents[2] / "tests"
ECHO = str(TESTS / "association/test_echo.py")
SUITES = [
    ECHO,
    *(str(TESTS / each) for each in ("query/test_find.py", "query/test_find_matching.py")),
    str(TESTS / "rest/test_hierarchy.py"),
]
CASES = [f"--case={each}" for each in ("CECHO-001", "CFIND-001", "CFIND-020", "RHIE-001")]
"""Suites are named, so that no run has to search all of them."""

GONE = "orthanc:/no/such/folder"
"""A server that cannot be started anywhere."""


@dataclass
class Made:
    """A finished command, and the folder where it ran."""

    folder: Path
    status: int
    said: str
    progress: str

    @property
    def record(self) -> dict[str, list[dict[str, object]]]:
        """The JSON next to the page."""
        found: dict[str, list[dict[str, object]]] = json.loads(
            (self.folder / "runs/matrix.json").read_text()
        )
        return found

    @property
    def outcomes(self) -> dict[str, list[str | None]]:
        """The outcomes of each case, server by server."""
        return {
            str(row["case"]): [cell and cell["outcome"] for cell in row["cells"]]  # type: ignore[attr-defined]
            for row in self.record["cases"]
        }


def make(folder: Path, *arguments: str) -> Made:
    """Run the command in `folder`, without a terminal."""
    ended = subprocess.run(
        [sys.executable, "-m", "harness", "matrix", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    return Made(folder, ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture(scope="module")
def both(orthanc: str, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A few cases on Orthanc and on qrscp at the same time, run once."""
    folder = tmp_path_factory.mktemp("both")
    return make(folder, *SUITES, *CASES, "--server", "orthanc", "--server", "qrscp", "--jobs", "2")


def test_two_real_servers_make_one_page(both: Made) -> None:
    """Each run has its folder with its evidence; differences are found; the exit code is 0."""
    assert (both.status, both.progress.count("started")) == (0, 2)
    assert both.outcomes == {
        "CECHO-001": ["passed", "passed"],
        "CFIND-001": ["passed", "passed"],
        "CFIND-020": ["passed", "known"],
        "RHIE-001": ["passed", "unsupported"],
    }
    servers = both.record["servers"]
    assert [each["name"] for each in servers] == ["Orthanc", "qrscp"]
    runs = [load(both.folder / "runs" / str(each["run"])) for each in servers]
    assert [len(run.cases) for run in runs] == [4, 4]
    assert all((run.folder / "report.html").exists() for run in runs)
    assert (both.folder / "runs/matrix.html").stat().st_size > 20_000
    assert "4 cases on 2 servers: 1 differs" in both.said
    assert "page  runs/matrix.html" in both.said


def test_progress_is_told_in_plain_lines(both: Made) -> None:
    """Without a terminal: which server started, and its result; nothing else."""
    lines = both.progress.splitlines()

    assert sorted(line for line in lines if line.endswith("started")) == [
        "orthanc: started",
        "qrscp: started",
    ]
    ends = {line.partition(",")[0] for line in lines if ", after " in line}
    assert ends == {"orthanc: 4 of 4 cases", "qrscp: 4 of 4 cases"}


def test_the_runs_can_be_repeated_by_what_they_wrote_down(both: Made) -> None:
    """The command in a run folder is for users, and the folder has no traces of the matrix."""
    run = load(both.folder / "runs" / str(both.record["servers"][1]["run"]))

    assert "--runs" in run.command
    assert not any("watched" in word.lower() or "/harness-matrix" in word for word in run.command)
    assert [each.name for each in both.folder.iterdir()] == ["runs"]


def test_the_page_is_made_again_from_the_folders(both: Made, tmp_path: Path) -> None:
    """Run folders alone give the same page at any path, and nothing is run."""
    runs = [str(both.folder / "runs" / str(each["run"])) for each in both.record["servers"]]

    again = make(tmp_path, *runs, "-o", "all.html")

    assert (again.status, again.progress) == (0, "")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["all.html", "all.json"]
    record = json.loads((tmp_path / "all.json").read_text())
    assert record["cases"] == both.record["cases"]


def test_an_earlier_run_stands_beside_a_new_one(fleet: Fleet, tmp_path: Path) -> None:
    """A run folder is a column like any other, followed by the new runs."""
    earlier = fleet.run("server", "1")
    earlier.add("CECHO-001", suite="dicom/echo")

    made = make(
        tmp_path, str(earlier.path), ECHO, "--case=CECHO-001", "--server", "storescp", "-n", "0"
    )

    assert (made.status, made.outcomes) == (0, {"CECHO-001": ["passed", "passed"]})
    assert [each["name"] for each in made.record["servers"]] == ["server", "storescp"]


def test_progress_on_a_terminal_is_a_line_for_each_server(tmp_path: Path) -> None:
    """The server, how many of all cases are done, and at the end all of them."""
    ours, theirs = pty.openpty()
    asked = [ECHO, "--case=CECHO-001", "--server", "storescp"]
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "matrix", *asked],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "COLUMNS": "100", "TERM": "xterm"},
    )
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while more := os.read(ours, 65536):
            said += more
    os.close(ours)

    assert process.wait(timeout=60) == 0
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode()).strip().splitlines()[-1]
    assert re.search(r"storescp .* 1/1 0:\d\d:\d\d", last)
    assert "started" not in said.decode()


def test_a_server_that_cannot_be_started_costs_its_column(tmp_path: Path) -> None:
    """The others run; its column shows the reason; the exit code is 1."""
    made = make(tmp_path, ECHO, "--case", "CECHO-001", "--server", GONE, "--server", "storescp")

    assert made.status == 1
    assert made.outcomes == {"CECHO-001": [None, "passed"]}
    trouble = str(made.record["servers"][0]["trouble"])
    assert len(trouble.splitlines()) < 12
    assert trouble.partition("\n")[0] in made.said
    assert escape(trouble.partition("\n")[0]) in (tmp_path / "runs/matrix.html").read_text()


def test_a_failure_on_one_server_is_the_exit_code(tmp_path: Path) -> None:
    """A failed case gives 1, and the page links to its evidence; the user's own suites run, too."""
    (tmp_path / "pytest.ini").write_text(INI)
    (tmp_path / "test_small.py").write_text(HEAD + FAILING)

    made = make(tmp_path, "test_small.py", "--server", "storescp", "-n", "0")

    assert (made.status, made.outcomes) == (1, {"OWN-001": ["passed"], "OWN-002": ["failed"]})
    assert "OWN-002/exchange.txt" in (tmp_path / "runs/matrix.html").read_text()


FAILING = """
@case("OWN-001", ref="none")
def test_passes(dimse):
    assert dimse.echo() == 0

@case("OWN-002", ref="none")
def test_fails(dimse):
    assert dimse.echo() == 1
"""


def test_where_nothing_can_run_there_is_no_page(tmp_path: Path) -> None:
    """An unknown case is a usage error: 2, the reason for each server, and nothing is written."""
    made = make(tmp_path, ECHO, "--server", "storescp", "--case", "CECHO-999")

    assert made.status == 2
    assert "unknown case 'CECHO-999'; similar: " in made.progress
    assert list(tmp_path.rglob("matrix.*")) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name servers"),
        (["-k", "find"], "-k find: not a run folder"),
        (["runs/gone"], "runs/gone: not a run folder"),
        (["--server", "pacs"], "--remote pacs: unknown server"),
        (["--server", "storescp", "-o", "matrix.json"], "call the page matrix.html"),
    ],
)
def test_wrong_use_is_told(
    arguments: Sequence[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each error has its message, and nothing runs."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(command.ConfigError, match=said):
        command.main(arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("cores", "gigabytes", "servers", "jobs", "expected"),
    [
        (2, 16, 5, None, (2, 1)),
        (8, 16, 5, None, (5, 1)),
        (16, 32, 5, None, (5, 3)),
        (16, 64, 2, None, (2, 4)),
        (16, 1, 5, None, (2, 1)),
        (16, 0, 5, None, (1, 1)),
        (1, 16, 3, None, (1, 1)),
        (8, 16, 5, 1, (1, 4)),
        (2, 16, 5, 4, (4, 1)),
        (2, 16, 3, 9, (3, 1)),
    ],
)
def test_runs_share_cores_and_memory(
    cores: int, gigabytes: int, servers: int, jobs: int | None, expected: tuple[int, int]
) -> None:
    """A run for each core as far as memory allows, then workers for the rest; --jobs overrides."""
    assert share(servers, jobs, cores, gigabytes * 2**30) == expected
    assert PAIR <= 2**29


def test_a_folder_with_many_runs_needs_no_server(
    real_looking: tuple[Fleet, list[RunFolder]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Failures in the folders determine the exit code, and each server has its line."""
    _, folders = real_looking

    status = command.main([*(str(each.path) for each in folders), "-o", str(tmp_path / "m.html")])

    assert status == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line[:1] for line in lines[:5]] == ["A", "B", "C", "D", "E"]
    assert "known" in lines[3]
