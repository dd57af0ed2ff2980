"""The same object by every door of a server, in and out: attribute by attribute, and pixel by pixel.

The matrix is door x door x transfer syntax. What a server may change on the way is said in one place,
`harness.corpus.difference`; a door that it does not have is unsupported, by what the case needs.
"""

from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from harness.cases import (
    Corpus,
    DicomWeb,
    Dimse,
    Part,
    Party,
    Rest,
    Sample,
    StorageScp,
    Stored,
    Suite,
    differences,
    instance_path,
    needs,
    orthanc_ids,
)

suite = Suite()


NATIVE = {"implicit": "p01", "explicit": "p08"}
OTHERS = {
    "big-endian": "p05",
    "deflated": "p07",
    "rle": "p09-rle-gray",
    "jpeg": "p10-jpeg-colour",
    "jpeg-lossless": "p12-jpeg-lossless",
    "jpeg-ls": "p13-offsets",
    "jpeg-2000": "p12-jpeg-2000",
}
LOSSLESS = {name: each for name, each in (NATIVE | OTHERS).items() if name != "jpeg"}
LOSSLESS |= {"jpeg-2000-colour": "p12-jpeg-2000-colour", "planes": "p04"}
KINDS = ["t01-known-vr", "t01-un", "t05", "t06-nested-40", "c13", "c18", "p14", "m07"]


class Doors:
    """The doors of the remote; what a door needs is asked for when it is used."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request

    @property
    def dimse(self) -> Dimse:
        """Association by association."""
        client: Dimse = self._request.getfixturevalue("dimse")
        return client

    @property
    def web(self) -> DicomWeb:
        """DICOMweb."""
        client: DicomWeb = self._request.getfixturevalue("web")
        return client

    @property
    def rest(self) -> Rest:
        """Orthanc's own interface."""
        client: Rest = self._request.getfixturevalue("rest")
        return client

    def c_store(self, sample: Sample) -> None:
        """Store by C-STORE."""
        self.dimse.store_all([sample])

    def stow(self, sample: Sample) -> None:
        """Store by STOW-RS."""
        self.web.stow([sample.data])

    def upload(self, sample: Sample) -> None:
        """Store by an upload."""
        self.rest.upload_all([sample])

    def c_get(self, sample: Sample) -> Dataset:
        """Retrieve by C-GET, in the transfer syntax of the sample."""
        storage = [(sample.sop_class_uid, [sample.transfer_syntax])]
        retrieved = self.dimse.get("IMAGE", storage=storage, **keys_of(sample))
        [received] = retrieved.datasets
        return received

    def c_move(self, sample: Sample) -> Dataset:
        """Retrieve by C-MOVE to a storage SCP of ours, which accepts every transfer syntax."""
        destination: StorageScp = self._request.getfixturevalue("destination")
        local: Party = self._request.getfixturevalue("local")
        self.dimse.move("IMAGE", local.ae_title, **keys_of(sample))
        [arrival] = destination.received(1)
        return arrival.dataset

    def wado(self, sample: Sample) -> Dataset:
        """Retrieve by WADO-RS, in whatever transfer syntax the server chooses."""
        [part] = self.web.wado(instance_path(sample), transfer_syntax="*")
        return part.dataset()

    def wado_native(self, sample: Sample) -> Dataset:
        """Retrieve by WADO-RS in Explicit VR Little Endian, which every server can give (PS3.18 8.7.3.4)."""
        path = instance_path(sample)
        [part] = self.web.wado(path, transfer_syntax=ExplicitVRLittleEndian)
        return part.dataset()

    def download(self, sample: Sample) -> Dataset:
        """Retrieve the stored file."""
        answer = self.rest.get(f"/instances/{orthanc_ids(sample).instance}/file")
        return Part({}, answer.content).dataset()


In = Callable[[Doors, Sample], None]
Out = Callable[[Doors, Sample], Dataset]

