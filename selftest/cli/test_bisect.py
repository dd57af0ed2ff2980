"""`harness bisect`: finds the neighbouring servers between which a case began to fail."""

from pathlib import Path

import pytest

from harness.bisect import Tried, bisect, in_order
from harness.cli import main
from harness.errors import ConfigError
from harness.fuzz.differing import CONTENT, Answer, Difference, difference

SUITE = """
from harness.case import case

@case("BIS-001", ref="none")
def test_as_long_as_its_name_is_another(remote):
    assert remote.identity.product != "dcmqrscp"
"""


def _attempt(verdicts: dict[str, str], tried: list[str]) -> object:
    def attempt(spec: str) -> Tried:
        tried.append(spec)
        return Tried(spec, None, verdicts[spec], "so it is")  # type: ignore[arg-type]

    return attempt


@pytest.mark.parametrize("first_bad", range(1, 9))
def test_each_place_is_found_in_few_steps(first_bad: int) -> None:
    """Of nine servers, the two ends and at most three others are tried."""
    verdicts = {f"v{n}": "bad" if n >= first_bad else "good" for n in range(9)}
    tried: list[str] = []

    good, bad = bisect(list(verdicts), _attempt(verdicts, tried))  # type: ignore[arg-type]

    assert (good.spec, bad.spec) == (f"v{first_bad - 1}", f"v{first_bad}")
    assert len(tried) <= 5


def test_a_server_that_says_nothing_is_passed_over() -> None:
    """A server without a result is skipped: the neighbours are servers that had one."""
    verdicts = {"a": "good", "b": "unclear", "c": "unclear", "d": "bad", "e": "bad"}

    good, bad = bisect(list(verdicts), _attempt(verdicts, []))  # type: ignore[arg-type]

    assert (good.spec, bad.spec) == ("a", "d")


@pytest.mark.parametrize(("end", "said"), [("a", "a is not good"), ("c", "c is not bad")])
def test_ends_that_are_not_as_said(end: str, said: str) -> None:
    """There is nothing to search then."""
    verdicts = {"a": "good", "b": "good", "c": "bad", end: "unclear"}
    with pytest.raises(ConfigError, match=said):
        bisect(list(verdicts), _attempt(verdicts, []))  # type: ignore[arg-type]


def test_releases_of_debian_are_known_in_their_order() -> None:
    """The order holds in both directions; named releases take precedence."""
    assert in_order("orthanc:bullseye", "orthanc:testing", []) == [
        "orthanc:bullseye",
        "orthanc:bookworm",
        "orthanc:trixie",
        "orthanc:testing",
    ]
    assert in_order("orthanc:trixie", "orthanc:bullseye", [])[1] == "orthanc:bookworm"
    assert in_order("orthanc:bookworm", "orthanc:trixie", ["image:x"])[1:2] == ["image:x"]
    assert in_order("qrscp", "dcmqrscp", []) == ["qrscp", "dcmqrscp"]


def test_on_real_servers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three kinds, of which the last fails; one that cannot be started is skipped."""
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "pytest.ini").write_text("[pytest]\n")
    (suite / "test_small.py").write_text(SUITE)
    ends = ["--good", "qrscp", "--via", "orthanc:/nowhere", "--bad", "dcmqrscp"]
    where = ["--suites", str(suite), "--runs", str(tmp_path / "runs")]

    assert main(["bisect", "BIS-001", *ends, *where]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [
        ["good", "qrscp"],
        ["bad", "dcmqrscp"],
        ["unclear", "orthanc:/nowhere"],
    ]
    assert lines[4] == "BIS-001 passes on qrscp, and fails on the next, dcmqrscp"
    assert "got worse" in lines


QUERY = """
from harness.case import case

@case("BIS-002", ref="none")
def test_found(dimse, stored):
    stored.study(PatientName="Muller^Anna")
    assert len(dimse.find_studies(PatientName="Mul*")) == 1
"""


def test_smallest_input_that_two_servers_answer_differently(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the case's input, only the proposal of a query remains: storescp does not accept it."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_small.py").write_text(QUERY)
    ends = ["--good", "dcmqrscp", "--bad", "storescp", "--shrink", "--shrink-for", "10"]
    where = ["--suites", str(tmp_path), "--runs", str(tmp_path / "runs")]

    assert main(["bisect", "BIS-002", *ends, *where]) == 0

    said = capsys.readouterr().out
    assert "dcmqrscp answers: A-ASSOCIATE-AC, results 0" in said
    assert "storescp answers: A-ASSOCIATE-AC, results 3" in said
    folder = tmp_path / "runs" / "bisect-BIS-002"
    [message] = (folder / "messages").iterdir()
    assert b"1.2.840.10008.5.1.4.1.2.2.1" in message.read_bytes()
    assert "A-ASSOCIATE-RQ" in (folder / "details.txt").read_text()


@pytest.mark.parametrize(
    ("good", "bad", "found"),
    [
        ([Answer("200", "a")], [Answer("500", "b")], Difference("200", "500")),
        ([Answer("200"), Answer("404")], [Answer("200")], Difference("404", "nothing")),
        ([Answer("200", "a")], [Answer("200", "b")], CONTENT),
        ([Answer("200", "a")], [Answer("200", "a")], None),
    ],
)
def test_first_difference(good: list[Answer], bad: list[Answer], found: Difference | None) -> None:
    """A difference in status comes before one in content."""
    assert difference(good, bad) == found
