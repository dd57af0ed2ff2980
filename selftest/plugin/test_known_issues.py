"""The list of known issues excuses exactly what it names; anything else fails the run."""

import pytest
from support.suites import Finished, RunSuite

SUITE = """
@case("KNOW-001", ref="none")
def test_fails(dimse):
    assert dimse.echo() == 0x0110

@pytest.mark.parametrize("syntax", ["jpeg", "rle"])
@case("KNOW-002", ref="none")
def test_syntaxes(syntax): pass

@case("KNOW-003", ref="none", level="product")
@needs("orthanc>=99")
def test_never_runs(): pass
"""
DYING = """
@case("KNOW-001", ref="none")
def test_dies(dimse, bench):
    bench.remote.server.launcher.send_signal(signal.SIGSEGV)
    assert dimse.echo() == 0
"""
FAILS = "cases = ['KNOW-001']\nshows = '^expected 272$'"
"""An entry that matches the first case's failure."""


def _known(run_suite: RunSuite, *entries: str) -> str:
    """Write a list for dcmqrscp, and return the option that names it."""
    folder = run_suite.pytester.path / "known"
    folder.mkdir(exist_ok=True)
    lines = ["# What dcmqrscp does wrong."]
    for entry in entries:
        lines += ["", "[[issue]]", f"reason = 'it is so'\nref = 'tracker 1'\n{entry}"]
    (folder / "dcmqrscp.toml").write_text("\n".join(lines))
    return f"--known={folder}"


def _run(run_suite: RunSuite, *arguments: str) -> Finished:
    return run_suite(SUITE, "--remote=dcmqrscp", *arguments)


def test_list_without_fault(run_suite: RunSuite) -> None:
    """The listed cases fail as listed or cannot run: the run succeeds; the issue has one line."""
    never = "cases = ['KNOW-003']\nshows = 'x'"
    known = _known(run_suite, f"{FAILS}\nexpires = 2999-12-31", never)

    done = _run(run_suite, known, "-n2")

    assert done.result.ret == pytest.ExitCode.OK
    assert done.outcomes["KNOW-001"] == "known"
    assert not [note for note in done.run.notes if "entry" in note]
    done.result.stdout.fnmatch_lines(["known  1 case  it is so (tracker 1): KNOW-001"])


def test_failure_that_is_not_as_listed_fails_the_run(run_suite: RunSuite) -> None:
    """The terminal shows what the list expects."""
    known = _known(run_suite, "cases = ['KNOW-001']\nshows = '^received 1$'")

    done = _run(run_suite, known)

    assert done.result.ret == pytest.ExitCode.TESTS_FAILED
    assert done.outcomes["KNOW-001"] == "failed"
    said = (
        "not as listed: the entry at known/dcmqrscp.toml:3 expects shows '^received 1$': "
        "it is so (tracker 1)"
    )
    done.result.stdout.fnmatch_lines([f"  list      {said}"])
    failure = done.case("KNOW-001").failure
    assert failure is not None
    assert failure.text.endswith(said)


@pytest.mark.parametrize(
    ("entry", "outcome"), [("dies = true", "known"), ("shows = '[a-z]'", "failed")]
)
def test_crash_is_known_only_if_listed_as_one(
    run_suite: RunSuite, entry: str, outcome: str
) -> None:
    """A pattern never excuses a crash, whatever it matches."""
    known = _known(run_suite, f"cases = ['KNOW-001']\n{entry}")

    done = run_suite(DYING, "--remote=dcmqrscp", known)

    assert done.outcomes == {"KNOW-001": outcome}
    assert done.case("KNOW-001").died


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_entry_that_names_no_case_fails_the_run(run_suite: RunSuite, workers: str) -> None:
    """The terminal and the report name the entry to delete, with file and line."""
    known = _known(run_suite, FAILS, "cases = ['KNOW-002-gif']\nshows = 'x'")

    done = _run(run_suite, known, workers)

    assert done.result.ret == pytest.ExitCode.TESTS_FAILED
    said = "known/dcmqrscp.toml:9: no case is called KNOW-002-gif: delete the entry (it is so (tracker 1))"
    done.result.stdout.fnmatch_lines([f"*{said}"])
    assert said in done.run.notes
    assert done.run.exit_status == 1
    assert done.run.judgement == "bad"


