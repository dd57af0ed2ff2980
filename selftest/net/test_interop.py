"""Every transfer syntax and character set of the samples, from and to others, byte for byte."""

import asyncio
import shutil
import subprocess
import zlib
from collections.abc import Iterable
from pathlib import Path

import pytest
from net.files import data_sets
from net.peers import QUICK, US, storescp
from pydicom.uid import JPEGLossless
from pynetdicom import AE, _config, evt

from dcm.data.header import scan
from dcm.net import DcmNode, LocalEntity
from dcm.outcome import Outcome, Report
from harness.clients.checkpoint import ReactorCheckpoint
from harness.corpus import corpus

pytestmark = pytest.mark.timeout(120)

ENTITY = LocalEntity(US, QUICK)
IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
SAMPLES = [id_ for id_ in corpus if id_[0] in "cpmt"]
"""Character sets, pixels in all transfer syntaxes, several frames, unusual elements."""
PADDED = str(corpus["t03"].sop_instance_uid)
"""It has Data Set Trailing Padding (FFFC,FFFC) after its pixels."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them as files."""
    folder = tmp_path_factory.mktemp("corpus")
    for id_ in SAMPLES:
        corpus[id_].write(folder)
    return folder


@pytest.fixture(scope="module")
def paths(source: Path) -> list[Path]:
    """The paths of the files."""
    return sorted(source.iterdir())


@pytest.fixture(scope="module")
def kinds(paths: Iterable[Path]) -> list[tuple[str, list[str]]]:
    """Return each pair of class and transfer syntax."""
    headers = map(scan, paths)
    found = dict.fromkeys((each.sop_class_uid, each.transfer_syntax_uid) for each in headers)
    assert len({syntax for _, syntax in found}) == 13
    return [(sop_class, (syntax,)) for sop_class, syntax in found]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder for received files."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def _in(syntaxes: Iterable[str], paths: Iterable[Path]) -> list[str]:
    """Return the instances in these transfer syntaxes."""
    headers = list(map(scan, paths))
    found = [each.sop_instance_uid for each in headers if each.transfer_syntax_uid in syntaxes]
    assert found
    return found


def _inflated(data: bytes) -> bytes:
    return zlib.decompress(data, -zlib.MAX_WBITS)


def _store(node: DcmNode, paths: list[Path]) -> None:
    report = asyncio.run(ENTITY.store(node, paths))
    assert report.counts() == {Outcome.STORED: len(paths)}, [
        result for result in report.results if result.words
    ]
    assert [result for result in report.results if result.words] == []  # nothing was converted


def test_storescp_keeps_all(source: Path, paths: list[Path], tmp_path: Path) -> None:
    """The storage SCP of dcmtk writes what it receives, except JPEG Lossless, Process 14."""
    left_out = [path for path in paths if scan(path).transfer_syntax_uid == JPEGLossless]
    with storescp(tmp_path / "written", "+xa") as node:
        _store(node, [path for path in paths if path not in left_out])
    sent = data_sets(source)
    for path in left_out:
        del sent[scan(path).sop_instance_uid]
    assert data_sets(tmp_path / "written") == sent


def test_pynetdicom_keeps_all(
    source: Path, paths: list[Path], kinds: list[tuple[str, list[str]]]
) -> None:
    """The storage SCP of pynetdicom; the bytes that it received are compared."""
    held: dict[str, bytes] = {}

    def keep(event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        held[uid] = event.request.DataSet.getvalue()
        return 0x0000

    entity = AE("PYNETDICOM")
    for sop_class, syntaxes in kinds:
        entity.add_supported_context(sop_class, list(syntaxes))
    server = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)]
    )
    try:
        _store(DcmNode("127.0.0.1", "PYNETDICOM", server.socket.getsockname()[1]), paths)
    finally:
        server.shutdown()
    assert held == data_sets(source)


