"""Shared by all tests of `dcm serve`: a service with samples, and one to store in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from net.conftest import authority, client_tls, server_tls
from net.files import make
from serve.service import Service, serving

from harness.corpus import Sample, corpus

__all__ = ["authority", "client_tls", "server_tls"]

SAMPLES = (
    "h01-ct-1-1", "h01-ct-1-2", "h03-sr", "m01-native", "m03", "p02", "p05", "p08", "p09-rle-gray",
    "p10-jpeg-gray", "p10-jpeg-colour", "p13-offsets", "t01-un", "t05", "c11",
)  # fmt: skip


@pytest.fixture(scope="session")
def samples() -> list[Sample]:
    """The content of the service: images of several transfer syntaxes, and documents."""
    return [corpus[name] for name in SAMPLES if name in corpus]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, samples: list[Sample]) -> Iterator[Service]:
    """A read-only service."""
    folder = tmp_path_factory.mktemp("served")
    for sample in samples:
        sample.write(folder)
    for number in range(1, 8):
        make(folder, number, study="1.2.3.7", series=1 + number % 2, size=4000)
    with serving(folder) as found:
        yield found


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Service]:
    """An empty, writable service."""
    folder = tmp_path / "archive"
    folder.mkdir()
    with serving(folder, "--writable") as found:
        yield found
