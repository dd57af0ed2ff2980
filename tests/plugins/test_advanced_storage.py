"""The advanced storage plugin: names of files, several storages, adopted files, indexed folders."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cases import (
    Maker,
    Party,
    Rest,
    Sample,
    Stored,
    Story,
    Suite,
    configured,
    orthanc_ids,
    wait_until,
)

suite = Suite(
    level="product", needs=("rest", "orthanc>=1.12.8"), ref="Orthanc Book: advanced storage plugin"
)

SCHEME = (
    "{split(StudyDate)}/{StudyInstanceUID} - {PatientID}/{SeriesInstanceUID}/"
    "{pad6(InstanceNumber)} - {UUID}{.ext}"
)
API = "/plugins/advanced-storage"


def settings(*, scheme: str | None = SCHEME, indexer: bool = False) -> dict[str, Any]:
    """Return the set-up of a server with two storages that writes new files to b."""
    section: dict[str, Any] = {
        "Enable": True,
        "MultipleStorages": {
            "Storages": {"a": "{here}/storage-a", "b": "{here}/storage-b"},
            "CurrentWriteStorage": "b",
        },
        "DelayedDeletion": {"Enable": True},
    }
    if scheme is not None:
        section |= {"NamingScheme": scheme, "MaxPathLength": 512}
    if indexer:
        section["Indexer"] = {
            "Enable": True, "Folders": ["{here}/worklists"], "Interval": 1, "TakeOwnership": False,
        }  # fmt: skip
    return {"MaximumStorageCacheSize": 0, "StableAge": 1, "AdvancedStorage": section}


def storages(*, scheme: str | None = SCHEME, indexer: bool = False) -> pytest.MarkDecorator:
    """Return the marker of a case whose server has two storages."""
    return configured(plugins="advanced-storage", **settings(scheme=scheme, indexer=indexer))


each_scheme = pytest.mark.parametrize(
    "scheme",
    [
        pytest.param(SCHEME, marks=storages(), id="named"),
        pytest.param(None, marks=storages(scheme=None), id="default"),
    ],
)


def info(rest: Rest, sample: Sample) -> dict[str, Any]:
    """Return the server's information about the file of an instance."""
    path = f"{orthanc_ids(sample).path('instance')}/attachments/dicom/info"
    found: dict[str, Any] = rest.json(path)
    return found


def is_named(told: dict[str, Any], sample: Sample, scheme: str | None) -> bool:
    """Return whether a file is named by the scheme or, without a scheme, by its UUID."""
    return (sample.study_instance_uid in told["Path"]) == (scheme is not None)


def on_disk(remote: Party, told: dict[str, Any]) -> Path:
    """Return our path of a file of the server."""
    folder = remote.server.folder
    assert folder is not None
    path = Path(told["Path"])
    root = remote.server.adapter.build.root
    if root is not None and path.is_absolute():
        return root / path.relative_to("/")
    return folder / path


def deleted(rest: Rest, path: Path) -> None:
    """Wait until a file is deleted and no other file is waiting for deletion."""
    wait_until(
        lambda: not path.exists() and rest.json(f"{API}/status")["FilesPendingDeletion"] == 0,
        what=f"{path} to be deleted",
    )


def adopt(rest: Rest, path: Path, *, own: bool) -> dict[str, Any]:
    """Let the server adopt a file."""
    body = {"Path": str(path), "TakeOwnership": own}
    answer: dict[str, Any] = rest.post(f"{API}/adopt-instance", body).json()
    return answer


@suite.case("ASTOR-001", covers="AdvancedStorage.test_advanced_storage.test_basic")
@storages()
def test_files_are_named_by_thescheme(remote: Party, rest: Rest, stored: Stored) -> None:
    """A file is in the storage for new files, under the names of the scheme."""
    sample = stored.instance(PatientID="Scheme", StudyDate="20240115", number=7)

    told = info(rest, sample)

    study, series = sample.study_instance_uid, sample.series_instance_uid
    end = f"storage-b/2024/01/15/{study} - Scheme/{series}/000007 - {told['Uuid']}.dcm"
    assert told["Path"].endswith(end)
    assert (told["StorageId"], told["IsOwnedByOrthanc"], told["IsIndexed"]) == ("b", True, False)
    assert on_disk(remote, told).read_bytes() == sample.data


