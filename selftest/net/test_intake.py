"""A retrieval accepts only what it requested, and replaces nothing."""

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from net.archive import Archive, Identifier, send
from net.collection import entities, files
from net.files import data_sets
from net.getting import remote
from net.peers import QUICK, US, free_port

from dcm.data.header import scan
from dcm.data.levels import Level
from dcm.data.match import Attributes
from dcm.data.query_result import QueryResult
from dcm.held import holds
from dcm.net import DcmNode, Listen, LocalEntity, Remote, TimeLimits
from dcm.net.association import Association
from dcm.net.errors import NoProgress, TimedOut
from dcm.net.suboperations import STUDY_ROOT_GET, STUDY_ROOT_MOVE, Progress
from dcm.net.uids import STUDY_ROOT_FIND
from dcm.outcome import Outcome, Report
from dcm.part_file import PartFile
from dcm.wire import (
    CGetRQ,
    CGetRSP,
    CMoveRQ,
    CMoveRSP,
    Command,
    CStoreRQ,
    CStoreRSP,
    DataFragment,
    PresentationContextRQ,
)

ROOT = "1.2.3.4.99"
STUDY = {"StudyInstanceUID": f"{ROOT}.1.1"}
OF_STUDY = [f"{ROOT}.1.1.{series}.{instance}" for series in (1, 2) for instance in (1, 2)]
STRAY = f"{ROOT}.2.1.1.1"


class Store:
    """An archive that has the collection in files, and records what it sends."""

    def __init__(self, folder: Path, *models: str) -> None:
        self.paths = {scan(path).sop_instance_uid: path for path in files(folder, ROOT)}
        self.archive = Archive(entities(ROOT), (STUDY_ROOT_FIND, *models))
        self.archive.get = self.get
        self.also: Sequence[str] = ()
        """It sends these first, in addition."""
        self.requests: list[Attributes] = []
        self.statuses: list[int] = []

    def wanted(self, asked: Attributes) -> list[str]:
        """Return the instances that a request names."""
        keys = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
        chosen = {key: str(asked[key]).split("\\") for key in keys if asked.get(key)}
        return [
            each["SOPInstanceUID"]
            for each in entities(ROOT)
            if all(each[key] in values for key, values in chosen.items())
        ]

    async def get(
        self, association: Association, request: CGetRQ, asked: Attributes
    ) -> AsyncIterator[CGetRSP]:
        """Send the requested instances."""
        self.requests.append(asked)
        uids = self.wanted(asked)
        for uid in (*self.also, *uids):
            self.statuses.append(await send(association, self.paths[uid]))
        yield CGetRSP(
            message_id_being_responded_to=request.message_id,
            status=0,
            number_of_completed_suboperations=len(uids),
            number_of_failed_suboperations=0,
        )

    def download(
        self,
        target: Path,
        what: Attributes = STUDY,
        *,
        at: DcmNode = US,
        limits: TimeLimits = QUICK,
    ) -> Report:
        """Download from it, by C-MOVE if it supports that."""

        async def scenario() -> Report:
            async with self.archive as archive:
                method = "move" if archive.move else "get"
                entity = LocalEntity(at, limits)
                return await entity.download(
                    remote(archive.node, limits), what, target, method=method
                )  # type: ignore[arg-type]

        return asyncio.run(scenario())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The folder of files to send."""
    return _made(tmp_path / "source")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder for fetched files."""
    return _made(tmp_path / "target")


@pytest.fixture
def home() -> DcmNode:
    """The address of our listener."""
    return Listen("127.0.0.1", "HOME", free_port())


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_get_refuses_what_was_not_asked_for(source: Path, target: Path, at_once: int) -> None:
    """The existing file of that name is kept."""
    store = Store(source, STUDY_ROOT_GET)
    store.also = [STRAY]
    (target / f"{STRAY}.dcm").write_bytes(b"mine")
    report = store.download(target)
    assert report.counts() == {Outcome.STORED: 4}
    assert (target / f"{STRAY}.dcm").read_bytes() == b"mine"
    assert {path.name for path in target.iterdir()} == {f"{uid}.dcm" for uid in (*OF_STUDY, STRAY)}
    assert len(store.requests) == at_once
    assert [each for each in store.statuses if each] == [0x0124] * len(store.requests)
    assert report.remarks == [f"{STRAY} received without being requested"] * len(store.requests)


