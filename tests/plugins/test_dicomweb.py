"""The DICOMweb plugin: its cache, and rendering that is the same through every interface."""

import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from harness.cases import (
    DicomWeb,
    Picture,
    Rest,
    Sample,
    Stored,
    Suite,
    colour,
    configured,
    image_of,
    instance_path,
    json_values,
    largest_difference,
    levels_of,
    orthanc_ids,
    study_path,
    wait_until,
)

suite = Suite(
    level="product", needs=("rest", "plugin.dicomweb"), ref="Orthanc Book: DICOMweb plugin"
)

WINDOW = "200,800,linear"
JPEG_NOISE = 10
"""Gray levels by which two JPEG images of the same picture may differ."""


def ct(stored: Stored) -> Sample:
    """Store a CT with rescale values and a window."""
    return stored.instance(
        rows=32, columns=32, RescaleIntercept="-1024", RescaleSlope="1",
        WindowCenter="200", WindowWidth="800",
    )  # fmt: skip


# Renderings


@suite.case("DWEBP-001", covers="DicomWeb.test_compare_wado_uri_and_rs", needs="dicomweb.uri")
@pytest.mark.parametrize(("kind", "noise"), [("jpeg", JPEG_NOISE), ("png", 2)])
def test_same_window_by_each_door(
    web: DicomWeb, rest: Rest, stored: Stored, kind: str, noise: int
) -> None:
    """WADO-URI, WADO-RS and the REST API apply the window of the object, or the requested one."""
    written = ct(stored)
    accept = {"Accept": f"image/{kind}"}
    content_type = "image/jpg" if kind == "jpeg" else "image/png"
    uri = f"/wado?requestType=WADO&objectUID={written.sop_instance_uid}&contentType={content_type}"

    by_uri = levels_of(rest.get(uri))
    core = f"{orthanc_ids(written).path('instance')}/rendered"
    others = [
        rest.get(core, headers=accept),
        web.get(f"{instance_path(written)}/rendered?window={WINDOW}", headers=accept),
        web.get(f"{instance_path(written)}/frames/1/rendered?window={WINDOW}", headers=accept),
    ]

    assert [largest_difference(levels_of(each), by_uri) <= noise for each in others] == [True] * 3
    values = written.dataset().pixel_array.astype(np.float64) - 1024
    share = (values - 199.5) / 799 + 0.5  # LINEAR (PS3.3 C.11.2.1.2.1)
    assert largest_difference(by_uri, np.clip(share, 0, 1) * 255) <= noise


@suite.case(
    "DWEBP-002",
    covers=("DicomWeb.test_multiframe_rgb48_raw", "DicomWeb.test_multiframe_rgb48_rle"),
    needs="plugin.dicomweb>=1.24",
)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless], ids=["native", "rle"])
@pytest.mark.parametrize("frame", [1, 3])
def test_frames_of_48_bits(web: DicomWeb, stored: Stored, syntax: str, frame: int) -> None:
    """A colour frame with 16 bits per sample is rendered in colour, and is the requested one."""
    frames = tuple(colour(number, 24, 32).astype(np.uint16) * 257 for number in (1, 2, 3))
    written = stored.image(
        Picture(frames, bits_stored=16, photometric="RGB"), transfer_syntax=syntax
    )

    path = f"{instance_path(written)}/frames/{frame}/rendered"
    answer = web.get(path, headers={"Accept": "image/png"})

    expected = (frames[frame - 1] >> 8).astype(np.int64)
    assert largest_difference(levels_of(answer), expected) <= 2
    assert image_of(web.get(path, headers={"Accept": "image/jpeg"})).format == "JPEG"


# Metadata


@suite.case(
    "DWEBP-003",
    ref="PS3.18 F.2.2, F.2.6",
    covers="DicomWeb.test_od_of_ol_array",
    needs="dicomweb.bulk",
)
@pytest.mark.parametrize("vr", ["OD", "OF", "OL"])
def test_arrays_are_bulk_data_or_values(web: DicomWeb, stored: Stored, vr: str) -> None:
    """An array of numbers is returned at a URI or in base64, byte by byte, or as numbers."""
    kinds = {
        "OD": ("DoubleFloatPixelData", "7FE00009", np.array([1.25, -2.5, 3.75], "<f8")),
        "OF": ("PointCoordinatesData", "00660016", np.array([10.5, 20.25, -30.125], "<f4")),
        "OL": ("LongPrimitivePointIndexList", "00660040", np.array([42, 0, 15], "<u4")),
    }
    keyword, tag, array = kinds[vr]
    written = stored.instance(pixels=False, **{keyword: array.tobytes()})

    element = web.metadata_of(written).get(tag, {})

    assert element.get("vr") == vr
    if element.keys() & {"BulkDataURI", "InlineBinary"}:
        assert web.binary(element) == array.tobytes()
    else:
        assert json_values({tag: element}, tag) == array.tolist()


@suite.case("DWEBP-004", covers="DicomWeb.test_full_mode_cache", needs="plugin.dicomweb>=1.15")
@configured(StableAge=1)
def test_cached_metadata_has_the_address_of_the_request(
    web: DicomWeb, rest: Rest, stored: Stored
) -> None:
    """Cached metadata is the same as before caching, with URIs that lead to this server."""
    written = stored.sample("p03")
    series = orthanc_ids(written).path("series")
    before = web.metadata(study_path(written))
    wait_until(lambda: rest.json(f"{series}/attachments"), what="the cache of the series")

    after = web.metadata(study_path(written))

    assert after == before
    uris = [each["BulkDataURI"] for each in after[0].values() if "BulkDataURI" in each]
    assert uris
    assert [each for each in uris if not each.startswith(f"{rest.base}{web.root}/studies/")] == []


@suite.case("DWEBP-005", needs="plugin.dicomweb>=1.15")
@configured(StableAge=1)
def test_cache_follows_the_series(web: DicomWeb, rest: Rest, stored: Stored) -> None:
    """An instance received after the cache was filled is in the metadata at once."""
    first = stored.instance(number=1)
    series = orthanc_ids(first).path("series")
    wait_until(lambda: rest.json(f"{series}/attachments"), what="the cache of the series")
    assert len(web.metadata(study_path(first))) == 1

    second = stored.instance(number=2)

    uids = {each["00080018"]["Value"][0] for each in web.metadata(study_path(first))}
    assert uids == {first.sop_instance_uid, second.sop_instance_uid}
