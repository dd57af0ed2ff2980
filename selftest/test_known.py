"""Known issues are listed outside of the cases; errors in a list are reported, not guessed at."""

import os
import re
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.known import Condition, Failed, KnownIssue, concerning, idle, judge, parse_known, stale
from harness.known.lists import read_known
from harness.known.pattern import pattern_for
from harness.model import Version
from harness.servers.capabilities import Capabilities
from harness.servers.libraries import libraries_in, libraries_of
from harness.suites import known_folder

ATTACHED = Capabilities({"rest": None, "plugin.gdcm": Version("1.8")})
DIED = Failed("the remote server died of SIGSEGV, in progress: GET /instances", died=True)
REFUSED = Failed("assert 400 == 406", "406", "400")
ENTRY = "[[issue]]\ncases = ['A-001']\nshows = 'x'\nreason = 'wrong'\nunreported = 2026-11-27\n"


def _listed(*entries: str, product: str = "orthanc") -> tuple[KnownIssue, ...]:
    """Parse entries, each with a reason and a reference."""
    common = "reason = 'wrong'\nunreported = 2026-11-27"
    text = "\n".join(f"[[issue]]\n{common}\n{entry}" for entry in entries)
    return parse_known(Path("known") / f"{product}.toml", text)


def _outcome(issues: tuple[KnownIssue, ...], failure: Failed | None, key: str = "A-001") -> str:
    """Return the outcome of a case that failed or passed, on a server whose build is known."""
    listed = concerning(issues, key, Version("1.12.7"), _built_with("3.0.24"))
    return judge(listed, "failed" if failure else "passed", failure).outcome


def _built_with(gdcm: str) -> Capabilities:
    return ATTACHED.built_with({"gdcm": Version(gdcm), "dcmtk": Version("3.6.9")})


@pytest.mark.parametrize(
    ("key", "version", "found"),
    [
        ("CFIND-026-c11", "3.0.4", True),
        ("CFIND-026-c01", "3.0.4", False),
        ("CFIND-027", "3.0.4", True),
        ("CFIND-026-c11", "2.9", False),
        ("CFIND-026-c11", "3.1.0", False),
        ("CFIND-026-c11", "3.1.0+local", False),
    ],
)
def test_issue_concerns_several_patterns_and_a_range_of_versions(
    key: str, version: str, found: bool
) -> None:
    """From the first affected version up to the first fixed one."""
    issues = _listed(
        "cases = ['CFIND-026-c1*', 'CFIND-027']\nshows = 'x'\nsince = '3.0.0'\nfixed = '3.1.0'"
    )
    assert bool(concerning(issues, key, Version(version), ATTACHED)) == found


def test_pattern_is_found_in_the_message_or_in_what_was_expected_and_received() -> None:
    """Each is on a line of its own, as displayed."""
    for shows in ("^assert 400", "^received 400$", r"^expected 406\nreceived 400$"):
        issues = _listed(f"cases = ['A-001']\nshows = '{shows}'")
        assert _outcome(issues, REFUSED) == "known"


def test_failure_that_is_not_as_listed_stays_a_failure() -> None:
    """The reason names the entry with another expectation."""
    issues = _listed("cases = ['A-001']\nshows = '^received 500$'")

    verdict = judge(concerning(issues, "A-001", Version("1"), ATTACHED), "failed", REFUSED)

    assert verdict.outcome == "failed"
    assert verdict.reason == (
        "not as listed: the entry at known/orthanc.toml:1 expects shows '^received 500$': "
        "wrong (not reported)"
    )


def test_crash_is_known_only_where_an_entry_says_so() -> None:
    """An entry without `dies` excuses no crash, whatever its pattern; one with it, nothing else."""
    pattern, death = "cases = ['A-001']\nshows = 'S'", "cases = ['A-001']\ndies = true"
    assert _outcome(_listed(pattern), DIED) == "failed"
    assert _outcome(_listed(death), DIED) == "known"
    assert _outcome(_listed(death), REFUSED) == "failed"
    assert _outcome(_listed(f"{death}\nshows = 'SIGABRT'"), DIED) == "failed"


def test_first_entry_that_a_failure_fits_is_taken() -> None:
    """A case may be listed for a crash and for a wrong answer."""
    issues = _listed(
        "cases = ['A-*']\ndies = true",
        "cases = ['A-001']\nshows = '^received 400$'",
        "cases = ['A-001']\nshows = '^received'\nclause = 'PS3.4 C'",
    )
    listed = concerning(issues, "A-001", Version("1"), ATTACHED)

    assert [issue.fits(REFUSED.text, died=False) for issue in issues] == [False, True, True]
    assert judge(listed, "failed", REFUSED).outcome == "known"
    assert judge(listed, "failed", DIED).outcome == "known"