@pytest.mark.parametrize("stray", [STRAY, OF_STUDY[0]])
def test_move_refuses_what_another_node_has_moved(
    stray: str, home: DcmNode, source: Path, target: Path
) -> None:
    """By the C-MOVE originator, and without one by the requested instances (PS3.7 9.1.1.1)."""
    store = Store(source, STUDY_ROOT_FIND, STUDY_ROOT_MOVE)
    statuses: list[int] = []

    async def move(association: Association, request: CMoveRQ) -> AsyncIterator[CMoveRSP]:
        async def sent(uid: str, title: str | None, message_id: int | None) -> None:
            statuses.append(await _send(home, store.paths[uid], title, message_id))

        await sent(stray, "OTHER", request.message_id)
        await sent(stray, home.ae_title, request.message_id + 100)
        for uid in OF_STUDY[:2]:
            await sent(uid, home.ae_title, request.message_id)
        for uid in OF_STUDY[2:]:
            await sent(uid, None, None)
        yield _moved(request, 0, 4)

    store.archive.move = move
    (target / f"{STRAY}.dcm").write_bytes(b"mine")
    report = store.download(target, at=home)
    assert report.counts() == {Outcome.STORED: 4}, report
    assert statuses == [0x0124, 0x0124, 0, 0, 0, 0]
    assert report.remarks == [f"{stray} received for the C-MOVE of another node"] * 2
    assert (target / f"{STRAY}.dcm").read_bytes() == b"mine"
    assert {path.name for path in target.iterdir()} == {f"{uid}.dcm" for uid in (*OF_STUDY, STRAY)}


async def _send(node: DcmNode, path: Path, title: str | None, message_id: int | None) -> int:
    """Store one file as a part of this C-MOVE; return the status."""
    header = scan(path)
    contexts = [PresentationContextRQ(1, header.sop_class_uid, (header.transfer_syntax_uid,))]
    request = CStoreRQ(
        message_id=1,
        affected_sop_class_uid=header.sop_class_uid,
        affected_sop_instance_uid=header.sop_instance_uid,
        move_originator_application_entity_title=title,
        move_originator_message_id=message_id,
    )
    data = await asyncio.to_thread(path.read_bytes)
    async with await Association.request(US, Remote(node, QUICK), contexts) as association:
        await association.send(
            Command(1, request), DataFragment(1, data[header.data_set_offset :], last=True)
        )
        return (await association.response(CStoreRSP, 1)).status


def _moved(request: CMoveRQ, status: int, completed: int | None) -> CMoveRSP:
    return CMoveRSP(
        message_id_being_responded_to=request.message_id,
        status=status,
        number_of_completed_suboperations=completed,
    )


