"""C-MOVE: to our own listener as a way to download, and to another destination."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from net.archive import Archive, Mover
from net.collection import entities, files
from net.files import data_sets
from net.peers import QUICK, US, dcmqrscp, orthanc, storescp

from dcm import frozen
from dcm.data.identifier import write_identifier
from dcm.net import DcmNode, Listen, LocalEntity, ReceivedInstance, Remote, TimeLimits
from dcm.net.association import Association
from dcm.net.errors import ConnectionLost
from dcm.net.suboperations import STUDY_ROOT_MOVE, SubOperations
from dcm.net.uids import STUDY_ROOT_FIND
from dcm.outcome import Outcome, Report
from dcm.wire import CCancelRQ, CMoveRQ, CMoveRSP, Command, DataFragment

ROOT = "1.2.3.4.66"
STUDY = {"StudyInstanceUID": f"{ROOT}.1.1"}
OF_STUDY = {f"{ROOT}.1.1.{series}.{instance}" for series in (1, 2) for instance in (1, 2)}


@pytest.fixture(scope="module")
def home() -> Iterator[DcmNode]:
    """The address of our listener: archives must know it in advance, so its port is reserved."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield Listen("127.0.0.1", "HOME", kept.getsockname()[1])


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of another destination."""
    return tmp_path_factory.mktemp("shelf")


@pytest.fixture(scope="module", params=["dcmqrscp", "orthanc"])
def archive(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    home: DcmNode,
    shelf: Path,
) -> Iterator[DcmNode]:
    """An archive with the collection that knows us and a storescp. The first one refuses C-GET."""
    folder = tmp_path_factory.mktemp("archive")
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(storescp(shelf))
        if request.param == "dcmqrscp":
            server = dcmqrscp(folder, "--disable-get", hosts=[home, other])
        else:
            known = {n.ae_title: [n.ae_title, n.host, n.port] for n in (home, other)}
            program = request.getfixturevalue("orthanc_program")
            server = orthanc(folder, program, DicomModalities=known)
        node = stack.enter_context(server)
        paths = files(tmp_path_factory.mktemp("collection"), ROOT)
        report = asyncio.run(LocalEntity(home, QUICK).store(node, paths))
        assert report.complete, report.results
        yield node


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder for fetched files."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def test_a_study_is_downloaded_by_move(archive: DcmNode, home: DcmNode, target: Path) -> None:
    """Our own listener receives it."""
    entity = LocalEntity(home, QUICK)
    report = asyncio.run(entity.download(archive, STUDY, target, method="move"))
    assert report.complete, report
    assert data_sets(target).keys() == OF_STUDY
    assert {result.sop_instance_uid for result in report.results} == OF_STUDY


def test_a_listener_that_runs_receives_a_retrieval(
    archive: DcmNode, home: DcmNode, target: Path, tmp_path: Path
) -> None:
    """Only requested instances belong to the retrieval; all others are the listener's."""
    other = files(tmp_path, ROOT)[-1]
    entity, kept = LocalEntity(home, QUICK), tmp_path / "kept"
    titles: set[tuple[str, str]] = set()

    async def handle(received: ReceivedInstance) -> None:
        titles.add((received.calling_ae_title, received.called_ae_title))

    async def scenario() -> Report:
        async with entity.listen(kept, handle) as listener:
            fetching = entity.download(archive, STUDY, target, method="move", listener=listener)
            report, sent = await asyncio.gather(
                fetching, LocalEntity(US, QUICK).store(home, [other])
            )
            assert sent.complete
            found = entity.retrieve(archive, STUDY, method="move", listener=listener)
            assert {each.SOPInstanceUID async for each in found} == OF_STUDY
        return report

    report = asyncio.run(scenario())
    assert report.complete, report
    assert not report.remarks
    assert data_sets(target).keys() == OF_STUDY
    assert data_sets(kept).keys() == {f"{ROOT}.2.2.2.2"}
    assert titles == {("TOOLKIT", "HOME")}


def test_what_is_missing_is_moved_by_its_uids(
    archive: DcmNode, home: DcmNode, target: Path
) -> None:
    """Only missing files are fetched."""
    entity = LocalEntity(home, QUICK)
    uid = f"{ROOT}.1.1.2.1"
    assert asyncio.run(entity.download(archive, STUDY, target, method="move")).complete
    (target / f"{uid}.dcm").unlink()
    report = asyncio.run(entity.download(archive, STUDY, target, method="move"))
    assert report.complete, report
    assert [each.sop_instance_uid for each in report.results if each.outcome is Outcome.STORED] == [
        uid
    ]


@pytest.mark.parametrize("archive", ["dcmqrscp"], indirect=True)
def test_without_c_get_a_download_goes_by_move(
    archive: DcmNode, home: DcmNode, target: Path
) -> None:
    """If the method is given, the refusal is the result, and nothing was fetched."""
    entity = LocalEntity(home, QUICK)
    refused = asyncio.run(entity.download(archive, STUDY, target, method="get"))
    assert {result.outcome for result in refused.results} == {Outcome.NOT_TRIED}
    assert "no presentation context was accepted" in refused.results[0].words
    assert asyncio.run(entity.download(archive, STUDY, target)).complete
    assert data_sets(target).keys() == OF_STUDY


