"""Retrieval as a matrix: plugins, interface, stored transfer syntax, requested transfer syntax.

Plugins share a process: the first one decodes for all others, on whichever thread serves the
interface. If the server dies, only that cell fails: the next one gets a new server.
"""

import io
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from harness.cases import (
    Dcmtk,
    DicomWeb,
    Dimse,
    Rest,
    Sample,
    Stored,
    Suite,
    configured,
    instance_path,
    multipart,
    needs,
    orthanc_ids,
    single,
    unique_keys,
)

suite = Suite(
    level="quality", needs="rest", ref="PS3.18 8.7.3.4; PS3.4 B.4.1.1; Orthanc Book: plugins"
)

SYNTAXES = {
    "native": (ExplicitVRLittleEndian, "p08"),
    "rle": (RLELossless, "p09-rle-gray"),
    "jpeg": (JPEGLosslessSV1, "p12-jpeg-lossless"),
    "ls": (JPEGLSLossless, "p12-jpeg-ls"),
    "2000": (JPEG2000Lossless, "p12-jpeg-2000"),
}
"""All are lossless: in any requested syntax, the pixels equal the original ones."""
TO_GDCM = {"Enable": True, "RestrictTransferSyntaxes": [str(uid) for uid, _ in SYNTAXES.values()]}
PLUGINS = {
    "built-in": [configured(Gdcm={"Enable": False})],
    "gdcm": [configured(Gdcm=TO_GDCM), needs("plugin.gdcm")],
    "all": [
        configured(Gdcm=TO_GDCM, plugins=("wsi", "python", "web-viewer")),
        needs("plugin.gdcm"),
    ],
}


class Doors:
    """The ways to retrieve from the remote in a requested transfer syntax; None if it is rejected."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request

    def c_get(self, sample: Sample, syntax: UID) -> Dataset | None:
        """Retrieve by C-GET, accepting only this transfer syntax."""
        dimse: Dimse = self._request.getfixturevalue("dimse")
        context = (sample.dataset().SOPClassUID, [syntax])
        found = dimse.get("IMAGE", storage=[context], **unique_keys(sample, "IMAGE"))
        return found.datasets[0] if found.datasets else None

    def wado(self, sample: Sample, syntax: UID) -> Dataset | None:
        """Retrieve by WADO-RS."""
        web: DicomWeb = self._request.getfixturevalue("web")
        accept = f"multipart/related; type=application/dicom; transfer-syntax={syntax}"
        answer = web.get(instance_path(sample), headers={"Accept": accept}, expect=None)
        return single(multipart.parts_of(answer), "part").dataset() if answer.ok else None

    def file(self, sample: Sample, syntax: UID) -> Dataset | None:
        """Download the file, transcoded."""
        rest: Rest = self._request.getfixturevalue("rest")
        path = f"{orthanc_ids(sample).path('instance')}/file?transcode={syntax}"
        answer = rest.get(path, expect=None)
        return pydicom.dcmread(io.BytesIO(answer.content)) if answer.ok else None


Out = Callable[[Doors, Sample, UID], Dataset | None]
DOORS = {
    "c-get": (Doors.c_get, "dimse.get.study"),
    "wado": (Doors.wado, "dicomweb.wado"),
    "file": (Doors.file, "orthanc>=1.12.2"),
}


def cells() -> Iterator[Any]:
    """Yield the cells of the matrix.

    For plugins that do not process pixels, only two transfer syntaxes are requested: the one that
    every server must support, and one that Orthanc itself cannot write. The same applies to the
    last interface.
    """
    for plugins, marks in PLUGINS.items():
        for door, (retrieve, need) in DOORS.items():
            for kept, asked in itertools.product(SYNTAXES, SYNTAXES):
                few = {"all": ("native", "2000"), "file": ("native", "ls")}
                if asked in few.get(plugins, SYNTAXES) and asked in few.get(door, SYNTAXES):
                    name = f"{plugins}-{door}-{kept}-{asked}"
                    yield pytest.param(retrieve, kept, asked, id=name, marks=[*marks, needs(need)])


@pytest.fixture
def doors(request: pytest.FixtureRequest) -> Doors:
    """Every way to retrieve from the remote."""
    return Doors(request)


@suite.case("RMAT-001")
@pytest.mark.parametrize(("retrieve", "kept", "asked"), [*cells()])
@needs("dimse.store.compressed")
def test_right_or_refused(
    doors: Doors, stored: Stored, dcmtk: Dcmtk, *, retrieve: Out, kept: str, asked: str
) -> None:
    """An object is returned in the requested transfer syntax with the original pixels, or not at all.

    In its stored transfer syntax, it must be returned.
    """
    syntax, _ = SYNTAXES[asked]
    sample = stored.sample(SYNTAXES[kept][1])
    assert sample.picture is not None

    received = retrieve(doors, sample, syntax)

    if received is None:
        assert kept != asked, f"{kept} is refused, though it is stored so"
        return
    assert received.file_meta.TransferSyntaxUID == syntax
    assert np.array_equal(dcmtk.pixels(received), sample.picture.frames[0])
