"""Zip archives as places: queries, fetching, sending, and the errors for unreadable members."""

import asyncio
import zipfile
from pathlib import Path

import pytest
from net.files import being_written, data_set, data_sets, make
from net.peers import US, storescp
from pydicom import dcmread
from store.conftest import Served
from store.medium import FILES

from dcm.data.account import Account
from dcm.data.keys import BadKey
from dcm.data.levels import Level
from dcm.data.query_result import QueryResult
from dcm.instances import instance_of
from dcm.net import LocalEntity, Remote
from dcm.net.errors import NotAllFound
from dcm.outcome import InstanceResult, Outcome
from dcm.sinks import Folder
from dcm.store.directory import Directory
from dcm.store.layout import DEFAULT
from dcm.store.node import NodePlace
from dcm.store.place import Ability, CannotDo, Place
from dcm.store.read_only import ReadOnlyPlace, Unreadable
from dcm.store.zip_members import UnusableArchive
from dcm.store.zipped import ZipPlace
from dcm.sync.relay import Relay

UIDS = set(FILES.values())


def packed(path: Path, *files: Path, name: str = "{}") -> Path:
    """Put files into an archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for number, each in enumerate(files):
            made.write(each, name.format(number))
    return path


@pytest.fixture(params=["ours", "archive", "media"])
def place(
    request: pytest.FixtureRequest, medium: Path, tmp_path_factory: pytest.TempPathFactory
) -> ReadOnlyPlace:
    """An archive made here, and two by Orthanc, with a DICOMDIR and without."""
    if request.param == "ours":
        path = tmp_path_factory.mktemp("zip") / "a.zip"
        return ZipPlace(packed(path, *sorted(medium.rglob("IM*"))), "ours")
    name = {"archive": "orthanc_archive", "media": "orthanc_medium"}[request.param]
    return ZipPlace(request.getfixturevalue(name), request.param)


OWN = {
    Level.PATIENT: ("PatientID", "PatientName"),
    Level.STUDY: ("StudyInstanceUID", "StudyDate", "StudyTime"),
    Level.SERIES: ("SeriesInstanceUID", "SeriesNumber", "Modality"),
    Level.IMAGE: ("SOPInstanceUID", "InstanceNumber", "SOPClassUID"),
}


def told(result: QueryResult) -> list[list[object]]:
    """Return the attributes of each answer that belong to the level of the result."""
    return [[answer.get(name) for name in OWN[result.level]] for answer in result]


def names_in(folder: Path) -> list[str]:
    """Return the names of all files in a folder."""
    return sorted(each.name for each in folder.iterdir())


async def found(place: Place, query: object = None, **more: object) -> QueryResult:
    """Return all chunks of a query as one."""
    result: QueryResult | None = None
    async for piece in place.queries(query, **more):  # type: ignore[arg-type]
        if result is None:
            result = piece
        else:
            result |= piece
    assert result is not None
    return result


def test_queries_are_answered_as_by_an_archive(place: ReadOnlyPlace, served: Served) -> None:
    """The place answers like Orthanc about the same instances, at each level."""

    async def run() -> None:
        entity = LocalEntity(US)
        async with place, entity:
            for query in (
                {},
                {"PatientName": "m*ller*"},
                {"StudyDate": "20240102-"},
                {"SeriesNumber": "2"},
                {"SOPInstanceUID": "1.2.77.0.3.1\\1.2.77.1.3.11"},
            ):
                for level in Level:
                    ours = await found(place, query, level=level)
                    theirs = await entity.query(served.node, query, level=level)
                    assert ours.paths() == theirs.paths(), (query, level)
                    assert told(ours) == told(theirs), (query, level)

    asyncio.run(run())


def test_query_within_an_earlier_result(place: ReadOnlyPlace) -> None:
    """From a study to its instances, and from instances to their study."""

    async def run() -> None:
        async with place:
            study = await found(place, {"StudyDate": "20240102"})
            images = await found(place, {"InstanceNumber": ""}, within=study)
            assert images.level is Level.IMAGE
            assert {path[-1] for path in images.paths()} == {
                uid for uid in UIDS if uid.startswith("1.2.77.1.")
            }
            assert await found(place, None, level=Level.STUDY, within=images) == study
            outside = {"StudyDate": "20240101"}
            assert [each async for each in place.queries(outside, within=study)] == []

    asyncio.run(run())


def test_patient_without_an_id(tmp_path: Path) -> None:
    """An empty Patient ID as a key would match every patient."""
    files = [make(tmp_path, number, study=f"1.2.77.{number}") for number in range(4)]
    for path in files[2:]:
        image = dcmread(path)
        image.PatientID = ""
        image.save_as(path)
    (tmp_path / "out").mkdir()

    async def run() -> None:
        async with ZipPlace(packed(tmp_path / "a.zip", *files)) as place:
            patients = await found(place, level=Level.PATIENT)
            assert patients.paths() == {("",), ("NET",)}
            nobody = QueryResult(Level.PATIENT, [{"PatientID": ""}])
            studies = await found(place, level=Level.STUDY, within=nobody)
            assert studies.paths() == {("", "1.2.77.2"), ("", "1.2.77.3")}
            both = {"StudyInstanceUID": "1.2.77.2\\1.2.77.3"}
            one = QueryResult(Level.STUDY, [{"PatientID": "", "StudyInstanceUID": "1.2.77.2"}])
            assert (await found(place, both, within=one)).paths() == {("", "1.2.77.2")}
            own = {"StudyInstanceUID": "1.2.77.3"}
            assert (await found(place, own, within=studies)).paths() == {("", "1.2.77.3")}
            report = await place.fetch(nobody, Folder(tmp_path / "out"))
        uids = {each.sop_instance_uid for each in report.results}
        assert uids == {"1.2.77.2.3.2", "1.2.77.3.3.3"}

    asyncio.run(run())


def test_fetch_puts_all_into_a_folder(place: ReadOnlyPlace, medium: Path, tmp_path: Path) -> None:
    """Data sets are unchanged, and the second time nothing is read."""
    expected = {}
    for path in medium.rglob("IM*"):
        expected |= {FILES[str(path.relative_to(medium)).replace("/", "\\")]: data_set(path)}

    async def run() -> None:
        told: list[InstanceResult] = []
        report = await place.fetch({}, Folder(tmp_path), on_result=told.append)
        assert report.complete
        assert report.results == told
        assert report.counts() == {Outcome.STORED: len(FILES)}
        again = await place.fetch({"PatientID": "NET"}, Folder(tmp_path))
        assert again.counts() == {Outcome.ALREADY_THERE: len(FILES)}

    asyncio.run(run())
    assert data_sets(tmp_path) == expected


def test_fetch_into_a_directory_by_its_layout(place: ReadOnlyPlace, tmp_path: Path) -> None:
    """Sorted by patient, study, series and instance, and then queried as an archive."""

    async def run() -> None:
        into = Directory(tmp_path, None, DEFAULT.path, needs=DEFAULT.needs)
        async with into, place:
            report = await place.fetch({}, into.sink)
            assert report.complete
            assert (await found(into, level=Level.IMAGE)).paths() == (
                await found(place, level=Level.IMAGE)
            ).paths()
        again = await place.fetch({}, Folder(tmp_path))
        assert again.complete

    asyncio.run(run())
    assert (tmp_path / "NET" / "1.2.77.1" / "002-CT" / "1.2.77.1.3.11.dcm").is_file()


def test_fetch_into_another_place(place: ReadOnlyPlace, served: Served, tmp_path: Path) -> None:
    """As `dcm sync` does it, to two nodes at once."""

    async def run() -> None:
        told: list[tuple[int, InstanceResult]] = []
        with storescp(tmp_path / "in") as node:
            async with LocalEntity(US) as entity:
                nodes = [NodePlace(entity, Remote(each)) for each in (node, served.node)]
                async with Relay(nodes, lambda *each: told.append(each)) as relay:
                    report = await place.fetch({"SeriesNumber": "1"}, relay)
        assert report.counts() == {Outcome.STORED: 6}
        assert sorted(number for number, each in told if each.stored) == [0] * 6 + [1] * 6

    asyncio.run(run())
    assert len(data_sets(tmp_path / "in")) == 6


def test_fetch_of_a_result(place: ReadOnlyPlace, tmp_path: Path) -> None:
    """Only its members are fetched; the report names those that are not in the archive."""

    async def run() -> None:
        async with place:
            series = await found(place, {"SeriesNumber": "2", "StudyDate": "20240101"})
            assert series.level is Level.SERIES
            other = {"PatientID": "NET", "StudyInstanceUID": "1.9", "SeriesInstanceUID": "1.9.1"}
            series.add(other)
            report = await place.fetch(series, Folder(tmp_path))
        uids = {each.sop_instance_uid for each in report.results}
        assert uids == {"1.2.77.0.3.11", "1.2.77.0.3.12", "1.2.77.0.3.13"}
        assert report.trouble == "it has no series with SeriesInstanceUID 1.9.1"
        assert not report.complete

    asyncio.run(run())


def test_instances_are_sent(place: ReadOnlyPlace, medium: Path, tmp_path: Path) -> None:
    """Another program receives the data in the archive byte for byte."""

    async def run() -> None:
        with storescp(tmp_path / "in") as node:
            async with LocalEntity(US) as entity, entity.sender(node) as sender:
                for each in place.instances():
                    if not isinstance(each, InstanceResult):
                        await sender.put(each)
                report = await sender.finish()
            assert report.counts() == {Outcome.STORED: len(FILES)}
            assert {each.path.split(".zip/")[0] for each in report.results} == {
                place.path.removesuffix(".zip")
            }

    asyncio.run(run())
    received = data_sets(tmp_path / "in")
    assert received == {
        uid: data_set(medium.joinpath(*name.split("\\"))) for name, uid in FILES.items()
    }


def test_key_that_the_index_does_not_have(place: ReadOnlyPlace, tmp_path: Path) -> None:
    """It cannot be matched without extracting everything, so the query is refused."""

    async def run() -> None:
        async with place:
            with pytest.raises(BadKey, match="SliceThickness is not supported for"):
                await found(place, {"SliceThickness": "5"})
            with pytest.raises(BadKey):
                await place.fetch({"SliceThickness": "5"}, Folder(tmp_path))
            account = Account()
            studies = await found(place, {"StudyDate": "", "SliceThickness": ""}, account=account)
            assert len(studies) == 2
            assert account.remarks == [
                "SliceThickness is unknown, since the contents are not extracted"
            ]

    asyncio.run(run())


def test_what_it_holds(place: ReadOnlyPlace, medium: Path, tmp_path: Path) -> None:
    """Of instances that exist on both sides, it returns those that need not be copied."""
    ours = [instance_of(path) for path in medium.rglob("IM*")]
    other = instance_of(make(tmp_path, 1))
    assert asyncio.run(place.holds([*ours, other])) == UIDS


def test_what_it_cannot_do(place: ReadOnlyPlace) -> None:
    """The errors say so."""

    async def run() -> None:
        assert place.abilities == {Ability.ECHO, Ability.QUERY, Ability.FETCH}
        assert await place.echo() < 10
        with pytest.raises(CannotDo, match="cannot store instances"):
            place.writer()
        with pytest.raises(CannotDo, match="cannot copy"):
            await place.copy({}, place)

    asyncio.run(run())


def test_member_that_cannot_be_read_is_not_lost_in_silence(tmp_path: Path) -> None:
    """One is encrypted, one is empty, one is truncated, one is a text; and one is intact."""
    files = [make(tmp_path, number) for number in range(3)]
    files[2].write_bytes(files[2].read_bytes()[:200])
    empty, text = tmp_path / "empty", tmp_path / "text"
    empty.touch()
    text.write_text("hello")
    path = packed(tmp_path / "a.zip", *files, empty, text)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    place = ZipPlace(path)
    outcomes = {
        each.path[-1]: (each.outcome, each.words)
        for each in place.instances()
        if isinstance(each, InstanceResult)
    }
    cut = outcomes.pop("2")
    assert cut[0] is Outcome.NOT_TRIED
    assert outcomes == {
        "0": (Outcome.NOT_TRIED, "it is encrypted"),
        "3": (Outcome.NOT_TRIED, "the file is empty"),
        "4": (Outcome.PASSED_OVER, "it is not a DICOM file"),
    }

    async def run() -> None:
        account = Account()
        pieces = place.queries(account=account)
        assert len(await anext(pieces)) == 1
        with pytest.raises(NotAllFound, match=r"3 files could not be read: .*a.zip/0: it is encr"):
            await anext(pieces)
        assert not account.complete
        report = await place.fetch({}, Folder(tmp_path))
        assert report.counts() == {Outcome.STORED: 1}
        assert report.trouble.startswith("3 files could not be read: ")

    asyncio.run(run())


def test_damaged_member_fails_and_leaves_nothing(tmp_path: Path) -> None:
    """Its header can be read, but its pixels have changed."""
    path = packed(tmp_path / "a.zip", *(make(tmp_path, number) for number in range(3)))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\3\4", 10) - 40] ^= 0xFF
    path.write_bytes(content)
    (tmp_path / "out").mkdir()

    async def run() -> None:
        report = await ZipPlace(path).fetch({}, Folder(tmp_path / "out"))
        assert report.counts() == {Outcome.STORED: 2, Outcome.FAILED: 1}
        [lost] = report.lost
        assert lost.sop_instance_uid == "1.2.3.0"
        assert "it is damaged" in lost.words
        assert being_written(tmp_path / "out") == 0

    asyncio.run(run())
    assert names_in(tmp_path / "out") == ["1.2.3.1.dcm", "1.2.3.2.dcm"]


def test_objects_with_one_uid_are_both_kept(tmp_path: Path) -> None:
    """A copy is the same object, whatever its name; members may have the same name."""
    one, out = make(tmp_path, 1), tmp_path / "out"
    first = one.read_bytes()
    one.write_bytes(first[:-1] + bytes([first[-1] ^ 1]))
    other = tmp_path / "other"
    other.write_bytes(first)
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = packed(tmp_path / "a.zip", one, other, one, name="same")
    out.mkdir()

    async def run() -> None:
        report = await ZipPlace(path).fetch({}, Folder(out))
        assert [each.outcome for each in report.results] == [
            Outcome.STORED, Outcome.STORED, Outcome.ALREADY_THERE,
        ]  # fmt: skip
        assert "both are kept" in report.results[1].words
        assert report.results[2].words == f"it is a copy of {path}/same"

    asyncio.run(run())
    assert {each.read_bytes()[-100:] for each in out.iterdir()} == {
        one.read_bytes()[-100:], first[-100:],
    }  # fmt: skip


@pytest.mark.parametrize("content", [None, b"not an archive"])
def test_file_that_is_no_archive(tmp_path: Path, content: bytes | None) -> None:
    """Whatever is called, the error names it."""
    path = tmp_path / "a.zip"
    if content:
        path.write_bytes(content)
    place, error = ZipPlace(path), UnusableArchive if content else Unreadable

    async def run() -> None:
        with pytest.raises(error, match=r"a\.zip"):
            await place.echo()
        with pytest.raises(error, match=r"a\.zip"):
            await place.fetch({}, Folder(tmp_path))
        with pytest.raises(error, match=r"a\.zip"):
            await found(place)

    asyncio.run(run())


def test_disk_that_is_full_is_told_for_each(tmp_path: Path) -> None:
    """The sink refuses, the place continues."""
    path = packed(tmp_path / "a.zip", *(make(tmp_path, n, size=2000 * n) for n in range(1, 4)))
    (tmp_path / "out").mkdir()

    async def run() -> None:
        report = await ZipPlace(path).fetch({}, Folder(tmp_path / "out", max_instance=5000))
        assert report.counts() == {Outcome.STORED: 2, Outcome.FAILED: 1}
        assert "limit of 5000 bytes" in report.lost[0].words

    asyncio.run(run())


def test_cancelled_fetch_leaves_no_part(tmp_path: Path) -> None:
    """Nor a running task."""
    path = packed(tmp_path / "a.zip", *(make(tmp_path, n, size=3_000_000) for n in range(5)))
    out = tmp_path / "out"
    out.mkdir()

    async def run() -> None:
        async with ZipPlace(path) as place:
            came = asyncio.Event()
            fetch = asyncio.create_task(
                place.fetch({}, Folder(out), on_result=lambda _: came.set())
            )
            await came.wait()
            await asyncio.sleep(0)
            fetch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await fetch

    asyncio.run(run())
    names = names_in(out)
    assert names
    assert len(names) < 5
    assert all(data_set(out / name) for name in names)
