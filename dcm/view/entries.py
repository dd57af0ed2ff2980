"""What to show: images in the order of patient, study and series."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from typing import Final, NamedTuple

from dcm.data.header import NotDicom, scan
from dcm.processes import Processes

_CHUNK: Final = 300
_FEW: Final = 1000
"""Up to this number of files are scanned by this process, as starting others takes as long."""
_MEDIA_DIRECTORY: Final = "1.2.840.10008.1.3.10"
_WANTED: Final = (
    "PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyDescription",
    "AccessionNumber", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality",
    "InstanceNumber", "NumberOfFrames",
)  # fmt: skip


class Entry(NamedTuple):
    """A file. words: why it is not a DICOM file; then everything else is empty."""

    path: str
    words: str = ""
    transfer_syntax_uid: str = ""
    patient_name: str = ""
    patient_id: str = ""
    study_instance_uid: str = ""
    study_date: str = ""
    study_time: str = ""
    study_description: str = ""
    accession_number: str = ""
    series_instance_uid: str = ""
    series_number: str = ""
    series_description: str = ""
    modality: str = ""
    instance_number: str = ""
    number_of_frames: str = ""

    @property
    def study(self) -> tuple[str, ...]:
        """The identity and sort key of its study."""
        return (
            self.patient_name, self.patient_id, self.study_date, self.study_time, self.study_instance_uid,
        )  # fmt: skip

    @property
    def series(self) -> tuple[float, str, str]:
        """The identity and sort key of its series within the study."""
        return _number(self.series_number), self.modality, self.series_instance_uid

    @property
    def frames(self) -> int:
        """The declared number of frames, at least 1."""
        return max(1, int(_number(self.number_of_frames, 1)))


class Shown(NamedTuple):
    """A frame of an image to show; frames are counted from 1."""

    entry: Entry
    frame: int


def _number(text: str, missing: float = 1e9) -> float:
    text = text.strip()
    return float(text) if text.lstrip("-").isdecimal() and len(text) < 12 else missing


def entries(paths: Iterable[str]) -> Iterator[Entry]:
    """Yield the entries of files, from their headers."""
    every = iter(paths)
    first = list(islice(every, _FEW))
    if len(first) < _FEW:
        yield from map(_entry, first)
        return
    every = chain(first, every)
    with Processes("dcm.view.entries:scan_chunk") as processes:
        for some in processes.map(iter(lambda: list(islice(every, _CHUNK)), [])):
            yield from map(Entry._make, some)


def scan_chunk(paths: Sequence[str]) -> list[tuple[str, ...]]:
    """Scan some files, for `dcm.processes`."""
    return [tuple(_entry(path)) for path in paths]


def _entry(path: str) -> Entry:
    try:
        header = scan(path, _WANTED)
    except NotDicom as error:
        return Entry(path, error.reason)
    except OSError as error:
        return Entry(path, error.strerror or str(error))
    if header.sop_class_uid == _MEDIA_DIRECTORY:
        return Entry(path, "a directory of media (DICOMDIR)")
    return Entry(path, "", header.transfer_syntax_uid, *map(header.text, _WANTED))


def chosen(found: Iterable[Entry], every: int) -> list[Shown]:
    """Return what to show, in the order of patients, studies, series and instance numbers.

    every: every n-th image of a series, and every n-th frame of an image; 0: all images, and of a
    multi-frame image the middle frame.
    """
    ordered = sorted(
        found, key=lambda each: (each.study, each.series, _number(each.instance_number), each.path)
    )
    shown: list[Shown] = []
    for _, same in groupby(ordered, key=lambda each: (each.study, each.series)):
        images = [*same][:: every or 1]
        for each in images:
            frames = range(1, each.frames + 1, every) if every else [each.frames // 2 + 1]
            shown.extend(Shown(each, min(number, each.frames)) for number in frames)
    return shown