@pytest.mark.parametrize("selection", [("-k", "fails"), ("test_small.py::test_fails",)])
def test_selection_does_not_know_all_names(run_suite: RunSuite, selection: tuple[str, ...]) -> None:
    """An entry may name cases that were not selected; an expired one does not matter either."""
    expired = "cases = ['KNOW-002-*']\nshows = 'x'\nexpires = 2026-01-31"
    known = _known(run_suite, FAILS, "cases = ['KNOW-002-gif']\nshows = 'x'", expired)

    done = _run(run_suite, known, *selection)

    assert done.result.ret == pytest.ExitCode.OK
    assert done.run.selected


def test_entry_that_has_expired_fails_the_run(run_suite: RunSuite) -> None:
    """Its case is a failure again, and the entry must be deleted or reviewed."""
    known = _known(run_suite, f"{FAILS}\nexpires = 2026-01-31")

    done = _run(run_suite, known)

    assert done.outcomes["KNOW-001"] == "failed"
    said = "known/dcmqrscp.toml:3: the entry for KNOW-001 expired on 2026-01-31: delete it, *"
    done.result.stdout.fnmatch_lines([f"*{said}"])


def test_entry_for_what_passes_says_where_it_stands(run_suite: RunSuite) -> None:
    """The one run of the axis that passes is reported with the file and line of the entry."""
    known = _known(run_suite, "cases = ['KNOW-002-j*']\nshows = 'x'")

    done = _run(run_suite, known, "-k", "syntaxes")

    assert done.outcomes == {"KNOW-002-jpeg": "failed", "KNOW-002-rle": "passed"}
    failure = done.case("KNOW-002-jpeg").failure
    assert failure is not None
    assert failure.message.endswith("remove it from the entry at known/dcmqrscp.toml:3")


def test_lists_of_the_project_are_about_its_suites(run_suite: RunSuite) -> None:
    """Other suites are not checked against them: the lists name none of their cases."""
    done = run_suite("@case('KNOW-001', ref='none')\ndef test_it(): pass\n", "--remote=dcmqrscp")

    assert done.result.ret == pytest.ExitCode.OK


def test_what_chance_decides_is_recorded_as_such(run_suite: RunSuite) -> None:
    """Passing is then no failure, and the comparison of two runs takes it into account."""
    sometimes = 'passes = "sometimes"'
    passing = f"cases = ['KNOW-002-jpeg']\nshows = 'x'\n{sometimes}"

    done = _run(run_suite, _known(run_suite, f"{FAILS}\n{sometimes}", passing))

    assert done.result.ret == pytest.ExitCode.OK
    assert done.outcomes["KNOW-002-jpeg"] == "passed"
    assert {each.full_id for each in done.run.cases if each.by_chance} == {
        "KNOW-001",
        "KNOW-002-jpeg",
    }


def test_libraries_of_the_server_are_capabilities(run_suite: RunSuite) -> None:
    """An entry that needs a library applies to a server that has it, in that version."""
    with_zlib = "with = ['library.zlib>=1', 'library.zlib<999']"
    with_gdcm = "cases = ['KNOW-002-jpeg']\nshows = 'x'\nwith = 'library.gdcm'"

    done = _run(run_suite, _known(run_suite, f"{FAILS}\n{with_zlib}", with_gdcm))

    assert done.result.ret == pytest.ExitCode.OK
    assert done.outcomes["KNOW-001"] == "known"
    assert done.run.capabilities["library.zlib"]