def test_data_sets_come_by_move(archive: DcmNode, home: DcmNode) -> None:
    """One at a time; a caller may stop early, and may start again at once."""
    entity = LocalEntity(home, QUICK)

    async def scenario() -> None:
        some = entity.retrieve(archive, STUDY, method="move")
        await anext(some)
        await some.aclose()
        found = {
            each.SOPInstanceUID async for each in entity.retrieve(archive, STUDY, method="move")
        }
        assert found == OF_STUDY

    asyncio.run(scenario())


def test_an_archive_moves_to_somebody_else(archive: DcmNode, home: DcmNode, shelf: Path) -> None:
    """Each instance has an outcome, and progress is reported."""
    told: list[SubOperations] = []
    entity = LocalEntity(home, QUICK)
    report = asyncio.run(entity.move(archive, STUDY, "STORESCP", told.append))
    assert report.complete, report
    assert {result.sop_instance_uid for result in report.results} == OF_STUDY
    assert data_sets(shelf).keys() >= OF_STUDY
    assert told[-1].last


def test_an_unknown_destination_is_told(archive: DcmNode, home: DcmNode) -> None:
    """Nothing is moved, and each instance has the reason."""
    report = asyncio.run(LocalEntity(home, QUICK).move(archive, STUDY, "NOBODY"))
    assert not report.complete
    assert report.counts() == {Outcome.FAILED: 4}
    assert "failure" in report.results[0].words


def test_a_port_that_is_taken_is_told(archive: DcmNode, home: DcmNode, target: Path) -> None:
    """Nothing could reach us, so nothing is requested."""
    with socket.create_server((home.host, home.port)):
        report = asyncio.run(
            LocalEntity(home, QUICK).download(archive, STUDY, target, method="move")
        )
    assert report.counts() == {Outcome.NOT_TRIED: 4}
    assert "listening: Address already in use" in report.results[0].words


# From a scripted archive.


async def download(
    home: DcmNode,
    target: Path,
    move: Mover,
    limits: TimeLimits = QUICK,
) -> Report:
    """Download a study by C-MOVE from an archive that responds so."""
    archive = Archive(entities(ROOT), (STUDY_ROOT_FIND, STUDY_ROOT_MOVE))
    archive.move = move
    async with archive:
        entity = LocalEntity(home, limits)
        return await entity.download(archive.node, STUDY, target, method="move")


def said(request: CMoveRQ, status: int, completed: int | None, failed: int | None) -> CMoveRSP:
    """Make a response."""
    return CMoveRSP(
        message_id_being_responded_to=request.message_id,
        status=status,
        number_of_completed_suboperations=completed,
        number_of_failed_suboperations=failed,
    )


def test_what_comes_after_the_end_is_waited_for(
    home: DcmNode, target: Path, tmp_path: Path
) -> None:
    """An archive may report the end too early, and may send more than was requested."""
    paths = files(tmp_path, ROOT)[:5]  # the study, and one instance of another
    sending: list[asyncio.Task[Report]] = []

    async def late(association: Association, request: CMoveRQ) -> AsyncIterator[CMoveRSP]:
        yield said(request, 0, 5, 0)
        one = Remote(home, QUICK, max_associations=1)
        sending.append(asyncio.create_task(LocalEntity(US).store(one, paths[::-1])))

    async def scenario() -> Report:
        report = await download(home, target, late)
        refused = [each for each in (await sending[0]).results if not each.stored]
        assert [each.sop_instance_uid for each in refused] == [f"{ROOT}.1.2.1.1"]
        assert "without being requested" in refused[0].words
        return report

    report = asyncio.run(scenario())
    assert report.complete, report
    assert {result.sop_instance_uid for result in report.results} == OF_STUDY
    assert set(data_sets(target)) == OF_STUDY
    assert set(report.remarks) == {f"{ROOT}.1.2.1.1 received without being requested"}


def test_what_never_comes_is_not_waited_for_without_end(home: DcmNode, target: Path) -> None:
    """Whatever the archive reports."""

    async def never(association: Association, request: CMoveRQ) -> AsyncIterator[CMoveRSP]:
        yield said(request, 0, None, None)

    limits = replace(QUICK, response=0.2)
    report = asyncio.run(download(home, target, never, limits))
    assert report.counts() == {Outcome.FAILED: 4}
    assert report.results[0].words == "the archive did not send it"


def test_what_the_archive_could_not_send_is_told_in_its_words(home: DcmNode, target: Path) -> None:
    """It is requested again, and then reported as failed."""
    asked = []

    async def unable(association: Association, request: CMoveRQ) -> AsyncIterator[CMoveRSP]:
        asked.append(request)
        yield said(request, 0xA702, 0, 4)

    report = asyncio.run(download(home, target, unable))
    assert report.counts() == {Outcome.FAILED: 4}
    assert "unable to perform sub-operations" in report.results[0].words
    assert len(asked) == 3