def test_error_is_never_known() -> None:
    """An error of the harness is never a known issue."""
    listed = concerning(_listed("cases = ['A-001']\nshows = '.'"), "A-001", Version("1"), ATTACHED)
    assert judge(listed, "error", REFUSED).outcome == "as it is"


def test_listed_case_that_passes_fails_unless_chance_decides() -> None:
    """One such entry of several is enough."""
    always, sometimes = "cases = ['A-001']\nshows = 'x'", "cases = ['A-*']\nshows = 'y'"
    assert _outcome(_listed(always), None) == "failed"
    assert _outcome(_listed(always, f"{sometimes}\npasses = 'sometimes'"), None) == "as it is"


@pytest.mark.parametrize(
    ("condition", "gdcm", "holds"),
    [
        ("plugin.gdcm", "3.0.24", "yes"),
        ("plugin.worklists", "3.0.24", "no"),
        ("library.gdcm>=3.0.22", "3.0.24", "yes"),
        ("library.gdcm>=3.0.22", "3.0.21", "no"),
        ("library.gdcm<3.0.22", "3.0.21", "yes"),
        ("library.gdcm<3.0.22", "3.0.22", "no"),
        ("library.gdcm>=3.0.20,<3.0.24", "3.0.22", "yes"),
        ("library.gdcm>=3.0.20,<3.0.24", "3.0.24", "no"),
        ("library.openjpeg", "3.0.24", "no"),
    ],
)
def test_plugin_or_library_brings_an_issue(condition: str, gdcm: str, holds: str) -> None:
    """Its version decides, with a lower and an upper limit."""
    parsed = Condition.parse(condition)

    assert parsed.holds(_built_with(gdcm)) == holds
    assert str(parsed) == condition


def test_fact_that_cannot_be_known_excuses_a_failure_and_demands_none() -> None:
    """The libraries of an attached server are unknown; its plugins are known."""
    issues = _listed(
        "cases = ['A-001']\ndies = true\nwith = ['plugin.gdcm', 'library.gdcm>=3.0.22']"
    )

    attached = concerning(issues, "A-001", Version("1.12.7"), ATTACHED)
    without_plugin = concerning(issues, "A-001", Version("1.12.7"), Capabilities({"rest": None}))

    assert judge(attached, "failed", DIED).outcome == "known"
    assert judge(attached, "passed", None).outcome == "as it is"
    assert without_plugin == []


def test_libraries_of_a_process_are_known_by_their_files() -> None:
    """The version is that of the file that the kernel names, whatever links to it."""
    maps = """\
7f00-7f01 r--p 00000000 08:01 1  /usr/lib/x86_64-linux-gnu/libgdcmMSFF.so.3.0.24
7f01-7f02 r-xp 00000000 08:01 1  /usr/lib/x86_64-linux-gnu/libdcmdata.so.17.3.6.7
7f02-7f03 r--p 00000000 08:01 1  /usr/lib/libcurl-gnutls.so.4.8.0 (deleted)
7f03-7f04 r--p 00000000 08:01 1  /usr/lib/libdcmdatalike.so.9
7f04-7f05 rw-p 00000000 00:00 0
7f05-7f06 rw-p 00000000 00:00 0  [heap]"""
    assert libraries_in(maps.splitlines()) == {
        "curl": Version("4.8.0"),
        "dcmtk": Version("3.6.7"),
        "gdcm": Version("3.0.24"),
    }
    assert "zlib" in libraries_of(os.getpid())
    assert libraries_of(None) == {}


def test_stale_patterns_are_named_one_by_one() -> None:
    """A pattern that matches no case is stale; the others of its entry stay."""
    issues = _listed(
        "cases = ['A-001', 'A-002']\nshows = 'x'",
        "cases = ['B-*']\nshows = 'x'\nexpires = 2026-01-31",
    )
    unnamed, expired = stale(issues, ["A-001", "B-001"], whole=True)
    assert unnamed.startswith(
        "known/orthanc.toml:1: no case is called A-002: remove it from the entry"
    )
    assert expired.startswith(
        "known/orthanc.toml:6: the entry for B-* expired on 2026-01-31: delete"
    )
    assert list(stale(issues, ["A-001"], whole=False)) == []


