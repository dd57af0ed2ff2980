"""Storage (PS3.18 10.5): complete requests, parts that fail, and truncated requests."""

import re
import socket
from pathlib import Path
from typing import Any

import pytest
import requests
from net.files import make
from pydicom import dcmread
from serve.service import Service, serving

from dcm.cli import main
from harness.clients import multipart
from harness.corpus import corpus

DICOM = "application/dicom"
RELATED = f'multipart/related; type="{DICOM}"; boundary={multipart.BOUNDARY}'
FAILED, REFERENCED = "00081198", "00081199"


def post(
    service: Service, contents: list[bytes], status: int, study: str = "", **headers: str
) -> Any:
    """Store contents, and return the response module."""
    answer = requests.post(
        f"{service.url}/studies{study}", data=multipart.build(contents, DICOM),
        headers={"Content-Type": RELATED, **headers}, timeout=60,
    )  # fmt: skip
    assert answer.status_code == status, answer.text
    return answer.json()


def uids(module: Any, sequence: str) -> list[str]:
    """Return the instances that a sequence of the response names."""
    items = module.get(sequence, {}).get("Value", [])
    return [item["00081155"]["Value"][0] for item in items if "00081155" in item]


def reasons(module: Any) -> list[int]:
    """Return the reasons of all failures."""
    return [item["00081197"]["Value"][0] for item in module[FAILED]["Value"]]


def held(service: Service) -> list[str]:
    """Return the instances of a service."""
    answer = requests.get(f"{service.url}/instances", timeout=20)
    return sorted(each["00080018"]["Value"][0] for each in answer.json())


def left(folder: Path) -> list[str]:
    """Return the files in a folder except the index."""
    return sorted(each.name for each in folder.iterdir() if "index" not in each.name)


def test_store_and_retrieve_by_dicomweb_client(empty: Service, tmp_path: Path) -> None:
    """What is stored is found, and can be retrieved unchanged."""
    files = [make(tmp_path, number) for number in range(1, 6)]
    stored = empty.client.store_instances([dcmread(each) for each in files])
    assert len(stored.ReferencedSOPSequence) == 5
    assert stored.RetrieveURL == f"{empty.url}/studies/1.2.3.4.1"
    found = empty.client.retrieve_study("1.2.3.4.1")
    assert {each.SOPInstanceUID: each.PixelData for each in found} == {
        each.SOPInstanceUID: each.PixelData for each in map(dcmread, files)
    }


@pytest.mark.parametrize("name", ["p02", "p05", "p08", "p10-jpeg-gray", "t05", "h03-sr", "c11"])
def test_data_set_is_kept_byte_for_byte(empty: Service, name: str) -> None:
    """In any encoding, the data set of the stored file is the same."""
    sample = corpus[name]
    module = post(empty, [sample.data], 200)
    (item,) = module[REFERENCED]["Value"]
    answer = requests.get(
        item["00081190"]["Value"][0],
        headers={"Accept": f"{DICOM}; transfer-syntax=*"}, timeout=20,
    )  # fmt: skip
    assert answer.content[128:132] == b"DICM"
    assert answer.content.endswith(sample.data_set)


def test_large_instance_in_small_pieces(empty: Service, tmp_path: Path) -> None:
    """An instance sent in chunks without a length is stored completely."""
    file = make(tmp_path, 1, size=3_000_000)
    body = multipart.build([file.read_bytes()], DICOM)
    pieces = (body[at : at + 997] for at in range(0, len(body), 997))
    answer = requests.post(
        f"{empty.url}/studies", data=pieces, headers={"Content-Type": RELATED}, timeout=60
    )
    assert answer.status_code == 200
    assert empty.client.retrieve_study("1.2.3.4.1")[0].PixelData == dcmread(file).PixelData


def test_same_instance_again(empty: Service, tmp_path: Path) -> None:
    """Storing the same instance again succeeds, and it exists once."""
    data = make(tmp_path, 1).read_bytes()
    for _ in range(2):
        assert uids(post(empty, [data, data], 200), REFERENCED) == ["1.2.3.1"] * 2
    assert held(empty) == ["1.2.3.1"]


def test_some_of_another_study(empty: Service, tmp_path: Path) -> None:
    """Instances of the study in the path are stored, the others are refused by UID."""
    mine, other = make(tmp_path, 1), make(tmp_path, 2, study="1.2.3.8")
    module = post(empty, [mine.read_bytes(), other.read_bytes()], 202, "/1.2.3.4.1")
    assert (uids(module, REFERENCED), uids(module, FAILED)) == (["1.2.3.1"], ["1.2.3.8.3.2"])
    assert reasons(module) == [0xA900]
    assert held(empty) == ["1.2.3.1"]
    module = post(empty, [other.read_bytes()], 409, "/1.2.3.4.1")
    assert REFERENCED not in module
    assert left(tmp_path / "archive") == ["1.2.3.1.dcm"]


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"this is no DICOM file", 400), (b"", 400), (b"\0" * 200_000, 400)],
    ids=["text", "nothing", "zeros"],
)
def test_part_that_is_no_dicom_file(
    empty: Service, tmp_path: Path, content: bytes, status: int
) -> None:
    """A part that is not a DICOM file is refused, and the other parts are stored."""
    module = post(empty, [content], status)
    assert reasons(module) == [0xC000]
    module = post(empty, [content, make(tmp_path, 1).read_bytes()], 202)
    assert uids(module, REFERENCED) == ["1.2.3.1"]
    assert left(tmp_path / "archive") == ["1.2.3.1.dcm"]


