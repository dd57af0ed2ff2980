"""Transcoding on request: a file, a modified instance, archives, media, objects sent to a peer."""

import io
from collections.abc import Callable
from typing import Final

import pydicom
import pytest
from pydicom.encaps import generate_frames
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
)

from harness.cases import (
    OUT_OF_RANGE,
    Picture,
    Rest,
    Sample,
    Stored,
    Suite,
    configured,
    entries_of,
    error_of,
    gray,
    levels_of,
    number,
    orthanc_ids,
    single,
    wait_until,
)

suite = Suite(level="product", needs="rest", ref="Orthanc Book: transcoding")

BUILT_IN: Final = configured(Gdcm={"Enable": False})
"""The server itself transcodes: the plugin would take precedence, and ignores the quality."""
LOSSLESS: Final = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big-endian": ExplicitVRBigEndian,
    "jpeg-lossless-14": JPEGLossless,
    "jpeg-lossless": JPEGLosslessSV1,
}
LOSSY: Final = {"jpeg": JPEGBaseline8Bit, "jpeg-extended": JPEGExtended12Bit}
EVERY: Final = {**LOSSLESS, **LOSSY}
LEVELS: Final = ("patients", "studies", "series")


def soft() -> Picture:
    """Return an 8-bit image that JPEG compresses well, but with loss."""
    return Picture((gray(7, 64, 64, bits=8),), 8)


def syntax_in(data: bytes) -> UID:
    """Return the transfer syntax in the file meta information; fails the case if there is none."""
    assert data[128:132] == b"DICM", f"expected a DICOM file, received {data[:20]!r}"
    syntax: UID = pydicom.dcmread(
        io.BytesIO(data), stop_before_pixels=True
    ).file_meta.TransferSyntaxUID
    return syntax


@suite.case("TRC-001", covers="Orthanc.test_download_file_transcode", needs="orthanc>=1.12.2")
@pytest.mark.parametrize("name", EVERY)
@BUILT_IN
def test_file_in_another_syntax(rest: Rest, stored: Stored, name: str) -> None:
    """A file is returned in the requested transfer syntax, with its own UID if nothing is lost."""
    syntax = EVERY[name]
    sample = stored.image(soft())

    data = rest.get(f"{orthanc_ids(sample).path('instance')}/file?transcode={syntax}").content

    assert syntax_in(data) == syntax
    kept = pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID == sample.sop_instance_uid
    assert kept == (name in LOSSLESS)


@suite.case(
    "TRC-002", ref="PS3.5 A", covers="Orthanc.test_download_file_transcode", needs="orthanc>=1.12.2"
)
@pytest.mark.parametrize("name", ["implicit", "explicit", "big-endian"])
@pytest.mark.parametrize("sample", ["p08", "p12-jpeg-lossless", "p12-jpeg-ls", "p09-rle-gray"])
@BUILT_IN
def test_pixels_of_a_decompressed_file(rest: Rest, stored: Stored, sample: str, name: str) -> None:
    """A lossless file returned in a native syntax has the original pixels."""
    source = stored.sample(sample)
    path = orthanc_ids(source).path("instance")

    data = rest.get(f"{path}/file?transcode={LOSSLESS[name]}").content

    assert pydicom.dcmread(io.BytesIO(data)).pixel_array.tolist() == source.frame(0).tolist()


@suite.case("TRC-003", covers="Orthanc.test_download_file_transcode", needs="orthanc>=1.12.2")
def test_file_in_no_syntax(rest: Rest, stored: Stored) -> None:
    """An unknown transfer syntax is rejected as out of range; without it, the file is returned."""
    sample = stored.instance()
    path = f"{orthanc_ids(sample).path('instance')}/file"

    assert error_of(rest.get(f"{path}?transcode=nope", expect=None)) == (400, OUT_OF_RANGE)

    assert rest.get(path).content == sample.data


@suite.case("TRC-004", covers="Orthanc.test_download_file_transcode", needs="orthanc>=1.12.2")
def test_file_in_its_own_syntax(rest: Rest, stored: Stored) -> None:
    """A file requested in its own transfer syntax is returned unchanged."""
    sample = stored.sample("p09-rle-gray")
    path = f"{orthanc_ids(sample).path('instance')}/file"

    assert rest.get(f"{path}?transcode={sample.transfer_syntax}").content == sample.data


Make = Callable[[Rest, Sample, int], bytes]


def _file(rest: Rest, sample: Sample, quality: int) -> bytes:
    path = orthanc_ids(sample).path("instance")
    return rest.get(f"{path}/file?transcode={JPEGBaseline8Bit}&lossy-quality={quality}").content


def _modified(rest: Rest, sample: Sample, quality: int) -> bytes:
    order = {"Transcode": JPEGBaseline8Bit, "LossyQuality": quality}
    return rest.post(f"{orthanc_ids(sample).path('instance')}/modify", order).content


def _archive(rest: Rest, sample: Sample, quality: int) -> bytes:
    ask = f"transcode={JPEGBaseline8Bit}&lossy-quality={quality}"
    answer = rest.get(f"{orthanc_ids(sample).path('study')}/archive?{ask}")
    return single(entries_of(answer).values(), "entry")


