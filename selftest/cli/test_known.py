"""`harness known`: adds entries, and checks lists against suites and runs."""

import re
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from report.conftest import RunFolder

from harness.cli import main
from harness.known import read_known

LIST = """\
# What Orthanc does wrong, as far as we know.

[[issue]]   # the oldest
cases = ["CFIND-001"]
shows = '^received nothing$'
reason = "it is so"   # really
ref = "tracker 1"
"""


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Make a folder of lists with comments in it."""
    folder = tmp_path / "known"
    folder.mkdir()
    (folder / "orthanc.toml").write_text(LIST)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Make a run in which one run of an axis failed, and the server crashed in another case."""
    folder = RunFolder(tmp_path / "run")
    folder.write_run()
    folder.fail("CFIND-026", parameters="c11")
    folder.add("CFIND-026", parameters="c12")
    folder.add("CFIND-027", outcome="unsupported", reason="needs teleport")
    died = {
        "message": "the remote server died of SIGSEGV",
        "text": "",
        "expected": None,
        "received": None,
    }
    folder.fail("WADO-014", failure=died, died=True)
    return folder


def _add(run: RunFolder, lists: Path, case: str, *arguments: str) -> int:
    return main(["known", "add", "--known", str(lists), str(run.path), case, *arguments])


def test_entry_is_added_behind_all_that_was_there(run: RunFolder, lists: Path) -> None:
    """Comments and order are kept; the entry has all the input, whatever characters it contains."""
    reason = 'says "Müller\\" for 1 € \x7f'
    conditions = ("--with=plugin.gdcm>=1.5", "--with=library.gdcm<3.1")
    facts = (
        "--since=1.10.0",
        "--fixed=1.12",
        *conditions,
        "--expires=2999-01-31",
        "--clause=PS3.4 C",
    )

    status = _add(run, lists, "CFIND-026-c11", "--reason", reason, "--ref", "tracker 214", *facts)

    text = (lists / "orthanc.toml").read_text()
    assert status == 0
    assert text.startswith(LIST)
    assert tomllib.loads(text)["issue"][1] == {
        "cases": ["CFIND-026-c11"],
        "shows": r"^expected Mulder\^Bob, Muller\^Anna\nreceived Muller\^Anna$",
        "since": "1.10.0",
        "fixed": "1.12",
        "with": ["plugin.gdcm>=1.5", "library.gdcm<3.1"],
        "expires": date(2999, 1, 31),
        "clause": "PS3.4 C",
        "reason": reason,
        "ref": "tracker 214",
    }
    assert [each.place for each in read_known(lists, "Orthanc")] == [
        "known/orthanc.toml:3",
        "known/orthanc.toml:9",
    ]


def test_crash_is_added_as_one_that_was_not_reported_today(run: RunFolder, lists: Path) -> None:
    """How it shows and where it was reported are always filled in."""
    assert _add(run, lists, "WADO-014", "--reason", "x") == 0

    added = read_known(lists, "Orthanc")[1]
    assert (added.dies, added.shows) == (True, None)
    assert added.unreported == datetime.now(UTC).date()


def test_several_cases_go_into_one_entry(run: RunFolder, lists: Path) -> None:
    """The pattern is their common part; if there is none, the user must give one."""
    run.fail("CFIND-028")
    assert _add(run, lists, "CFIND-026-c11", "CFIND-028", "--reason", "x") == 0
    other = {"message": "no answer", "expected": None, "received": None, "text": ""}
    run.fail("CFIND-029", failure=other)
    assert _add(run, lists, "CFIND-028", "CFIND-029", "--reason", "x") == 2
    assert _add(run, lists, "CFIND-028", "CFIND-029", "--reason", "x", "--shows=Anna|answer") == 0

    assert [issue.cases for issue in read_known(lists, "Orthanc")[1:]] == [
        ("CFIND-026-c11", "CFIND-028"),
        ("CFIND-028", "CFIND-029"),
    ]


def test_first_entry_of_a_server_makes_its_list(run: RunFolder, tmp_path: Path) -> None:
    """The folder is made, too, if it does not exist."""
    assert _add(run, tmp_path / "new", "CFIND-026-c11", "--reason", "x") == 0

    assert [issue.cases for issue in read_known(tmp_path / "new", "Orthanc")] == [
        ("CFIND-026-c11",)
    ]


@pytest.mark.parametrize(
    "refused",
    [
        ("CFIND-999", "run has no case 'CFIND-999'"),
        ("CFIND-026-*", "CFIND-026-c12 passed: an entry for CFIND-026-\\* would make the next run fail"),
        ("CFIND-027", "CFIND-027 did not fail in .*run: unsupported"),
        ("CFIND-026-c11", "WADO-014", "the server died in only some of these cases: make two entries"),
        ("CFIND-026-c11", "--shows=(", r"shows: '\(' is not a regular expression"),
        ("CFIND-026-c11", "--with=a b", "'a b' is not a need"),
    ],
)  # fmt: skip
def test_entry_that_would_be_wrong_is_refused(
    run: RunFolder, lists: Path, capsys: pytest.CaptureFixture[str], refused: tuple[str, ...]
) -> None:
    """One sentence, exit code 2, and the list is unchanged."""
    case, *arguments, said = refused
    assert _add(run, lists, case, *arguments, "--reason", "x") == 2

    assert re.search(said, capsys.readouterr().err)
    assert (lists / "orthanc.toml").read_text() == LIST


