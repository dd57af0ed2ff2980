"""Names in all character sets: bytes as in the standard, and text as two readers decode it."""

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from harness.corpus import corpus

NAMES = [id_ for id_ in corpus if id_.startswith("c")]

# Each of the two readers has its gaps; what one cannot read, the other can.
BEYOND_PYDICOM = {"c17"}  # 3.0.2 leaves the escape sequences of ISO 2022 IR 58 in the text
BEYOND_DCMTK = {"c10", "c11", "c12", "c13"}  # 3.6.7 over glibc knows neither Latin-9 nor JIS X

# PS3.5 H.3.1, H.3.2, I.2, J.1, J.3 and K.2, as printed there, in hexadecimal.
STANDARD = {
    "c11": "59616d6164615e5461726f753d1b24423b3345441b28425e1b244242404f3a1b28423d"
    "1b24422464245e24401b28425e1b2442243f246d24261b2842",
    "c12": "d4cfc0de5ec0dbb33d1b24423b3345441b284a5e1b244242404f3a1b284a3d"
    "1b24422464245e24401b284a5e1b2442243f246d24261b284a",
    "c14": "486f6e675e47696c646f6e673d1b242943fbf35e1b242943d1ced4d73d"
    "1b242943c8ab5e1b242943b1e6b5bf",
    "c15": "57616e675e5869616f446f6e673de78e8b5ee5b08fe69db13d",
    "c16-gb18030": "57616e675e5869616f446f6e673dcdf55ed0a1b6ab3d",
    "c17": "5a68616e675e5869616f446f6e673d1b242941d5c55e1b242941d0a1b6ab3d",
}


@pytest.mark.parametrize("id_", [id_ for id_ in NAMES if id_ not in BEYOND_PYDICOM])
def test_pydicom_reads_the_name(id_: str) -> None:
    """Decoding with pydicom gives the Unicode text of the catalogue."""
    sample = corpus[id_]
    assert str(sample.dataset().PatientName) == sample.properties["patient_name"]
    if "patient_comments" in sample.properties:
        assert sample.dataset().PatientComments == sample.properties["patient_comments"]


@pytest.mark.parametrize("id_", [id_ for id_ in NAMES if id_ not in BEYOND_DCMTK])
def test_dcmtk_reads_the_name(id_: str, run: Callable[..., str], tmp_path: Path) -> None:
    """Converting with dcmtk gives the same text in UTF-8."""
    sample = corpus[id_]
    target = tmp_path / "utf8.dcm"
    printed = run("dcmconv", "+U8", sample.write(tmp_path), target)
    assert "E: " not in printed
    ds = pydicom.dcmread(target)
    assert str(ds.PatientName) == sample.properties["patient_name"]
    assert ds.get("PatientComments") == sample.properties.get("patient_comments")


def test_every_name_is_read_by_one_of_them() -> None:
    """Each sample is read by at least one of the readers."""
    assert not BEYOND_PYDICOM & BEYOND_DCMTK


@pytest.mark.parametrize("id_", STANDARD)
def test_names_are_the_bytes_of_the_standard(id_: str) -> None:
    """The files contain the examples of the annexes byte for byte."""
    assert bytes.fromhex(STANDARD[id_]) in corpus[id_].data
    assert STANDARD[id_] == corpus[id_].properties["patient_name_bytes"]
