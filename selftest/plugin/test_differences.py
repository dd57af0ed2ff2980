"""Comparison of runs: the same server gives no difference, another configuration does."""

import pytest
from support.suites import RunSuite

from harness.cli.diff import main
from harness.report.difference import compare

pytestmark = pytest.mark.usefixtures("orthanc")

SUITE = """
from harness.waiting import wait_until

pytestmark = pytest.mark.parametrize("again", range({times}))

@case("DIFF-001", ref="none")
def test_rest(rest, stored, again):
    stored.instance(PatientID=str(again))
    rest.json("/studies?expand")
    rest.get("/nowhere", expect=404)
    rest.get("/queries")
    rest.get("/tools/dicom-conformance")  # long: Orthanc 1.12 compresses no short answers

@case("DIFF-002", ref="none")
def test_query(dimse, stored, again):
    stored.study(series=2, PatientName="Muller^Anna")
    stored.study(PatientName="Muller^Bob")
    assert len(dimse.find_studies(PatientName="Mul*")) == 2

@case("DIFF-003", ref="none")
def test_move(dimse, stored, local, again):
    stored.study(instances=3)
    dimse.move("STUDY", local.ae_title, StudyInstanceUID="")

@case("DIFF-004", ref="none")
def test_job(rest, stored, again):
    stored.study(instances=3)
    (study,) = rest.json("/studies")
    job = rest.post(f"/studies/{{study}}/archive", {{"Asynchronous": True}}).json()["Path"]
    wait_until(lambda: rest.json(job)["State"] == "Success", what="the archive", within=10)
"""


def test_what_one_server_says_is_always_the_same(run_suite: RunSuite) -> None:
    """Ten runs of each case, in any order, on two pairs of servers: not one line differs."""
    done = run_suite(SUITE.format(times=10), "-n2", "-p", "random_order", "--random-order")

    assert set(done.outcomes.values()) == {"passed"}
    said: dict[str, set[str]] = {}
    for case in done.run.cases:
        assert case.content
        said.setdefault(case.id, set()).add(str(sorted(case.content.items())))
    assert {id_: len(contents) for id_, contents in said.items()} == dict.fromkeys(said, 1)
    assert {case.worker for case in done.run.cases} == {"gw0", "gw1"}
    query = done.case("DIFF-002-0").content or {}
    pending = next(head for head in query if "FF00H" in head)
    assert "00100010" in done.run.said[query[pending]]


def test_a_server_configured_otherwise_says_otherwise(
    run_suite: RunSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    """All cases pass; the end of the run, its report and `harness diff` show what changed."""
    first = run_suite(SUITE.format(times=1)).folder.resolve()

    after = run_suite(
        SUITE.format(times=1), "--with=HttpCompressionEnabled=true", "--baseline=runs/latest"
    )

    assert set(after.outcomes.values()) == {"passed"}
    assert after.run.baseline == first
    after.result.stdout.fnmatch_lines(
        ["difference from the baseline", "Orthanc * -> Orthanc *: * changed in content"]
    )
    after.result.stdout.fnmatch_lines(["*+ content-encoding: *"])
    assert "was the baseline" in (after.folder / "report.html").read_text()
    assert main([str(first), str(after.folder)]) == 0
    assert "+ content-encoding: " in capsys.readouterr().out


def test_a_run_of_a_selection_misses_nothing(run_suite: RunSuite) -> None:
    """Cases that were not selected are not missing; the difference counts them."""
    first = run_suite(SUITE.format(times=1)).run

    after = run_suite(SUITE.format(times=1), "-k", "rest").run

    difference = compare(first, after)
    assert difference.changes == ()
    (sentence,) = difference.left_out
    assert sentence.startswith("3 cases of the earlier run did not run in the later one")


def test_a_baseline_that_is_none_is_refused(run_suite: RunSuite) -> None:
    """A bad baseline is refused in one sentence, before a server is started."""
    done = run_suite(SUITE.format(times=1), "--baseline=nowhere")

    assert done.result.ret == pytest.ExitCode.USAGE_ERROR
    assert "nowhere does not exist" in done.result.stderr.str()