@pytest.mark.parametrize("size", [2000, 3_000_000])
def test_instance_that_ends_too_early(empty: Service, tmp_path: Path, size: int) -> None:
    """A truncated file is not stored, whatever its length."""
    data = make(tmp_path, 1, size=size).read_bytes()
    module = post(empty, [data[:-100]], 409)
    assert (uids(module, FAILED), reasons(module)) == (["1.2.3.1"], [0xC000])
    assert left(tmp_path / "archive") == []


def test_too_large(tmp_path: Path) -> None:
    """An instance beyond the limit is refused for that reason, and leaves nothing behind."""
    (tmp_path / "archive").mkdir()
    with serving(tmp_path / "archive", "--writable", "--max-instance", "100K") as service:
        small, large = make(tmp_path, 1), make(tmp_path, 2, size=300_000)
        module = post(service, [large.read_bytes(), small.read_bytes()], 202)
        assert (uids(module, FAILED), uids(module, REFERENCED)) == (["1.2.3.2"], ["1.2.3.1"])
        assert reasons(module) == [0xA700]
        assert left(tmp_path / "archive") == ["1.2.3.1.dcm"]


def test_full_disk(tmp_path: Path) -> None:
    """If less than the reserved space is free, nothing is stored."""
    (tmp_path / "archive").mkdir()
    with serving(tmp_path / "archive", "--writable", "--min-free", "1000T") as service:
        module = post(service, [make(tmp_path, 1).read_bytes()], 409)
        assert reasons(module) == [0xA700]
        assert left(tmp_path / "archive") == []


def test_read_only(service: Service, tmp_path: Path) -> None:
    """Without --writable nothing can be stored, and the answer says so."""
    answer = requests.post(
        f"{service.url}/studies", data=multipart.build([make(tmp_path, 1).read_bytes()], DICOM),
        headers={"Content-Type": RELATED}, timeout=20,
    )  # fmt: skip
    assert answer.status_code == 403
    assert "read-only" in answer.text


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/dicom", 415),
        ('multipart/related; type="application/dicom+json"; boundary=a', 415),
        ("nonsense", 415),
        ('multipart/related; type="application/dicom"', 400),
    ],
)
def test_media_type_that_cannot_be_stored(empty: Service, content_type: str, status: int) -> None:
    """Only multipart files can be stored, and a boundary is required."""
    answer = requests.post(
        f"{empty.url}/studies", data=b"--a--", headers={"Content-Type": content_type}, timeout=20
    )
    assert answer.status_code == status


@pytest.mark.parametrize("body", [b"", b"--harness--\r\n", b"nothing"])
def test_request_without_parts(empty: Service, body: bytes) -> None:
    """An empty request is not a success."""
    answer = requests.post(
        f"{empty.url}/studies", data=body, headers={"Content-Type": RELATED}, timeout=20
    )
    assert answer.status_code == 400


def test_request_that_is_cut_off(empty: Service, tmp_path: Path) -> None:
    """If the client disconnects, complete parts are kept, and nothing of the last one."""
    contents = [make(tmp_path, number).read_bytes() for number in (1, 2)]
    body = multipart.build(contents, DICOM)[:-10_000]
    host, port = re.findall(r"//(.*):(\d+)/", empty.url)[0]
    head = (
        f"POST /dicom-web/studies HTTP/1.1\r\nHost: {host}\r\nContent-Type: {RELATED}\r\n"
        f"Content-Length: {len(body) + 10_000}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    assert held(empty) == ["1.2.3.1"]
    assert left(tmp_path / "archive") == ["1.2.3.1.dcm"]


def test_both_doors_see_the_same(empty: Service, tmp_path: Path) -> None:
    """QIDO finds instances received by C-STORE, C-FIND finds those received by STOW."""
    post(empty, [make(tmp_path, 1).read_bytes()], 200)
    assert empty.node is not None
    assert main(["store", str(empty.node), str(make(tmp_path, 2)), "--quiet"]) == 0
    assert held(empty) == ["1.2.3.1", "1.2.3.2"]
    target = tmp_path / "fetched"
    assert main(["get", str(empty.node), "-o", str(target), "PatientID=NET", "--quiet"]) == 0
    assert sorted(each.name for each in target.iterdir()) == ["1.2.3.1.dcm", "1.2.3.2.dcm"]