async def _download(node: DcmNode, paths: list[Path], folder: Path) -> Report:
    studies = {scan(path, ("StudyInstanceUID",)).text("StudyInstanceUID") for path in paths}
    what = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "\\".join(sorted(studies))}
    return await ENTITY.download(node, what, folder)


def test_orthanc_keeps_all_and_gives_it_back(
    source: Path, paths: list[Path], orthanc_node: DcmNode, target: Path
) -> None:
    """What Orthanc has stored is returned in its own transfer syntax."""
    _store(orthanc_node, paths)
    report = asyncio.run(_download(orthanc_node, paths, target))
    assert report.complete, [each for each in report.results if not each.stored]
    returned, sent = data_sets(target), data_sets(source)
    assert sent[PADDED].startswith(returned.pop(PADDED))  # Orthanc drops padding
    (deflated,) = _in((DEFLATED,), paths)  # Orthanc 1.10.1 compresses it again
    assert _inflated(returned.pop(deflated)) == _inflated(sent[deflated])
    assert returned == {uid: data for uid, data in sent.items() if uid not in (PADDED, deflated)}


def test_dcmqrscp_keeps_all_that_it_accepts(
    source: Path, paths: list[Path], dcmqrscp_node: DcmNode, target: Path
) -> None:
    """The archive of dcmtk accepts native syntaxes: others are converted, or fail with a reason."""
    report = asyncio.run(ENTITY.store(dcmqrscp_node, paths))
    fetched = asyncio.run(_download(dcmqrscp_node, paths, target))
    assert fetched.complete, [each for each in fetched.results if not each.stored]
    returned, sent = data_sets(target), data_sets(source)
    assert returned.keys() == {each.sop_instance_uid for each in report.results if each.stored}
    taken = [each for each in report.results if each.stored and not each.words]
    assert len(taken) > 30
    # It may send another native syntax, and then drops padding.
    others = [*_in((IMPLICIT, BIG_ENDIAN), paths), PADDED]
    for each in taken:
        uid = each.sop_instance_uid
        assert uid in others or returned[uid] == sent[uid], each.path
    for each in report.results:
        if each not in taken:
            assert "converted from" in each.words, each


def test_the_listener_takes_all_from_dcmtk(source: Path, paths: list[Path], target: Path) -> None:
    """Dcmsend sends explicit VR little endian and compressed files as such, and converts others."""
    program = shutil.which("dcmsend")
    if program is None:
        pytest.skip("dcmsend is not installed")

    async def scenario() -> None:
        async with ENTITY.listen(target) as listener:
            port = str(listener.node.port)
            command = [program, "-dn", "+sd", "127.0.0.1", port, str(source)]
            await asyncio.to_thread(subprocess.run, command, timeout=60, check=True)

    asyncio.run(scenario())
    received, sent = data_sets(target), data_sets(source)
    assert received.keys() == sent.keys()
    assert sent.pop(PADDED).startswith(received.pop(PADDED))  # dcmtk drops padding
    for uid in _in((IMPLICIT, BIG_ENDIAN, DEFLATED), paths):
        del received[uid], sent[uid]
    assert len(sent) > 40
    assert received == sent


def test_the_listener_takes_all_from_pynetdicom(
    source: Path,
    paths: list[Path],
    kinds: list[tuple[str, list[str]]],
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pynetdicom client sends the content of the file."""
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)

    def send(node: DcmNode) -> list[int]:
        entity = AE("PYNETDICOM")
        for sop_class, syntaxes in kinds:
            entity.add_requested_context(sop_class, list(syntaxes))
        association = entity.associate(node.host, node.port)
        assert association.is_established
        association._reactor_checkpoint = ReactorCheckpoint()  # type: ignore[assignment]
        statuses = [association.send_c_store(path).Status for path in paths]
        association.release()
        return statuses

    async def scenario() -> list[int]:
        async with ENTITY.listen(target) as listener:
            return await asyncio.to_thread(send, listener.node)

    assert set(asyncio.run(scenario())) == {0}
    assert data_sets(target) == data_sets(source)
