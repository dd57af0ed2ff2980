"""The run folder and the options that determine its content."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.suites import RunSuite

from harness.errors import ConfigError
from harness.plugin.recording import new_folder


def test_runs_of_the_same_second_have_folders_of_their_own(tmp_path: Path) -> None:
    """Two concurrent runs do not write into one folder."""
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: new_folder(tmp_path / "runs", "Orthanc", "1.2"), range(12)))

    assert len(set(made)) == len(made)
    assert all(each.is_dir() for each in made)


def test_a_place_for_runs_that_is_none_is_told(tmp_path: Path) -> None:
    """The message names the place."""
    (tmp_path / "runs").write_text("")

    with pytest.raises(ConfigError, match="cannot create a run folder in"):
        new_folder(tmp_path / "runs", "Orthanc", "1.2")


@pytest.mark.usefixtures("orthanc")
def test_with_changes_the_configuration_of_the_remote(run_suite: RunSuite) -> None:
    """The remote has the other value, and the report shows it."""
    done = run_suite(
        '@case("A-001", ref="x")\n'
        'def test_title(rest):\n    assert rest.json("/system")["DicomAet"] == "OTHER"\n',
        "--with=DicomAet=OTHER",
    )

    assert done.outcomes == {"A-001": "passed"}
    assert 'configured with DicomAet="OTHER"' in done.result.stdout.str()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_files_of_cases_are_gone_afterwards(
    run_suite: RunSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    """Files of failed cases too: only the run folder is left."""
    temporary = tmp_path / "left"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.delenv("PYTEST_DEBUG_TEMPROOT", raising=False)  # set by pytester
    done = run_suite(
        '@case("A-001", ref="x")\n'
        "def test_file(tmp_path):\n"
        '    (tmp_path / "file").touch()\n'
        f"    assert not str(tmp_path).startswith({str(temporary)!r})\n",
        "--orthanc=none",
        "-n",
        workers,
    )

    assert done.outcomes == {"A-001": "failed"}
    assert list(temporary.iterdir()) == []


def test_what_a_case_measured_is_told(run_suite: RunSuite) -> None:
    """A figure noted with `record_property` is in the case's record, and in all reports."""
    done = run_suite(
        '@case("A-001", ref="x")\n'
        'def test_echo(dimse, record_property):\n    record_property("status", dimse.echo())\n',
        "--orthanc=none",
    )

    (line,) = next(done.folder.glob("cases-*.jsonl")).read_text().splitlines()
    assert json.loads(line)["figures"] == {"status": "0x0000"}
    done.result.stdout.fnmatch_lines(["measured", " *0x0000  A-001 status"])
    assert "status: 0x0000" in (done.folder / "report.html").read_text()
    assert '<property name="status" value="0x0000"' in (done.folder / "junit.xml").read_text()


def test_exchanges_of_cases_that_pass_are_kept_if_asked_for(run_suite: RunSuite) -> None:
    """Without the option a passed case has no evidence; a failed one always has."""
    suite = """
@case("A-001", ref="x")
def test_passes(dimse): assert str(dimse.echo()) == "0x0000"

@case("A-002", ref="x")
def test_fails(dimse): assert str(dimse.echo()) == "0x0001"
"""
    usual = run_suite(suite, "--orthanc=none")
    assert usual.case("A-001").evidence is None

    kept = run_suite(suite, "--orthanc=none", "--keep-exchanges")
    for key in ("A-001", "A-002"):
        folder = kept.case(key).evidence
        assert folder is not None
        assert "C-ECHO-RSP" in (folder / "exchange.txt").read_text()
