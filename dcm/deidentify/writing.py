"""Write de-identified files: each is complete before it gets its name, which is made of the new values."""

import os
from typing import Final, NamedTuple

from dcm.data.header import scan
from dcm.deidentify.account import Account
from dcm.deidentify.filter import DeidentifyFilter
from dcm.deidentify.meta import file_meta
from dcm.held import Settled, settle
from dcm.instances import SLICE, instance_of
from dcm.part_file import PartFile
from dcm.store.layout import DEFAULT, Layout


class DeidentifiedFile(NamedTuple):
    """The result for a file.

    file: the new file. already_there: whether it already existed, from an earlier run.
    beside: whether another object with the same UID exists, too. remarks: oddities of the file.
    """

    file: str
    sop_instance_uid: str
    already_there: bool
    beside: bool
    remarks: tuple[str, ...]


class FileDeidentifier:
    """Writes the files de-identified by a filter below a folder."""

    def __init__(self, through: DeidentifyFilter, folder: str, layout: Layout = DEFAULT) -> None:
        self._filter: Final = through
        self._folder: Final = folder
        self._layout: Final = layout
        self._memory: Final = bytearray(SLICE)
        self._made: Final[set[str]] = set()

    def write(self, path: str, account: Account | None = None) -> DeidentifiedFile:
        """De-identify a file. Raises `NotDicom`, `OSError` and the errors of `DeidentifyFilter.apply`."""
        remarks: list[str] = []
        instance = self._filter.deidentified(instance_of(path), remarks, account)
        self._make(self._folder)
        with PartFile(self._folder) as part:
            part.write([file_meta(instance)])
            for data, _ in instance.slices(self._memory, remarks):
                part.write([data])
            file = os.path.join(
                self._folder, self._layout.path(scan(part.path, self._layout.needs))
            )
            self._make(os.path.dirname(file))
            settled = None
            if not part.name(file):
                file, settled = settle(part, file)
        return DeidentifiedFile(
            file, instance.sop_instance_uid, settled is Settled.SAME, settled is Settled.BESIDE,
            tuple(remarks),
        )  # fmt: skip

    def _make(self, folder: str) -> None:
        if folder not in self._made:
            os.makedirs(folder, exist_ok=True)
            self._made.add(folder)