def _media(rest: Rest, sample: Sample, quality: int) -> bytes:
    order = {"Transcode": JPEGBaseline8Bit, "LossyQuality": quality}
    return entries_of(rest.post(f"{orthanc_ids(sample).path('study')}/media", order))["IMAGES/IM0"]


def _created(rest: Rest, sample: Sample, quality: int) -> bytes:
    order = {
        "Resources": [orthanc_ids(sample).study],
        "Transcode": JPEGBaseline8Bit,
        "LossyQuality": quality,
    }
    return single(entries_of(rest.post("/tools/create-archive", order)).values(), "entry")


WAYS: Final[dict[str, Make]] = {
    "file": _file,
    "modify": _modified,
    "archive": _archive,
    "media": _media,
    "create-archive": _created,
}


@suite.case(
    "TRC-005",
    covers=(
        "Orthanc.test_download_file_transcode",
        "Orthanc.test_transcode_lossy_compression_ratio",
        "Orthanc.test_archive_transcode",
    ),
    needs="orthanc>=1.12.7",
)
@pytest.mark.parametrize("way", WAYS)
@BUILT_IN
def test_lower_quality_is_smaller(rest: Rest, stored: Stored, way: str) -> None:
    """A JPEG of quality 40 is smaller than one of 80, and differs more from the original."""
    sample = stored.image(soft())

    low, high = (WAYS[way](rest, sample, quality) for quality in (40, 80))

    assert (syntax_in(low), syntax_in(high)) == (JPEGBaseline8Bit, JPEGBaseline8Bit)
    assert len(low) < len(high)
    losses = [loss(each, sample) for each in (low, high)]
    assert losses[0] > losses[1]


def loss(data: bytes, sample: Sample) -> float:
    """Return the average difference between the JPEG in a file and the original."""
    jpeg = next(generate_frames(pydicom.dcmread(io.BytesIO(data)).PixelData, number_of_frames=1))
    return float(abs(levels_of(jpeg) - sample.frame(0)).mean())


@suite.case(
    "TRC-006",
    ref="PS3.3 C.7.6.1.1.5",
    covers="Orthanc.test_transcode_lossy_compression_ratio",
    needs="orthanc>=1.12.7",
)
@BUILT_IN
def test_ratio_of_lossy_compression(rest: Rest, stored: Stored) -> None:
    """A lossy compressed file says so, with a ratio that is higher for lower quality."""
    sample = stored.image(soft())

    files = [pydicom.dcmread(io.BytesIO(_modified(rest, sample, quality))) for quality in (40, 80)]

    ratios = [number(each.LossyImageCompressionRatio) for each in files]
    assert ratios[0] > ratios[1] > 1
    assert [each.LossyImageCompression for each in files] == ["01", "01"]


