"""Known issues are listed outside the cases; a list that is wrong is told, not guessed at."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.known import KnownIssue, find_known, read_known
from harness.model import Version
from harness.servers.capabilities import Capabilities
from harness.suites import known_folder

WITHOUT_PLUGINS = Capabilities({"rest": None})


@pytest.mark.parametrize(
    ("key", "version", "found"),
    [
        ("CFIND-026-c11", "3.0.4", True),
        ("CFIND-026-c01", "3.0.4", False),
        ("CFIND-026-c11", "2.9", False),
        ("CFIND-026-c11", "3.1.0", False),
        ("CFIND-026-c11", "3.1.0+local", False),
    ],
)
def test_an_issue_concerns_a_pattern_and_a_range_of_versions(
    key: str, version: str, found: bool
) -> None:
    """From the version that has it to the one that has it no more."""
    issue = KnownIssue(
        "CFIND-026-c1*", "question marks", since=Version("3.0.0"), fixed=Version("3.1.0")
    )
    assert (find_known([issue], key, Version(version), WITHOUT_PLUGINS.unmet) is issue) == found


def test_an_issue_may_come_with_a_plugin(tmp_path: Path) -> None:
    """Where the plugin is absent, or older, the case is expected to pass."""
    (tmp_path / "orthanc.toml").write_text(
        "[[issue]]\ncase = 'WADO-004'\nreason = 'dies'\nwith = 'plugin.gdcm>=1.8'\n"
    )
    issues = read_known(tmp_path, "Orthanc")
    for gdcm, known in (("1.8", True), ("1.5", False)):
        server = Capabilities({"plugin.gdcm": Version(gdcm)})
        found = find_known(issues, "WADO-004", Version("1.12.7"), server.unmet)
        assert (found is not None) == known
    assert find_known(issues, "WADO-004", Version("1.12.7"), WITHOUT_PLUGINS.unmet) is None


def test_chance_may_decide(tmp_path: Path) -> None:
    """Where an entry says so, the case may pass as well."""
    (tmp_path / "orthanc.toml").write_text(
        "[[issue]]\ncase = 'A-001'\nreason = 'races'\npasses = 'sometimes'\n"
        "[[issue]]\ncase = 'A-002'\nreason = 'wrong'\n"
    )
    found = [issue.sometimes_passes for issue in read_known(tmp_path, "Orthanc")]
    assert found == [True, False]


def test_our_own_lists_can_be_read() -> None:
    """Each file in known/ is well-formed and gives reasons."""
    for file in known_folder().glob("*.toml"):
        assert all(issue.reason for issue in read_known(known_folder(), file.stem))


def test_a_server_without_a_list_has_no_known_issues(tmp_path: Path) -> None:
    """No file, no issues."""
    assert read_known(tmp_path, "tiny-pacs") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[issue]]\ncase = 'A-001'\n", "issue 1: reason"),
        ("[[issue]]\ncase = 'A-001'\nreason = 'x'\nwhy = 'y'\n", "issue 1: why"),
        ("[[issue]]\ncase = 1\nreason = 'x'\n", "issue 1: case"),
        ("[[issue]]\ncase = 'A-001'\nreason = 'x'\npasses = 'often'\n", "issue 1: passes"),
        ("[[issue]", "cannot be read"),
    ],
)
def test_a_wrong_entry_is_told_with_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    """The sentence names the file, the entry and what is allowed."""
    (tmp_path / "orthanc.toml").write_text(text)

    with pytest.raises(ConfigError, match=f"orthanc.toml.*{said}"):
        read_known(tmp_path, "Orthanc")


def test_a_reader_that_stops_reading_is_no_error() -> None:
    """`harness known list | head` ends without a traceback, and with the status that shells give."""
    listing = subprocess.Popen(
        [sys.executable, "-m", "harness", "known", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert listing.stdout is not None
    listing.stdout.close()

    _, said = listing.communicate(timeout=60)
    assert (listing.returncode, said) == (128 + signal.SIGPIPE, b"")
