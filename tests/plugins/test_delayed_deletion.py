"""The plugin for delayed deletion: all files are deleted shortly after their instances."""

from pathlib import Path

from harness.cases import Party, Rest, Stored, Suite, configured, orthanc_ids, wait_until

suite = Suite(
    level="product", needs=("rest", "server.files"), ref="Orthanc Book: delayed deletion plugin"
)
STATUS = "/plugins/delayed-deletion/status"
ON = configured(plugins="delayed-deletion", DelayedDeletion={"Enable": True, "ThrottleDelayMs": 0})
OFF = configured(plugins="delayed-deletion", DelayedDeletion={"Enable": False})


def objects(remote: Party) -> list[Path]:
    """Return the files of objects on the server, which have UUIDs as names."""
    assert remote.server.folder is not None
    return [path for path in (remote.server.folder / "data").glob("??/??/*") if path.is_file()]


@suite.case("DELDEL-001")
@ON
def test_files_go_with_their_instances(remote: Party, rest: Rest, stored: Stored) -> None:
    """After a deletion the queue becomes empty, and the files on the disk are those in the index."""
    study, kept = stored.study(instances=5), stored.instance(study="kept")
    before = len(objects(remote))

    rest.delete(orthanc_ids(study[0]).path("study"))

    assert rest.json("/instances") == [orthanc_ids(kept).instance]
    wait_until(
        lambda: rest.json(STATUS)["FilesPendingDeletion"] == 0, what="the queue to run empty"
    )
    wait_until(lambda: len(objects(remote)) == before // 6, what="the files to go")
    assert rest.get(f"{orthanc_ids(kept).path('instance')}/file").content == kept.data


@suite.case("DELDEL-002")
@OFF
def test_plugin_that_is_off(remote: Party, rest: Rest, stored: Stored) -> None:
    """A disabled plugin has no queue: files are gone when the deletion has been answered."""
    sample = stored.instance()
    assert objects(remote)

    rest.delete(orthanc_ids(sample).path("study"))

    assert objects(remote) == []
    rest.get(STATUS, expect=404)
