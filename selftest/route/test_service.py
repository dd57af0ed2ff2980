"""A forwarder as a service: routes, edits, reconfiguration, metrics, logs, a full disk."""

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from net.files import make
from net.peers import free_port
from pydicom import dcmread
from route.peer import Destination, Forwarding, objects_in, send
from route.test_forward import uids, wait_until_empty

from dcm.data.header import scan
from harness.waiting import wait_until


@pytest.fixture
def source(tmp_path: Path) -> list[Path]:
    """Ten objects, the even ones CT, the odd ones MR, each in its own study."""
    folder = tmp_path / "source"
    folder.mkdir()
    paths = []
    for number in range(10):
        path = make(folder, number, size=2000, study=f"1.2.77.{number}")
        image = dcmread(path)
        image.Modality = ("CT", "MR")[number % 2]
        image.save_as(path)
        paths.append(path)
    return paths


def configuration(folder: Path, **places: Destination) -> Path:
    """Write a configuration in which CT goes to `one`, and everything else to `two`."""
    nodes = "".join(
        f'[remote_nodes.{name}]\nhost = "127.0.0.1"\nport = {each.port}\nae_title = "DEST"\n'
        for name, each in places.items()
    )
    path = folder / "dcm.toml"
    path.write_text(
        f'{nodes}[dynamic_routes.sorted]\nrouting_map = {{ "Modality == CT" = ["one"] }}\n'
        'default_dests = ["two"]\n'
    )
    return path


def test_routes_of_the_configuration(source: list[Path], tmp_path: Path) -> None:
    """Each object goes exactly where its elements lead it."""
    with Destination() as one, Destination() as two:
        path = configuration(tmp_path, one=one, two=two)
        with Forwarding(
            tmp_path / "spool", tmp_path / "log", "sorted", "--config", path
        ) as forwarding:
            send(forwarding.port, source)
            one.wait(uids(source[::2]))
            two.wait(uids(source[1::2]))
            wait_until_empty(forwarding)
            assert forwarding.end() == 0
    assert (one.uids, two.uids) == (uids(source[::2]), uids(source[1::2]))


def test_routing_is_by_the_original_and_edits_come_afterwards(
    source: list[Path], tmp_path: Path
) -> None:
    """The spool keeps the original, and the edited object is sent, or none if the edit fails."""
    received: list[bytes] = []

    class Keeping(Destination):
        def _store(self, event: object) -> int:
            received.append(event.request.DataSet.getvalue())  # type: ignore[attr-defined]
            return super()._store(event)

    with Keeping() as one, Destination() as two:
        path = configuration(tmp_path, one=one, two=two)
        arguments = ("sorted", "--config", path, "-e", "Modality=OT", "-e", "PatientID=ANON")
        with Forwarding(tmp_path / "spool", tmp_path / "log", *arguments) as forwarding:
            send(forwarding.port, source)
            one.wait(uids(source[::2]))
            two.wait(uids(source[1::2]))
            wait_until_empty(forwarding)
            assert forwarding.end() == 0
    assert len(received) == len(source[::2])
    for data in received:
        assert b"ANON" in data
        assert b"CT" not in data[:300]


def test_new_configuration_without_a_lost_association(source: list[Path], tmp_path: Path) -> None:
    """SIGHUP while objects arrive on one association: later ones follow the new routes."""
    halfway = uids(source)[4]
    with Destination() as one, Destination() as two, Destination() as three:
        path = configuration(tmp_path, one=one, two=two)
        forwarding = Forwarding(tmp_path / "spool", tmp_path / "log", "sorted", "--config", path)
        with forwarding:
            assert len(send(forwarding.port, source[:5])) == 5
            one.wait([halfway])
            configuration(tmp_path, one=one, two=three)
            assert forwarding.process is not None
            forwarding.process.send_signal(signal.SIGHUP)
            wait_until(
                lambda: "was read again" in forwarding.log.read_text(), what="it is read", within=30
            )
            assert len(send(forwarding.port, source[5:])) == 5
            three.wait(uids(source[5::2]))
            path.write_text("[nonsense]")
            forwarding.process.send_signal(signal.SIGHUP)
            wait_until(
                lambda: "the old one is kept" in forwarding.log.read_text(), what="it is refused",
                within=30,
            )  # fmt: skip
            assert forwarding.end() == 0
    assert two.uids == uids(source[1:5:2])
    assert three.uids == uids(source[5::2])


