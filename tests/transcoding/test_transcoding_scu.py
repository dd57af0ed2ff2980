"""Transcoding for C-STORE: syntaxes accepted by the destination, and the configured preference."""

import contextlib
from collections.abc import Iterator
from typing import Final

import pytest
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
)

from harness.cases import LOCAL_MODALITY as LOCAL
from harness.cases import Corpus, Party, Rest, Sample, StorageScp, Suite, configured, single

suite = Suite(
    level="product",
    needs=("orthanc>=1.8.3", "local.rest"),
    ref="Orthanc configuration: DicomScuPreferredTransferSyntax",
)

UNCOMPRESSED: Final = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)
"""The destination's order of preference."""
EVERY: Final = (*UNCOMPRESSED, JPEGExtended12Bit, JPEGLosslessSV1, JPEGLossless, JPEG2000Lossless)
NATIVE: Final = ("p01", "p05", "p08")
SENT: Final = (*NATIVE, "p15-jpeg-extended", "p12-jpeg-lossless")
LOSSLESS: Final = (*NATIVE, "p12-jpeg-lossless")


def preferring(transfer_syntax: str) -> pytest.MarkDecorator:
    """Configure the preferred transfer syntax of the server, with its built-in transcoder."""
    return configured(Gdcm={"Enable": False}, DicomScuPreferredTransferSyntax=str(transfer_syntax))


BUILT_IN: Final = configured(Gdcm={"Enable": False})


@contextlib.contextmanager
def accepting(local: Party, *transfer_syntaxes: str) -> Iterator[StorageScp]:
    """Receive in place of the local server, accepting only these transfer syntaxes."""
    classes = ["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"]
    with StorageScp(classes, transfer_syntaxes, time_limit=10.0) as scp:
        scp.expect(local.ae_title)
        local.dicom_relay.target = scp.endpoint
        try:
            yield scp
        finally:
            local.aim_relays()


def assert_sent(
    rest: Rest, local: Party, sample: Sample, accepted: tuple[str, ...], expected: str
) -> None:
    """Send a sample to a destination with these transfer syntaxes, and check what it receives."""
    with accepting(local, *accepted) as destination:
        rest.post(f"{LOCAL}/store", rest.upload(sample.data)["ID"])

        arrived = single(destination.received(1), "object").dataset
    assert arrived.file_meta.TransferSyntaxUID == expected
    if expected in UNCOMPRESSED and sample.id in LOSSLESS:
        assert arrived.pixel_array.tolist() == sample.frame(0).tolist()


@suite.case(
    "TSCU-001", covers=("ScuTranscoding.case_1", "ScuTranscoding.case_2", "ScuTranscoding.case_3")
)
@pytest.mark.parametrize("name", SENT)
@pytest.mark.parametrize(
    "preferred",
    [
        pytest.param(each, marks=preferring(each), id=name)
        for name, each in {
            "explicit": ExplicitVRLittleEndian,
            "big-endian": ExplicitVRBigEndian,
            "jpeg-lossless": JPEGLosslessSV1,
        }.items()
    ],
)
def test_own_syntax_where_it_is_accepted(
    rest: Rest, corpus: Corpus, local: Party, name: str, preferred: str
) -> None:
    """A destination that accepts the transfer syntax of the file gets it, whatever the preference."""
    sample = corpus[name]

    assert_sent(rest, local, sample, EVERY, sample.transfer_syntax)


@suite.case(
    "TSCU-002",
    covers=(
        "ScuTranscoding.case_4",
        "ScuTranscoding.case_6",
        "ScuTranscoding.case_7",
        "ScuTranscoding.case_8",
    ),
)
@pytest.mark.parametrize("name", SENT)
@pytest.mark.parametrize(
    "decompressed",
    [
        pytest.param(decompressed, marks=preferring(preferred), id=name)
        for name, preferred, decompressed in (
            ("explicit", ExplicitVRLittleEndian, ExplicitVRLittleEndian),
            ("implicit", ImplicitVRLittleEndian, ImplicitVRLittleEndian),
            ("big-endian", ExplicitVRBigEndian, ExplicitVRBigEndian),
            ("jpeg-lossless", JPEGLosslessSV1, ExplicitVRLittleEndian),
        )
    ],
)
def test_native_destination(
    rest: Rest, corpus: Corpus, local: Party, name: str, decompressed: str
) -> None:
    """A destination without compression gets native files unchanged, and others decompressed."""
    sample = corpus[name]
    expected = sample.transfer_syntax if name in NATIVE else decompressed

    assert_sent(rest, local, sample, UNCOMPRESSED, expected)


