"""Transcoding on arrival: IngestTranscoding, and the kinds of objects to which it applies."""

from typing import Any, Final

import pytest
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
)

from harness.cases import (
    Corpus,
    Dimse,
    Rest,
    Sample,
    Stored,
    Suite,
    configured,
    largest_difference,
    levels_of,
    orthanc_ids,
    single,
)

suite = Suite(
    level="product", needs="orthanc>=1.8.2", ref="Orthanc configuration: IngestTranscoding"
)

NATIVE: Final = {
    "p01": ImplicitVRLittleEndian,
    "p05": ExplicitVRBigEndian,
    "p08": ExplicitVRLittleEndian,
}
COMPRESSED: Final = ("p09-rle-gray", "p12-jpeg-lossless", "p12-jpeg-ls", "p15-jpeg-extended")


def ingest(target: UID, uncompressed: bool | None, compressed: bool | None) -> pytest.MarkDecorator:
    """Configure transcoding on arrival, by the built-in transcoder; None leaves a flag at its default."""
    flags = {
        "IngestTranscodingOfUncompressed": uncompressed,
        "IngestTranscodingOfCompressed": compressed,
    }
    given: dict[str, Any] = {name: flag for name, flag in flags.items() if flag is not None}
    return configured(Gdcm={"Enable": False}, IngestTranscoding=str(target), **given)


EVERYTHING: Final = ingest(ExplicitVRLittleEndian, None, None)
ONLY_NATIVE: Final = ingest(ExplicitVRLittleEndian, True, False)
ONLY_COMPRESSED: Final = ingest(ExplicitVRLittleEndian, False, True)
NOTHING: Final = ingest(ExplicitVRLittleEndian, False, False)


def syntax_of(rest: Rest, sample: Sample) -> str:
    """Return the transfer syntax of a sample on the server."""
    return rest.get(f"{orthanc_ids(sample).path('instance')}/metadata/TransferSyntax").text


def only_syntax(rest: Rest) -> str:
    """Return the transfer syntax of the only instance, whose UID changes with lossy compression."""
    return rest.get(f"/instances/{single(rest.json('/instances'))}/metadata/TransferSyntax").text


def assert_pixels(rest: Rest, sample: Sample) -> None:
    """Compare the values of a gray sample with the original ones."""
    sign = "int" if sample.properties.get("signed") else "uint"
    shown = levels_of(rest.get(f"{orthanc_ids(sample).path('instance')}/image-{sign}16"))
    assert largest_difference(shown, sample.frame(0).astype(int) % 65536) == 0


@suite.case("TIN-001", covers=("IngestTranscoding.case_2", "IngestTranscoding.case_3"))
@pytest.mark.parametrize("name", [*NATIVE, *COMPRESSED])
@EVERYTHING
def test_everything_is_transcoded(rest: Rest, stored: Stored, name: str) -> None:
    """With IngestTranscoding alone, native and compressed objects are stored in that transfer syntax."""
    sample = stored.sample(name)

    assert syntax_of(rest, sample) == ExplicitVRLittleEndian
    assert rest.json("/instances") == [orthanc_ids(sample).instance]


@suite.case("TIN-002", covers="IngestTranscoding.case_2")
@pytest.mark.parametrize("name", [*NATIVE, *COMPRESSED[:3]])
@EVERYTHING
def test_transcoded_pixels_are_the_same(rest: Rest, stored: Stored, name: str) -> None:
    """A losslessly compressed or native object has the original values after transcoding."""
    assert_pixels(rest, stored.sample(name))


@suite.case("TIN-003", covers="IngestTranscoding.case_2")
@EVERYTHING
def test_jpeg_becomes_rgb(rest: Rest, stored: Stored) -> None:
    """A JPEG in YBR_FULL_422 is stored decompressed as RGB, with three bytes per pixel."""
    path = orthanc_ids(stored.sample("p10-jpeg-colour")).path("instance")

    tags = rest.json(f"{path}/tags?simplify")

    assert tags["PhotometricInterpretation"] == "RGB"
    assert len(rest.get(f"{path}/frames/0/raw").content) == 32 * 32 * 3


@suite.case("TIN-004", covers="IngestTranscoding.case_1")
@pytest.mark.parametrize("name", [*NATIVE, *COMPRESSED, "p10-jpeg-colour", "p12-jpeg-2000"])
def test_nothing_is_transcoded_by_default(rest: Rest, stored: Stored, name: str) -> None:
    """Without IngestTranscoding, each object is stored as it arrives, byte for byte."""
    sample = stored.sample(name)

    assert syntax_of(rest, sample) == sample.transfer_syntax
    assert rest.get(f"{orthanc_ids(sample).path('instance')}/file").content == sample.data


