"""`LocalEntity.download` by C-GET: instances of many classes and syntaxes, and archives that fail."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from net.archive import Archive, send
from net.collection import entities, files
from net.files import SYNTAXES, data_sets, make
from net.getting import remote
from net.peers import QUICK, US

from dcm.data.header import scan
from dcm.data.match import Attributes
from dcm.net import DcmNode, LocalEntity, Remote
from dcm.net.association import Association
from dcm.net.errors import ConnectionLost, NotAllRetrieved
from dcm.net.suboperations import STUDY_ROOT_GET
from dcm.net.uids import STUDY_ROOT_FIND
from dcm.outcome import Outcome, Report
from dcm.wire import CGetRQ, CGetRSP

pytestmark = pytest.mark.usefixtures("at_once")

ENTITY = LocalEntity(US, QUICK)
ROOT = "1.2.3.4.88"
STUDY = {"StudyInstanceUID": f"{ROOT}.1.1"}
OF_STUDY = [f"{ROOT}.1.1.{series}.{instance}" for series in (1, 2) for instance in (1, 2)]
CLASSES = ("1", "1.1", "1.2", "2", "4", "6.1", "7", "12.1", "20", "88.22", "104.1", "128")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder for fetched files."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The folder of files to send."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


async def there_and_back(node: DcmNode, source: Path, target: Path, study: str) -> None:
    """Store and download."""
    stored = await ENTITY.upload(node, [source])
    assert stored.complete, stored.results
    report = await ENTITY.download(remote(node), {"StudyInstanceUID": study}, target)
    assert report.complete, report


def syntaxes(folder: Path) -> dict[str, str]:
    """Return the transfer syntax of each instance in a folder."""
    headers = [scan(path) for path in folder.iterdir()]
    return {header.sop_instance_uid: header.transfer_syntax_uid for header in headers}


def test_each_syntax_comes_as_it_is_stored(
    orthanc_node: DcmNode, source: Path, target: Path
) -> None:
    """There is one context for each class and transfer syntax: no conversion is needed."""
    for number, syntax in enumerate(SYNTAXES):
        make(source, number, syntax, study="1.2.3.81")
    asyncio.run(there_and_back(orthanc_node, source, target, "1.2.3.81"))
    assert data_sets(target) == data_sets(source)


def test_classes_that_the_archive_does_not_tell_come_in_each_syntax(
    qrscp_node: DcmNode, source: Path, target: Path
) -> None:
    """An instance that was not sent at first gets a context of its own."""
    for number, syntax in enumerate(SYNTAXES):
        make(source, number, syntax, study="1.2.3.82")
    asyncio.run(there_and_back(qrscp_node, source, target, "1.2.3.82"))
    sent, came = syntaxes(source), syntaxes(target)
    natives = {uid for uid, syntax in sent.items() if syntax in SYNTAXES[:2]}
    assert {uid: came[uid] for uid in sent if uid not in natives} == {
        uid: sent[uid] for uid in sent if uid not in natives
    }


@pytest.mark.parametrize("archive", ["orthanc_node", "dcmqrscp_node"])
def test_more_classes_than_one_association_has_room_for(
    archive: str, source: Path, target: Path, request: pytest.FixtureRequest
) -> None:
    """Several are used, or, if the archive does not list classes, fewer syntaxes."""
    for number, ending in enumerate(CLASSES):
        sop_class = f"1.2.840.10008.5.1.4.1.1.{ending}"
        make(source, number, sop_class=sop_class, size=2_000, study="1.2.3.83")
    node: DcmNode = request.getfixturevalue(archive)
    asyncio.run(there_and_back(node, source, target, "1.2.3.83"))
    assert data_sets(target) == data_sets(source)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            {"PatientID": f"{ROOT}-1", "Modality": "CT"},
            ["1.1.1.1", "1.1.1.2", "1.2.1.1", "1.2.1.2"],
        ),
        ({**STUDY, "InstanceNumber": "2"}, ["1.1.1.2", "1.1.2.2"]),
        ({**STUDY, "InstitutionName": "NOWHERE"}, []),
    ],
)
def test_keys_choose_what_comes(
    keys: Attributes, expected: list[str], orthanc_node: DcmNode, source: Path, target: Path
) -> None:
    """Keys of any level, or of none: whole series, single instances."""
    files(source, ROOT)

    async def scenario() -> Report:
        assert (await ENTITY.upload(orthanc_node, [source])).complete
        return await ENTITY.download(remote(orthanc_node), keys, target)

    report = asyncio.run(scenario())
    assert report.complete
    assert not report.remarks
    assert sorted(data_sets(target)) == [f"{ROOT}.{each}" for each in expected]


# From an archive that fails.


def _said(request: CGetRQ, status: int, completed: int, failed: int) -> CGetRSP:
    return CGetRSP(
        message_id_being_responded_to=request.message_id,
        status=status,
        number_of_completed_suboperations=completed,
        number_of_failed_suboperations=failed,
    )


class Failing:
    """An archive that sends the requested instances, with exceptions."""

    def __init__(self, folder: Path) -> None:
        self.poison = ""
        """It disconnects in the middle of this instance."""
        self.withheld = ""
        """It reports this instance as failed."""
        self.twice = False
        self.requests: list[Attributes] = []
        self._paths = {scan(path).sop_instance_uid: path for path in files(folder, ROOT)}
        self._entities = entities(ROOT)

    async def get(
        self, association: Association, request: CGetRQ, asked: Attributes
    ) -> AsyncIterator[CGetRSP]:
        """Answer a C-GET request."""
        self.requests.append(asked)
        wanted = str(asked.get("SOPInstanceUID", "")).split("\\")
        of_study = [e for e in self._entities if e["StudyInstanceUID"] == asked["StudyInstanceUID"]]
        series = asked.get("SeriesInstanceUID", "")
        of_series = [e for e in of_study if series in ("", e["SeriesInstanceUID"])]
        uids = [e["SOPInstanceUID"] for e in of_series]
        uids = [uid for uid in uids if wanted == [""] or uid in wanted]
        for uid in uids:
            if uid == self.poison:
                raise ConnectionLost("", "", "")
            if uid != self.withheld:
                for _ in range(1 + self.twice):
                    await send(association, self._paths[uid])
        failed = int(self.withheld in uids)
        yield _said(request, 0xB000 if failed else 0, len(uids) - failed, failed)

    async def download(self, target: Path, what: Attributes = STUDY) -> Report:
        """Download from it."""
        async with self.archive() as archive:
            return await ENTITY.download(remote(archive.node), what, target)

    def archive(self) -> Archive:
        """The archive."""
        archive = Archive(self._entities, (STUDY_ROOT_FIND, STUDY_ROOT_GET))
        archive.get = self.get
        return archive


@pytest.mark.parametrize("poison", OF_STUDY)
def test_one_instance_that_ends_the_association_costs_no_other(
    poison: str, source: Path, target: Path
) -> None:
    """It is finally requested alone, and given up."""
    failing = Failing(source)
    failing.poison = poison
    report = asyncio.run(failing.download(target))
    assert report.counts() == {Outcome.STORED: 3, Outcome.FAILED: 1}, failing.requests
    (failed,) = (each for each in report.results if not each.stored)
    assert failed.sop_instance_uid == poison
    assert "C-GET" in failed.words
    assert set(data_sets(target)) == set(OF_STUDY) - {poison}


def test_what_cannot_be_sent_is_told_and_the_rest_kept(
    source: Path, target: Path, at_once: int
) -> None:
    """By its UID, with the archive's message; nothing else is requested again."""
    failing = Failing(source)
    failing.withheld = OF_STUDY[1]
    report = asyncio.run(failing.download(target))
    assert report.counts() == {Outcome.STORED: 3, Outcome.FAILED: 1}
    (failed,) = (each for each in report.results if not each.stored)
    assert "1 instances failed" in failed.words
    assert {asked.get("SOPInstanceUID") for asked in failing.requests[at_once:]} == {OF_STUDY[1]}