@pytest.fixture(params=["nameless", "named", "no hard links"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """File systems that lack a feature, like FAT and some file servers."""
    really_open = os.open

    def only_named(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return really_open(path, flags, mode)

    def no_link(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if request.param == "named":
        monkeypatch.setattr("os.open", only_named)
    elif request.param == "no hard links":
        monkeypatch.setattr("os.link", no_link)


@pytest.mark.usefixtures("file_system")
def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    """Not even if it is created while the instance is in transfer."""
    file, other = (tmp_path / name for name in ("1.dcm", "2.dcm"))
    file.write_bytes(b"here before")
    for size in (7, 300_000):
        content = os.urandom(size)
        with PartFile(str(tmp_path)) as arrived:
            arrived.write([content[:3], content[3:]])
            assert not arrived.name(str(file))
            assert Path(arrived.path).read_bytes() == content
            assert arrived.name(str(other))
        assert other.read_bytes() == content
        other.unlink()
    with PartFile(str(tmp_path)) as arrived:
        arrived.write([b"given up"])
    assert [path.name for path in tmp_path.iterdir()] == ["1.dcm"]
    assert file.read_bytes() == b"here before"
    with PartFile(str(tmp_path)) as arrived:
        arrived.write([b"in its place"])
        arrived.replace(str(file))
    assert file.read_bytes() == b"in its place"
    assert [path.name for path in tmp_path.iterdir()] == ["1.dcm"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [(slice(0, 0), False), (slice(0, 200), False), (slice(0, -1), False), (slice(None), True)],
)
def test_what_counts_as_here(content: slice, expected: bool, source: Path) -> None:
    """A header of this instance, and its data set to the end."""
    path = files(source, ROOT)[0]
    uid, data = scan(path).sop_instance_uid, path.read_bytes()
    path.write_bytes(data[content])
    assert holds(str(path), uid) is expected
    assert not holds(str(path), "1.2.3.999")
    path.write_bytes(bytes(len(data)))
    assert not holds(str(path), uid)
    assert not holds(str(source / "nothing"), uid)


# Series that are not listed.


def _unlisted(store: Store, lists: int, reported: str = "2") -> None:
    """Let an archive list only some instances of each series, while it reports the full number."""
    found = store.archive._found

    def answers(asked: Identifier) -> Sequence[Identifier]:
        level = Level.named(asked["QueryRetrieveLevel"])
        listed = list(found(asked))
        if level is Level.SERIES:
            return [{**each, "NumberOfSeriesRelatedInstances": reported} for each in listed]
        return listed[:lists] if level is Level.IMAGE else listed

    store.archive.answers = answers


@pytest.mark.parametrize("lists", [0, 1])
def test_a_series_that_is_not_listed_is_fetched_as_a_whole(
    lists: int, source: Path, target: Path
) -> None:
    """C-GET needs no query at the IMAGE level; other instances are refused, existing ones stay."""
    store = Store(source, STUDY_ROOT_GET)
    _unlisted(store, lists)
    store.also = [STRAY]
    report = store.download(target)
    assert report.complete, report
    assert set(data_sets(target)) == set(OF_STUDY)
    assert {asked["QueryRetrieveLevel"] for asked in store.requests} == {"SERIES"}
    assert len(store.requests) == 2
    assert sum("fetched as a whole: 2 instances" in remark for remark in report.remarks) == 2
    again = store.download(target)
    assert again.complete
    assert again.counts() == {Outcome.ALREADY_THERE: 4}
    assert not list(target.glob(".*"))


@pytest.mark.usefixtures("at_once")
def test_a_series_of_which_less_comes_than_reported_is_no_success(
    source: Path, target: Path
) -> None:
    """Received instances are kept, and the report has what is missing."""
    store = Store(source, STUDY_ROOT_GET)
    _unlisted(store, 0, reported="3")
    report = store.download(target)
    assert report.counts() == {Outcome.STORED: 4}
    assert not report.complete
    assert "it reports 3 instances" in report.trouble
    assert "2 instances received" in report.trouble


@pytest.mark.usefixtures("at_once")
def test_an_instance_that_is_gone_since_the_query_is_missed(source: Path, target: Path) -> None:
    """An earlier result names it, but the archive no longer lists it."""
    store = Store(source, STUDY_ROOT_GET)
    named = [
        {name: value for name, value in each.items() if name.endswith("UID") or name == "PatientID"}
        for each in entities(ROOT)[:2]
    ]
    for each in named:
        del each["SOPClassUID"]
    named[1]["SOPInstanceUID"] = "1.2.3.666"
    report = store.download(target, QueryResult(Level.IMAGE, named))
    assert report.counts() == {Outcome.STORED: 1}
    assert "it does not list 1.2.3.666" in report.trouble


# Progress.


def test_a_silent_move_is_ended_once_and_not_made_again(
    home: DcmNode, source: Path, target: Path
) -> None:
    """Pending responses are optional (PS3.4 C.4.2.3.1), so only the operation's limit ends it."""
    store = Store(source, STUDY_ROOT_MOVE)
    asked: list[CMoveRQ] = []

    async def move(association: Association, request: CMoveRQ) -> AsyncIterator[CMoveRSP]:
        asked.append(request)
        await association.command()  # until the other side disconnects
        yield _moved(request, 0, 0)

    store.archive.move = move
    limits = replace(QUICK, response=0.05, operation=0.5)
    report = store.download(target, at=home, limits=limits)
    assert report.counts() == {Outcome.FAILED: 4}
    assert "no response and no instance was received for 0.5 s" in report.results[0].words
    assert len(asked) == 1


def test_a_move_that_repeats_itself_is_ended(home: DcmNode, source: Path, target: Path) -> None:
    """Pending responses with the same numbers are not progress."""
    store = Store(source, STUDY_ROOT_MOVE)
    asked: list[CMoveRQ] = []

    async def move(association: Association, request: CMoveRQ) -> AsyncIterator[CMoveRSP]:
        asked.append(request)
        while True:
            yield _moved(request, 0xFF00, 0)

    store.archive.move = move
    limits = replace(QUICK, response=0.1, operation=30, release=0.2)
    report = store.download(target, at=home, limits=limits)
    assert report.counts() == {Outcome.FAILED: 4}
    assert "its responses have not changed for 0.5 s" in report.results[0].words
    assert len(asked) == 1


def test_a_move_that_never_ends_can_be_given_up(home: DcmNode, source: Path, target: Path) -> None:
    """A peer that continues after C-CANCEL is aborted, and our port is free again."""
    store = Store(source, STUDY_ROOT_MOVE)
    begun = asyncio.Event()

    async def move(association: Association, request: CMoveRQ) -> AsyncIterator[CMoveRSP]:
        while True:
            yield _moved(request, 0xFF00, 0)
            begun.set()
            await asyncio.sleep(0)  # it is in this process, and must give us a turn

    async def scenario() -> None:
        entity = LocalEntity(home, replace(QUICK, release=0.2))
        async with store.archive as archive:
            fetching = entity.download(archive.node, STUDY, target, method="move")
            task = asyncio.create_task(fetching)
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                async with asyncio.timeout(10):
                    await task

    store.archive.move = move
    asyncio.run(scenario())
    with socket.create_server((home.host, home.port)):
        pass


class _Clock:
    """A replacement for the time of loop and association: a test advances it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.limits = TimeLimits(response=1, operation=10)
        self.remote = self.doing = "PEER"
        self.arrive = lambda: None

    def time(self) -> float:
        return self.now

    async def command(self, within: float) -> object:
        begun = self.now
        self.arrive()
        self.now = begun + within
        raise TimedOut("PEER", "C-MOVE", "nothing came")


def test_instances_that_arrive_are_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit restarts with each, even without a response for a long time."""
    clock = _Clock()
    monkeypatch.setattr("dcm.net.suboperations.asyncio.get_running_loop", lambda: clock)
    progress = Progress(clock)  # type: ignore[arg-type]
    arrivals = iter([7.0, 14.0])

    def arrive() -> None:
        if (arrived := next(arrivals, None)) is not None:
            clock.now = arrived
            progress.made()

    clock.arrive = arrive
    with pytest.raises(NoProgress, match="for 10 s"):
        asyncio.run(progress.command())
    assert clock.now == pytest.approx(24)
