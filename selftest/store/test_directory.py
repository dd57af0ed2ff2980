"""A directory as a place: instances are stored, fetched, copied and found whole, never merged."""

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from store.objects import CT, EXPLICIT, content, in_loop, instance, write

from dcm.data.header import Header, scan_bytes
from dcm.data.levels import Level
from dcm.data.query_result import QueryResult
from dcm.instances import MemoryInstance
from dcm.net.entity import LocalEntity
from dcm.net.node import DcmNode
from dcm.net.remote import Remote
from dcm.outcome import Outcome, Report
from dcm.sinks import Folder, Head, ReceivedInstance, Refused
from dcm.store.directory import Directory, NoFolder
from dcm.store.directory_sink import DirectorySink
from dcm.store.index import Index
from dcm.store.node import NodePlace
from dcm.store.place import CannotDo
from dcm.wire import CStoreRQ


@pytest.fixture
def other_file_system(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system other than that of the temporary one."""
    shm = Path("/dev/shm")  # noqa: S108 - usually a separate file system
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("one file system only")
    with TemporaryDirectory(dir=shm) as folder:
        yield Path(folder)


def memory_instance(pixels: int = 64, number: int = 1, **attributes: str) -> MemoryInstance:
    """Return an instance that is not in a file."""
    made = instance(number, **attributes)
    data = content(made, pixels=pixels)
    offset = scan_bytes(data, ()).data_set_offset
    return MemoryInstance((CT, EXPLICIT), made["SOPInstanceUID"], data[offset:])


async def receive(sink: DirectorySink, what: MemoryInstance) -> ReceivedInstance:
    """Put an instance into a sink, as the listener does."""
    request = CStoreRQ(
        message_id=1,
        affected_sop_class_uid=what.kind[0],
        affected_sop_instance_uid=what.sop_instance_uid,
    )
    part = sink.begin(Head(request, what.kind[1], "peer", "PEER", "DCM"))
    try:
        part.write([what.data[:100]])
        part.write([what.data[100:]])
        return await part.commit()
    finally:
        part.discard()


def names(folder: Path) -> set[str]:
    """Return the files of a folder except the index, relative to it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)) for path in files if not path.name.startswith(".dcm-")}


def by_patient(header: Header) -> str:
    """Return a path that several instances share."""
    return f"{header.text('PatientID')}/{header.text('InstanceNumber')}.dcm"


async def found(directory: Directory, query: dict[str, str], level: Level) -> QueryResult:
    """Return all answers."""
    result = QueryResult(level)
    async for piece in directory.queries(query, level=level):
        result |= piece
    return result


@in_loop
async def test_received_instance_is_found_at_once(tmp_path: Path) -> None:
    """The index has an instance when its commit returns, and another process sees it soon after."""
    async with Directory(tmp_path) as directory:
        received = await receive(directory.sink, memory_instance())
        result = await found(directory, {"PatientName": "name*"}, Level.IMAGE)
        assert [each["SOPInstanceUID"] for each in result] == ["1.2.3.1.3"]
        assert directory.sink.holds("1.2.3.1.3")
        assert directory.sink.place("1.2.3.1.3") == received.file == str(tmp_path / "1.2.3.1.3.dcm")
    with Index(tmp_path) as index:
        assert index.update().scanned == 0
        assert index.count({}, Level.IMAGE) == 1


@in_loop
async def test_same_object_is_kept_once(tmp_path: Path) -> None:
    """An object that is sent again is already there, wherever the layout would now put it."""
    async with Directory(tmp_path, layout=by_patient) as directory:
        first = await receive(directory.sink, memory_instance())
        again = await receive(directory.sink, memory_instance())
        assert (first.already_there, again.already_there) == (False, True)
    async with Directory(tmp_path) as directory:
        moved = await receive(directory.sink, memory_instance())
        assert moved.already_there
        assert moved.file == first.file
    assert names(tmp_path) == {"P1/1.dcm"}


@in_loop
async def test_two_objects_with_one_uid_are_both_kept(tmp_path: Path) -> None:
    """Another object with an existing UID is stored next to it, with a note, under both layouts."""
    async with Directory(tmp_path, layout=by_patient) as directory:
        await receive(directory.sink, memory_instance())
        other = await receive(directory.sink, memory_instance(PatientID="P2"))
        third = await receive(directory.sink, memory_instance(PatientName="Other"))
        assert "another object has the same SOP Instance UID" in other.remark
        assert not other.already_there
        assert len(names(tmp_path)) == 3
        assert third.file.startswith(str(tmp_path / "P1/1-"))
        [shared] = directory.index.shared_uids()
        assert shared.is_conflict
        assert not shared.has_duplicates
        assert len(shared.groups) == 3


