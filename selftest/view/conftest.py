"""Shared by the tests of pages: images, archives, and the command as a process."""

from pathlib import Path

import pytest
from cli.conftest import (
    archive,
    authority,
    client_tls,
    configuration,
    dcmqrscp_node,
    objects,
    orthanc_node,
    orthanc_program,
    server_tls,
    start,
)

from harness.corpus import corpus

__all__ = [
    "archive",
    "authority",
    "client_tls",
    "configuration",
    "dcmqrscp_node",
    "objects",
    "orthanc_node",
    "orthanc_program",
    "server_tls",
    "start",
]

SAMPLES = ("p01", "p03", "p08", "p12-jpeg-ls", "m01-jpeg", "h03-sr")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Some images, a report, a truncated one, one of an unknown syntax, and a note."""
    made_ = tmp_path / "folder"
    made_.mkdir()
    for id_ in SAMPLES:
        corpus[id_].write(made_)
    (made_ / "cut.dcm").write_bytes(corpus["p04"].data[:-2000])
    unknown = corpus["p02"].data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0")
    (made_ / "unknown.dcm").write_bytes(unknown)
    (made_ / "note.txt").write_text("no DICOM")
    return made_
