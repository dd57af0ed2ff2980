"""An object stays the same through every interface of a server, in all attributes and pixels.

The matrix is store interface x retrieve interface x transfer syntax. `harness.corpus.difference`
defines what a server may change. An interface that a server lacks is unsupported, by the needs of
its parameter.
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
    single,
    unique_keys,
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
    "jpeg-fragments": "p13-no-offsets",
    "jpeg-frames": "m01-jpeg",
}
UNCOMPRESSED = ("implicit", "explicit", "big-endian", "deflated", "planes")
LOSSY = ("jpeg", "jpeg-frames")
LOSSLESS = {name: each for name, each in (NATIVE | OTHERS).items() if name not in LOSSY}
LOSSLESS |= {"jpeg-2000-colour": "p12-jpeg-2000-colour", "planes": "p04"}
COMPRESSED = needs("dimse.store.compressed")
KINDS = [
    *("t01-known-vr", "t01-implicit-vr", "t01-un", "t05", "t06-nested-40"),
    *("c13", "c18", pytest.param("p14", marks=COMPRESSED), "m07"),
]


class Doors:
    """The interfaces of the remote; each client is created on first use."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request

    @property
    def dimse(self) -> Dimse:
        """DIMSE."""
        client: Dimse = self._request.getfixturevalue("dimse")
        return client

    @property
    def web(self) -> DicomWeb:
        """DICOMweb."""
        client: DicomWeb = self._request.getfixturevalue("web")
        return client

    @property
    def rest(self) -> Rest:
        """Orthanc's REST API."""
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
        return self.dimse.get_instance(sample)

    def c_move(self, sample: Sample) -> Dataset:
        """Retrieve by C-MOVE to our own storage SCP, which accepts every transfer syntax."""
        destination: StorageScp = self._request.getfixturevalue("destination")
        local: Party = self._request.getfixturevalue("local")
        self.dimse.move("IMAGE", local.ae_title, **unique_keys(sample, "IMAGE"))
        return single(destination.received(0), "object").dataset

    def wado(self, sample: Sample) -> Dataset:
        """Retrieve by WADO-RS, in whatever transfer syntax the server chooses."""
        return single(self.web.wado(instance_path(sample), transfer_syntax="*"), "part").dataset()

    def wado_native(self, sample: Sample) -> Dataset:
        """Retrieve by WADO-RS in Explicit VR Little Endian, which every server must support."""
        path = instance_path(sample)
        return single(self.web.wado(path, transfer_syntax=ExplicitVRLittleEndian), "part").dataset()

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
    """Run with a sample in each of these transfer syntaxes; the syntax's name is the id."""
    return pytest.mark.parametrize(
        "name",
        [
            pytest.param(sample, id=name, marks=() if name in UNCOMPRESSED else COMPRESSED)
            for name, sample in syntaxes.items()
        ],
    )


def assert_same(doors: Doors, sample: Sample, store: In, retrieve: Out) -> None:
    """Store by one interface, retrieve by another, and compare."""
    store(doors, sample)
    received = retrieve(doors, sample)

    assert differences(sample.dataset(), received, sample.picture) == []


@pytest.fixture
def doors(request: pytest.FixtureRequest) -> Doors:
    """Every interface of the remote."""
    return Doors(request)


@suite.case("SAME-001", ref="PS3.4 B.4.1.1, C.4.2, C.4.3; PS3.18 10.4.1.1.1 (2020b)")
@of_each(NATIVE)
@out_of
@into
def test_native_is_the_same(
    doors: Doors, corpus: Corpus, store: In, retrieve: Out, name: str
) -> None:
    """A native image has the same attributes and the same pixels, however it is stored and retrieved."""
    assert_same(doors, corpus[name], store, retrieve)


@suite.case(
    "SAME-005",
    ref="PS3.4 B.4.1.1, C.4.2, C.4.3; PS3.18 10.4.1.1.1 (2020b)",
    level="should",
    covers="Orthanc.test_incoming_jpeg",
)
@of_each(OTHERS)
@out_of
@into
def test_any_other_syntax_is_the_same(
    doors: Doors, corpus: Corpus, store: In, retrieve: Out, name: str
) -> None:
    """An image in an optional transfer syntax is the same, however it is stored and retrieved."""
    assert_same(doors, corpus[name], store, retrieve)


@suite.case("SAME-002", ref="PS3.18 8.7.3.4, 8.7.8.2; PS3.5 8.1.2 (2020b)")
@of_each(LOSSLESS)
@pytest.mark.parametrize("retrieve", [BY_WADO_NATIVE])
@into
def test_decoded_is_the_same(
    doors: Doors, corpus: Corpus, store: In, retrieve: Out, name: str
) -> None:
    """A losslessly compressed image has every pixel when it is retrieved decoded.

    "Every origin server is required to be able to convert any Data Set it is going to return into the
    Explicit VR Little Endian Transfer Syntax, regardless of the form in which it originally received or
    stored the Data Set", but for lossy compression and for what is too long (8.7.3.4, note 2). Lossless
    JPEG 2000 is no exception.
    """
    sample = corpus[name]

    store(doors, sample)
    received = retrieve(doors, sample)

    assert received.file_meta.get("TransferSyntaxUID") == ExplicitVRLittleEndian
    assert differences(sample.dataset(), received, sample.picture) == []


@suite.case("SAME-003", ref="PS3.4 B.4.1.1: Level 2 (2020b)")
@of_each_kind
@out_of
@into
def test_each_kind_is_the_same(
    doors: Doors, corpus: Corpus, store: In, retrieve: Out, name: str
) -> None:
    """Private and unknown elements, all VRs, deep sequences, texts and documents stay the same."""
    assert_same(doors, corpus[name], store, retrieve)


@suite.case("SAME-004", ref="PS3.4 C.4.2, C.4.3; PS3.18 10.4.1.1.1 (2020b)")
@pytest.mark.parametrize("second", [BY_MOVE, BY_WADO, BY_DOWNLOAD])
@pytest.mark.parametrize("first", [BY_GET])
def test_all_ways_out_agree(doors: Doors, stored: Stored, first: Out, second: Out) -> None:
    """An object is the same by any two retrieve interfaces, even if the server has changed it."""
    sample = stored.sample("t05")

    assert differences(first(doors, sample), second(doors, sample)) == []