@in_loop
async def test_two_instances_with_one_name_are_both_kept(tmp_path: Path) -> None:
    """If a layout gives two instances one name, both are kept."""
    async with Directory(tmp_path, layout=by_patient) as directory:
        await receive(directory.sink, memory_instance())
        other = await receive(directory.sink, memory_instance(SOPInstanceUID="1.2.3.9"))
        assert "another object already has this name" in other.remark
        result = await found(directory, {}, Level.IMAGE)
        assert {each["SOPInstanceUID"] for each in result} == {"1.2.3.1.3", "1.2.3.9"}


@in_loop
async def test_remains_of_a_file_are_replaced(tmp_path: Path) -> None:
    """A truncated file of that name is replaced, and the index has the new one."""
    whole = content(instance(1), pixels=64)
    (tmp_path / "1.2.3.1.3.dcm").write_bytes(whole[:-20])
    async with Directory(tmp_path) as directory:
        assert not directory.sink.holds("1.2.3.1.3")
        received = await receive(directory.sink, memory_instance())
        assert received.remark == "it replaces an empty or truncated file"
        assert directory.sink.holds("1.2.3.1.3")


@pytest.mark.parametrize("path", ["", "../x", "a//b", "/etc/x", "a/./b", "a\0b"])
@in_loop
async def test_layout_cannot_lead_out_of_the_folder(tmp_path: Path, path: str) -> None:
    """An instance whose path is outside of the folder is refused, and leaves nothing."""
    async with Directory(tmp_path, layout=lambda _: path) as directory:
        with pytest.raises(Refused, match="the layout gives the name"):
            await receive(directory.sink, memory_instance())
    assert names(tmp_path) == set()


@in_loop
async def test_unreadable_data_set_is_kept_and_listed_as_damaged(tmp_path: Path) -> None:
    """A received instance is kept even if it cannot be read, and the next comparison reports it."""
    broken = MemoryInstance((CT, EXPLICIT), "1.2.3", b"\x08\0\x05\0CS\xff\x7fabc")
    async with Directory(tmp_path) as directory:
        received = await receive(directory.sink, broken)
        assert "its data set cannot be read" in received.remark
        directory.index.update()
        [odd] = directory.index.odd_files(damaged=True)
        assert odd.path == received.file


@in_loop
async def test_writer_gives_each_an_outcome_in_order(tmp_path: Path) -> None:
    """Files, copies of them and files that are not DICOM have outcomes in the given order."""
    source, target = tmp_path / "from", tmp_path / "to"
    paths = [write(source / f"{number}.dcm", instance(number), pixels=40_000) for number in (1, 2)]
    (source / "text").write_text("no DICOM")
    told: list[str] = []
    async with Directory(target, create=True) as directory:
        async with directory.writer(lambda result: told.append(result.path)) as writer:
            for each in (*paths, source / "text", paths[0]):
                await writer.put(each)
            writer.add(memory_instance(number=3))
            report = await writer.finish()
        assert [each.outcome for each in report.results] == [
            Outcome.STORED, Outcome.STORED, Outcome.NOT_TRIED, Outcome.ALREADY_THERE, Outcome.STORED,
        ]  # fmt: skip
        assert len(told) == 5
        assert await directory.holds([memory_instance(number=3), memory_instance(number=4)]) == {
            "1.2.3.3.3"
        }
    for number, path in enumerate(paths, 1):
        copied = (target / f"1.2.3.{number}.3.dcm").read_bytes()
        assert copied.endswith(path.read_bytes()[-40_100:])


@in_loop
async def test_error_of_the_callback_ends_the_storing(tmp_path: Path) -> None:
    """An exception of `on_result` reaches the caller."""

    def fail(_: object) -> None:
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        async with Directory(tmp_path) as directory, directory.writer(fail) as writer:
            writer.add(memory_instance())


async def _fetch(what: object, source: Path, target: Path) -> Report:
    async with Directory(source) as here, Directory(target, create=True) as there:
        return await here.fetch(what, there.sink)  # type: ignore[arg-type]


