"""DICOMweb, rendered images: invalid parameters, and the structure of a JPEG."""

import pytest

from harness.cases import DicomWeb, Stored, Suite, instance_path

suite = Suite(needs="dicomweb.rendered")


PNG = "image/png"


@suite.case("CWEB-401", ref="PS3.18 8.3.5.1.2: 400 (2020b)")
@pytest.mark.parametrize(
    "quality",
    ["0", "101", "-1", "best", ""],
    ids=["zero", "beyond", "negative", "word", "nothing"],
)
def test_invalid_quality_is_refused(web: DicomWeb, stored: Stored, quality: str) -> None:
    """A quality that is not a number from 1 to 100 is answered with 400."""
    sample = stored.instance()

    path = f"{instance_path(sample)}/rendered?quality={quality}"
    web.get(path, headers={"Accept": "image/jpeg"}, expect=400)


@suite.case("CWEB-402", ref="PS3.18 8.3.5.1.3: 400 (2020b)")
@pytest.mark.parametrize(
    "viewport",
    ["10", "a,b", "", "0,0", "10,-10"],
    ids=["single", "words", "nothing", "zero", "negative"],
)
def test_invalid_viewport_is_refused(web: DicomWeb, stored: Stored, viewport: str) -> None:
    """A viewport without a positive width and height is answered with 400."""
    sample = stored.instance()

    path = f"{instance_path(sample)}/rendered?viewport={viewport}"
    web.get(path, headers={"Accept": PNG}, expect=400)


@suite.case("CWEB-403", ref="PS3.18 8.7.4: JPEG baseline, 8 bits (2020b)")
@pytest.mark.parametrize("name", ["p01", "p03", "p09-rle-gray"])
def test_jpeg_is_baseline(web: DicomWeb, stored: Stored, name: str) -> None:
    """A rendered JPEG is of the baseline process, with 8 bits per sample."""
    sample = stored.sample(name)

    answer = web.get(f"{instance_path(sample)}/rendered", headers={"Accept": "image/jpeg"})

    assert answer.content[:2] == b"\xff\xd8"
    before, marker, behind = answer.content.partition(b"\xff\xc0")  # SOF0 (ISO 10918-1 B.2.2)
    assert marker, f"no frame of the baseline process begins in {len(before)} bytes"
    assert behind[2:3] == b"\x08"
