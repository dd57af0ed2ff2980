"""dicom-rs's programs, in both roles, with all samples except malformed files and worklist items.

They are not packaged: `cargo install dicom-storescu dicom-storescp dicom-echoscu dicom-findscu`.
"""

import asyncio
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest
from net.files import data_sets
from net.peers import QUICK, US, dcmqrscp, dicom_storescp, installed

from dcm.cli import main
from dcm.data.header import scan
from dcm.net import DcmNode, LocalEntity
from dcm.outcome import Outcome
from harness.corpus import corpus

ENTITY: Final = LocalEntity(US, QUICK)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All samples that are whole objects, one for each UID."""
    folder = tmp_path_factory.mktemp("corpus")
    by_uid = {corpus[id_].sop_instance_uid: id_ for id_ in corpus if id_[0] not in "wx"}
    for id_ in by_uid.values():
        corpus[id_].write(folder)
    return folder


def while_listening(target: Path, work: Callable[[DcmNode], Awaitable[None]]) -> None:
    """Run `work` while our listener receives into `target`."""

    async def scenario() -> None:
        async with ENTITY.listen(target) as listener:
            await work(listener.node)

    asyncio.run(scenario())


async def run(*words: str) -> str:
    """Run a program to its end; return its output."""
    done = await asyncio.to_thread(
        subprocess.run, words, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("associations", ["1", "4"])
def test_dicom_storescu_sends_all(source: Path, tmp_path: Path, associations: str) -> None:
    """It sends fragments of odd length; none of them ends an association."""
    storescu = installed("dicom-storescu")

    async def send(node: DcmNode) -> None:
        address = f"{node.ae_title}@127.0.0.1:{node.port}"
        await run(storescu, "-c", associations, address, str(source))

    while_listening(tmp_path, send)
    assert data_sets(tmp_path).keys() == data_sets(source).keys()


def test_dicom_echoscu_is_answered(tmp_path: Path) -> None:
    """C-ECHO."""
    echoscu = installed("dicom-echoscu")

    async def echo(node: DcmNode) -> None:
        await run(echoscu, f"{node.ae_title}@127.0.0.1:{node.port}")

    while_listening(tmp_path, echo)


def test_dicom_storescp_takes_all(source: Path, tmp_path: Path) -> None:
    """Each instance has an outcome, and what is stored is there."""
    with dicom_storescp(tmp_path) as node:
        assert main(["echo", str(node)]) == 0
        paths = sorted(source.iterdir())
        report = asyncio.run(ENTITY.store(node, paths))
    assert len(report.results) == len(paths)
    lost = [each for each in report.results if each.outcome is not Outcome.STORED]
    assert not lost, (Counter(each.words for each in lost), lost)
    assert {each.name for each in tmp_path.iterdir()} >= {
        f"{each.sop_instance_uid}.dcm" for each in report.results
    }


def test_dicom_findscu_reads_what_dcm_stored(source: Path, tmp_path: Path) -> None:
    """Both use one archive: one finds what the other stored."""
    findscu = installed("dicom-findscu")
    study = next(path for path in source.iterdir() if scan(path).text("PatientID"))
    patient = scan(study).text("PatientID")
    with dcmqrscp(tmp_path / "archive") as node:
        assert asyncio.run(ENTITY.store(node, [study])).complete
        address = f"{node.ae_title}@127.0.0.1:{node.port}"
        said = asyncio.run(run(findscu, address, "-q", f"PatientID={patient}"))
    assert "1 matches" in said or patient in said
