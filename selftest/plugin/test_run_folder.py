"""The run folder and the options that decide what is in it."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.suites import RunSuite

from harness.errors import ConfigError
from harness.plugin.recording import new_folder


def test_runs_of_the_same_second_have_folders_of_their_own(tmp_path: Path) -> None:
    """Two runs beside each other do not write into one folder."""
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: new_folder(tmp_path / "runs", "Orthanc", "1.2"), range(12)))

    assert len(set(made)) == len(made)
    assert all(each.is_dir() for each in made)


def test_a_place_for_runs_that_is_none_is_told(tmp_path: Path) -> None:
    """The message names the place."""
    (tmp_path / "runs").write_text("")

    with pytest.raises(ConfigError, match="no run folder can be made in"):
        new_folder(tmp_path / "runs", "Orthanc", "1.2")


@pytest.mark.usefixtures("orthanc")
def test_with_changes_the_configuration_of_the_remote(run_suite: RunSuite) -> None:
    """The remote has the other value, and the report says so."""
    done = run_suite(
        '@case("A-001", ref="x")\n'
        'def test_title(rest):\n    assert rest.json("/system")["DicomAet"] == "OTHER"\n',
        "--with=DicomAet=OTHER",
    )

    assert done.outcomes == {"A-001": "passed"}
    assert 'configured with DicomAet="OTHER"' in done.result.stdout.str()


def test_what_a_case_measured_is_told(run_suite: RunSuite) -> None:
    """A figure that a case notes by `record_property` stands in its record, and in all that is made of it."""
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
