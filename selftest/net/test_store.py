"""`LocalEntity.store`: byte for byte, with an outcome for each file in all cases."""

import asyncio
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from net.files import CT, SYNTAXES, data_set, data_sets, make
from net.peers import QUICK, US, cutter, free_port, liar, storescp
from net.scp import Scp
from pydicom import dcmread
from pydicom.uid import JPEGBaseline8Bit

from dcm.instances import SLICE, MemoryInstance
from dcm.net import DcmNode, LocalEntity, Remote
from dcm.net.store import LOOKED_AT
from dcm.outcome import InstanceResult, Outcome, Report
from harness.waiting import wait_until


def store(remote: DcmNode | Remote, paths: Iterable[Path]) -> Report:
    """Send files."""
    return asyncio.run(LocalEntity(US, QUICK).store(remote, paths))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The folder of files to send."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def test_every_transfer_syntax_arrives_as_it_is(source: Path, tmp_path: Path) -> None:
    """Nothing is converted, in any syntax; storescp writes what it receives."""
    paths = [make(source, number, syntax) for number, syntax in enumerate(SYNTAXES)]
    paths += [make(source, 10, size=3_000_000)]  # more than one slice
    with storescp(tmp_path / "target", "+xa") as node:
        report = store(node, paths)
    assert report.counts() == {Outcome.STORED: 6}, report.results
    assert data_sets(tmp_path / "target") == data_sets(source)


def test_orthanc_stores(source: Path, orthanc_node: DcmNode) -> None:
    """Orthanc stores them, too."""
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
    """Instances in a refused context fail with a reason, and the rest is sent."""
    paths = [make(source, 1, JPEGBaseline8Bit), make(source, 2)]
    refused, stored = store(storescp_node, paths).results
    assert refused.outcome is Outcome.FAILED
    assert "no presentation context was accepted for" in refused.words
    assert stored.outcome is Outcome.STORED


def test_what_is_no_object_is_not_tried(source: Path, storescp_node: DcmNode) -> None:
    """A text, an empty file, a byte too many: each is reported, and the rest is sent."""
    text, odd = source / "text", make(source, 1)
    text.write_text("What is this?")
    odd.write_bytes(odd.read_bytes() + b"x")
    spaced = make(source, 3)
    spaced.write_bytes(spaced.read_bytes().replace(CT.encode(), CT.replace(".", " ").encode()))
    report = store(storescp_node, [text, source / "missing", odd, spaced, make(source, 2)])
    outcomes = [result.outcome for result in report.results]
    assert outcomes == [*[Outcome.NOT_TRIED] * 4, Outcome.STORED]
    words = [result.words for result in report.results]
    assert "a data set at its beginning" in words[0]
    assert "No such file" in words[1]
    assert "it ends within an element's header" in words[2]
    assert "a UID has 1 to 64 characters" in words[3]


def test_a_file_that_is_cut_is_not_sent(source: Path, tmp_path: Path) -> None:
    """An instance with incomplete pixels is never reported as stored (PS3.5 7.1.1)."""
    paths = [make(source, number, syntax) for number, syntax in enumerate(SYNTAXES)]
    for path in paths:
        os.truncate(path, path.stat().st_size - 100)
    whole = make(source, 9)
    with storescp(tmp_path / "target", "+xa") as node:
        *cut, stored = store(node, [*paths, whole]).results
    assert [result.outcome for result in cut] == [Outcome.NOT_TRIED] * len(cut)
    assert all("it ends " in result.words for result in cut), cut
    assert stored.outcome is Outcome.STORED
    assert len(data_sets(tmp_path / "target")) == 1


@pytest.mark.parametrize("size", [9, 3 * SLICE + 1])
def test_pixels_of_an_odd_length_get_a_padding_byte(
    source: Path, tmp_path: Path, size: int
) -> None:
    """A peer gets values of even lengths (PS3.5 7.1.1), and the outcome describes the change."""
    path = make(source, 1, size=8)
    data = path.read_bytes()
    head = data[: data.rindex(b"\xe0\x7f\x10\0OW")] + b"\xe0\x7f\x10\0OB\0\0"
    path.write_bytes(head + size.to_bytes(4, "little") + b"x" * size)
    with storescp(tmp_path / "target", "+xa") as node:
        (result,) = store(node, [path]).results
    assert result.outcome is Outcome.STORED
    assert f"PixelData (7FE0,0010) has an odd length of {size} bytes" in result.words
    (held,) = data_sets(tmp_path / "target").values()
    assert held.endswith((size + 1).to_bytes(4, "little") + b"x" * size + b"\0")


def test_two_objects_with_one_uid(source: Path, tmp_path: Path) -> None:
    """A peer would keep one of them (PS3.5 9): a copy counts as there, another one is not sent."""
    paths = [make(source, 1), source / "copy.dcm", source / "other.dcm"]
    paths[1].write_bytes(paths[0].read_bytes())
    paths[2].write_bytes(paths[0].read_bytes()[:-2] + b"xx")
    with storescp(tmp_path / "target", "+xa") as node:
        first, copy, other = store(node, paths).results
    assert first.outcome is Outcome.STORED
    assert (copy.outcome, copy.words) == (Outcome.ALREADY_THERE, f"it is a copy of {paths[0]}")
    assert other.outcome is Outcome.NOT_TRIED
    assert f"{paths[0]} is another object with the same SOP Instance UID" in other.words
    assert data_sets(tmp_path / "target") == {"1.2.3.1": data_set(paths[0])}


