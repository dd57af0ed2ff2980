"""A forwarder killed at any time loses no acknowledged object and logs possible duplicates."""

import hashlib
import random
import threading
from pathlib import Path

import pytest
from net.files import make
from route.peer import Destination, Forwarding, objects_in, send

from dcm.data.header import scan

pytestmark = pytest.mark.kills

KILLS = 20


def digest_of(path: Path) -> str:
    """Return the digest of a data set."""
    data = path.read_bytes()
    return hashlib.sha256(data[scan(path, ()).data_set_offset :]).hexdigest()


def killed_while_forwarding(folder: Path, kills: int, count: int, seed: int) -> None:
    """Send objects, each until it is acknowledged, to a forwarder that is killed repeatedly."""
    chance = random.Random(seed)
    source = folder / "source"
    source.mkdir()
    paths = [make(source, number, size=chance.choice((500, 40_000))) for number in range(count)]
    by_uid = {scan(path).sop_instance_uid: path for path in paths}
    acknowledged: list[str] = []
    over = threading.Event()

    with Destination() as destination:
        forwarding = Forwarding(folder / "spool", folder / "log", destination.address)

        def send_all() -> None:
            left = list(by_uid)
            while left and not over.is_set():
                some = [by_uid[uid] for uid in left[: chance.randrange(5, 40)]]
                answered = send(forwarding.port, some)
                assert all(status == 0 for status in answered.values())
                acknowledged.extend(answered)
                left = [uid for uid in left if uid not in answered]

        with forwarding:
            sender = threading.Thread(target=send_all)
            sender.start()
            killed = 0
            try:
                for _ in range(kills):
                    before = len(acknowledged)
                    while (
                        len(acknowledged) < before + chance.randrange(1, 60) and sender.is_alive()
                    ):
                        sender.join(0.002)
                    sender.join(chance.random() * 0.05)
                    if not sender.is_alive():  # a quick computer has sent everything
                        break
                    forwarding.kill()
                    forwarding.start()
                    killed += 1
            finally:
                if len(acknowledged) < count:
                    sender.join(120)
                over.set()
                sender.join(60)
            assert killed >= kills // 2, "more objects are needed"
            assert len(acknowledged) == count
            destination.wait(acknowledged)
            assert forwarding.end() == 0
        assert forwarding.status() == {}
        assert objects_in(forwarding.spool) == []

    first: dict[str, int] = {}
    for place, each in enumerate(destination.came):
        first.setdefault(each.uid, place)
        assert each.digest == digest_of(by_uid[each.uid])
    assert sorted(first, key=first.__getitem__) == list(by_uid), "the order is not kept"
    for uid in first:
        again = destination.uids.count(uid) - 1
        assert forwarding.remarks(uid) >= again, f"{uid} came {again + 1} times without a word"


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Acknowledged objects arrive complete and in order; duplicates are logged."""
    killed_while_forwarding(tmp_path, KILLS, 1500, 20261128)
