"""A medium with a DICOMDIR, such as a CD-ROM, as a place (PS3.10 8, PS3.3 F).

    async with MediaPlace("/media/cdrom") as place:
        async for piece in place.queries({"PatientID": "4711"}): ...

Each file is read: its own header takes precedence over the record. An instance whose file is
missing, or contains another instance, is found by queries as its record describes it, and fetching
it fails with the reason.
"""

import os
from collections.abc import Iterator, Sequence

from dcm.data.dictionary import Key
from dcm.data.header import NotDicom, scan
from dcm.instances import FileInstance, UnusableInstance, identity_of
from dcm.outcome import InstanceResult, Outcome
from dcm.store.dicomdir import Directory, Reference
from dcm.store.medium_files import MediumFiles, directory_file
from dcm.store.read_only import Content, Listed, MissingInstance, ReadOnlyPlace


class MediaPlace(ReadOnlyPlace):
    """A DICOMDIR, or the folder that contains one, with the files that it lists."""

    def __init__(self, path: str | os.PathLike[str], name: str = "") -> None:
        found = directory_file(os.fspath(path))
        self.directory = os.fspath(path) if found is None else found
        """The path of the DICOMDIR."""
        root = os.path.dirname(os.path.abspath(self.directory))  # noqa: PTH100, PTH120
        super().__init__(path if found is None else root, self._found, name or os.fspath(path))

    def _found(self, wanted: Sequence[Key]) -> Iterator[Listed]:
        if os.path.isdir(self.directory):  # noqa: PTH112
            raise NotDicom("it has no DICOMDIR", self.directory)
        directory = Directory.read(self.directory)
        if directory.damaged:
            yield InstanceResult(self.directory, "", Outcome.FAILED, directory.damaged)
        reader = _Reader(directory, self.path, wanted)
        for reference in directory.references():
            yield from reader.contents(reference)
        yield from reader.missing()
        yield from directory.remarks


class _Reader:
    """Reads the files that records refer to, and compares them with the records."""

    def __init__(self, directory: Directory, root: str, wanted: Sequence[Key]) -> None:
        self._directory = directory
        self._root = root
        self._files = MediumFiles(root)
        self._wanted = wanted
        self._seen: set[str] = set()
        self._there: set[str] = set()
        """The SOP Instance UIDs of all files found."""
        self._missing: list[tuple[Reference, str]] = []

    def contents(self, reference: Reference) -> Iterator[Listed]:
        """Yield the instance in a file that was not seen before, and note what is missing."""
        expected = reference.record.sop_instance_uid
        path = self._files.find(reference.file_id)
        if path is None:
            self._missing.append((reference, "the file is missing"))
            return
        try:
            header = scan(path, self._wanted)
            kind, uid = identity_of(header)
            status = os.stat(path)  # noqa: PTH116 - for each file, and quicker
        except (OSError, NotDicom, UnusableInstance) as error:
            words = error.reason if isinstance(error, NotDicom) else str(error)
            self._missing.append((reference, f"the file cannot be used: {words}"))
            return
        if expected and uid != expected:
            self._missing.append((reference, f"the file contains another instance, {uid}"))
        if path not in self._seen:
            self._seen.add(path)
            self._there.add(uid)
            instance = FileInstance(kind, uid, path, header.data_set_offset)
            name = os.path.relpath(path, self._root)
            yield Content(name, status.st_size, status.st_mtime_ns, header, instance)

    def missing(self) -> Iterator[Listed]:
        """Yield the instances for which there is no file."""
        for reference, words in self._missing:
            record = reference.record
            path = os.path.join(self._root, *reference.file_id.split("\\"))  # noqa: PTH118
            if record.sop_instance_uid in self._there:
                yield f"{path}: {words}; the instance of its record is in another file"
            elif record.sop_instance_uid:
                kind = record.sop_class_uid, record.transfer_syntax_uid
                instance = MissingInstance(kind, record.sop_instance_uid, path, words)
                header = self._directory.values(reference)
                yield Content(f"DICOMDIR/{record.position}", 0, 0, header, instance)
            else:
                yield InstanceResult(path, "", Outcome.NOT_TRIED, words)
