"""Received objects reach their destinations, whatever these do."""

import json
import threading
import time
from pathlib import Path

import pytest
from net.files import data_sets, make
from net.peers import free_port, storescp
from route.peer import Destination, Forwarding, objects_in, send

from dcm.data.header import scan
from harness.waiting import wait_until


@pytest.fixture
def source(tmp_path: Path) -> list[Path]:
    """Thirty objects of one series."""
    folder = tmp_path / "source"
    folder.mkdir()
    return [make(folder, number, size=2000) for number in range(30)]


def uids(paths: list[Path]) -> list[str]:
    """Return the SOP Instance UIDs of files."""
    return [scan(path).sop_instance_uid for path in paths]


def test_objects_arrive_byte_for_byte(source: list[Path], tmp_path: Path) -> None:
    """In a server of another project, and in a folder; the spool is empty afterwards."""
    there, folder = tmp_path / "there", tmp_path / "folder"
    report = tmp_path / "report.json"
    with (
        storescp(there) as node,
        Forwarding(tmp_path / "spool", tmp_path / "log", str(node), folder, "--dir-format",
                   "{SOPInstanceUID}.dcm", "--report", report) as forwarding,
    ):  # fmt: skip
        assert set(send(forwarding.port, source).values()) == {0}
        wait_until_empty(forwarding)
        assert forwarding.end() == 0
    sent = data_sets(tmp_path / "source")
    assert data_sets(there) == sent
    kept = tmp_path / "kept"
    kept.mkdir()
    for path in folder.glob("*.dcm"):
        path.rename(kept / path.name)
    assert data_sets(kept) == sent
    assert objects_in(forwarding.spool) == []
    entries = json.loads(report.read_text())["instances"]
    assert {(each["destination"], each["outcome"]) for each in entries} == {
        (str(node), "stored"),
        (str(folder), "stored"),
    }


def wait_until_empty(forwarding: Forwarding, within: float = 60) -> None:
    """Wait until no file is left in the spool."""
    wait_until(lambda: not objects_in(forwarding.spool), what="the spool empties", within=within)


def test_nothing_is_lost_without_a_destination(source: list[Path], tmp_path: Path) -> None:
    """An unreachable destination (catalogue 5.1): the sender's success holds after a restart."""
    destination = Destination()
    forwarding = Forwarding(tmp_path / "spool", tmp_path / "log", destination.address)
    with forwarding:
        assert send(forwarding.port, source) == dict.fromkeys(uids(source), 0)
        assert forwarding.end() == 0
    [status] = forwarding.status().values()
    assert status["waiting"] == len(source)
    assert "refused" in status["trouble"]
    assert len(objects_in(forwarding.spool)) == len(source)
    with destination, forwarding:
        destination.wait(uids(source))
        wait_until_empty(forwarding)
        assert forwarding.end() == 0
    assert destination.uids == uids(source)
    assert forwarding.status() == {}


def test_what_comes_twice_leaves_nothing_open(source: list[Path], tmp_path: Path) -> None:
    """A waiting object is not stored twice: neither as a file nor as an open one."""
    nobody = f"127.0.0.1:NOBODY:{free_port()}"
    with Forwarding(tmp_path / "spool", tmp_path / "log", nobody) as forwarding:
        for _ in range(3):
            assert set(send(forwarding.port, source).values()) == {0}
        assert len(objects_in(forwarding.spool)) == len(source)
        assert forwarding.process is not None
        opened = Path(f"/proc/{forwarding.process.pid}/fd").iterdir()
        objects = forwarding.spool / "objects"
        assert [each for each in opened if each.readlink().is_relative_to(objects)] == []


def test_destination_comes_back(source: list[Path], tmp_path: Path) -> None:
    """It was down while objects came: it gets them once it is up, in order."""
    with (
        Destination() as destination,
        Forwarding(tmp_path / "spool", tmp_path / "log", destination.address) as forwarding,
    ):
        send(forwarding.port, source[:10])
        destination.wait(uids(source[:10]))
        destination.stop()
        send(forwarding.port, source[10:])
        destination.start()
        destination.wait(uids(source))
        wait_until_empty(forwarding)
        assert forwarding.end() == 0
    assert destination.uids == uids(source)


