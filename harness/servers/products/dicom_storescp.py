"""dicom-rs's `dicom-storescp`: receives objects, and answers no queries."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from harness.errors import ServerNotFound
from harness.model import Version
from harness.servers.adapter import Adapter
from harness.servers.capabilities import COMPRESSED, DIMSE_STORAGE
from harness.servers.launcher import DATA, Launch, Seat
from harness.servers.product import Build, Product, Spec

PROGRAM = "dicom-storescp"


class DicomStorescp(Adapter):
    """A dicom-storescp that serves several associations at a time."""

    can = DIMSE_STORAGE | {COMPRESSED}

    def launch(self, seat: Seat) -> Launch:
        """Return the command: every setting is an option."""
        # Without --non-blocking a second association waits until the first one has ended. Without
        # --read-timeout it waits forever, and without --strict it accepts PDUs of any length.
        options = ("--verbose", "--non-blocking", "--strict", "--read-timeout", "20", "-o", DATA)
        # The option is named after the calling title, but sets the title of the server itself.
        title = ("--calling-ae-title", self.ae_title)
        port = ("-p", str(seat.ports["dicom"]))
        return Launch((self.program, *options, *title, *port), {}, {"NO_COLOR": "1"})


def find(spec: Spec) -> Build:  # noqa: ARG001 - nothing can be asked of it
    """Find it on the search path, or where cargo installs programs."""
    cargo = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    program = shutil.which(PROGRAM) or shutil.which(PROGRAM, path=cargo / "bin")
    if program is None:
        raise ServerNotFound(
            f"--remote {PROGRAM}: it is not installed: run cargo install {PROGRAM} "
            "with a Rust toolchain (https://rustup.rs)"
        )
    answer = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=10, check=False
    )
    found = re.search(r"\d+(\.\d+)+", answer.stdout)
    version = Version(found.group() if found else "unknown")
    return Build(PROGRAM, version, DicomStorescp, executable=Path(program))


PRODUCT = Product("dicom-rs's receiver: C-ECHO and C-STORE only", find)
