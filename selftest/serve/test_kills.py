"""`dcm serve` killed while it stores: acknowledged instances exist, and none is partial."""

import random
import threading
from itertools import count
from pathlib import Path

import pytest
import requests
from net.files import make
from serve.service import Service, serving

from dcm.data.header import scan
from dcm.held import holds
from harness.clients import multipart

RELATED = f'multipart/related; type="application/dicom"; boundary={multipart.BOUNDARY}'
MOMENTS = 20
STUDY = "1.2.3.5"


def numbered(image: bytes, number: int) -> bytes:
    """Return a copy with its own number in the UID."""
    return image.replace(b"1.2.3.5.3.10000000", b"1.2.3.5.3.%08d" % (10_000_000 + number))


def store_until_killed(
    service: Service, image: bytes, numbers: "count[int]", acknowledged: set[str]
) -> None:
    """Store one instance after the other, and record each acknowledged one."""
    with requests.Session() as session:
        while True:
            number = next(numbers)
            body = multipart.build([numbered(image, number)], "application/dicom")
            try:
                answer = session.post(
                    f"{service.url}/studies", data=body, headers={"Content-Type": RELATED},
                    timeout=20,
                )  # fmt: skip
            except requests.RequestException:
                return
            assert answer.status_code == 200, answer.text
            acknowledged.add(f"{STUDY}.3.{10_000_000 + number}")


def held(service: Service) -> set[str]:
    """Return the instances of a service."""
    answer = requests.get(f"{service.url}/studies/{STUDY}/instances", timeout=20).json()
    return {each["00080018"]["Value"][0] for each in answer}


@pytest.mark.timeout(300)
def test_kill_while_storing(tmp_path: Path) -> None:
    """Killed at any time, after the next start each acknowledged instance is there, complete."""
    folder = tmp_path / "archive"
    folder.mkdir()
    image = make(tmp_path, 10_000_000, study=STUDY, size=200_000).read_bytes()
    seed = random.Random(15)
    acknowledged: set[str] = set()
    numbers = count(1)
    for _ in range(MOMENTS):
        with serving(folder, "--writable", "--no-dicom") as service:
            assert acknowledged <= held(service)
            threads = [
                threading.Thread(
                    target=store_until_killed, args=(service, image, numbers, acknowledged)
                )
                for _ in range(2)
            ]
            killer = threading.Timer(seed.uniform(0.02, 0.4), service.process.kill)
            for each in (*threads, killer):
                each.start()
            for each in (*threads, killer):
                each.join()
    files = [*folder.glob("*.dcm")]
    assert all(holds(str(each), scan(each, ()).sop_instance_uid) for each in files)
    assert len(acknowledged) > MOMENTS
    with serving(folder, "--no-dicom") as service:
        found = held(service)
        assert acknowledged <= found
        assert found == {scan(each, ()).sop_instance_uid for each in files}
        uid = max(acknowledged)
        answer = requests.get(
            f"{service.url}/studies/{STUDY}/series/{STUDY}.2/instances/{uid}",
            headers={"Accept": "application/dicom; transfer-syntax=*"}, timeout=20,
        )  # fmt: skip
        number = int(uid.rpartition(".")[2]) - 10_000_000
        offset = scan(folder / f"{uid}.dcm", ()).data_set_offset
        assert numbered(image, number).endswith(answer.content[offset:])