def test_an_association_that_fails_is_asked_for_again(
    home: DcmNode, target: Path, tmp_path: Path
) -> None:
    """Only what is missing is requested."""
    paths = files(tmp_path, ROOT)[:4]
    asked = []

    async def half(association: Association, request: CMoveRQ) -> AsyncIterator[CMoveRSP]:
        asked.append(request)
        mine = paths[:2] if len(asked) == 1 else paths[2:]
        await LocalEntity(US, QUICK).store(home, mine)
        if len(asked) == 1:
            raise ConnectionLost("", "", "")
        yield said(request, 0, 2, 0)

    report = asyncio.run(download(home, target, half))
    assert report.complete, report
    assert len(asked) == 2
    assert not report.remarks


def test_who_stops_early_cancels(home: DcmNode) -> None:
    """Closing the generator of data sets sends C-CANCEL to the archive."""
    archive = Archive(entities(ROOT), (STUDY_ROOT_FIND, STUDY_ROOT_MOVE))

    async def scenario(path: Path) -> None:
        ended = asyncio.Event()

        async def endless(association: Association, request: CMoveRQ) -> AsyncIterator[CMoveRSP]:
            await LocalEntity(US, QUICK).store(home, [path])
            command = await association.command()
            assert command is not None
            assert isinstance(command.message, CCancelRQ)
            ended.set()
            yield said(request, 0xFE00, 1, 0)

        archive.move = endless
        async with archive:
            found = LocalEntity(home, QUICK).retrieve(archive.node, STUDY, method="move")
            await anext(found)
            await found.aclose()
            await asyncio.wait_for(ended.wait(), 5)

    with TemporaryDirectory() as folder:
        asyncio.run(scenario(files(Path(folder), ROOT)[0]))


def test_which_instances_failed_is_told_if_the_archive_says_it(home: DcmNode) -> None:
    """By the Failed SOP Instance UID List; without it, no instance counts as moved."""
    named: list[str] = [f"{ROOT}.1.1.2.2"]

    async def one_fails(association: Association, request: CMoveRQ) -> AsyncIterator[CMoveRSP]:
        response = said(request, 0xB000, 3, 1)
        if not named:
            yield response
            return
        context = association.context(STUDY_ROOT_MOVE)
        uids = {"FailedSOPInstanceUIDList": named.pop()}
        await association.send(
            Command(context.context_id, frozen.replace(response, command_data_set_type=1)),
            DataFragment(
                context.context_id, write_identifier(uids, context.transfer_syntax), last=True
            ),
        )

    async def scenario() -> None:
        archive = Archive(entities(ROOT), (STUDY_ROOT_FIND, STUDY_ROOT_MOVE))
        archive.move = one_fails
        async with archive:
            entity = LocalEntity(home, QUICK)
            report = await entity.move(archive.node, STUDY, "SOMEBODY")
            failed = [each for each in report.results if not each.stored]
            assert [each.sop_instance_uid for each in failed] == [f"{ROOT}.1.1.2.2"]
            report = await entity.move(archive.node, STUDY, "SOMEBODY")
            assert report.counts() == {Outcome.FAILED: 4}
            assert "1 instances failed" in report.results[0].words

    asyncio.run(scenario())


def test_a_silent_move_to_another_node_is_not_made_again(home: DcmNode) -> None:
    """The limit of the operation ends it; the requested instances count as failed."""
    asked = []

    async def silent(association: Association, request: CMoveRQ) -> AsyncIterator[CMoveRSP]:
        asked.append(request)
        await association.command()  # until the other side disconnects
        yield said(request, 0, 0, 0)

    async def scenario() -> Report:
        archive = Archive(entities(ROOT), (STUDY_ROOT_FIND, STUDY_ROOT_MOVE))
        archive.move = silent
        async with archive:
            entity = LocalEntity(home, replace(QUICK, operation=0.3))
            return await entity.move(archive.node, STUDY, "SOMEBODY")

    report = asyncio.run(scenario())
    assert report.counts() == {Outcome.FAILED: 4}
    assert "no response and no instance was received for 0.3 s" in report.results[0].words
    assert len(asked) == 1


def test_series_that_are_not_listed_are_moved_as_a_whole(home: DcmNode) -> None:
    """C-MOVE needs no query at the IMAGE level."""
    archive = Archive(entities(ROOT), (STUDY_ROOT_FIND, STUDY_ROOT_MOVE))
    found = archive._found
    archive.answers = lambda asked: (
        [] if asked["QueryRetrieveLevel"] == "IMAGE" else list(found(asked))
    )

    async def all_sent(association: Association, request: CMoveRQ) -> AsyncIterator[CMoveRSP]:
        yield said(request, 0, 2, 0)

    async def scenario() -> Report:
        archive.move = all_sent
        async with archive:
            return await LocalEntity(home, QUICK).move(archive.node, STUDY, "SOMEBODY")

    report = asyncio.run(scenario())
    assert report.complete
    moved = [each for model, each in archive.asked if model == STUDY_ROOT_MOVE]
    assert [each["SeriesInstanceUID"] for each in moved] == [f"{ROOT}.1.1.1", f"{ROOT}.1.1.2"]
    assert report.counts() == {Outcome.STORED: 2}
