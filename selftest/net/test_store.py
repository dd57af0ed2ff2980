"""`LocalEntity.store`: byte for byte, and an outcome for each file whatever happens."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest
from net.files import CT, SYNTAXES, data_sets, make
from net.peers import QUICK, US, cutter, free_port, storescp
from pydicom.uid import JPEGBaseline8Bit

from dcm.net import DcmNode, LocalEntity
from dcm.net.outcome import Outcome, StoreReport


def store(remote: DcmNode, paths: Iterable[Path]) -> StoreReport:
    """Send, as anybody would."""
    return asyncio.run(LocalEntity(US, QUICK).store(remote, paths))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The folder of what is sent."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def test_every_transfer_syntax_arrives_as_it_is(source: Path, tmp_path: Path) -> None:
    """Nothing is converted, whatever the syntax; storescp writes what it receives."""
    paths = [make(source, number, syntax) for number, syntax in enumerate(SYNTAXES)]
    paths += [make(source, 10, size=3_000_000)]  # more than one slice
    with storescp(tmp_path / "target", "+xa") as node:
        report = store(node, paths)
    assert report.counts() == {Outcome.STORED: 6}, report.results
    assert data_sets(tmp_path / "target") == data_sets(source)


def test_orthanc_stores(source: Path, orthanc_node: DcmNode) -> None:
    """Orthanc takes them too."""
    report = store(orthanc_node, [make(source, number) for number in range(3)])
    assert report.complete, report.results


def test_more_contexts_than_an_association_has(source: Path, tmp_path: Path) -> None:
    """130 SOP classes need two associations."""
    paths = [make(source, number, sop_class=f"1.2.3.9.{number}", size=2) for number in range(130)]
    with storescp(tmp_path / "target", "-pm") as node:
        report = store(node, paths)
    assert report.complete
    assert len(data_sets(tmp_path / "target")) == 130


def test_a_context_that_is_refused_is_told(source: Path, storescp_node: DcmNode) -> None:
    """What the peer does not take fails with a reason, and the rest goes on."""
    paths = [make(source, 1, JPEGBaseline8Bit), make(source, 2)]
    refused, stored = store(storescp_node, paths).results
    assert refused.outcome is Outcome.FAILED
    assert "no presentation context was accepted for" in refused.words
    assert stored.outcome is Outcome.STORED


def test_what_is_no_object_is_not_tried(source: Path, storescp_node: DcmNode) -> None:
    """A text, nothing at all, an odd length: each is told, and the rest goes on."""
    text, odd = source / "text", make(source, 1)
    text.write_text("What is this?")
    odd.write_bytes(odd.read_bytes() + b"x")
    spaced = make(source, 3)
    spaced.write_bytes(spaced.read_bytes().replace(CT.encode(), CT.replace(".", " ").encode()))
    report = store(storescp_node, [text, source / "missing", odd, spaced, make(source, 2)])
    outcomes = [result.outcome for result in report.results]
    assert outcomes == [*[Outcome.NOT_TRIED] * 4, Outcome.STORED]
    words = [result.words for result in report.results]
    assert "beginning of a data set" in words[0]
    assert "No such file" in words[1]
    assert "cut or broken" in words[2]
    assert "a UID has 1 to 64 characters" in words[3]


def test_nobody_is_there(source: Path) -> None:
    """No association: nothing is tried, and everything says why."""
    nobody = DcmNode("127.0.0.1", "NOBODY", free_port())
    report = store(nobody, [make(source, number) for number in range(2)])
    assert [result.outcome for result in report.results] == [Outcome.NOT_TRIED] * 2
    assert all("refused" in result.words for result in report.results)


@pytest.mark.parametrize("after", [100, 5_000, 90_000, 123_457])
def test_a_cut_connection_loses_nothing(after: int, source: Path, tmp_path: Path) -> None:
    """Wherever the first association is cut, the second one brings what is missing."""
    paths = [make(source, number) for number in range(5)]
    with storescp(tmp_path / "target") as node, cutter(node, after) as cut:
        report = store(cut, paths)
    assert report.complete, report.results
    assert data_sets(tmp_path / "target") == data_sets(source)


def test_a_file_that_kills_associations_is_given_up(source: Path, tmp_path: Path) -> None:
    """One big file never passes; what follows it does."""
    paths = [make(source, 1, size=400_000), make(source, 2)]
    with storescp(tmp_path / "target") as node, cutter(node, 100_000, times=2) as cut:
        big, small = store(cut, paths).results
    assert big.outcome is Outcome.FAILED
    assert "C-STORE of" in big.words
    assert small.outcome is Outcome.STORED


def test_a_server_that_refuses_everything(source: Path, tmp_path: Path) -> None:
    """A server that aborts after the first object: all are failed or not tried, none is claimed."""
    with storescp(tmp_path / "target", "--abort-after") as node:
        report = store(node, [make(source, number) for number in range(3)])
    assert not any(result.stored for result in report.results)
    assert len(report.results) == 3
