"""A sample object: its bytes, its known properties, and its original pixels."""

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.uid import UID, ExplicitVRLittleEndian

from harness.corpus.modules import override
from harness.corpus.part10 import data_set_offset, part10
from harness.corpus.picture import Frame, Picture
from harness.corpus.place import uid
from harness.errors import CorpusError


def _uid(keyword: str) -> "cached_property[UID]":
    return cached_property(lambda sample: UID(sample.element(keyword)))


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample object, immutable: to change something, change the result of `dataset()`."""

    id: str
    purpose: str
    data: bytes = field(repr=False)
    transfer_syntax: UID
    origin: Dataset | Mapping[str, Any] | None = field(repr=False, default=None)
    """The source of its identifiers, by keyword."""
    picture: Picture | None = field(repr=False, default=None)
    properties: Mapping[str, Any] = field(repr=False, default_factory=dict)

    @cached_property
    def sha256(self) -> str:
        """The checksum of `data`, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def patient_id(self) -> str:
        """The Patient ID."""
        return str(self.element("PatientID"))

    study_instance_uid = _uid("StudyInstanceUID")
    series_instance_uid = _uid("SeriesInstanceUID")
    sop_instance_uid = _uid("SOPInstanceUID")
    sop_class_uid = _uid("SOPClassUID")

    @property
    def context(self) -> tuple[str, list[str]]:
        """The presentation context to send it unchanged: its SOP class and its transfer syntax."""
        return self.sop_class_uid, [self.transfer_syntax]

    @property
    def data_set(self) -> bytes:
        """The encoded data set, without the file meta information."""
        return self.data[data_set_offset(self.data) :]

    def dataset(self) -> FileDataset:
        """Read the bytes into a new data set, file meta information included.

        Raises `CorpusError` for a malformed sample that cannot be read.
        """
        try:
            return pydicom.dcmread(io.BytesIO(self.data))
        except (InvalidDicomError, EOFError) as error:
            raise CorpusError(f"{self.id} cannot be read as DICOM ({error}); use `data`") from error

    def frame(self, index: int) -> Frame:
        """Return the pixels of one frame, counted from 0, before any compression."""
        if self.picture is None:
            raise CorpusError(f"{self.id} has no pixels: {self.purpose}")
        frames = self.picture.frames
        if not 0 <= index < len(frames):
            raise CorpusError(f"{self.id} has {len(frames)} frames, but no frame {index}")
        return frames[index]

    def write(self, folder: Path) -> Path:
        """Write the bytes to a file in `folder`, for a command-line tool, and return its path."""
        path = folder / (self.id.replace("/", "_") + str(self.properties.get("suffix", ".dcm")))
        path.write_bytes(self.data)
        return path

    def element(self, keyword: str) -> Any:
        """Return the value of one of its identifiers; raises `CorpusError` if it has none."""
        if self.origin is None or keyword not in self.origin:
            raise CorpusError(f"{self.id} has no {keyword}: {self.purpose}")
        found = self.origin[keyword]
        return found.value if isinstance(found, DataElement) else found


@dataclass(frozen=True)
class Draft:
    """The result of a recipe: everything in a sample but its id.

    `fragments` replaces the native pixels with compressed frames, each a tuple of its fragments.
    `mangle` makes the file malformed.
    """

    dataset: Dataset
    transfer_syntax: str = ExplicitVRLittleEndian
    picture: Picture | None = None
    pixel_data: bytes | None = None
    known: Mapping[str, Any] = field(default_factory=dict)
    mangle: Callable[[bytes], bytes] | None = None
    elements: Mapping[str, Any] = field(default_factory=dict)
    """Elements that override those derived from the picture, by keyword."""

    def finish(self, id: str, purpose: str) -> Sample:  # noqa: A002 - as in the catalogue
        """Write the file and describe it."""
        ds = self.dataset
        syntax = UID(self.transfer_syntax)
        if self.picture is not None:
            self.picture.describe(ds)
            native = self.picture.native(little_endian=syntax.is_little_endian)
            ds.PixelData = self.pixel_data or native
            wide = ds.BitsAllocated > 8 and not syntax.is_encapsulated
            ds["PixelData"].VR = "OW" if wide or syntax.is_implicit_VR else "OB"
        override(ds, self.elements)
        data = part10(
            ds,
            syntax,
            sop_class=ds.get("SOPClassUID", _WORKLIST_FIND),
            sop_instance=ds.get("SOPInstanceUID", uid(id)),
        )
        if self.mangle is not None:
            data = self.mangle(data)
        properties = {**describe(ds, syntax), "valid": self.mangle is None, **self.known}
        return Sample(id, purpose, data, syntax, ds, self.picture, MappingProxyType(properties))


# A worklist item has no SOP Class of its own: its file names the service that finds it.
_WORKLIST_FIND = UID("1.2.840.10008.5.1.4.31")

DESCRIBED = {
    "character_set": "SpecificCharacterSet",
    "modality": "Modality",
    "rows": "Rows",
    "columns": "Columns",
    "bits_allocated": "BitsAllocated",
    "bits_stored": "BitsStored",
    "photometric": "PhotometricInterpretation",
    "frames": "NumberOfFrames",
}


def describe(ds: Dataset, transfer_syntax: UID) -> dict[str, Any]:
    """Return the properties by which a sample is chosen; the catalogue shows them."""
    found: dict[str, Any] = {"transfer_syntax": str(transfer_syntax)}
    if "SOPClassUID" in ds:
        found["sop_class"] = str(ds.SOPClassUID)
    for name, keyword in DESCRIBED.items():
        if keyword in ds:
            value = ds[keyword].value
            if isinstance(value, MultiValue):
                value = "\\".join(value)
            found[name] = value if isinstance(value, int) else str(value)
    if ds.get("PixelRepresentation") == 1:
        found["signed"] = True
    return found