@suite.case(
    "ASTOR-002",
    covers=(
        "AdvancedStorage.test_advanced_storage.test_move_storage",
        "AdvancedStorage.test_advanced_storage_default_naming_scheme.test_move_storage",
    ),
)
@each_scheme
def test_file_moves_between_storages(
    remote: Party, rest: Rest, stored: Stored, scheme: str | None
) -> None:
    """A file moves to the other storage and back; the former file is deleted each time."""
    sample = stored.instance()

    for target in ("a", "b"):
        before = on_disk(remote, info(rest, sample))
        rest.post(
            f"{API}/move-storage",
            {"Resources": [orthanc_ids(sample).instance], "TargetStorageId": target},
        )
        told = info(rest, sample)
        assert told["StorageId"] == target
        assert is_named(told, sample, scheme)
        assert on_disk(remote, told).read_bytes() == sample.data
        deleted(rest, before)


@suite.case(
    "ASTOR-003",
    covers=(
        "AdvancedStorage.test_advanced_storage.test_adopt_abandon",
        "AdvancedStorage.test_advanced_storage_default_naming_scheme.test_adopt_abandon",
    ),
)
@each_scheme
@pytest.mark.parametrize("end", ["delete", "abandon"])
def test_adopted_file_stays(
    remote: Party, rest: Rest, make: Maker, scheme: str | None, end: str
) -> None:
    """A file adopted without ownership is served, is not moved, and remains after the instance is deleted."""
    sample = make.instance()
    path = remote.worklists / "adopted.dcm"
    path.write_bytes(sample.data)

    answer = adopt(rest, path, own=False)

    ids, told = orthanc_ids(sample), info(rest, sample)
    assert not is_named(told, sample, SCHEME), f"with {scheme} as without, it stays where it is"
    assert (answer["InstanceId"], answer["AttachmentUuid"]) == (ids.instance, told["Uuid"])
    assert (told["IsOwnedByOrthanc"], told["IsIndexed"], told.get("StorageId", "")) == (
        False,
        False,
        "",
    )
    assert rest.get(f"{ids.path('instance')}/file").content == sample.data
    move = {"Resources": [ids.instance], "TargetStorageId": "a"}
    assert rest.post(f"{API}/move-storage", move, expect=None).status_code in range(400, 600)
    if end == "delete":
        rest.delete(ids.path("instance"))
    else:
        rest.post(f"{API}/abandon-instance", {"Path": str(path)})
    assert rest.json("/instances") == []
    assert path.read_bytes() == sample.data
    path.unlink()


@suite.case(
    "ASTOR-004",
    covers=(
        "AdvancedStorage.test_advanced_storage.test_adopt_abandon",
        "AdvancedStorage.test_advanced_storage_default_naming_scheme.test_adopt_abandon",
    ),
)
@each_scheme
@pytest.mark.parametrize("end", ["delete", "abandon", "reconstruct"])
def test_owned_file_goes(
    remote: Party, rest: Rest, make: Maker, scheme: str | None, end: str
) -> None:
    """A file adopted with ownership is deleted with the instance, or moved when that is reconstructed."""
    sample = make.instance()
    path = remote.worklists / "owned.dcm"
    path.write_bytes(sample.data)

    adopt(rest, path, own=True)

    ids, told = orthanc_ids(sample), info(rest, sample)
    assert (told["IsOwnedByOrthanc"], told["IsIndexed"]) == (True, False)
    if end == "reconstruct":
        rest.post(f"{ids.path('instance')}/reconstruct", {"ReconstructFiles": True})
        told = info(rest, sample)
        assert (told["StorageId"], told["IsOwnedByOrthanc"]) == ("b", True)
        assert is_named(told, sample, scheme)
        assert on_disk(remote, told).read_bytes() == sample.data
    elif end == "delete":
        rest.delete(ids.path("instance"))
    else:
        rest.post(f"{API}/abandon-instance", {"Path": str(path)})
    deleted(rest, path)


