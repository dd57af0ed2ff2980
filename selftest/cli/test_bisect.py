"""`harness bisect`: the neighbours between which a case began to fail, honestly found."""

from pathlib import Path

import pytest

from harness.bisect import Tried, bisect, in_order
from harness.cli import main
from harness.errors import ConfigError

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
    """Of nine servers two ends and three between are looked at."""
    verdicts = {f"v{n}": "bad" if n >= first_bad else "good" for n in range(9)}
    tried: list[str] = []

    good, bad = bisect(list(verdicts), _attempt(verdicts, tried))  # type: ignore[arg-type]

    assert (good.spec, bad.spec) == (f"v{first_bad - 1}", f"v{first_bad}")
    assert len(tried) <= 5


def test_a_server_that_says_nothing_is_passed_over() -> None:
    """The neighbours are those that could be asked."""
    verdicts = {"a": "good", "b": "unclear", "c": "unclear", "d": "bad", "e": "bad"}

    good, bad = bisect(list(verdicts), _attempt(verdicts, []))  # type: ignore[arg-type]

    assert (good.spec, bad.spec) == ("a", "d")


@pytest.mark.parametrize(("end", "said"), [("a", "a is not good"), ("c", "c is not bad")])
def test_ends_that_are_not_as_said(end: str, said: str) -> None:
    """There is nothing to look for then."""
    verdicts = {"a": "good", "b": "good", "c": "bad", end: "unclear"}
    with pytest.raises(ConfigError, match=said):
        bisect(list(verdicts), _attempt(verdicts, []))  # type: ignore[arg-type]


def test_releases_of_debian_are_known_in_their_order() -> None:
    """In both directions; what is named wins."""
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
    """Three kinds, of which the last fails; one that cannot be started is passed over."""
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
    assert lines[4] == "BIS-001 is good with qrscp, and bad with the next, dcmqrscp"
    assert "got worse" in lines