into = pytest.mark.parametrize(
    "store",
    [
        pytest.param(Doors.c_store, id="c-store", marks=needs("dimse.store")),
        pytest.param(Doors.stow, id="stow", marks=needs("dicomweb.stow")),
        pytest.param(Doors.upload, id="upload", marks=needs("rest")),
    ],
)
BY_GET = pytest.param(Doors.c_get, id="c-get", marks=needs("dimse.get.study"))
BY_MOVE = pytest.param(Doors.c_move, id="c-move", marks=needs("dimse.move.study"))
BY_WADO = pytest.param(Doors.wado, id="wado", marks=needs("dicomweb.wado"))
BY_WADO_NATIVE = pytest.param(Doors.wado_native, id="wado-native", marks=needs("dicomweb.wado"))
BY_DOWNLOAD = pytest.param(Doors.download, id="download", marks=needs("rest"))
out_of = pytest.mark.parametrize("retrieve", [BY_GET, BY_MOVE, BY_WADO, BY_DOWNLOAD])
of_each_kind = pytest.mark.parametrize("name", KINDS)


def of_each(syntaxes: dict[str, str]) -> pytest.MarkDecorator:
    """Run with a sample in each of these transfer syntaxes, called by its name."""
    return pytest.mark.parametrize("name", [*syntaxes.values()], ids=[*syntaxes])


def keys_of(sample: Sample) -> dict[str, str]:
    """Give the unique keys of the sample, at each level (PS3.4 C.6.2.1)."""
    return {
        "StudyInstanceUID": sample.study_instance_uid,
        "SeriesInstanceUID": sample.series_instance_uid,
        "SOPInstanceUID": sample.sop_instance_uid,
    }


def assert_same(doors: Doors, sample: Sample, store: In, retrieve: Out) -> None:
    """Store by one door, retrieve by another, and compare."""
    store(doors, sample)
    received = retrieve(doors, sample)

    assert differences(sample.dataset(), received, sample.picture) == []


@pytest.fixture
def doors(request: pytest.FixtureRequest) -> Doors:
    """Every door of the remote."""
    return Doors(request)


@suite.case("SAME-001", ref="PS3.4 B.4.1.1, C.4.2, C.4.3; PS3.18 10.4.1.1.1 (2020b)")
@of_each(NATIVE)
@out_of
@into
def test_in_native_syntax(
    doors: Doors, corpus: Corpus, store: In, retrieve: Out, name: str
) -> None:
    """An image comes out of each door as it went into any: its attributes, and its frames to the last bit."""
    assert_same(doors, corpus[name], store, retrieve)


@suite.case(
    "SAME-005", ref="PS3.4 B.4.1.1, C.4.2, C.4.3; PS3.18 10.4.1.1.1 (2020b)", level="should"
)
@of_each(OTHERS)
@out_of
@into
def test_in_any_other_syntax(
    doors: Doors, corpus: Corpus, store: In, retrieve: Out, name: str
) -> None:
    """So does an image in a transfer syntax that a server is free to take or to refuse."""
    assert_same(doors, corpus[name], store, retrieve)


@suite.case("SAME-002", ref="PS3.18 8.7.3.4, 8.7.8.2; PS3.5 8.1.2 (2020b)")
@of_each(LOSSLESS)
@pytest.mark.parametrize("retrieve", [BY_WADO_NATIVE])
@into
def test_decoded(doors: Doors, corpus: Corpus, store: In, retrieve: Out, name: str) -> None:
    """Decoded into native pixels, an image has every pixel that it had before it was compressed."""
    sample = corpus[name]

    store(doors, sample)
    received = retrieve(doors, sample)

    assert received.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert differences(sample.dataset(), received, sample.picture) == []


@suite.case("SAME-003", ref="PS3.4 B.4.1.1: Level 2 (2020b)")
@of_each_kind
@out_of
@into
def test_of_each_kind(doors: Doors, corpus: Corpus, store: In, retrieve: Out, name: str) -> None:
    """Private and unknown elements, every VR, deep sequences, any text and documents come out unchanged."""
    assert_same(doors, corpus[name], store, retrieve)


@suite.case("SAME-004", ref="PS3.4 C.4.2, C.4.3; PS3.18 10.4.1.1.1 (2020b)")
@pytest.mark.parametrize("second", [BY_MOVE, BY_WADO, BY_DOWNLOAD])
@pytest.mark.parametrize("first", [BY_GET])
def test_all_doors_lead_out_the_same(doors: Doors, stored: Stored, first: Out, second: Out) -> None:
    """Whatever a server made of an object, it is the same object out of any two doors."""
    sample = stored.sample("t05")

    assert differences(first(doors, sample), second(doors, sample)) == []
