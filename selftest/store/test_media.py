"""Media with a DICOMDIR as places: existing files, missing ones, and wrong records."""

import asyncio
import shutil
from pathlib import Path

import pytest
from net.files import data_set, data_sets
from pydicom import dcmread
from store.medium import FILES, written

from dcm.data.account import Account
from dcm.data.header import NotDicom
from dcm.data.levels import Level
from dcm.data.query_result import QueryResult
from dcm.instances import FileInstance, Instance
from dcm.net.errors import NotAllFound
from dcm.outcome import InstanceResult, Outcome
from dcm.sinks import Folder
from dcm.store.media import MediaPlace
from dcm.store.read_only import Unreadable

UIDS = set(FILES.values())
FIRST = "1.2.77.0.3.1"


@pytest.fixture
def copy(medium: Path, tmp_path: Path) -> Path:
    """A medium whose files can be changed."""
    return shutil.copytree(medium, tmp_path / "copy")


def file_of(root: Path, uid: str) -> Path:
    """Return the file of an instance."""
    [name] = [name for name, each in FILES.items() if each == uid]
    return root.joinpath(*name.split("\\"))


def instances(place: MediaPlace) -> tuple[dict[str, str], list[InstanceResult]]:
    """Return the paths of the instances by their UID, and the outcomes of other files."""
    found: list[Instance | InstanceResult] = list(place.instances())
    others = [each for each in found if isinstance(each, InstanceResult)]
    ours = {each.sop_instance_uid: each.path for each in found if isinstance(each, FileInstance)}
    return ours, others


def fetched(place: MediaPlace, folder: Path) -> tuple[dict[Outcome, int], list[str], str]:
    """Fetch everything; return counts, the reasons of failures, and the problems."""
    folder.mkdir(exist_ok=True)
    report = asyncio.run(place.fetch({}, Folder(folder)))
    return report.counts(), [each.words for each in report.lost], report.trouble


async def found(place: MediaPlace, account: Account | None = None, **keys: str) -> QueryResult:
    """Return all instances that match."""
    result = QueryResult(Level.IMAGE)
    async for piece in place.queries(keys, level=Level.IMAGE, account=account):
        result |= piece
    return result


@pytest.mark.parametrize("made_by", ["medium", "orthanc_folder"])
@pytest.mark.parametrize("named", ["folder", "file"])
def test_medium_of_another_program(
    request: pytest.FixtureRequest, medium: Path, tmp_path: Path, made_by: str, named: str
) -> None:
    """By dcmtk and by Orthanc: all instances are found, queried and fetched."""
    root: Path = request.getfixturevalue(made_by)
    place = MediaPlace(root if named == "folder" else root / "DICOMDIR")
    ours, others = instances(place)
    assert ours.keys() == UIDS
    assert others == []

    async def run() -> None:
        async with place:
            assert await place.echo() < 10
            studies = await found(place, PatientName="Müller*", StudyDate="20240102")
            assert {path[-1] for path in studies.paths()} == {
                uid for uid in UIDS if uid.startswith("1.2.77.1.")
            }

    asyncio.run(run())
    (tmp_path / "out").mkdir()
    assert fetched(place, tmp_path / "out") == ({Outcome.STORED: len(FILES)}, [], "")
    assert data_sets(tmp_path / "out") == {uid: data_set(file_of(medium, uid)) for uid in UIDS}


def test_names_in_lower_case(copy: Path) -> None:
    """As Linux shows them on a CD-ROM without extensions, including the DICOMDIR."""
    for path in sorted(copy.rglob("*"), reverse=True):
        path.rename(path.with_name(path.name.lower() + (";1" if path.is_file() else "")))
    ours, others = instances(MediaPlace(copy))
    assert ours.keys() == UIDS
    assert others == []
    assert ours[FIRST].endswith("/dicom/st0/im00;1")


def test_missing_file_is_found_by_queries_and_fails(copy: Path, tmp_path: Path) -> None:
    """Its record describes it."""
    file_of(copy, FIRST).unlink()
    place = MediaPlace(copy)
    ours, others = instances(place)
    assert ours.keys() == UIDS - {FIRST}
    path = str(file_of(copy, FIRST))
    assert others == [InstanceResult(path, FIRST, Outcome.NOT_TRIED, "the file is missing")]

    async def run() -> None:
        async with place:
            result = await found(
                place, PatientName="MÜLLER^J", SeriesNumber="1", StudyDate="20240101"
            )
            assert {path[-1] for path in result.paths()} == {f"1.2.77.0.3.{n}" for n in (1, 2, 3)}
            (tmp_path / "out").mkdir()
            report = await place.fetch(result, Folder(tmp_path / "out"))
            assert report.counts() == {Outcome.STORED: 2, Outcome.FAILED: 1}
            assert report.lost[0].words == f"{path}: the file is missing"
            assert report.trouble == ""

    asyncio.run(run())