def test_new_configuration_in_the_middle_of_an_association(
    source: list[Path], tmp_path: Path
) -> None:
    """All its objects are acknowledged, and arrive once."""
    with Destination() as one, Destination() as two:
        path = configuration(tmp_path, one=one, two=two)
        forwarding = Forwarding(tmp_path / "spool", tmp_path / "log", "sorted", "--config", path)
        with forwarding:
            assert forwarding.process is not None
            many = source * 1
            for _ in range(3):
                forwarding.process.send_signal(signal.SIGHUP)
                answered = send(forwarding.port, many)
                assert answered == dict.fromkeys(uids(many), 0)
            one.wait(uids(source[::2]))
            two.wait(uids(source[1::2]))
            wait_until_empty(forwarding)
            assert forwarding.end() == 0


def test_metrics_tell_what_waits_and_what_was_done(source: list[Path], tmp_path: Path) -> None:
    """In the text format of Prometheus, at an address of this computer only."""
    port = free_port()
    gone = f"127.0.0.1:GONE:{free_port()}"
    with Destination() as destination:
        arguments = (destination.address, gone, "--metrics-port", str(port))
        with Forwarding(tmp_path / "spool", tmp_path / "log", *arguments) as forwarding:
            send(forwarding.port, source)
            destination.wait(uids(source))
            wait_until(lambda: gone in forwarding.status(), what="it is tried", within=30)
            wait_until(lambda: forwarding.status()[gone]["trouble"], what="it is told", within=30)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                text = answer.read().decode()
            assert forwarding.end() == 0
    lines = text.splitlines()
    there = f'destination="{destination.address}"'
    assert 'dcm_forward_received_total{outcome="stored"} 10.0' in lines
    assert f'dcm_forward_delivered_total{{{there},outcome="stored"}} 10.0' in lines
    assert f'dcm_forward_waiting_objects{{destination="{gone}"}} 10.0' in lines
    assert f'dcm_forward_trouble{{destination="{gone}"}} 1.0' in lines


def test_log_is_for_machines(source: list[Path], tmp_path: Path) -> None:
    """Each line is JSON."""
    with Destination() as destination:
        log = tmp_path / "log"
        arguments = (destination.address, "--log-json", "-v")
        with Forwarding(tmp_path / "spool", log, *arguments) as forwarding:
            send(forwarding.port, source)
            destination.wait(uids(source))
            wait_until_empty(forwarding)
            assert forwarding.end() == 0
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert [line for line in log.read_text().splitlines() if not line.startswith("{")] == [
        "10 stored"
    ]
    assert {"time", "level", "logger", "message"} == set(lines[0])


def test_full_disk_refuses_and_loses_nothing(tmp_path: Path) -> None:
    """What does not fit is refused with A700H, and arrives once there is space."""
    source = tmp_path / "source"
    source.mkdir()
    paths = [make(source, number, size=400_000) for number in range(12)]
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a file system needs privileges")
    try:
        destination = Destination()
        with Forwarding(disk / "spool", tmp_path / "log", destination.address) as forwarding:
            answered = send(forwarding.port, paths)
            kept = [uid for uid, status in answered.items() if status == 0]
            refused = [uid for uid, status in answered.items() if status != 0]
            assert kept
            assert refused
            assert {answered[uid] for uid in refused} == {0xA700}
            with destination:
                destination.wait(kept)
                wait_until_empty(forwarding)
                again = send(
                    forwarding.port, [path for path in paths if uid_of(path) in refused][:3]
                )
                assert set(again.values()) == {0}
                destination.wait(list(again))
                wait_until_empty(forwarding)
                assert forwarding.end() == 1  # the report has what was refused
        assert sorted(destination.uids) == sorted({*kept, *again})
        assert objects_in(forwarding.spool) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def uid_of(path: Path) -> str:
    """Return the SOP Instance UID of a file."""
    return scan(path).sop_instance_uid


