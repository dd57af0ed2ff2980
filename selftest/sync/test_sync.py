"""Copying between real archives: each destination gets what it lacked, and nothing twice."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest
from net.files import make
from net.peers import QUICK, US, dcmqrscp, orthanc, storescp
from pydicom import dcmread

from dcm.data.levels import Level
from dcm.instances import instance_of
from dcm.net import DcmNode, LocalEntity, Remote
from dcm.net.errors import NotAllFound
from dcm.outcome import Outcome
from dcm.store.node import NodePlace
from dcm.sync.compare import Comparison
from dcm.sync.journal import Journal
from dcm.sync.manager import SyncManager
from dcm.sync.relay import digest_of
from dcm.sync.report import SyncReport
from dcm.sync.verify import DIFFERENT, UNREADABLE, verify

pytestmark = pytest.mark.timeout(120)

ENTITY = LocalEntity(US, QUICK)
STUDIES = {"1.2.3.71": 12, "1.2.3.72": 8}
"""The studies of the source, with their number of instances, in two series."""


def place(node: DcmNode) -> NodePlace:
    """Return an archive as a place."""
    return NodePlace(ENTITY, Remote(node, QUICK))


def sync(sources: list[DcmNode], destinations: list[DcmNode], **options: Any) -> SyncReport:
    """Copy all that is missing."""

    async def run() -> SyncReport:
        places = [[place(node) for node in nodes] for nodes in (sources, destinations)]
        async with SyncManager(*places, **options) as manager:
            return await manager.sync()

    return asyncio.run(run())


def listed(node: DcmNode) -> set[str]:
    """Return the instances that an archive lists."""
    found = asyncio.run(ENTITY.query(node, level=Level.IMAGE))
    return {each.uid for each in found.members()}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of the studies, by SOP Instance UID."""
    folder = tmp_path_factory.mktemp("files")
    return {
        f"{study}.3.{100 * place + number}": make(
            folder, 100 * place + number, size=2000, study=study, series=number % 2
        )
        for place, (study, count) in enumerate(STUDIES.items())
        for number in range(count)
    }


@pytest.fixture(scope="module")
def source(
    tmp_path_factory: pytest.TempPathFactory, orthanc_program: str, files: dict[str, Path]
) -> Iterator[DcmNode]:
    """An Orthanc with the studies."""
    with orthanc(tmp_path_factory.mktemp("source"), orthanc_program) as node:
        assert asyncio.run(ENTITY.store(node, files.values())).complete
        yield node


Start = Callable[[], DcmNode]


@pytest.fixture(params=["orthanc", "dcmqrscp"])
def start(request: pytest.FixtureRequest, tmp_path: Path, orthanc_program: str) -> Iterator[Start]:
    """A function that starts an empty archive of some kind at each call."""
    with ExitStack() as stack:
        count = iter(range(10))

        def run() -> DcmNode:
            folder = tmp_path / f"archive{next(count)}"
            running: AbstractContextManager[DcmNode] = (
                dcmqrscp(folder)
                if request.param == "dcmqrscp"
                else orthanc(folder, orthanc_program)
            )
            return stack.enter_context(running)

        yield run


def test_destinations_get_everything_once(
    source: DcmNode, files: dict[str, Path], start: Start
) -> None:
    """Two empty archives have all instances afterwards, and a second run sends nothing."""
    destinations = [start(), start()]
    report = sync([source], destinations)
    assert report.complete, (report.failures, report.problems)
    for node in destinations:
        assert report.counts[str(node)] == {Outcome.STORED: len(files)}
        assert listed(node) == files.keys()
    again = sync([source], destinations)
    assert again.complete
    for node in destinations:
        assert again.counts[str(node)] == {Outcome.ALREADY_THERE: len(files)}


def test_only_what_is_missing_is_sent(
    source: DcmNode, files: dict[str, Path], start: Start
) -> None:
    """One destination lacks a series, the other one instance of each study; each gets just that."""
    lacks_series, lacks_two = start(), start()
    studies = [*STUDIES]
    series = [uid for uid in files if uid.startswith(studies[0]) and int(uid[-1]) % 2]
    two = [f"{studies[0]}.3.4", f"{studies[1]}.3.105"]
    for node, missing in ((lacks_series, series), (lacks_two, two)):
        there = [path for uid, path in files.items() if uid not in missing]
        assert asyncio.run(ENTITY.store(node, there)).complete
    report = sync([source], [lacks_series, lacks_two])
    assert report.complete, (report.failures, report.problems)
    for node, missing in ((lacks_series, series), (lacks_two, two)):
        assert report.counts[str(node)] == {
            Outcome.STORED: len(missing),
            Outcome.ALREADY_THERE: len(files) - len(missing),
        }
    assert listed(lacks_series) == listed(lacks_two) == files.keys()


