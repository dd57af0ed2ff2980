"""What our archive stores and commits to, and which associations it rejects at once."""

import asyncio
import socket
from pathlib import Path

import pytest
from net.files import CT, data_set, make
from net.peers import QUICK
from net.serving import answer, ask, associated, catalogue_of, serving
from pydicom import dcmread

from dcm.data.header import scan
from dcm.net import LocalEntity
from dcm.net.suboperations import STUDY_ROOT_GET, STUDY_ROOT_MOVE
from dcm.net.uids import STUDY_ROOT_FIND
from dcm.outcome import Report
from dcm.sinks import Folder
from dcm.wire import (
    AssociateRJ,
    CFindRQ,
    CFindRSP,
    CGetRQ,
    CMoveRQ,
    Command,
    CStoreRSP,
    DataFragment,
    Message,
    Response,
    parse,
    raw,
    store_request,
)

ENTITY = LocalEntity("TOOLKIT", QUICK)
KIND = (CT, "1.2.3.1")


@pytest.fixture
def source(tmp_path: Path) -> list[Path]:
    """Three instances."""
    folder = tmp_path / "source"
    folder.mkdir()
    return [make(folder, number, size=2_000) for number in range(1, 4)]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder for stored files."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def commit(source: list[Path], *references: tuple[str, str]) -> dict[str, int | None]:
    """Request commitment for instances from an archive of these files; return each status."""

    async def scenario() -> Report:
        async with serving(catalogue_of(source)) as node:
            for path in source[2:]:  # which the index still lists
                path.write_bytes(path.read_bytes()[:-100])
            for path in source[1:2]:
                path.unlink()
            return await ENTITY.commit(node, references, within=5)

    results = asyncio.run(scenario()).results
    return {each.sop_instance_uid: each.status for each in results}


def test_archive_answers_for_what_is_whole(source: list[Path]) -> None:
    """Not for removed, truncated or unknown ones, or another class, whatever the index has."""
    references = [(CT, f"1.2.3.{number}") for number in (1, 2, 3, 404)]
    assert commit(source, *references) == {
        "1.2.3.1": None, "1.2.3.2": 0x0112, "1.2.3.3": 0x0110, "1.2.3.404": 0x0112,
    }  # fmt: skip
    assert commit(source[:1], ("1.2.840.10008.5.1.4.1.1.4", "1.2.3.1")) == {"1.2.3.1": 0x0119}


def test_many_references_are_answered(source: list[Path]) -> None:
    """More than are looked up at once."""
    references = [(CT, f"1.2.3.{number}") for number in range(1, 1200)]
    verdicts = commit(source[:1], *reversed(references))
    there = [uid for uid, status in verdicts.items() if status is None]
    assert sorted(there) == ["1.2.3.1", "1.2.3.2", "1.2.3.3"]
    assert len(verdicts) == 1199


def stored(target: Path, data: bytes, kind: tuple[str, str] = KIND) -> CStoreRSP:
    """Store a data set with a matching request."""

    async def scenario() -> Message:
        async with (
            serving(catalogue_of([target / "none"]), sink=Folder(target)) as node,
            associated(node, CT) as association,
        ):
            await association.send(
                Command(1, store_request(1, *kind)), DataFragment(1, data, last=True)
            )
            return (await answer(association))[0]

    response = asyncio.run(scenario())
    assert isinstance(response, CStoreRSP)
    return response


def without(path: Path, *keywords: str) -> bytes:
    """Return the data set of a file without some of its elements."""
    image = dcmread(path)
    for keyword in keywords:
        delattr(image, keyword)
    image.save_as(path)
    return data_set(path)


def test_instance_that_is_what_it_says_is_stored(source: list[Path], target: Path) -> None:
    """It is kept byte for byte."""
    data = data_set(source[0])
    assert stored(target, data).status == 0
    [path] = target.iterdir()
    assert path.read_bytes()[scan(path).data_set_offset :] == data


@pytest.mark.parametrize(
    ("spoil", "status", "words"),
    [
        (lambda paths: data_set(paths[1]), 0xA900, "SOPInstanceUID"),
        (lambda paths: without(paths[0], "StudyInstanceUID"), 0xA900, "StudyInstanceUID"),
        (lambda paths: without(paths[0], "SeriesInstanceUID"), 0xA900, "SeriesInstanceUID"),
        (lambda paths: data_set(paths[0])[:-100], 0xC000, "ends in the middle of an element"),
        (lambda paths: data_set(paths[0])[:20], 0xC000, ""),
        (lambda _: bytes(range(256)), 0xC000, ""),
    ],
    ids=["another-instance", "no-study", "no-series", "cut", "cut-early", "noise"],
)
def test_data_set_that_could_not_be_found_again_is_refused(
    source: list[Path], target: Path, spoil: object, status: int, words: str
) -> None:
    """With the status of PS3.4 Table B.2-1; nothing of it is kept."""
    assert callable(spoil)
    response = stored(target, spoil(source))
    refused = response.status == status or (not words and response.status in (0xA900, 0xC000))
    assert refused, f"status {response.status:04X}"
    assert words in (response.error_comment or "")
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(
    ("request_of", "model"),
    [
        (lambda uid: CFindRQ(message_id=1, affected_sop_class_uid=uid), STUDY_ROOT_MOVE),
        (lambda uid: CGetRQ(message_id=1, affected_sop_class_uid=uid), STUDY_ROOT_FIND),
        (
            lambda uid: CMoveRQ(message_id=1, affected_sop_class_uid=uid, move_destination="X"),
            STUDY_ROOT_GET,
        ),
    ],
    ids=["find", "get", "move"],
)
def test_request_on_the_context_of_another_service_is_refused(
    source: list[Path], request_of: object, model: str
) -> None:
    """SOP class not supported, and the association continues."""
    assert callable(request_of)

    async def scenario() -> list[int]:
        async with (
            serving(catalogue_of(source)) as node,
            associated(node, model, STUDY_ROOT_FIND) as association,
        ):
            await ask(association, request_of(model), {"QueryRetrieveLevel": "STUDY"})
            first, _ = await answer(association)
            query = CFindRQ(message_id=2, affected_sop_class_uid=STUDY_ROOT_FIND)
            nobody = {"QueryRetrieveLevel": "STUDY", "PatientID": "NOBODY"}
            await ask(association, query, nobody, context_id=3)
            second, _ = await answer(association)
            assert isinstance(first, Response)
            assert isinstance(second, CFindRSP)
            return [first.status, second.status]

    assert asyncio.run(scenario()) == [0x0122, 0]


@pytest.mark.parametrize(
    ("version", "context", "expected"),
    [
        (2, raw.application_context(), AssociateRJ(result=1, source=2, reason=2)),
        (1, raw.application_context(b"1.2.3"), AssociateRJ(result=1, source=1, reason=2)),
    ],
    ids=["protocol-version", "application-context"],
)
def test_request_that_is_not_dicom_is_rejected_at_once(
    source: list[Path], version: int, context: bytes, expected: AssociateRJ
) -> None:
    """Even if the peer keeps the connection open and sends nothing more."""
    items = (context, raw.context(1, b"1.2.840.10008.1.1", [b"1.2.840.10008.1.2"]))
    request = raw.associate(1, (*items, raw.user_information()), protocol_version=version)

    def converse(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as line:
            line.sendall(request)
            return line.recv(100)

    async def scenario() -> bytes:
        async with serving(catalogue_of(source)) as node:
            return await asyncio.to_thread(converse, node.port)

    assert parse(asyncio.run(scenario())) == expected