def test_case_is_listed_once(
    run: RunFolder, lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """This applies to the same versions only."""
    assert _add(run, lists, "CFIND-026-c11", "--reason", "x", "--fixed=1.11") == 0
    assert _add(run, lists, "CFIND-026-c11", "--reason", "x") == 2
    assert "known/orthanc.toml:9: CFIND-026-c11 is listed already" in capsys.readouterr().err
    assert _add(run, lists, "CFIND-026-c11", "--reason", "x", "--since=1.11") == 0


def test_reason_is_asked_for_on_a_terminal_only(
    run: RunFolder, lists: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry needs a reason."""
    assert _add(run, lists, "CFIND-026-c11") == 2
    assert "--reason" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    told = iter(["", "it drops names"])
    monkeypatch.setattr("builtins.input", lambda _: next(told))
    assert _add(run, lists, "CFIND-026-c11") == 0
    assert "CFIND-026-c11 (PS3.4 C.2.2.2.4): assert {'Muller^Anna'} ==" in capsys.readouterr().out
    assert read_known(lists, "Orthanc")[1].reason == "it drops names"


def test_list_names_places_manifestations_and_reasons(
    run: RunFolder, lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for each entry, and one for where it was reported."""
    options = ("--since=1.10", "--with=plugin.gdcm", "--unreported=2026-11-27")
    assert _add(run, lists, "WADO-014", "--reason=x", *options) == 0
    capsys.readouterr()

    assert main(["known", "list", "--known", str(lists)]) == 0

    facts = "[the server dies, since 1.10, with plugin.gdcm, not reported on 2026-11-27]"
    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()] == [
        "known/orthanc.toml:3 CFIND-001: it is so [shows '^received nothing$']",
        "tracker 1",
        f"known/orthanc.toml:9 WADO-014: x {facts}",
    ]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Make a suite of one case."""
    folder = tmp_path / "suite"
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    (folder / "test_entries.py").write_text(
        "from harness.case import case\n@case('CFIND-001', ref='x')\ndef test_it(): pass\n"
    )
    return folder


def _check(lists: Path, suite: Path, *runs: Path) -> int:
    folders = [str(each) for each in runs]
    return main(["known", "check", *folders, "--known", str(lists), "--folder", str(suite)])


def test_check_finds_what_is_to_be_deleted(
    lists: Path, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pattern that matches no case of the suites, an expired entry, and an unknown library."""
    assert _check(lists, suite) == 0
    with (lists / "orthanc.toml").open("a") as file:
        file.write("expires = 2026-01-31\nwith = 'library.gdmc'\n")
        file.write("[[issue]]\ncases = ['CFIND-00[2-9]']\nshows = 'x'\nreason = 'x'\nref = 'y'\n")
    capsys.readouterr()

    assert _check(lists, suite) == 1
    expired, unnamed, misspelt = capsys.readouterr().out.splitlines()
    assert expired.startswith("known/orthanc.toml:3: the entry for CFIND-001 expired")
    assert unnamed.startswith("known/orthanc.toml:10: no case is called CFIND-00[2-9]: delete")
    assert misspelt.startswith(
        "known/orthanc.toml:3: with library.gdmc: the libraries are library.boost,"
    )


def test_check_of_a_run_finds_entries_that_matched_nothing(
    run: RunFolder, lists: Path, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An entry about the tested server whose cases ran, and passed or failed differently."""
    run.fail("CFIND-001", outcome="known")
    assert _check(lists, suite, run.path) == 1
    said = (
        "CFIND-001 matched no failure: 1 ran, 1 failed, but none as listed (it is so (tracker 1))"
    )
    assert f"known/orthanc.toml:3: {said} in {run.path}" in capsys.readouterr().out

    list_ = lists / "orthanc.toml"
    list_.write_text(
        LIST.replace("received nothing", "received Muller").replace("Muller$", "Muller")
    )
    assert _check(lists, suite, run.path) == 0


def test_check_refuses_a_pattern_that_is_none(
    lists: Path, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the file and the entry."""
    (lists / "orthanc.toml").write_text(LIST.replace("^received", "(received"))

    assert _check(lists, suite) == 2
    assert "issue 1: shows: '(received nothing$' is not a regular" in capsys.readouterr().err


def test_own_lists_are_right() -> None:
    """Each entry names cases of our suites, and none has expired."""
    assert main(["known", "check"]) == 0