def test_slow_destination_holds_up_nobody(source: list[Path], tmp_path: Path) -> None:
    """The sender and the other destination finish before the slow one has received a few."""
    stop = threading.Event()

    def slow(_uid: str) -> int:
        stop.wait(0.5)
        return 0

    with Destination(slow) as slow_one, Destination() as quick_one:
        addresses = slow_one.address, quick_one.address
        with Forwarding(tmp_path / "spool", tmp_path / "log", *addresses) as forwarding:
            begun = time.monotonic()
            assert len(send(forwarding.port, source)) == len(source)
            quick_one.wait(uids(source))
            took, slow_ones = time.monotonic() - begun, len(slow_one.came)
            assert slow_ones <= took / 0.5 + 1
            assert slow_ones < len(source) // 2
            stop.set()
            slow_one.wait(uids(source))
            assert forwarding.end() == 0
    assert slow_one.uids == quick_one.uids == uids(source)


def test_what_is_refused_becomes_a_dead_letter(source: list[Path], tmp_path: Path) -> None:
    """The reason is next to it; the others arrive; it can be retried while the forwarder runs."""
    refused = set(uids(source)[5:8])

    def answer(uid: str) -> int:
        return 0xA900 if uid in refused else 0

    with Destination(answer) as destination, Destination() as other:
        addresses = destination.address, other.address
        with Forwarding(tmp_path / "spool", tmp_path / "log", *addresses) as forwarding:
            assert set(send(forwarding.port, source).values()) == {0}
            destination.wait(set(uids(source)) - refused)
            other.wait(uids(source))
            wait_until_empty(forwarding)
            letters = [
                json.loads(path.read_text()) for path in (tmp_path / "spool/dead").rglob("*.json")
            ]
            assert {each["uid"] for each in letters} == refused
            assert {each["destination"] for each in letters} == {destination.address}
            assert all("A900H" in each["reason"] for each in letters)
            assert forwarding.status()[destination.address]["dead"] == len(refused)
            expected = refused.copy()
            refused.clear()
            forwarding.retry_dead()
            destination.wait(expected)
            wait_until_empty(forwarding)
            assert forwarding.end() == 1
    assert other.uids == uids(source)
    assert not [*(tmp_path / "spool/dead").rglob("*.dcm")]


def test_destination_without_room_is_tried_again(source: list[Path], tmp_path: Path) -> None:
    """Later objects wait, and there is no dead letter."""
    full = threading.Event()
    full.set()

    def answer(uid: str) -> int:
        return 0xA700 if full.is_set() and uid == uids(source)[3] else 0

    with (
        Destination(answer) as destination,
        Forwarding(tmp_path / "spool", tmp_path / "log", destination.address) as forwarding,
    ):
        send(forwarding.port, source)
        destination.wait(uids(source)[:3])
        wait_until(
            lambda: "A700H" in forwarding.status()[destination.address]["trouble"],
            what="the status tells why", within=30,
        )  # fmt: skip
        assert len(destination.came) == 3
        full.clear()
        destination.wait(uids(source))
        wait_until_empty(forwarding)
        assert forwarding.end() == 0
    assert destination.uids == uids(source)


@pytest.mark.kills
def test_two_forwarders_in_a_row(source: list[Path], tmp_path: Path) -> None:
    """The second one is killed meanwhile: nothing is lost between them."""
    with Destination() as destination:
        second = Forwarding(tmp_path / "spool2", tmp_path / "log2", destination.address)
        first = Forwarding(tmp_path / "spool1", tmp_path / "log1", f"127.0.0.1:FWD:{second.port}")
        with second, first:
            send(first.port, source[:15])
            destination.wait(uids(source[:5]))
            second.kill()
            send(first.port, source[15:])
            second.start()
            destination.wait(uids(source))
            wait_until_empty(first)
            wait_until_empty(second)
            assert (first.end(), second.end()) == (0, 0)
    seen = list(dict.fromkeys(destination.uids))
    assert seen == uids(source)
    for uid in seen:
        again = destination.uids.count(uid) - 1
        assert first.remarks(uid) + second.remarks(uid) >= again


def test_spool_is_of_one_process(source: list[Path], tmp_path: Path) -> None:
    """A second forwarder with the same spool fails to start, with the reason."""
    address = f"127.0.0.1:DEST:{free_port()}"
    with Forwarding(tmp_path / "spool", tmp_path / "log", address):
        other = Forwarding(tmp_path / "spool", tmp_path / "log2", address)
        with pytest.raises(AssertionError, match="is in use by process"):
            other.start()