@suite.case("TIN-005", covers="IngestTranscoding.case_4")
@pytest.mark.parametrize("name", [*NATIVE, *COMPRESSED])
@ONLY_NATIVE
def test_only_native_objects(rest: Rest, stored: Stored, name: str) -> None:
    """With the flag for compressed objects off, only native ones are transcoded."""
    sample = stored.sample(name)

    expected = ExplicitVRLittleEndian if name in NATIVE else sample.transfer_syntax
    assert syntax_of(rest, sample) == expected


@suite.case("TIN-006", covers="IngestTranscoding.case_5")
@pytest.mark.parametrize("name", [*NATIVE, *COMPRESSED])
@ONLY_COMPRESSED
def test_only_compressed_objects(rest: Rest, stored: Stored, name: str) -> None:
    """With the flag for native objects off, only compressed ones are transcoded."""
    sample = stored.sample(name)

    expected = sample.transfer_syntax if name in NATIVE else ExplicitVRLittleEndian
    assert syntax_of(rest, sample) == expected


@suite.case("TIN-007", covers=("IngestTranscoding.case_6", "IngestTranscoding.case_10"))
@pytest.mark.parametrize("name", ["p01", "p05", "p12-jpeg-lossless"])
@NOTHING
def test_no_objects_at_all(rest: Rest, stored: Stored, name: str) -> None:
    """With both flags off, nothing is transcoded."""
    sample = stored.sample(name)

    assert syntax_of(rest, sample) == sample.transfer_syntax
    assert rest.get(f"{orthanc_ids(sample).path('instance')}/file").content == sample.data


@suite.case("TIN-008", covers="IngestTranscoding.case_7")
@pytest.mark.parametrize("name", ["p07", "p09-rle-gray", "p12-jpeg-lossless", "p15-jpeg-extended"])
@ingest(JPEGExtended12Bit, True, True)
def test_everything_is_compressed(rest: Rest, stored: Stored, name: str) -> None:
    """Native objects and those with another compression are transcoded to a compressed transfer syntax."""
    sample = stored.sample(name)

    assert only_syntax(rest) == JPEGExtended12Bit
    shown = levels_of(rest.get(f"/instances/{single(rest.json('/instances'))}/image-uint16"))
    assert largest_difference(shown, sample.frame(0)) <= 60  # of 4096 levels


@suite.case("TIN-009", covers="IngestTranscoding.case_8")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("h01-ct-1-1", JPEGExtended12Bit),
        ("p15-jpeg-extended", JPEGExtended12Bit),
        ("p12-jpeg-lossless", JPEGLosslessSV1),
    ],
)
@ingest(JPEGExtended12Bit, True, False)
def test_only_native_objects_are_compressed(
    rest: Rest, stored: Stored, name: str, expected: UID
) -> None:
    """With the flag for compressed objects off, those keep their compression."""
    stored.sample(name)

    assert only_syntax(rest) == expected


@suite.case("TIN-010", covers="IngestTranscoding.case_9")
@pytest.mark.parametrize(
    ("name", "expected"),
    [("p08", ExplicitVRLittleEndian), ("p12-jpeg-lossless", JPEGExtended12Bit)],
)
@ingest(JPEGExtended12Bit, False, True)
def test_only_compressed_objects_are_compressed_anew(
    rest: Rest, stored: Stored, name: str, expected: UID
) -> None:
    """With the flag for native objects off, those stay native."""
    stored.sample(name)

    assert only_syntax(rest) == expected


@suite.case("TIN-011", needs="dimse.store")
@pytest.mark.parametrize("name", ["p05", "p09-rle-gray", "p12-jpeg-lossless"])
@EVERYTHING
def test_objects_by_c_store_are_transcoded(
    rest: Rest, corpus: Corpus, dimse: Dimse, name: str
) -> None:
    """Objects received by C-STORE are transcoded like an upload, and their values are the same."""
    sample = corpus[name]

    dimse.store(sample)

    assert syntax_of(rest, sample) == ExplicitVRLittleEndian
    assert_pixels(rest, sample)


@suite.case("TIN-012")
@pytest.mark.parametrize("name", ["h03-sr", "p12-jpeg-2000"], ids=["no-pixels", "no-decoder"])
@EVERYTHING
def test_object_that_is_not_transcoded_is_kept(rest: Rest, stored: Stored, name: str) -> None:
    """An object without pixels, or with a compression without a decoder, is stored nevertheless."""
    sample = stored.sample(name)

    assert rest.json("/instances") == [orthanc_ids(sample).instance]
    assert rest.get(f"{orthanc_ids(sample).path('instance')}/file").content == sample.data