@suite.case("TSCU-003", covers="ScuTranscoding.case_5")
@pytest.mark.parametrize("name", SENT)
@BUILT_IN
def test_default_preference(rest: Rest, corpus: Corpus, local: Party, name: str) -> None:
    """Without a preference, compressed files are decompressed to Explicit VR Little Endian."""
    sample = corpus[name]
    expected = sample.transfer_syntax if name in NATIVE else ExplicitVRLittleEndian

    assert_sent(rest, local, sample, UNCOMPRESSED, expected)


@suite.case("TSCU-004", covers=("ScuTranscoding.case_9", "ScuTranscoding.case_10"))
@pytest.mark.parametrize("name", [*SENT])
@pytest.mark.parametrize(
    "only", [ImplicitVRLittleEndian, JPEGLosslessSV1], ids=["implicit", "jpeg-lossless"]
)
@preferring(JPEGLosslessSV1)
def test_destination_with_one_syntax(
    rest: Rest, corpus: Corpus, local: Party, name: str, only: str
) -> None:
    """A destination with one transfer syntax gets every file in it."""
    assert_sent(rest, local, corpus[name], (only,), only)


@suite.case("TSCU-005", covers="ScuTranscoding.case_11")
@pytest.mark.parametrize("name", SENT)
@preferring(JPEGLosslessSV1)
def test_destination_that_nothing_suits(
    rest: Rest, corpus: Corpus, local: Party, name: str
) -> None:
    """A destination gets nothing if its only compression is neither the file's nor the preferred one."""
    with accepting(local, JPEGLossless) as destination:
        rest.post(f"{LOCAL}/store", rest.upload(corpus[name].data)["ID"], expect=500)

        assert destination.received(0) == []


@suite.case("TSCU-006", covers="ScuTranscoding.case_11")
@preferring(JPEGLosslessSV1)
def test_compression_that_both_know(rest: Rest, corpus: Corpus, local: Party) -> None:
    """A file in the only compression that the destination accepts is sent as it is."""
    assert_sent(rest, local, corpus["p15-jpeg-lossless-14"], (JPEGLossless,), JPEGLossless)


@suite.case("TSCU-007", covers="ScuTranscoding.case_12")
@pytest.mark.parametrize("name", SENT)
@preferring(JPEGLosslessSV1)
def test_preferred_compression_before_native(
    rest: Rest, corpus: Corpus, local: Party, name: str
) -> None:
    """If a file must be transcoded, the preferred compression is tried before Explicit VR Little Endian."""
    accepted = (JPEGLosslessSV1, ExplicitVRLittleEndian)
    sample = corpus[name]
    expected = sample.transfer_syntax if sample.transfer_syntax in accepted else JPEGLosslessSV1

    assert_sent(rest, local, sample, accepted, expected)


@suite.case("TSCU-008", covers="ScuTranscoding.case_13")
@pytest.mark.parametrize("name", [*SENT[:4], "p12-jpeg-2000"])
@preferring(JPEG2000Lossless)
def test_preference_that_cannot_be_written(
    rest: Rest, corpus: Corpus, local: Party, name: str
) -> None:
    """If the server cannot write the preferred compression, it uses Explicit VR Little Endian."""
    accepted = (JPEG2000Lossless, ExplicitVRLittleEndian)
    sample = corpus[name]
    expected = (
        sample.transfer_syntax if sample.transfer_syntax in accepted else ExplicitVRLittleEndian
    )

    assert_sent(rest, local, sample, accepted, expected)