def test_entries_that_match_no_failure_of_a_run_are_found() -> None:
    """Only those about that server, without those decided by chance or not run."""
    issues = _listed(
        "cases = ['A-001', 'A-002']\nshows = '^received 400$'",
        "cases = ['A-001']\nshows = '^received'",
        "cases = ['A-003']\nshows = 'x'\nsince = '2'",
        "cases = ['A-004']\nshows = 'x'\npasses = 'sometimes'",
        "cases = ['A-005']\nshows = 'x'",
    )
    ended = {"A-001": REFUSED, "A-002": None, "A-003": None, "A-004": None}

    assert [
        each.partition(" matched")[0] for each in idle(issues, ended, Version("1"), ATTACHED)
    ] == [
        "known/orthanc.toml:1: A-002",
        "known/orthanc.toml:6: A-001",
    ]


@pytest.mark.parametrize(
    ("texts", "pattern"),
    [
        (["m\nexpected 406\nreceived 400"], r"^expected 406\nreceived 400$"),
        (["m\nexpected 1\nreceived 400", "n\nexpected 2\nreceived 400"], "^received 400$"),
        (["no answer in 2.1 s", "no answer in 3.0 s"], r"^no answer in [\d.]+ s$"),
        (
            ["GET /a?b (1.2.840.10008.1.2, 1.2.3.4.5.6)"],
            r"^GET /a\?b \(1\.2\.840\.10008\.1\.2, [\d.]+\)$",
        ),
        (["GET /dicom-web/studies/1.2.3?a=b: received 500"], r"^GET \S+: received 500$"),
        (["x" * 300], f"^{'x' * 100}"),
        (["one", "another"], None),
    ],
)
def test_pattern_is_made_of_what_failures_have_in_common(
    texts: list[str], pattern: str | None
) -> None:
    """Parts that vary from run to run are left out."""
    assert pattern_for(texts) == pattern
    if pattern is not None:
        assert all(re.search(pattern, each, re.MULTILINE) for each in texts)


def test_own_lists_can_be_read() -> None:
    """Each file in known/ is well-formed."""
    for file in known_folder().glob("*.toml"):
        assert read_known(known_folder(), file.stem)


def test_server_without_a_list_has_no_known_issues(tmp_path: Path) -> None:
    """No file means no issues."""
    assert read_known(tmp_path, "tiny-pacs") == ()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (ENTRY.replace("reason", "#"), "reason: missing"),
        (ENTRY.replace("cases", "#"), "cases: missing"),
        (ENTRY.replace("['A-001']", "'A-001'"), "cases: it must be a list of ids and patterns, not 'A-001'"),
        (ENTRY.replace("['A-001']", "[]"), "cases: it must be a list"),
        (ENTRY.replace("shows", "#"), "an entry needs shows = "),
        (ENTRY.replace("'x'", "'('"), r"shows: '\(' is not a regular expression"),
        (ENTRY.replace("'x'", "'.*'"), r"shows: '\.\*' matches an empty text"),
        (ENTRY.replace("unreported", "#"), "an entry needs either ref"),
        (ENTRY + "ref = 'tracker 1'", "an entry needs either ref"),
        (ENTRY.replace("unreported = 2026-11-27", "ref = 'PS3.4 C'"), "ref: .*`clause` for a clause"),
        (ENTRY.replace("2026-11-27", "'today'"), "unreported: it must be a date"),
        (ENTRY + "expires = '2027-03-01'", "expires: it must be a date such as 2027-03-01, without quotes"),
        (ENTRY + "dies = false", "dies: it must be true, or left out"),
        (ENTRY + "passes = 'often'", 'passes: it must be "sometimes"'),
        (ENTRY + "with = 'a b'", "'a b' is no"),
        (ENTRY + "why = 'y'", "why: unknown key"),
        ("[[issue]", "cannot be read"),
    ],
)  # fmt: skip
def test_wrong_entry_is_told_with_file_and_key(tmp_path: Path, entry: str, said: str) -> None:
    """The error names the file, the entry and what is allowed."""
    (tmp_path / "orthanc.toml").write_text(entry)

    with pytest.raises(ConfigError, match=f"orthanc.toml.*{said}"):
        read_known(tmp_path, "Orthanc")


def test_reference_is_part_of_the_reason() -> None:
    """It shows whether an issue was reported."""
    issue = KnownIssue(("A-001",), "wrong", ref="tracker 214")
    assert str(issue) == "wrong (tracker 214)"
    assert str(KnownIssue(("A-001",), "wrong", unreported=date(2026, 11, 27))).endswith("reported)")


def test_reader_that_stops_reading_is_no_error() -> None:
    """`harness known list | head` ends without a traceback, with the usual exit status."""
    listing = subprocess.Popen(
        [sys.executable, "-m", "harness", "known", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert listing.stdout is not None
    listing.stdout.close()

    _, said = listing.communicate(timeout=60)
    assert (listing.returncode, said) == (128 + signal.SIGPIPE, b"")
