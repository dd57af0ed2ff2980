"""`LocalEntity.store` to peers that do not accept the files' transfer syntaxes: conversion."""

import asyncio
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
from net.files import data_sets, make
from net.peers import QUICK, US, storescp
from net.scp import NATIVE, Scp
from pydicom.filereader import read_dataset
from pydicom.uid import MPEG2MPML, JPEGLSLossless

from dcm.data.uids import name_of
from dcm.net import LocalEntity
from dcm.outcome import Outcome, Report
from harness.corpus import corpus

ENTITY = LocalEntity(US, QUICK)
IMPLICIT = NATIVE[1]
DECODED = ("p05", "p07", "p09-rle-gray", "p10-jpeg-gray", "p12-jpeg-2000", "p12-jpeg-2000-colour")


async def send(
    paths: Sequence[Path], syntaxes: Sequence[str], *, convert: bool = True
) -> tuple[Report, Scp]:
    """Send to a peer that accepts these transfer syntaxes only."""
    async with Scp(syntaxes=syntaxes) as peer:
        return await ENTITY.store(peer.node, paths, convert=convert), peer


def _read(data: bytes, syntax: str) -> pydicom.Dataset:
    found = read_dataset(io.BytesIO(data), syntax == IMPLICIT, is_little_endian=True)
    found.file_meta = pydicom.FileMetaDataset()
    found.file_meta.TransferSyntaxUID = syntax
    return found


@pytest.mark.parametrize("syntaxes", [NATIVE, (IMPLICIT,)], ids=["native", "implicit"])
def test_what_is_not_taken_is_converted_and_keeps_its_pixels(
    syntaxes: Sequence[str], tmp_path: Path
) -> None:
    """Big endian, deflated and compressed images arrive native, with the same decoded pixels."""
    samples = [corpus[name] for name in DECODED]
    paths = [sample.write(tmp_path) for sample in samples]
    report, peer = asyncio.run(send(paths, syntaxes))
    assert report.counts() == {Outcome.STORED: len(samples)}, report.results
    arrived = peer.data_sets()
    for sample, result in zip(samples, report.results, strict=True):
        source, target = name_of(sample.transfer_syntax), name_of(syntaxes[0])
        assert result.words == f"converted from {source} to {target}"
        assert result.path in map(str, paths)
        found = _read(arrived[sample.sop_instance_uid], syntaxes[0])
        assert found.SOPInstanceUID == sample.sop_instance_uid
        assert np.array_equal(found.pixel_array, sample.dataset().pixel_array), sample.id
    assert set(peer.syntaxes_seen) == {syntaxes[0]}
    assert [path.read_bytes() for path in paths] == [sample.data for sample in samples]


def test_what_is_taken_as_it_is_is_not_converted(tmp_path: Path) -> None:
    """Next to files that must be converted, all others are sent byte for byte."""
    paths = [make(tmp_path, 1), corpus["p09-rle-gray"].write(tmp_path), make(tmp_path, 2)]
    report, peer = asyncio.run(send(paths, NATIVE))
    assert [bool(result.words) for result in report.results] == [False, True, False]
    arrived, sent = peer.data_sets(), data_sets(tmp_path)
    assert [arrived[uid] == sent[uid] for uid in ("1.2.3.1", "1.2.3.2")] == [True, True]


def test_storescp_takes_implicit_vr_only(tmp_path: Path) -> None:
    """A real, very limited peer gets names in all character sets with their bytes unchanged."""
    samples = [corpus[name] for name in corpus if name.startswith("c")]
    paths = [sample.write(tmp_path) for sample in samples]
    with storescp(tmp_path / "target", "+xi") as node:
        report = asyncio.run(ENTITY.store(node, paths))
    assert report.complete, report.results
    arrived = data_sets(tmp_path / "target")
    for sample in samples:
        name = sample.dataset().get_item("PatientName").value
        assert len(name) > 5
        assert name in arrived[sample.sop_instance_uid], sample.id


def test_nothing_is_converted_where_nobody_wants_that(tmp_path: Path) -> None:
    """With conversion disabled, instances in refused syntaxes fail."""
    report, peer = asyncio.run(send([make(tmp_path, 1)], (IMPLICIT,), convert=False))
    assert report.results[0].outcome is Outcome.FAILED
    assert "no presentation context was accepted for" in report.results[0].words
    assert len(peer.asked) == 1


def test_a_class_that_is_not_taken_at_all_fails_in_words(tmp_path: Path) -> None:
    """Conversion does not help."""
    report, peer = asyncio.run(send([make(tmp_path, 1)], ("1.2.3.999",)))
    assert report.results[0].outcome is Outcome.FAILED
    assert "nor in a native transfer syntax" in report.results[0].words
    assert len(peer.asked) == 2


def _video(folder: Path) -> Path:
    video = corpus["p09-rle-gray"].dataset()
    video.file_meta.TransferSyntaxUID = MPEG2MPML
    path = folder / "video.dcm"
    video.save_as(path)
    return path


def _without_decoder(folder: Path) -> Path:
    if pydicom.pixels.get_decoder(JPEGLSLossless).is_available:
        pytest.skip("there is a decoder for JPEG-LS")
    return corpus["p12-jpeg-ls"].write(folder)


def _broken(folder: Path) -> Path:
    path = corpus["p12-jpeg-2000"].write(folder)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\xff\x4f\xff\x51", bytes(4)))
    return path


def _cut(folder: Path) -> Path:
    path = corpus["p07"].write(folder)
    path.write_bytes(path.read_bytes()[:-20])
    return path


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (_video, "there is no decoder for that"),
        (_without_decoder, "install .*pylibjpeg"),
        (_broken, "cannot be decompressed"),
        (_cut, "it ends in the middle of its deflated data set"),
    ],
)
def test_what_cannot_be_converted_fails_in_words(
    write: Callable[[Path], Path], words: str, tmp_path: Path
) -> None:
    """The error has both syntaxes and the reason; the following files are stored."""
    paths = [write(tmp_path), corpus["p09-rle-gray"].write(tmp_path)]
    report, peer = asyncio.run(send(paths, NATIVE))
    failed, stored = report.results
    assert failed.outcome is Outcome.FAILED
    beginning = "it (cannot be converted from .* to Explicit VR Little Endian|is incomplete): "
    assert re.search(beginning + ".*" + words, failed.words)
    assert stored.outcome is Outcome.STORED
    assert peer.count() == 1