@suite.case(
    "ASTOR-005",
    covers=(
        "AdvancedStorage.test_advanced_storage.test_indexer",
        "AdvancedStorage.test_advanced_storage_default_naming_scheme.test_indexer",
    ),
)
@pytest.mark.parametrize(
    "scheme",
    [
        pytest.param(SCHEME, marks=storages(indexer=True), id="named"),
        pytest.param(None, marks=storages(scheme=None, indexer=True), id="default"),
    ],
)
def test_folder_is_indexed(remote: Party, rest: Rest, make: Maker, scheme: str | None) -> None:
    """Instances appear and disappear with the files in a watched folder; deleted ones do not reappear."""
    one, two = make.study(series=2)
    paths = [remote.worklists / name for name in ("one.dcm", "two.dcm")]
    for path, sample in zip(paths, (one, two), strict=True):
        path.write_bytes(sample.data)
    wait_until(lambda: len(rest.json("/series")) == 2, what="both files to be indexed")
    assert info(rest, one)["IsOwnedByOrthanc"] is False
    assert not is_named(info(rest, one), one, SCHEME), (
        f"with {scheme} as without, it stays where it is"
    )
    assert rest.get(f"{orthanc_ids(one).path('instance')}/file").content == one.data

    paths[0].unlink()
    wait_until(lambda: rest.json("/series") == [orthanc_ids(two).series], what="its series to go")
    rest.delete(orthanc_ids(two).path("study"))

    assert paths[1].read_bytes() == two.data
    paths[1].unlink()
    assert rest.json("/instances") == []


@suite.case("ASTOR-006", needs="server.restart")
@storages()
def test_file_moves_after_a_restart(
    remote: Party, rest: Rest, stored: Stored, crash: Callable[[], None]
) -> None:
    """A file from before a restart can be moved like any other, and is deleted with its instance."""
    sample = stored.instance()
    crash()
    told = info(rest, sample)
    assert (told["IsOwnedByOrthanc"], told["IsIndexed"]) == (True, False)
    before = on_disk(remote, told)

    move = {"Resources": [orthanc_ids(sample).instance], "TargetStorageId": "a"}
    rest.post(f"{API}/move-storage", move)

    moved = info(rest, sample)
    assert moved["StorageId"] == "a"
    deleted(rest, before)
    rest.delete(orthanc_ids(sample).path("instance"))
    deleted(rest, on_disk(remote, moved))


@suite.case(
    "ASTOR-007",
    needs="server.restart",
    covers="AdvancedStorage.test_advanced_storage.test_can_read_files_saved_without_plugin",
)
@configured(plugins="advanced-storage", AdvancedStorage={"Enable": False})
def test_files_from_before_the_plugin(
    story: Story, remote: Party, rest: Rest, stored: Stored
) -> None:
    """A file stored without the plugin is read, moved to a storage, and deleted with its instance."""
    moved, left = (stored.instance() for _ in range(2))
    story.end("SIGTERM")
    story.start(**settings())

    told = info(rest, moved)
    before = on_disk(remote, told)
    assert (before.suffix, told["IsOwnedByOrthanc"], told["IsIndexed"]) == ("", True, False)
    assert rest.get(f"{orthanc_ids(moved).path('instance')}/file").content == moved.data

    body = {"Resources": [orthanc_ids(moved).instance], "TargetStorageId": "a"}
    rest.post(f"{API}/move-storage", body)
    told = info(rest, moved)
    assert told["StorageId"] == "a"
    assert on_disk(remote, told).read_bytes() == moved.data
    deleted(rest, before)

    for each in (moved, left):
        path = on_disk(remote, info(rest, each))
        rest.delete(orthanc_ids(each).path("instance"))
        deleted(rest, path)
