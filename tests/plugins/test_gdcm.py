"""The GDCM plugin: it encodes what Orthanc cannot, and only if it is configured to."""

import io

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from harness.cases import DicomWeb, Stored, Suite, configured, instance_path

suite = Suite(
    level="product", needs=("plugin.gdcm", "dicomweb.wado"), ref="Orthanc Book: GDCM plugin"
)

SYNTAXES = {"jpeg-2000": JPEG2000Lossless, "jpeg-ls": JPEGLSLossless, "rle": RLELossless}
ANY = "*"
NATIVE = str(ExplicitVRLittleEndian)
EVERY = configured(Gdcm={"RestrictTransferSyntaxes": [NATIVE, *map(str, SYNTAXES.values())]})
ONLY_RLE = configured(Gdcm={"RestrictTransferSyntaxes": [str(RLELossless)]})
OFF = configured(Gdcm={"Enable": False})


def retrieved(web: DicomWeb, path: str, syntax: str) -> pydicom.FileDataset:
    """Return an instance retrieved by WADO-RS in a transfer syntax."""
    part = web.wado_part(path, transfer_syntax=syntax)
    return pydicom.dcmread(io.BytesIO(part.content))


@suite.case("GDCM-001")
@EVERY
@pytest.mark.parametrize("name", SYNTAXES)
def test_gdcm_encodes(web: DicomWeb, stored: Stored, name: str) -> None:
    """A native image is returned in a syntax that Orthanc itself cannot write, with every value."""
    written = stored.instance(rows=32, columns=24)

    read = retrieved(web, instance_path(written), SYNTAXES[name])

    assert read.file_meta.TransferSyntaxUID == SYNTAXES[name]
    assert np.array_equal(read.pixel_array, written.dataset().pixel_array)


@suite.case("GDCM-002", ref="Orthanc Book: GDCM plugin, RestrictTransferSyntaxes")
@ONLY_RLE
def test_gdcm_keeps_to_the_syntaxes_named(web: DicomWeb, stored: Stored) -> None:
    """GDCM handles objects of the configured transfer syntaxes, and no others."""
    native, rle = stored.instance(), stored.sample("p09-rle-gray")
    accept = f"multipart/related; type=application/dicom; transfer-syntax={JPEG2000Lossless}"

    refused = web.get(instance_path(native), headers={"Accept": accept}, expect=None)
    read = retrieved(web, instance_path(rle), JPEG2000Lossless)

    assert refused.status_code in range(400, 600)
    assert read.file_meta.TransferSyntaxUID == JPEG2000Lossless
    assert np.array_equal(read.pixel_array, rle.dataset().pixel_array)


@suite.case("GDCM-003", ref="Orthanc Book: GDCM plugin, Enable")
@OFF
def test_gdcm_can_be_off(web: DicomWeb, stored: Stored) -> None:
    """A disabled plugin encodes nothing, and Orthanc itself works as usual."""
    written = stored.instance()

    accept = f"multipart/related; type=application/dicom; transfer-syntax={JPEG2000Lossless}"
    refused = web.get(instance_path(written), headers={"Accept": accept}, expect=None)

    assert refused.status_code in range(400, 600)
    read = retrieved(web, instance_path(written), ANY)
    assert np.array_equal(read.pixel_array, written.dataset().pixel_array)
