"""`harness run --help` and the lists of `harness cases`."""

import json
from dataclasses import fields

import pytest

from harness.cli import main, run_help
from harness.coverage import Clause, by_clause, clauses_of, uncovered, upstream_tests
from harness.plugin.options import GROUPS, Options


def test_help_shows_every_option_of_the_harness_once() -> None:
    """Each belongs to one group; pytest's own options have a separate help."""
    grouped = [name for names in GROUPS.values() for name in names]

    assert sorted(grouped) == sorted(each.name for each in fields(Options))
    text = run_help.text()
    assert all(f"\n{title}:\n" in text for title in GROUPS)
    assert "--keep-exchanges" in text
    assert "--repeat N" in text
    assert "--junit-xml" not in text


def test_help_is_short_and_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """It fits on a few screens, wherever `--help` is placed."""
    assert main(["run", "CFIND-014", "--help"]) == 0

    shown = capsys.readouterr().out
    assert "harness run 'PS3.8 9.3*' --remote dcmqrscp" in shown
    assert len(shown.splitlines()) < 150


@pytest.mark.parametrize(
    ("ref", "clauses"),
    [
        ("PS3.8 9.3.4 (2024e); Orthanc Book: DicomCheckCalledAet", ["PS3.8 9.3.4"]),
        (
            "PS3.4 B.4.1.1, C.4.2; PS3.18 10.4.1.1.1 (2020b)",
            ["PS3.4 B.4.1.1", "PS3.4 C.4.2", "PS3.18 10.4.1.1.1"],
        ),
        ("PS3.5 6.2: AE, 16 bytes maximum; PS3.4 Table C.4-2", ["PS3.5 6.2", "PS3.4 C.4"]),
        ("PS3.8 9.2.3 AA-8 (2020b)", ["PS3.8 9.2.3"]),
        ("PS3.3 C.7.1.1 and C.7.2.1", ["PS3.3 C.7.1.1", "PS3.3 C.7.2.1"]),
        ("PS3.2 Annex A, number of associations", ["PS3.2 A"]),
        ("Orthanc REST API: POST /instances", []),
    ],
)
def test_clauses_of_a_reference(ref: str, clauses: list[str]) -> None:
    """Editions, remarks and other documents are not clauses."""
    assert [str(each) for each in clauses_of(ref)] == clauses


def test_a_clause_holds_those_within_it() -> None:
    """9.3 contains 9.3.4, but not 9.30."""
    assert Clause("PS3.8", "9.3").covers(Clause("PS3.8", "9.3.4"))
    assert not Clause("PS3.8", "9.3").covers(Clause("PS3.8", "9.30"))
    assert not Clause("PS3.8", "9.3").covers(Clause("PS3.7", "9.3"))


def test_listed_clauses_stand_with_their_cases_and_without() -> None:
    """A case of a subclause counts for the listed clause; numbers are in the standard's order."""
    found = by_clause([("A-001", "PS3.8 9.3.4.1"), ("A-002", "PS3.8 99.1")])

    cases = {str(each.clause): each.cases for each in found}
    assert cases["PS3.8 9.3.4"] == ("A-001",)
    assert cases["PS3.8 9.3.6"] == ()
    assert cases["PS3.8 99.1"] == ("A-002",)
    of_part = [each.clause.number for each in found if each.clause.part == "PS3.18"]
    assert of_part.index("9.1") < of_part.index("10.4.3") < of_part.index("F.2.2")


def test_upstream_tests_are_covered_by_name() -> None:
    """The whole name matches, or the name without its module."""
    missing = uncovered(["Orthanc.test_upload", "MaxStorage.test_upload"])

    assert {"Orthanc.test_upload", "MaxStorage.test_max_storage_pg.test_upload"} == (
        upstream_tests().keys() - missing.keys()
    )
    assert missing["Orthanc.test_httpClient_lua"] == ""
    reason = missing["NonRegressionPerfs.test_non_regression_perfs.test_non_regression_s3"]
    assert reason == "compares the speed with another release, on several servers"


def test_lists_of_our_own_cases(capsys: pytest.CaptureFixture[str]) -> None:
    """Both views, as text and as JSON: what a case covers is not listed as uncovered."""
    assert main(["cases", "CFIND-014", "--by-clause"]) == 0
    assert "  C.2.2.2.4          1 case  wildcard matching" in capsys.readouterr().out

    assert main(["cases", "CFIND-014", "--uncovered", "--json"]) == 0
    missing = json.loads(capsys.readouterr().out)
    assert "Orthanc.test_incoming_findscu_2" not in missing
    assert "Orthanc.test_upload" in missing