def test_trusted_numbers_are_not_looked_into(
    source: DcmNode, files: dict[str, Path], start: Start
) -> None:
    """With another instance in place of a missing one, counts agree; a deeper check sees it."""
    node, study = start(), [*STUDIES][1]
    there = [path for uid, path in files.items() if uid != f"{study}.3.100"]
    there.append(make(Path(there[0]).parent, 999, size=500, study=study, series=0))
    assert asyncio.run(ENTITY.store(node, there)).complete
    trusting = sync([source], [node], comparison=Comparison(trust_level=Level.SERIES))
    assert trusting.counts[str(node)][Outcome.STORED] in (0, 1)
    reports_numbers = trusting.counts[str(node)][Outcome.STORED] == 0
    report = sync([source], [node])
    assert report.counts[str(node)][Outcome.STORED] == int(reports_numbers)
    assert files.keys() < listed(node)


def test_a_destination_without_queries_gets_everything(
    source: DcmNode, files: dict[str, Path], tmp_path: Path
) -> None:
    """Each time, since its content is unknown; with a journal, only what it did not get before."""
    folder = tmp_path / "kept"
    with storescp(folder) as node, Journal(str(tmp_path / "journal")) as journal:
        for _ in range(2):
            report = sync([source], [node])
            assert report.complete, (report.failures, report.problems)
            assert report.counts[str(node)] == {Outcome.STORED: len(files)}
        given = [*files][:5]
        for uid in given:
            journal.delivered(str(node), uid)
        expected = [
            {Outcome.STORED: len(files) - len(given), Outcome.ALREADY_THERE: len(given)},
            {Outcome.ALREADY_THERE: len(files)},
        ]
        for counts in expected:
            report = sync([source], [node], journal=journal)
            assert report.counts[str(node)] == counts
    kept = {path for path in folder.iterdir() if path.suffix != ".log"}
    assert len(kept) == len(files)


def test_verification_reads_everything_back(
    source: DcmNode, files: dict[str, Path], start: Start
) -> None:
    """An instance that can be retrieved unchanged is stored."""
    node = start()
    report = sync([source], [node], verify=True)
    assert report.complete, (report.failures, report.problems)
    assert report.counts[str(node)] == {Outcome.STORED: len(files)}


def test_verification_sees_what_is_missing_or_different(
    source: DcmNode, files: dict[str, Path]
) -> None:
    """A missing instance, and one with another digest, are failures."""
    right, other, absent, *_ = files
    digests = {uid: digest_of(instance_of(files[uid])) for uid in (right, other)}
    digests |= {other: b"another", absent + ".9": b"any"}

    async def run() -> dict[str, str]:
        what = await ENTITY.query(source, level=Level.STUDY)
        failures, _ = await verify(place(source), what, digests)
        return {each.sop_instance_uid: each.words for each in failures}

    assert asyncio.run(run()) == {other: DIFFERENT, absent + ".9": UNREADABLE}


def test_a_destination_that_is_down_does_not_hold_up_others(
    source: DcmNode, files: dict[str, Path], start: Start
) -> None:
    """The other one gets everything; the report names the one that is down."""
    node, down = start(), DcmNode("127.0.0.1", "DOWN", 1)
    report = sync([source], [down, node])
    assert not report.complete
    assert [str(down) in problem for problem in report.problems] == [True]
    assert report.counts[str(node)] == {Outcome.STORED: len(files)}
    assert listed(node) == files.keys()


def test_a_source_that_is_down_does_not_hold_up_others(
    source: DcmNode, files: dict[str, Path], start: Start
) -> None:
    """The content of other sources arrives; the report names the one that is down."""
    node, down = start(), DcmNode("127.0.0.1", "DOWN", 1)
    report = sync([down, source], [node])
    assert [str(down) in problem for problem in report.problems] == [True]
    assert listed(node) == files.keys()


def test_a_source_that_limits_its_answers(
    tmp_path: Path, orthanc_program: str, start: Start
) -> None:
    """It is queried by dates until answers are complete; a study without a date is uncertain."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(40):
        path = make(folder, number, size=500, study=f"1.2.3.{900 + number}")
        image = dcmread(path)
        image.StudyDate = f"{2000 + number // 2}{1 + number % 12:02}{1 + number % 28:02}"
        image.save_as(path)
    files = [*folder.iterdir()]
    limits = {"LimitFindResults": 5, "LimitFindInstances": 5}
    with orthanc(tmp_path / "limited", orthanc_program, **limits) as limited:
        assert asyncio.run(ENTITY.store(limited, files)).complete
        try:
            asyncio.run(ENTITY.query(limited, level=Level.STUDY))
        except NotAllFound:
            pass
        else:
            pytest.skip(
                "this Orthanc answers in full, whatever LimitFindResults says: 1.12.7 does so"
            )
        node = start()
        report = sync([limited], [node])
    assert report.complete, report.problems
    assert report.counts[str(node)] == {Outcome.STORED: 40}
    assert ["without a date" in remark for remark in report.remarks] == [True]
