"""Turning storage compression on and off: objects stored before stay readable."""

import pytest

from harness.cases import Rest, Sample, Stored, Story, Suite, orthanc_ids

suite = Suite(
    level="product",
    ref="Orthanc Book: configuration, StorageCompression",
    needs=("rest", "server.configure", "server.restart"),
    thorough=True,
)
COVERED = "StorageCompression.test_storage_compression.test_read_compressed_and_uncompressed_files"


def stored_size(rest: Rest, sample: Sample) -> int:
    """Return the size of the file of an object in the storage area."""
    path = f"{orthanc_ids(sample).path('instance')}/attachments/dicom/compressed-size"
    return int(rest.get(path).text)


def file_of(rest: Rest, sample: Sample) -> bytes:
    """Return the file of an object."""
    return rest.get(f"{orthanc_ids(sample).path('instance')}/file").content


@suite.case("COMPR-001", thorough=False, covers=COVERED)
@pytest.mark.parametrize("first", [True, False], ids=["on-then-off", "off-then-on"])
def test_both_kinds_are_read(story: Story, rest: Rest, stored: Stored, first: bool) -> None:
    """Files stored with and without compression are returned unchanged, before and after the restart."""
    story.start(StorageCompression=first)
    old = stored.instance(study="old", rows=64, columns=64)
    story.end("SIGKILL")
    story.start(StorageCompression=not first)
    new = stored.instance(study="new", rows=64, columns=64)

    assert [stored_size(rest, each) < len(each.data) for each in (old, new)] == [first, not first]
    for each in (old, new, old, new):  # the second time from the cache
        assert file_of(rest, each) == each.data
