"""ZIP archives in answers, and the file-sets of PS3.10 in some of them."""

import io
import zipfile
from collections.abc import Mapping

import pydicom
import requests
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from harness.clients.answers import Malformed


def entries_of(answer: requests.Response | bytes) -> dict[str, bytes]:
    """Return the content of each entry by its name; fails the case if the archive is damaged.

    Checksums are verified, and a duplicate name is an error.
    """
    data = answer if isinstance(answer, bytes) else answer.content
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            found = {name: archive.read(name) for name in names}
    except (zipfile.BadZipFile, EOFError, ValueError, KeyError) as error:
        raise Malformed(f"expected a ZIP archive, received {data[:40]!r}: {error}") from error
    assert len(found) == len(names), f"the archive has an entry twice: {sorted(names)}"
    return found


def directory_of(entries: Mapping[str, bytes]) -> Dataset:
    """Return the DICOMDIR of a file-set; fails the case if pydicom cannot read it as one."""
    assert "DICOMDIR" in entries, f"there is no DICOMDIR in the archive: {sorted(entries)}"
    try:
        return pydicom.dcmread(io.BytesIO(entries["DICOMDIR"]))
    except (InvalidDicomError, EOFError, ValueError) as error:
        raise Malformed(f"pydicom cannot read the DICOMDIR: {error}") from error


def references_of(directory: Dataset) -> dict[str, str]:
    """Return the File ID of each record that has one, as a path, by SOP Instance UID."""
    records = directory.DirectoryRecordSequence
    return {
        str(record.ReferencedSOPInstanceUIDInFile): "/".join(_several(record.ReferencedFileID))
        for record in records
        if "ReferencedFileID" in record
    }


def _several(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(each) for each in value]  # type: ignore[attr-defined]