@pytest.mark.parametrize("content", [b"", b"text", bytes(128) + b"DICM"])
def test_file_that_cannot_be_read(copy: Path, tmp_path: Path, content: bytes) -> None:
    """It fails with the reason, and the others are fetched."""
    file_of(copy, FIRST).write_bytes(content)
    counts, words, trouble = fetched(MediaPlace(copy), tmp_path / "out")
    assert counts == {Outcome.STORED: len(FILES) - 1, Outcome.FAILED: 1}
    assert "the file cannot be used: " in words[0]
    assert trouble == ""


def test_file_that_was_cut(copy: Path, tmp_path: Path) -> None:
    """Its header is complete, its pixels are not: it leaves nothing behind."""
    path = file_of(copy, FIRST)
    path.write_bytes(path.read_bytes()[:-10])
    counts, words, _ = fetched(MediaPlace(copy), tmp_path / "out")
    assert counts == {Outcome.STORED: len(FILES) - 1, Outcome.FAILED: 1}
    assert "it ends within PixelData" in words[0]
    assert data_sets(tmp_path / "out").keys() == UIDS - {FIRST}


def test_file_that_holds_another_instance(copy: Path, tmp_path: Path) -> None:
    """The instance in the file is found, and the one in the record is missing."""
    path = file_of(copy, FIRST)
    image = dcmread(path)
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = "1.2.99"
    image.save_as(path)
    place = MediaPlace(copy)
    counts, words, _ = fetched(place, tmp_path / "out")
    assert counts == {Outcome.STORED: len(FILES), Outcome.FAILED: 1}
    assert words == [f"{path}: the file contains another instance, 1.2.99"]
    assert data_sets(tmp_path / "out").keys() == UIDS - {FIRST} | {"1.2.99"}


def test_files_that_were_exchanged(copy: Path, tmp_path: Path) -> None:
    """All instances are found, only their records are wrong."""
    one, other = file_of(copy, FIRST), file_of(copy, "1.2.77.1.3.12")
    one.rename(tmp_path / "x")
    other.rename(one)
    (tmp_path / "x").rename(other)
    place = MediaPlace(copy)
    ours, others = instances(place)
    assert ours.keys() == UIDS
    assert others == []
    (tmp_path / "out").mkdir()
    report = asyncio.run(place.fetch({}, Folder(tmp_path / "out")))
    assert report.complete
    assert report.counts() == {Outcome.STORED: len(FILES)}
    assert sorted(report.remarks) == sorted(
        f"{path}: the file contains another instance, {uid}; the instance of its record is in another file"
        for path, uid in ((one, "1.2.77.1.3.12"), (other, FIRST))
    )


def test_directory_that_is_damaged(copy: Path, tmp_path: Path) -> None:
    """The rest of it is used; queries and reports say that there may be more."""
    data = (copy / "DICOMDIR").read_bytes()
    (copy / "DICOMDIR").write_bytes(data[: len(data) * 2 // 3])
    place = MediaPlace(copy)
    account = Account()
    with pytest.raises(NotAllFound, match="records may be missing"):
        asyncio.run(found(place, account))
    assert not account.complete
    counts, _, trouble = fetched(place, tmp_path / "out")
    assert 0 < counts[Outcome.STORED] < len(FILES)
    assert "records may be missing" in trouble


def test_wrong_offsets_are_a_remark(copy: Path, medium: Path, tmp_path: Path) -> None:
    """No instance is missing, so it is not a failure."""
    (copy / "DICOMDIR").write_bytes(written(medium, offset=lambda _: 12))
    place = MediaPlace(copy)
    account = Account()
    assert len(asyncio.run(found(place, account))) == len(FILES)
    assert "no offset leads to" in account.remarks[0]
    assert fetched(place, tmp_path / "out") == ({Outcome.STORED: len(FILES)}, [], "")


def test_record_that_leads_out_of_the_medium(copy: Path, medium: Path, tmp_path: Path) -> None:
    """A file elsewhere is not read, whatever a record says."""
    secret = shutil.copy(file_of(medium, FIRST), tmp_path / "SECRET")

    def change(record: object, number: int) -> None:
        if getattr(record, "ReferencedSOPInstanceUIDInFile", "") == FIRST:
            record.ReferencedFileID = ["..", "SECRET"]  # type: ignore[attr-defined]

    (copy / "DICOMDIR").write_bytes(written(medium, change=change))
    ours, others = instances(MediaPlace(copy))
    assert secret not in map(Path, ours.values())
    assert [(each.sop_instance_uid, each.words) for each in others] == [
        (FIRST, "the file is missing")
    ]


def test_folder_without_a_directory(tmp_path: Path) -> None:
    """It is not a medium, nor is a missing folder."""
    with pytest.raises(NotDicom, match="it has no DICOMDIR"):
        list(MediaPlace(tmp_path).instances())
    place = MediaPlace(tmp_path / "DICOMDIR")
    with pytest.raises(Unreadable, match="DICOMDIR cannot be read: No such file or directory"):
        list(place.instances())
    with pytest.raises(Unreadable):
        asyncio.run(place.echo())


def test_image_is_no_medium(medium: Path) -> None:
    """An image passed in place of a DICOMDIR."""
    with pytest.raises(NotDicom, match="it is not a DICOMDIR"):
        list(MediaPlace(file_of(medium, FIRST)).instances())