@in_loop
async def test_fetch_puts_what_matches_into_a_sink(tmp_path: Path) -> None:
    """A query and an earlier result fetch the same; what the sink has is not put again."""
    source, target = tmp_path / "from", tmp_path / "to"
    for number in range(1, 6):
        write(source / f"{number}.dcm", instance(number, Modality="MR" if number > 3 else "CT"))
    report = await _fetch({"Modality": "CT"}, source, target)
    assert report.complete
    assert [each.outcome for each in report.results] == [Outcome.STORED] * 3
    async with Directory(source) as directory:
        studies = await found(directory, {}, Level.STUDY)
    report = await _fetch(studies, source, target)
    assert (
        sorted(each.outcome.name for each in report.results)
        == ["ALREADY_THERE"] * 3 + ["STORED"] * 2
    )
    assert len(names(target)) == 5


@in_loop
async def test_fetch_reports_what_is_gone_or_changed(tmp_path: Path) -> None:
    """A file that is gone, or now holds another instance, is a failure."""
    gone, changed = (write(tmp_path / f"{each}.dcm", instance(each)) for each in (1, 2))
    async with Directory(tmp_path) as directory:
        gone.unlink()
        write(changed, instance(3, PatientComments="longer than before"))
        report = await directory.fetch({}, Folder(tmp_path / "none"))
        assert [each.outcome for each in report.results] == [Outcome.FAILED] * 2
        words = " ".join(each.words for each in report.results)
        assert "No such file" in words
        assert "it is another instance since it was indexed" in words
        absent = QueryResult(Level.STUDY, [{"PatientID": "X", "StudyInstanceUID": "9.9"}])
        assert "9.9" in (await directory.fetch(absent, Folder(tmp_path))).trouble


@in_loop
async def test_copy_links_files(tmp_path: Path) -> None:
    """A copy on the same file system is a hard link; an existing one is kept."""
    source, target = tmp_path / "from", tmp_path / "to"
    path = write(source / "x.dcm", instance(1))
    async with Directory(source) as here, Directory(target, create=True) as there:
        told: list[object] = []
        report = await here.copy({}, there, on_result=told.append)
        assert report.complete
        assert told == report.results
        assert path.samefile(target / "1.2.3.1.3.dcm")
        again = await here.copy({}, there)
        assert [each.outcome for each in again.results] == [Outcome.ALREADY_THERE]
        assert there.index.count({}, Level.IMAGE) == 1


@in_loop
async def test_copy_to_another_file_system_copies(tmp_path: Path, other_file_system: Path) -> None:
    """If no link is possible the bytes are copied."""
    path = write(tmp_path / "x.dcm", instance(1))
    target = other_file_system
    async with Directory(tmp_path) as here, Directory(target) as there:
        assert (await here.copy({}, there)).complete
    copied = target / "1.2.3.1.3.dcm"
    assert copied.read_bytes() == path.read_bytes()
    assert not path.samefile(copied)


@in_loop
async def test_copy_goes_to_directories_only(tmp_path: Path) -> None:
    """A copy to a node would have to pass through this process."""
    node = NodePlace(LocalEntity(), Remote(DcmNode.parse("127.0.0.1:NOBODY:1")))
    with pytest.raises(CannotDo, match="copy instances"):
        await Directory(tmp_path).copy({}, node)


@in_loop
async def test_missing_folder_is_not_made_by_asking(tmp_path: Path) -> None:
    """A query of a folder that does not exist is an error, and creates nothing."""
    directory = Directory(tmp_path / "typo")
    with pytest.raises(NoFolder, match="there is no folder"):
        await found(directory, {}, Level.STUDY)
    with pytest.raises(NoFolder):
        await directory.echo()
    assert not (tmp_path / "typo").exists()


@in_loop
async def test_block_sees_what_others_have_changed(tmp_path: Path) -> None:
    """The next block sees files added or removed since the last one."""
    directory = Directory(tmp_path)
    one, two = (write(tmp_path / f"{each}.dcm", instance(each)) for each in (1, 2))
    assert len(await found(directory, {}, Level.PATIENT)) == 2
    one.unlink()
    write(two, instance(7))
    patients = await found(directory, {}, Level.PATIENT)
    assert [each["PatientID"] for each in patients] == ["P7"]


@in_loop
async def test_many_at_the_same_time(tmp_path: Path) -> None:
    """Instances that arrive concurrently, some of them twice, are stored once each."""
    async with Directory(tmp_path, layout=by_patient, sync=True) as directory:

        async def arrive(numbers: Iterable[int]) -> None:
            for number in numbers:
                await receive(directory.sink, memory_instance(number=number))

        await asyncio.gather(*(arrive(range(start, start + 40)) for start in (0, 10, 20)))
        assert directory.index.count({}, Level.IMAGE) == 60
    assert len(names(tmp_path)) == 60
