"""`LocalEntity.find`, `query`, `download` and `retrieve` with three archives of other projects."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from net.files import data_sets, make
from net.getting import remote
from net.peers import QUICK, US

from dcm.data.levels import Level
from dcm.held import holds
from dcm.net import DcmNode, LocalEntity, Remote, retrieve
from dcm.net.find import Answer
from dcm.net.pool import Pool
from dcm.outcome import InstanceResult, Outcome, Report
from dcm.sinks import Folder

ENTITY = LocalEntity(US, QUICK)
IMAGES = {
    "QueryRetrieveLevel": "IMAGE",
    "StudyInstanceUID": "1.2.3.4.1",
    "SeriesInstanceUID": "1.2.3.4.2",
    "SOPInstanceUID": "",
}
STUDY = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.3.4.1", "PatientName": ""}
UIDS = {f"1.2.3.{number}" for number in range(5)}


@pytest.fixture(params=["orthanc_node", "dcmqrscp_node", "qrscp_node"])
def archive(request: pytest.FixtureRequest, source: Path) -> DcmNode:
    """An archive with the content of `source`."""
    node: DcmNode = request.getfixturevalue(request.param)
    report = asyncio.run(ENTITY.store(node, sorted(source.iterdir())))
    assert report.complete, report.results
    return node


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with five instances."""
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(5):
        make(folder, number, size=200_000)
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder for fetched files."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


async def answers(archive: DcmNode, identifier: dict[str, str]) -> list[Answer]:
    """Return all matches."""
    return [answer async for answer in ENTITY.find(archive, identifier)]


def download(archive: DcmNode, folder: Path) -> Report:
    """Fetch the five instances."""
    return asyncio.run(ENTITY.download(remote(archive), {"StudyInstanceUID": "1.2.3.4.1"}, folder))


def _uids(found: Iterable[Answer]) -> set[object]:
    return {answer.attributes["SOPInstanceUID"] for answer in found}


def test_instances_are_found(archive: DcmNode) -> None:
    """All instances of a series, and the name of the study."""
    assert _uids(asyncio.run(answers(archive, IMAGES))) >= UIDS
    study = asyncio.run(answers(archive, STUDY))
    assert {answer.attributes["PatientName"] for answer in study} == {"NET"}


def test_nothing_matches(archive: DcmNode) -> None:
    """No match is a valid result."""
    assert asyncio.run(answers(archive, {**STUDY, "StudyInstanceUID": "1.2.3.999"})) == []


def test_who_has_enough_may_stop(archive: DcmNode) -> None:
    """A query can be abandoned after the first match, and the archive remains usable."""

    async def scenario() -> bool:
        found = ENTITY.find(archive, IMAGES)
        await anext(found)
        await found.aclose()
        return await ENTITY.echo(archive)

    assert asyncio.run(scenario())


@pytest.mark.usefixtures("at_once")
def test_a_study_is_downloaded_as_it_was_sent(archive: DcmNode, source: Path, target: Path) -> None:
    """The data sets arrive byte for byte if the archive has kept them so."""
    report = download(archive, target)
    assert report.complete, report
    assert {result.outcome for result in report.results} == {Outcome.STORED}
    brought = data_sets(target)
    assert brought.keys() >= UIDS
    if archive.ae_title != "QRSCP":  # it encodes again what it sends
        assert {uid: brought[uid] for uid in UIDS} == data_sets(source)


@pytest.mark.usefixtures("at_once")
def test_what_is_there_is_not_fetched_again(archive: DcmNode, target: Path) -> None:
    """Only missing files are fetched, including ones that are empty or full of zeros."""
    everything = {result.sop_instance_uid for result in download(archive, target).results}
    whole = (target / "1.2.3.0.dcm").read_bytes()
    (target / "1.2.3.1.dcm").unlink()
    (target / "1.2.3.2.dcm").write_bytes(whole + b"kept")  # of another instance
    (target / "1.2.3.3.dcm").write_bytes(b"")
    (target / "1.2.3.4.dcm").write_bytes(bytes(len(whole)))
    os.utime(target / "1.2.3.0.dcm", (1, 1))
    report = download(archive, target)
    again = {each.sop_instance_uid for each in report.results if each.outcome is Outcome.STORED}
    assert again == {"1.2.3.1", "1.2.3.2", "1.2.3.3", "1.2.3.4"}
    assert report.complete
    assert report.counts()[Outcome.ALREADY_THERE] == len(everything) - 4
    assert (target / "1.2.3.0.dcm").stat().st_mtime == 1
    assert (target / "1.2.3.2.dcm").read_bytes() == whole + b"kept"
    (beside,) = target.glob("1.2.3.2-*.dcm")
    assert holds(str(beside), "1.2.3.2")
    assert all(holds(str(target / f"1.2.3.{each}.dcm"), f"1.2.3.{each}") for each in (1, 3, 4))
    assert sum("both are kept" in each for each in report.remarks) == 1
    assert not list(target.glob(".*"))


@pytest.mark.usefixtures("at_once")
def test_a_result_is_downloaded_and_each_outcome_told(archive: DcmNode, target: Path) -> None:
    """The result of a query can be fetched, at any level."""
    told: list[InstanceResult] = []

    async def scenario() -> Report:
        keys = {"StudyInstanceUID": "1.2.3.4.1"}
        found = await ENTITY.query(archive, keys, level=Level.SERIES)
        return await ENTITY.download(remote(archive), found, target, on_result=told.append)

    report = asyncio.run(scenario())
    assert report.complete, report
    assert {result.sop_instance_uid for result in told} >= UIDS
    assert told == report.results


@pytest.mark.usefixtures("at_once")
def test_data_sets_are_given_one_at_a_time(archive: DcmNode) -> None:
    """As pydicom data sets; a caller may stop, and the archive remains usable."""

    async def scenario() -> bool:
        found = ENTITY.retrieve(remote(archive), {"StudyInstanceUID": "1.2.3.4.1"})
        first = await anext(found)
        assert first.PatientID == "NET"
        assert len(first.PixelData) > 0
        rest = {each.SOPInstanceUID async for each in found}
        assert rest | {first.SOPInstanceUID} >= UIDS
        again = ENTITY.retrieve(remote(archive), {"StudyInstanceUID": "1.2.3.4.1"})
        await anext(again)
        await again.aclose()
        return await ENTITY.echo(archive)

    assert asyncio.run(scenario())


def test_what_cannot_be_kept_has_a_reason(archive: DcmNode, tmp_path: Path) -> None:
    """If the folder vanishes meanwhile, each instance has the error."""
    target = tmp_path / "nowhere"

    async def scenario() -> Report:
        async with Pool(US, Remote(archive, QUICK)) as pool:
            return await retrieve.fetch(pool, STUDY, Folder(target))

    report = asyncio.run(scenario())
    assert not report.complete
    assert {each.outcome for each in report.results} == {Outcome.FAILED}
    assert {each.words for each in report.results} == {"No such file or directory"}


def test_a_missing_folder_is_made(archive: DcmNode, tmp_path: Path) -> None:
    """Including its parents."""
    report = download(archive, tmp_path / "not" / "there")
    assert report.complete
    assert len(list((tmp_path / "not" / "there").iterdir())) == len(report.results)


def test_a_study_that_is_not_there_is_nothing(archive: DcmNode, target: Path) -> None:
    """No instance, and no failure."""
    report = asyncio.run(
        ENTITY.download(remote(archive), {"StudyInstanceUID": "1.2.3.999"}, target)
    )
    assert (report.results, report.trouble) == ([], "")
