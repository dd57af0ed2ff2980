"""Several concurrent sources, and checks of what they send."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from net.files import CT, data_set, make
from net.peers import QUICK, US, dcmqrscp, orthanc
from pydicom import dcmread

from dcm.conf import Configuration
from dcm.data.header import scan
from dcm.data.levels import Level
from dcm.data.query_result import QueryResult
from dcm.frozen import replace
from dcm.instances import Instance
from dcm.net import DcmNode, LocalEntity
from dcm.opening import Opener
from dcm.outcome import Outcome
from dcm.sync import Check, Copied, SyncReport, make_basic_validator, sync, sync_data

pytestmark = pytest.mark.timeout(120)

ENTITY = LocalEntity(US, QUICK)
OPENER = Opener(Configuration("none"), US)


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[list[DcmNode]]:
    """Two archives with one AE title and one study, in which each has an instance of its own."""
    with dcmqrscp(tmp_path / "one") as one, dcmqrscp(tmp_path / "two") as two:
        for archive, node in enumerate((one, two)):
            folder = tmp_path / f"files{archive}"
            folder.mkdir()
            for number in (*range(5), 10 + archive):
                make(folder, number, size=2000, study="1.2.3.31")
            for number in range(4):
                make(folder, 20 + number, size=2000, study=f"1.2.3.32.{archive}")
            assert asyncio.run(ENTITY.store(node, [*folder.iterdir()])).complete
        yield [one, two]


def listed(node: DcmNode) -> set[str]:
    """Return the instances that an archive lists."""
    found = asyncio.run(ENTITY.query(node, level=Level.IMAGE))
    return {each.uid for each in found.members()}


def test_each_instance_is_copied_from_one_source(
    sources: list[DcmNode], tmp_path: Path, orthanc_program: str
) -> None:
    """Fault 5.19: archives with one AE title are read concurrently; common instances come once."""
    assert sources[0].ae_title == sources[1].ae_title
    copied: list[Copied] = []
    with orthanc(tmp_path / "target", orthanc_program) as target:
        names = [str(node) for node in sources]
        report = asyncio.run(
            sync_data(names, [str(target)], opener=OPENER, on_copied=copied.append)
        )
        assert report.complete, (report.failures, report.problems)
        assert listed(target) == listed(sources[0]) | listed(sources[1])
    uids = [each.result.sop_instance_uid for each in copied]
    assert len(uids) == len(set(uids)) == 7 + 8
    assert {each.source for each in copied} == set(names)


class Gate:
    """A proxy to a node that lets nothing through until it is opened."""

    def __init__(self, node: DcmNode) -> None:
        self._node = node
        self._writers: list[asyncio.StreamWriter] = []
        self.open = asyncio.Event()

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[DcmNode]:
        """Listen during the block."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield replace(self._node, port=server.sockets[0].getsockname()[1])
            for writer in self._writers:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        await self.open.wait()
        beyond, beyond_writer = await asyncio.open_connection(self._node.host, self._node.port)
        self._writers.append(beyond_writer)
        await asyncio.gather(_pass_on(reader, beyond_writer), _pass_on(beyond, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


def test_sources_do_not_wait_for_each_other(sources: list[DcmNode], tmp_path: Path) -> None:
    """The first one answers only after everything has come from the second."""

    async def run() -> SyncReport:
        gate = Gate(sources[0])
        came = 0

        def copied(each: Copied) -> None:
            nonlocal came
            came += each.source == str(sources[1])
            if came == 10:
                gate.open.set()

        async with gate.standing() as closed, asyncio.timeout(40):
            names = [str(closed), str(sources[1])]
            return await sync_data(names, [f"{tmp_path}/target/"], opener=OPENER, on_copied=copied)

    report = asyncio.run(run())
    assert report.complete, (report.failures, report.problems)
    assert len([*(tmp_path / "target").rglob("*.dcm")]) == 7 + 8


def test_two_sources_that_fail_do_not_stop_a_third(sources: list[DcmNode], tmp_path: Path) -> None:
    """Fault 5.8: each unreachable one is named, and the content of the other one arrives."""
    down = ["127.0.0.1:DOWN1:1", "127.0.0.1:DOWN2:1"]
    names = [down[0], str(sources[0]), down[1]]
    report = asyncio.run(sync_data(names, [f"{tmp_path}/target/"], opener=OPENER))
    assert not report.complete
    assert sorted(problem.partition(": ")[0] for problem in report.problems) == down
    assert len([*(tmp_path / "target").rglob("*.dcm")]) == 10


# Checks of received instances.


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A folder with five files, one of which changed after indexing, so that its index is wrong."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(5):
        os.utime(make(folder, number, size=2000, study="1.2.3.33"), (1e9, 1e9))
    asyncio.run(sync(str(folder), f"{tmp_path}/before/", opener=OPENER))
    path, status = folder / "00003.dcm", (folder / "00003.dcm").stat()
    image = dcmread(path)
    image.PatientID = "XXX"
    image.save_as(path)
    assert path.stat().st_size == status.st_size
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return folder


def test_what_was_not_asked_for_is_not_copied(changed: Path, tmp_path: Path) -> None:
    """An instance of another patient is a failure, and goes into quarantine."""
    report = asyncio.run(
        sync(
            str(changed), f"{tmp_path}/target/", opener=OPENER,
            validators=[make_basic_validator()], quarantine=f"{tmp_path}/quarantine",
        )
    )  # fmt: skip
    [(_, counts)] = report.counts.items()
    assert counts == {Outcome.STORED: 4, Outcome.FAILED: 1}
    [failure] = report.failures
    assert failure.result.sop_instance_uid == "1.2.3.33.3.3"
    assert failure.result.words == "its Patient ID is 'XXX', but 'NET' was requested"
    [kept] = (tmp_path / "quarantine").iterdir()
    assert data_set(kept) == data_set(changed / "00003.dcm")
    assert any(str(kept) in remark for remark in report.remarks)


def test_it_is_copied_all_the_same_if_that_is_wanted(changed: Path, tmp_path: Path) -> None:
    """With keep_errors it arrives, and the report has a note."""
    report = asyncio.run(
        sync(
            str(changed), f"{tmp_path}/target/", opener=OPENER, keep_errors=True,
            validators=[make_basic_validator()], quarantine=f"{tmp_path}/quarantine",
        )
    )  # fmt: skip
    assert report.complete
    patients = {scan(path).text("PatientID") for path in (tmp_path / "target").rglob("*.dcm")}
    assert patients == {"NET", "XXX"}
    assert any("Patient ID is 'XXX'" in remark for remark in report.remarks)
    assert not (tmp_path / "quarantine").exists()


def test_a_validator_of_ones_own(changed: Path, tmp_path: Path) -> None:
    """It gets the request, and returns what is wrong."""
    asked: list[QueryResult] = []

    def validator(expected: QueryResult) -> Check:
        asked.append(expected)

        def check(instance: Instance) -> str:
            assert instance.kind[0] == CT
            return "it is not wanted" if instance.sop_instance_uid.endswith(".4") else ""

        return check

    report = asyncio.run(
        sync(str(changed), f"{tmp_path}/target/", opener=OPENER, validators=[validator])
    )
    assert [each.result.words for each in report.failures] == ["it is not wanted"]
    assert [each.paths() for each in asked] == [{("NET", "1.2.3.33")}]


@pytest.mark.parametrize("level", [Level.STUDY, Level.SERIES, Level.IMAGE])
def test_the_basic_validator_at_each_level(tmp_path: Path, level: Level) -> None:
    """It checks down to the queried level, and names the UID that differs."""
    from dcm.instances import instance_of  # noqa: PLC0415 - used only here

    instance = instance_of(make(tmp_path, 7, study="1.2.3.34", series=2))
    names = [each.unique_key for each in Level]
    right = dict(zip(names, ("NET", "1.2.3.34", "1.2.3.34.2", "1.2.3.34.3.7"), strict=True))
    make_check = make_basic_validator()
    assert make_check(QueryResult(level, [right]))(instance) == ""
    assert make_check(QueryResult(level, [{**right, "PatientID": ""}]))(instance) == ""
    for each in Level:
        words = make_check(QueryResult(level, [{**right, names[each]: "9.9"}]))(instance)
        if each > level:
            assert words == ""
        elif each is Level.PATIENT:
            assert "Patient ID" in words
            lenient = make_basic_validator(patient=False)
            assert lenient(QueryResult(level, [{**right, "PatientID": "9.9"}]))(instance) == ""
        else:
            assert words == f"its {names[each]} is {right[names[each]]}, which was not requested"