def test_what_waited_for_too_long_is_given_up(source: list[Path], tmp_path: Path) -> None:
    """It becomes a dead letter with the reason."""
    gone = f"127.0.0.1:GONE:{free_port()}"
    arguments = (gone, "--give-up-after", "0.5")
    with Forwarding(tmp_path / "spool", tmp_path / "log", *arguments) as forwarding:
        send(forwarding.port, source)
        wait_until_empty(forwarding)
        assert forwarding.status()[gone]["dead"] == len(source)
        assert forwarding.end() == 1
    letter = next((tmp_path / "spool/dead").rglob("*.json"))
    assert "not delivered within 0.5 s" in json.loads(letter.read_text())["reason"]


def test_it_ends_after_a_time_without_anything(source: list[Path], tmp_path: Path) -> None:
    """The exit status is 0."""
    with Destination() as destination:
        arguments = (destination.address, "--inactive-timeout", "2")
        with Forwarding(tmp_path / "spool", tmp_path / "log", *arguments) as forwarding:
            send(forwarding.port, source)
            assert forwarding.process is not None
            assert forwarding.process.wait(60) == 0
    assert destination.uids == uids(source)


def test_flushed_to_disk(source: list[Path], tmp_path: Path) -> None:
    """With --sync, everything arrives as without it."""
    with Destination() as destination:
        arguments = (destination.address, "--sync")
        with Forwarding(tmp_path / "spool", tmp_path / "log", *arguments) as forwarding:
            assert set(send(forwarding.port, source).values()) == {0}
            destination.wait(uids(source))
            wait_until_empty(forwarding)
            assert forwarding.end() == 0
    assert destination.uids == uids(source)


def test_nothing_is_made_for_a_status(tmp_path: Path) -> None:
    """Without a spool, the command reports that."""
    done = subprocess.run(
        [sys.executable, "-m", "dcm", "forward", "--status", "--spool", str(tmp_path / "none")],
        capture_output=True, check=False, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no spool in" in done.stderr
    assert not (tmp_path / "none").exists()


def test_file_that_has_gone_holds_up_nobody(source: list[Path], tmp_path: Path) -> None:
    """A file removed from the spool is reported, and the others arrive."""
    destination = Destination()
    with Forwarding(tmp_path / "spool", tmp_path / "log", destination.address) as forwarding:
        send(forwarding.port, source)
        assert forwarding.end() == 0
    first = objects_in(forwarding.spool)[0]
    (forwarding.spool / "objects" / first).unlink()
    with destination, forwarding:
        destination.wait(uids(source)[1:])
        wait_until_empty(forwarding)
        assert forwarding.end() == 1
    assert "its file has disappeared from the spool" in forwarding.log.read_text()
    assert destination.uids == uids(source)[1:]


def test_new_uids_are_the_same_after_a_restart(source: list[Path], tmp_path: Path) -> None:
    """This needs a key; without one, the command does not start."""
    with Destination() as destination:
        spool, log = tmp_path / "spool", tmp_path / "log"
        with pytest.raises(AssertionError, match="new UIDs need a --key-file"):
            Forwarding(spool, log, destination.address, "--remap-uids").start()
        arguments = (destination.address, "--remap-uids", "--key-file", tmp_path / "key")
        for _ in range(2):
            with Forwarding(spool, log, *arguments) as forwarding:
                send(forwarding.port, source[:3])
                wait_until_empty(forwarding)
                assert forwarding.end() == 0
    assert destination.uids[:3] == destination.uids[3:]
    assert not {*destination.uids} & {*uids(source)}