def test_an_instance_that_comes_twice_is_noted(source: Path, target: Path) -> None:
    """Only one of the two can be right, and the report has a note."""
    failing = Failing(source)
    failing.twice = True
    report = asyncio.run(failing.download(target))
    assert report.complete
    assert sorted(report.remarks) == [f"{uid} received twice" for uid in OF_STUDY]


def test_data_sets_that_did_not_come_are_an_error_at_the_end(source: Path) -> None:
    """A caller that only looks at the data sets would take them for all."""
    failing = Failing(source)
    failing.withheld = OF_STUDY[1]
    came = []

    async def scenario() -> None:
        async with failing.archive() as archive:
            async for each in ENTITY.retrieve(remote(archive.node), STUDY):
                came.append(each.SOPInstanceUID)  # noqa: PERF401 - the error comes after the last

    with pytest.raises(NotAllRetrieved, match="1 instances were not received: B000H"):
        asyncio.run(scenario())
    assert sorted(came) == [OF_STUDY[0], *OF_STUDY[2:]]


@pytest.mark.parametrize("keys", [{}, {"InstanceNumber": "1"}])
def test_a_query_that_fails_later_leaves_a_report(
    keys: dict[str, str], source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If listing fails, the whole is fetched, unless only a part of it was requested."""
    monkeypatch.setattr("dcm.net.wanted._BATCH", 1)
    failing = Failing(source)

    async def scenario() -> Report:
        async with failing.archive() as archive:
            archive.fails_after = 5
            what = {"PatientID": f"{ROOT}-1", **keys}
            return await ENTITY.download(remote(archive.node), what, target)

    report = asyncio.run(scenario())
    assert report.complete is not bool(keys)
    assert "C-FIND" in (report.trouble if keys else report.remarks[0])
    assert report.counts() == {Outcome.STORED: 2 if keys else 8}


# During the query.


@pytest.fixture
def long_series(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat two instances as a long series."""
    monkeypatch.setattr("dcm.net.wanted._LONG_SERIES", 2)


def asked_for_images(archive: Archive) -> list[str]:
    """Return the series whose instances were queried."""
    return [
        identifier["SeriesInstanceUID"]
        for model, identifier in archive.asked
        if model == STUDY_ROOT_FIND and identifier["QueryRetrieveLevel"] == "IMAGE"
    ]


@pytest.mark.usefixtures("long_series")
def test_a_long_series_comes_while_the_next_is_asked_for(
    source: Path, target: Path, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive delays the first until the second was queried; each is fetched once."""
    monkeypatch.setattr("dcm.net.pool._FAR", 0)
    failing = Failing(source)
    archive = failing.archive()

    async def late(
        association: Association, request: CGetRQ, asked: Attributes
    ) -> AsyncIterator[CGetRSP]:
        async with asyncio.timeout(QUICK.response):
            while len(asked_for_images(archive)) < 2:
                archive.heard.clear()
                await archive.heard.wait()
        async for response in failing.get(association, request, asked):
            yield response

    async def scenario() -> Report:
        archive.get = late
        async with archive:
            return await ENTITY.download(remote(archive.node), STUDY, target)

    report = asyncio.run(scenario())
    assert report.counts() == {Outcome.STORED: 4}
    assert not report.remarks
    levels = ["SERIES", "SERIES"] if at_once == 1 else ["IMAGE"] * 4
    assert [asked["QueryRetrieveLevel"] for asked in failing.requests] == levels
    assert set(data_sets(target)) == set(OF_STUDY)


@pytest.mark.usefixtures("long_series")
def test_an_archive_that_takes_one_association_at_a_time(
    source: Path, target: Path, at_once: int
) -> None:
    """The query is completed first, and nothing is lost."""
    failing = Failing(source)
    archive = failing.archive()
    archive.one_at_a_time = True

    async def scenario() -> Report:
        async with archive:
            return await ENTITY.download(remote(archive.node), {"PatientID": f"{ROOT}-1"}, target)

    report = asyncio.run(scenario())
    assert bool(archive.rejected) is (at_once > 1)
    assert report.counts() == {Outcome.STORED: 8}, report
    assert not report.remarks


@pytest.mark.usefixtures("long_series")
def test_nothing_waits_for_the_association_of_a_query_that_waits(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The query has one of two, the archive refuses the other, and a worker waits for either."""
    monkeypatch.setattr("dcm.net.retrieve._FEW", 1)
    monkeypatch.setattr("dcm.net.retrieve._AHEAD", 1)
    monkeypatch.setattr("dcm.net.pool._FAR", 0)
    failing = Failing(source)
    archive = failing.archive()
    archive.one_at_a_time = True

    async def scenario() -> Report:
        async with archive, asyncio.timeout(10):
            two = Remote(archive.node, QUICK, max_associations=2)
            return await ENTITY.download(two, {"PatientID": f"{ROOT}-1"}, target)

    report = asyncio.run(scenario())
    assert archive.rejected
    assert report.counts() == {Outcome.STORED: 8}, report


@pytest.mark.usefixtures("long_series")
def test_an_archive_that_ends_each_association_after_one_request(
    source: Path, target: Path
) -> None:
    """The query continues with a new one, and so do the retrievals."""
    failing = Failing(source)
    archive = failing.archive()
    archive.closes_after_each = True

    async def scenario() -> Report:
        async with archive:
            return await ENTITY.download(remote(archive.node), {"PatientID": f"{ROOT}-1"}, target)

    report = asyncio.run(scenario())
    assert report.counts() == {Outcome.STORED: 8}, report
    assert not report.remarks


@pytest.mark.usefixtures("long_series")
def test_a_query_that_fails_while_a_series_comes_leaves_a_report(
    source: Path, target: Path
) -> None:
    """What was known by then is fetched, the rest as a whole; the report has what is missing."""
    failing = Failing(source)
    failing.withheld = OF_STUDY[3]

    async def scenario() -> Report:
        async with failing.archive() as archive:
            archive.fails_after = 3
            return await ENTITY.download(remote(archive.node), STUDY, target)

    report = asyncio.run(scenario())
    assert not report.complete
    assert "C-FIND" in report.trouble
    assert "1 instances failed" in report.trouble
    assert report.counts() == {Outcome.STORED: 3}
