"""`harness known`: entries are added as they should be, and lists are checked against the suites."""

import re
import tomllib
from pathlib import Path

import pytest
from report.conftest import RunFolder

from harness.cli import main
from harness.known import read_known

LIST = """\
# What Orthanc does wrong, as far as we know.

[[issue]]   # the oldest
case = "CFIND-001"
reason = "it is so"   # really
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
    """Make a run in which one run of an axis failed."""
    folder = RunFolder(tmp_path / "run")
    folder.write_run()
    folder.fail("CFIND-026", parameters="c11")
    folder.add("CFIND-026", parameters="c12")
    folder.add("CFIND-027", outcome="unsupported", reason="needs teleport")
    return folder


def _add(run: RunFolder, lists: Path, case: str, *arguments: str) -> int:
    return main(["known", "add", str(run.path), case, "--known", str(lists), *arguments])


def test_an_entry_is_added_behind_all_that_was_there(run: RunFolder, lists: Path) -> None:
    """Comments and order stay; what was said is in the entry, whatever characters it has."""
    reason = 'says "Müller\\" for 1 € \x7f'
    facts = ("--since=1.10.0", "--fixed=1.12", "--with=plugin.gdcm>=1.5", "--expires=2999-01-31")

    status = _add(run, lists, "CFIND-026-c11", "--reason", reason, "--ref", "tracker 214", *facts)

    text = (lists / "orthanc.toml").read_text()
    assert status == 0
    assert text.startswith(LIST)
    assert tomllib.loads(text)["issue"][1] == {
        "case": "CFIND-026-c11",
        "since": "1.10.0",
        "fixed": "1.12",
        "with": "plugin.gdcm>=1.5",
        "expires": "2999-01-31",
        "reason": reason,
        "ref": "tracker 214",
    }
    assert [each.place for each in read_known(lists, "Orthanc")] == [
        "known/orthanc.toml:3",
        "known/orthanc.toml:7",
    ]


def test_the_first_entry_of_a_server_makes_its_list(run: RunFolder, tmp_path: Path) -> None:
    """The folder too, where there is none."""
    assert _add(run, tmp_path / "new", "CFIND-026-c11", "--reason", "x") == 0

    assert [issue.case for issue in read_known(tmp_path / "new", "Orthanc")] == ["CFIND-026-c11"]


@pytest.mark.parametrize(
    "refused",
    [
        ("CFIND-999", "no case of .*run is called 'CFIND-999'"),
        ("CFIND-026-*", "CFIND-026-c12 passed: an entry for CFIND-026-\\* would fail the next run"),
        ("CFIND-027", "CFIND-027 did not fail in .*run: unsupported"),
        ("CFIND-026-c11", "--expires=soon", "expires: 'soon' is no day such as 2027-03-01"),
        ("CFIND-026-c11", "--with=a b", "'a b' is no need"),
    ],
)  # fmt: skip
def test_an_entry_that_would_be_wrong_is_refused(
    run: RunFolder, lists: Path, capsys: pytest.CaptureFixture[str], refused: tuple[str, ...]
) -> None:
    """One sentence, exit code 2, and the list is as it was."""
    case, *arguments, said = refused
    assert _add(run, lists, case, "--reason", "x", *arguments) == 2

    assert re.search(said, capsys.readouterr().err)
    assert (lists / "orthanc.toml").read_text() == LIST


def test_a_case_is_listed_once(
    run: RunFolder, lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For the same versions, that is."""
    assert _add(run, lists, "CFIND-026-c11", "--reason", "x", "--fixed=1.11") == 0
    assert _add(run, lists, "CFIND-026-c11", "--reason", "x") == 2
    assert "known/orthanc.toml:7: CFIND-026-c11 is listed already" in capsys.readouterr().err
    assert _add(run, lists, "CFIND-026-c11", "--reason", "x", "--since=1.11") == 0


def test_a_reason_is_asked_for_on_a_terminal_only(
    run: RunFolder, lists: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry without a reason helps nobody."""
    assert _add(run, lists, "CFIND-026-c11") == 2
    assert "--reason" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    told = iter(["", "it drops names"])
    monkeypatch.setattr("builtins.input", lambda _: next(told))
    assert _add(run, lists, "CFIND-026-c11") == 0
    assert "CFIND-026-c11 (PS3.4 C.2.2.2.4): assert {'Muller^Anna'} ==" in capsys.readouterr().out
    assert read_known(lists, "Orthanc")[1].reason == "it drops names"


def test_the_list_names_places_versions_and_reasons(
    run: RunFolder, lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for each entry."""
    assert _add(run, lists, "CFIND-026-c11", "--reason=x", "--since=1.10", "--ref=tracker 1") == 0
    capsys.readouterr()

    assert main(["known", "list", "--known", str(lists)]) == 0

    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()] == [
        "known/orthanc.toml:3 CFIND-001 it is so",
        "known/orthanc.toml:7 CFIND-026-c11 x (tracker 1) [since 1.10]",
    ]


def test_the_check_finds_what_is_to_be_deleted(
    lists: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An entry that names no case of the suites, and one that has expired."""
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "pytest.ini").write_text("[pytest]\nharness_suites = true\n")
    (suite / "test_small.py").write_text(
        "from harness.case import case\n@case('CFIND-001', ref='x')\ndef test_it(): pass\n"
    )
    arguments = ["known", "check", "--known", str(lists), "--folder", str(suite)]
    assert main(arguments) == 0
    with (lists / "orthanc.toml").open("a") as file:
        file.write("expires = 2026-01-31\n[[issue]]\ncase = 'CFIND-00[2-9]'\nreason = 'x'\n")
    capsys.readouterr()

    assert main(arguments) == 1
    expired, unnamed = capsys.readouterr().out.splitlines()
    assert expired.startswith("known/orthanc.toml:3: the entry for CFIND-001 has expired")
    assert unnamed.startswith("known/orthanc.toml:7: no case is called CFIND-00[2-9]: delete")


def test_our_own_lists_are_right() -> None:
    """Each entry names a case of our suites, and none has expired."""
    assert main(["known", "check"]) == 0
