"""JUnit XML, read back."""

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from harness.report import junit
from harness.report.load import load

if TYPE_CHECKING:
    from conftest import RunFolder


def _written(folder: "RunFolder") -> ET.Element:
    path = folder.path / "junit.xml"
    junit.write(load(folder.path), path)
    return ET.parse(path).getroot()  # noqa: S314 - written a line above


def test_counts_are_those_of_the_cases(realistic_run: "RunFolder") -> None:
    """Totals of the run and of each suite equal the elements below them."""
    root = _written(realistic_run)

    counts = {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "80", "failures": "2", "errors": "1", "skipped": "5"}
    for suite in root.findall("testsuite"):
        assert suite.get("tests") == str(len(suite.findall("testcase")))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
        assert suite.get("errors") == str(len(suite.findall("testcase/error")))
        assert suite.get("skipped") == str(len(suite.findall("testcase/skipped")))
        total = sum(float(case.get("time", "")) for case in suite.findall("testcase"))
        assert abs(float(suite.get("time", "")) - total) < 0.01


def test_a_failed_case_carries_its_facts(run_folder: "RunFolder") -> None:
    """Name, class, time, properties, message and traceback are where consumers look for them."""
    run_folder.fail(parameters="study", covers=["Orthanc.one", "Orthanc.two"], level="should")

    (case,) = _written(run_folder).findall("testsuite/testcase")

    assert case.get("classname") == "dicom.find"
    assert case.get("name") == "CFIND-014 test_star_matches_any_suffix[study]"
    assert case.get("file") == "tests/dicom/test_find.py"
    assert case.get("time") == "0.312"
    found = [(each.get("name"), each.get("value")) for each in case.findall("properties/property")]
    assert ("id", "CFIND-014") in found
    assert ("ref", "PS3.4 C.2.2.2.4") in found
    assert ("level", "should") in found
    assert ("needs", "dimse.find.study") in found
    assert ("covers", "Orthanc.one") in found
    assert ("covers", "Orthanc.two") in found
    assert ("evidence", "cases/CFIND-014") in found
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message", "").startswith("assert {'Muller^Anna'}")
    assert "tests/dicom/test_find.py:88" in (failure.text or "")


def test_what_did_not_run_is_skipped_with_its_reason(run_folder: "RunFolder") -> None:
    """Unsupported and known cases never appear as passed."""
    run_folder.add("CFIND-001", outcome="unsupported", reason="needs rest")
    run_folder.add("CFIND-002", outcome="known", reason="tracker 214")

    skipped = _written(run_folder).findall("testsuite/testcase/skipped")

    assert [(each.get("type"), each.get("message")) for each in skipped] == [
        ("unsupported", "needs rest"),
        ("known", "tracker 214"),
    ]


def test_the_time_of_a_suite_is_utc(run_folder: "RunFolder") -> None:
    """The schema has no time zones."""
    run_folder.add(started="2026-11-22T10:41:04+01:00")

    assert _written(run_folder)[0].get("timestamp") == "2026-11-22T09:41:04"


def test_hostile_text_stays_text(run_folder: "RunFolder") -> None:
    """Markup, control characters and lone surrogates neither break the file nor vanish."""
    evil = "]]></failure><testcase/>\x00\x08\ud800\uffff\x1b[31m"
    failure = {"message": evil, "expected": evil, "received": evil, "text": evil * 20_000}
    run_folder.fail(name=evil, suite=evil, ref=evil, failure=failure)

    root = _written(run_folder)

    assert len(root.findall(".//testcase")) == 1
    found = root.find(".//failure")
    assert found is not None
    assert found.get("message") == r"]]></failure><testcase/>\x00\x08\ud800\uffff"
    assert len(found.text or "") < 110_000