def test_a_copy_is_sent_where_the_first_one_is_not_whole(source: Path, tmp_path: Path) -> None:
    """If the first file with a UID is broken, a complete one with the same UID is sent."""
    paths = [source / "cut.dcm", make(source, 1), source / "copy.dcm"]
    paths[0].write_bytes(paths[1].read_bytes()[:-100])
    paths[2].write_bytes(paths[1].read_bytes())
    with storescp(tmp_path / "target", "+xa") as node:
        report = store(node, paths)
    outcomes = [result.outcome for result in report.results]
    assert outcomes == [Outcome.NOT_TRIED, Outcome.STORED, Outcome.ALREADY_THERE]
    assert data_sets(tmp_path / "target") == {"1.2.3.1": data_set(paths[1])}


def test_files_are_sent_while_others_are_still_looked_for(
    source: Path, storescp_node: DcmNode
) -> None:
    """Slow folders do not delay sending, and never block the event loop."""
    stored: list[InstanceResult] = []

    def slowly() -> Iterator[Path]:
        for number in range(LOOKED_AT + 1):
            if number == LOOKED_AT:
                wait_until(lambda: stored, what="the first file to be stored")
            yield made

    made = make(source, 1)
    sent = LocalEntity(US, QUICK).store(storescp_node, slowly(), on_result=stored.append)
    report = asyncio.run(sent)
    assert report.counts() == {Outcome.STORED: 1, Outcome.ALREADY_THERE: LOOKED_AT}


def test_a_peer_that_is_given_up_is_not_asked_for_the_rest(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many files there are, a peer that disconnects costs the same few connections."""
    monkeypatch.setattr("dcm.net.store.LOOKED_AT", 2)
    connections: list[socket.socket] = []
    with liar(connections.append) as node:
        remote = Remote(node, QUICK, max_associations=1)
        report = store(remote, [make(source, number) for number in range(6)])
    assert report.counts() == {Outcome.NOT_TRIED: 6}
    assert len({result.words for result in report.results}) == 1
    assert len(connections) == 3


def test_nobody_is_there(source: Path) -> None:
    """Without an association nothing is tried, and each file has the reason."""
    nobody = DcmNode("127.0.0.1", "NOBODY", free_port())
    report = store(nobody, [make(source, number) for number in range(2)])
    assert [result.outcome for result in report.results] == [Outcome.NOT_TRIED] * 2
    assert all("refused" in result.words for result in report.results)


@pytest.mark.parametrize("after", [100, 5_000, 90_000, 123_457])
def test_a_cut_connection_loses_nothing(after: int, source: Path, tmp_path: Path) -> None:
    """Wherever the first association is cut, the second one sends what is missing."""
    paths = [make(source, number) for number in range(5)]
    with storescp(tmp_path / "target") as node, cutter(node, after) as cut:
        report = store(cut, paths)
    assert report.complete, report.results
    assert data_sets(tmp_path / "target") == data_sets(source)


def test_a_file_that_kills_associations_is_given_up(source: Path, tmp_path: Path) -> None:
    """A big file always fails; the files after it are sent."""
    paths = [make(source, 1, size=400_000), make(source, 2)]
    with storescp(tmp_path / "target") as node, cutter(node, 100_000, times=2) as cut:
        big, small = store(cut, paths).results
    assert big.outcome is Outcome.FAILED
    assert "C-STORE of" in big.words
    assert small.outcome is Outcome.STORED


def test_a_server_that_refuses_everything(source: Path, tmp_path: Path) -> None:
    """A server aborts after the first object: each is failed or not tried, none is stored."""
    with storescp(tmp_path / "target", "--abort-after") as node:
        report = store(node, [make(source, number) for number in range(3)])
    assert not any(result.stored for result in report.results)
    assert len(report.results) == 3


def test_data_sets_in_memory_are_let_go_and_compared_all_the_same(source: Path) -> None:
    """A copy of a sent one counts as there, another object with its UID is not sent."""
    first, copy, other = (dcmread(make(source, 1)) for _ in range(3))
    other.PatientID = "ANOTHER"

    async def scenario() -> Report:
        async with Scp() as peer, LocalEntity(US, QUICK).sender(peer.node) as sender:
            for each in (first, make(source, 2), copy, other):
                await sender.put(each)
            await sender.drain()
            held = [item.instance for item in sender._first.values()]
            assert not any(isinstance(instance, MemoryInstance) for instance in held)
            return await sender.finish()

    outcomes = [result.outcome for result in asyncio.run(scenario()).results]
    assert outcomes == [
        Outcome.STORED, Outcome.STORED, Outcome.ALREADY_THERE, Outcome.NOT_TRIED,
    ]  # fmt: skip
