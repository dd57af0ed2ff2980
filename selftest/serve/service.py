"""`dcm serve` as a process, as users start it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from dicomweb_client import DICOMwebClient

from dcm.net import DcmNode

ROOT = Path(__file__).resolve().parents[2]


class Service(NamedTuple):
    """A running service. url: of DICOMweb, or empty. node: None without DICOM services."""

    process: subprocess.Popen[str]
    url: str
    node: DcmNode | None

    @property
    def client(self) -> DICOMwebClient:
        """A client of another project."""
        return DICOMwebClient(self.url)


def command(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Return the command `dcm serve`."""
    kept = {**os.environ, "PYTHONPATH": str(ROOT), "DCM_CONFIG_PATH": os.devnull, **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "dcm", "serve", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=kept,
    )  # fmt: skip


@contextmanager
def serving(folder: Path, *options: str | Path, **environment: str) -> Iterator[Service]:
    """Serve a folder at free ports during the block; kill the process if it has not ended then."""
    process = command(folder, "--port", "0", "--dicom-port", "0", *options, **environment)
    try:
        yield addresses(process, web="--no-web" not in options, dicom="--no-dicom" not in options)
    finally:
        process.kill()
        process.communicate()


def addresses(process: subprocess.Popen[str], *, web: bool = True, dicom: bool = True) -> Service:
    """Read the addresses that the process prints when it is ready."""
    url, node, seen = "", None, []
    assert process.stderr is not None
    while (web and not url) or (dicom and node is None):
        line = process.stderr.readline()
        assert line, f"it ended with {process.wait()}: {''.join(seen)}"
        seen.append(line)
        if found := re.search(r"DICOMweb at ([^ ,\n]+)", line):
            url = found[1]
        elif found := re.search(r"DICOM at ([^ ,\n]+)", line):
            node = DcmNode.parse(found[1])
    return Service(process, url, node)