@suite.case("TRC-007", covers="Orthanc.test_archive_transcode")
@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("kind", ["archive", "media"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@BUILT_IN
def test_archive_in_another_syntax(
    rest: Rest, stored: Stored, kind: str, name: str, method: str
) -> None:
    """An archive or a file-set has its files in the requested transfer syntax; stored files are unchanged."""
    syntax = EVERY[name]
    sample = stored.image(soft())
    path = f"{orthanc_ids(sample).path('study')}/{kind}"

    if method == "GET":
        answer = rest.get(f"{path}?transcode={syntax}")
    else:
        answer = rest.post(path, {"Transcode": syntax})

    entries = entries_of(answer)
    entries.pop("DICOMDIR", None)
    assert [syntax_in(each) for each in entries.values()] == [syntax]
    assert rest.get(f"{orthanc_ids(sample).path('instance')}/file").content == sample.data


@suite.case("TRC-008", covers="Orthanc.test_archive_transcode")
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", ["archive", "media"])
@BUILT_IN
def test_each_file_of_an_archive_is_transcoded(
    rest: Rest, stored: Stored, kind: str, level: str
) -> None:
    """Each file in an archive is transcoded, at each level, and has the original pixels."""
    samples = stored.study(instances=2)
    path = f"{orthanc_ids(samples[0]).path(level)}/{kind}"

    entries = entries_of(rest.get(f"{path}?transcode={ImplicitVRLittleEndian}"))

    entries.pop("DICOMDIR", None)
    files = [pydicom.dcmread(io.BytesIO(each)) for each in entries.values()]
    assert {each.SOPInstanceUID: each.pixel_array.tolist() for each in files} == {
        each.sop_instance_uid: each.frame(0).tolist() for each in samples
    }
    assert {each.file_meta.TransferSyntaxUID for each in files} == {ImplicitVRLittleEndian}


@suite.case("TRC-009", covers="Orthanc.test_archive_transcode")
@pytest.mark.parametrize("route", ["create-archive", "create-media", "create-media-extended"])
@BUILT_IN
def test_archive_of_several_resources(rest: Rest, stored: Stored, route: str) -> None:
    """An archive of several resources has its files in the requested transfer syntax."""
    resources = [orthanc_ids(stored.image(soft(), number=number)).study for number in (1, 2)]

    answer = rest.post(f"/tools/{route}", {"Resources": resources, "Transcode": JPEGLosslessSV1})

    entries = entries_of(answer)
    entries.pop("DICOMDIR", None)
    assert [syntax_in(each) for each in entries.values()] == [JPEGLosslessSV1] * 2


@suite.case("TRC-010", covers="Orthanc.test_archive_transcode", needs="orthanc>=1.12.2")
@pytest.mark.parametrize("route", ["create-archive", "create-media", "create-media-extended"])
@BUILT_IN
def test_archive_of_several_resources_by_get(rest: Rest, stored: Stored, route: str) -> None:
    """The same by GET, with resources and transfer syntax in the URL."""
    study = orthanc_ids(stored.image(soft())).study

    answer = rest.get(f"/tools/{route}?resources={study}&transcode={JPEGLosslessSV1}")

    entries = entries_of(answer)
    entries.pop("DICOMDIR", None)
    assert [syntax_in(each) for each in entries.values()] == [JPEGLosslessSV1]


@suite.case("TRC-011", covers="Orthanc.test_store_peer_transcoding", needs="local.rest")
@pytest.mark.parametrize("name", EVERY)
@BUILT_IN
def test_object_is_transcoded_for_a_peer(
    rest: Rest, local_rest: Rest, stored: Stored, name: str
) -> None:
    """A peer gets an object in the requested transfer syntax; the source is unchanged."""
    syntax = EVERY[name]
    sample = stored.image(soft())

    rest.post("/peers/peer/store", {"Resources": rest.json("/instances"), "Transcode": syntax})

    there = single(local_rest.json("/instances"), "instance")
    assert local_rest.get(f"/instances/{there}/metadata/TransferSyntax").text == syntax
    assert rest.get(f"{orthanc_ids(sample).path('instance')}/file").content == sample.data


@suite.case(
    "TRC-012", covers="Orthanc.test_store_peer_transcoding", needs=("local.rest", "orthanc>=1.12.7")
)
@BUILT_IN
def test_object_is_deflated_for_a_peer(rest: Rest, local_rest: Rest, stored: Stored) -> None:
    """A peer gets an object deflated if that is the requested transfer syntax."""
    stored.image(soft())
    syntax = DeflatedExplicitVRLittleEndian

    rest.post("/peers/peer/store", {"Resources": rest.json("/instances"), "Transcode": syntax})

    there = single(local_rest.json("/instances"), "instance")
    assert local_rest.get(f"/instances/{there}/metadata/TransferSyntax").text == syntax


@suite.case("TRC-013", covers="Orthanc.test_store_peer_transcoding", needs="local.rest")
def test_object_is_sent_to_a_peer_as_it_is(rest: Rest, local_rest: Rest, stored: Stored) -> None:
    """Without a transfer syntax in the request, a peer gets every byte of the file."""
    sample = stored.sample("p12-jpeg-lossless")

    rest.post("/peers/peer/store", {"Resources": rest.json("/instances")})

    path = orthanc_ids(sample).path("instance")
    assert local_rest.get(f"{path}/file").content == sample.data


@suite.case("TRC-014", covers="Orthanc.test_store_compressed", needs="local.rest")
@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
def test_job_that_sends_to_a_peer(
    rest: Rest, local_rest: Rest, stored: Stored, compress: bool
) -> None:
    """The job that sends to a peer reports whether it compresses and how much it sends, but no password."""
    sample = stored.image(Picture((gray(7, 128, 128, bits=8),), 8))
    order = {"Resources": rest.json("/instances"), "Synchronous": False, "Compress": compress}

    path = rest.post("/peers/peer/store", order).json()["Path"]
    wait_until(lambda: rest.json(path)["State"] in {"Success", "Failure"}, what="the job's end")

    job = rest.json(path)
    content = job["Content"]
    assert (job["State"], content["Compress"], content["Peer"][2]) == ("Success", compress, "")
    sent = number(content["Size"])
    assert sent < len(sample.data) / 2 if compress else sent == len(sample.data)
    there = local_rest.get(f"{orthanc_ids(sample).path('instance')}/file").content
    assert there == sample.data


@suite.case("TRC-015", covers="Orthanc.test_store_peer_transcoding", needs="plugin.gdcm")
@configured(Gdcm={"RestrictTransferSyntaxes": [str(ExplicitVRLittleEndian)]})
def test_plugin_transcodes_for_a_peer(rest: Rest, local_rest: Rest, stored: Stored) -> None:
    """With the GDCM plugin, a job sends to a peer in JPEG 2000, which the server cannot write itself."""
    stored.image(Picture((gray(7, 64, 64, bits=12),), 12))
    order = {
        "Resources": rest.json("/instances"),
        "Transcode": JPEG2000Lossless,
        "Synchronous": False,
    }

    path = rest.post("/peers/peer/store", order).json()["Path"]
    wait_until(lambda: rest.json(path)["State"] in {"Success", "Failure"}, what="the job's end")

    there = single(local_rest.json("/instances"), "instance")
    assert local_rest.get(f"/instances/{there}/metadata/TransferSyntax").text == JPEG2000Lossless
