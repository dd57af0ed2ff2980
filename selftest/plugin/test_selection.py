"""Which cases run, and how bad input is reported."""

import json
import socket
from pathlib import Path

import pytest
from support.suites import RunSuite

from harness.cli import main

SUITE = """
@case("SEL-001", ref="PS3.4 C.2.2; PS3.7 9.1 (2024e)", covers="Orthanc.test_findscu_counters")
def test_counters(rest): pass

@pytest.mark.parametrize("syntax", ["jpeg", "rle"])
@case("SEL-002", ref="PS3.5 A.4")
def test_syntaxes(rest, syntax): pass
"""


@pytest.mark.usefixtures("orthanc")
@pytest.mark.parametrize(
    ("arguments", "ran"),
    [
        (["--case=SEL-001"], {"SEL-001"}),
        (["--case=SEL-002"], {"SEL-002-jpeg", "SEL-002-rle"}),
        (["--case=SEL-002-rle"], {"SEL-002-rle"}),
        (["--case=SEL-*"], {"SEL-001", "SEL-002-jpeg", "SEL-002-rle"}),
        (["--case=test_findscu_counters"], {"SEL-001"}),
        (["--case=Orthanc.test_findscu_counters"], {"SEL-001"}),
        (["--case=PS3.4 C.2*"], {"SEL-001"}),
        (["--case=PS3.4 C.2.2", "--case=PS3.5 *"], {"SEL-001", "SEL-002-jpeg", "SEL-002-rle"}),
        (["-k", "findscu_counters"], {"SEL-001"}),
        (["-k", "SEL-002"], {"SEL-002-jpeg", "SEL-002-rle"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_cases_are_found_by_every_name(
    run_suite: RunSuite, arguments: list[str], ran: set[str]
) -> None:
    """By id, with parameters, by pattern, by what a case covers, by pytest's -k."""
    assert set(run_suite(SUITE, *arguments).outcomes) == ran


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_unknown_case_is_told_with_the_nearest(run_suite: RunSuite, workers: str) -> None:
    """A typing error is answered with a sentence and exit code 4, whichever process finds it."""
    done = run_suite(SUITE, "--case=SEL-01", workers)

    said = done.result.stdout.str() + done.result.stderr.str()
    assert done.result.ret == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: unknown case 'SEL-01'; similar: SEL-001" in said
    assert "INTERNALERROR" not in said
    assert not done.folder.exists()


def test_withdrawn_id_is_refused(run_suite: RunSuite, pytester: pytest.Pytester) -> None:
    """An id in `withdrawn.txt`, next to the ini file of the suites, is refused at collection."""
    pytester.path.joinpath("withdrawn.txt").write_text("# gone\nSEL-001  is SEL-003\n")

    done = run_suite(SUITE)

    said = done.result.stdout.str() + done.result.stderr.str()
    assert done.result.ret == pytest.ExitCode.USAGE_ERROR
    assert "case id SEL-001 was withdrawn and must not be reused" in said


def test_a_folder_that_is_not_there_is_told(run_suite: RunSuite) -> None:
    """Pytest reports it; the harness does not fail first."""
    done = run_suite(SUITE, "./no-such-folder")

    assert done.result.ret == pytest.ExitCode.USAGE_ERROR
    assert "file or directory not found: ./no-such-folder" in done.result.stderr.str()


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_cases_are_found_after_options(run_suite: RunSuite, workers: str) -> None:
    """The name of a case may follow any option, whichever process collects."""
    assert set(run_suite(SUITE, "--case-limit", "20", workers, "SEL-002*").outcomes) == {
        "SEL-002-jpeg",
        "SEL-002-rle",
    }


def test_an_id_used_twice_is_refused(run_suite: RunSuite) -> None:
    """Ids are permanent and unique: two functions cannot share one."""
    done = run_suite(
        '@case("A-001", ref="x")\ndef test_a(): pass\n@case("A-001", ref="x")\ndef test_b(): pass\n'
    )

    assert done.result.ret == pytest.ExitCode.USAGE_ERROR
    assert "case id A-001 is used twice" in done.result.stderr.str()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--orthanc=/nowhere"], "--orthanc /nowhere: neither an executable nor a folder"),
        (["--orthanc=/bin/true"], "/bin/true is not Orthanc"),
        (["--plugins=/nowhere.so"], "--plugins /nowhere.so does not exist"),
        (["--plugin=nope"], "unknown plugin 'nope'; choose from dicomweb, "),
        (
            ["--plugin=transfers"],
            "--plugin transfers is not on this computer: no Debian package",
        ),
        (
            ["--plugins=all", "--plugin=wsi"],
            "--plugins all loads every plugin, so no other can be named",
        ),
        (["--aet=MUCH_TOO_LONG_A_TITLE"], "'MUCH_TOO_LONG_A_TITLE' is not an AE title"),
        (["--server=127.0.0.1", "--rest=0"], "'0' is not a TCP port"),
        (["--server=127.0.0.1", "--rest={free}"], "no answer from http://127.0.0.1:{free}"),
        (["--config=/nowhere.json"], "/nowhere.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_met_with_a_sentence(
    run_suite: RunSuite, arguments: list[str], said: str
) -> None:
    """No traceback; one sentence that names the error; exit code 4."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = str(probe.getsockname()[1])
    done = run_suite(SUITE, *(each.format(free=free) for each in arguments))

    assert done.result.ret == pytest.ExitCode.USAGE_ERROR
    errors = done.result.stderr.str()
    assert said.format(free=free) in errors
    assert "Traceback" not in errors


def test_harness_cases_lists_without_running(
    run_suite: RunSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    """`harness cases --json` has id, name, suite, ref, level, needs and covers of each case."""
    file = run_suite.pytester.makepyfile(
        test_listed="from harness.case import case, needs\nimport pytest\n" + SUITE
    )
    assert main(["cases", "--json", "--folder", str(Path(file).parent)]) == 0

    listed = json.loads(capsys.readouterr().out)
    assert [each["id"] for each in listed] == ["SEL-001", "SEL-002"]
    assert listed[0] == {
        "id": "SEL-001",
        "name": "test_counters",
        "suite": "listed",
        "ref": "PS3.4 C.2.2; PS3.7 9.1 (2024e)",
        "level": "must",
        "needs": [],
        "covers": ["Orthanc.test_findscu_counters"],
        "runs": 1,
    }


APART = """
from harness.case import Suite, apart, thorough

@case("SEL-011", ref="none")
@pytest.mark.parametrize("way", ["short", pytest.param("long", marks=thorough())])
def test_usual(rest, way): pass

@Suite().case("SEL-012", ref="none", thorough=True)
def test_thorough(rest): pass

@case("SEL-013", ref="none")
@apart("load")
def test_load(rest): pass
"""


@pytest.mark.usefixtures("orthanc")
@pytest.mark.parametrize(
    ("arguments", "ran"),
    [
        ([], {"SEL-011-short"}),
        (["--all"], {"SEL-011-short", "SEL-011-long", "SEL-012"}),
        (["--suite=load"], {"SEL-013"}),
        (["--suite=load", "--suite=main"], {"SEL-011-short", "SEL-013"}),
        (["--case=SEL-012"], {"SEL-012"}),
        (["--case=SEL-01*"], {"SEL-011-short", "SEL-011-long", "SEL-012", "SEL-013"}),
    ],
    ids=lambda value: " ".join(value) or "plain" if isinstance(value, list) else "",
)
def test_long_cases_run_if_asked_for(
    run_suite: RunSuite, arguments: list[str], ran: set[str]
) -> None:
    """Thorough cases run with --all, separate suites with --suite, and named cases always."""
    assert set(run_suite(APART, *arguments).outcomes) == ran
