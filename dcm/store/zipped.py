"""A zip archive as a place: it can be queried, and instances are read without extracting it.

async with ZipPlace("studies.zip") as place:
    async for piece in place.queries({"PatientID": "4711"}): ...
"""

import os
from collections.abc import Iterator, Sequence
from typing import Final

from dcm.data.dictionary import Key
from dcm.data.header import NotDicom
from dcm.instances import UnusableInstance, identity_of
from dcm.outcome import InstanceResult, Outcome
from dcm.store.dicomdir import MEDIA_STORAGE_DIRECTORY
from dcm.store.read_only import Content, Listed, ReadOnlyPlace
from dcm.store.zip_members import BadMember, Member, members

_PREFIX: Final = b"DICM"


class ZipPlace(ReadOnlyPlace):
    """A zip archive with DICOM files.

    Members that are not DICOM, and a DICOMDIR, are skipped. A member that is encrypted, damaged,
    empty, or compressed in an unusual way is not ignored silently: it gets an outcome.
    """

    def __init__(self, path: str | os.PathLike[str], name: str = "") -> None:
        super().__init__(path, self._found, name)

    def _found(self, wanted: Sequence[Key]) -> Iterator[Listed]:
        for number, member in enumerate(members(self.path)):
            if isinstance(member, BadMember):
                path = f"{member.archive}/{member.name}"
                yield InstanceResult(path, "", Outcome.NOT_TRIED, member.words)
            else:
                yield _content(member, str(number), wanted)  # names may occur twice


def _content(member: Member, name: str, wanted: Sequence[Key]) -> Content | InstanceResult:
    try:
        header = member.header(wanted)
        kind, uid = identity_of(header)
    except NotDicom as error:
        if not member.size or member.head()[128:] == _PREFIX:
            return InstanceResult(member.path, "", Outcome.NOT_TRIED, str(error))
        return InstanceResult(member.path, "", Outcome.PASSED_OVER, "it is not a DICOM file")
    except UnusableInstance as error:
        return InstanceResult(member.path, "", Outcome.NOT_TRIED, str(error))
    if kind[0] == MEDIA_STORAGE_DIRECTORY:
        return InstanceResult(member.path, uid, Outcome.PASSED_OVER, "it is a DICOMDIR")
    instance = member.instance(kind, uid, header.data_set_offset)
    return Content(name, member.size, int(member.mtime * 1e9), header, instance)
