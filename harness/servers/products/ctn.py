"""CTN's `simple_storage` (Central Test Node, 1993 to 2008): receives objects, answers no queries.

The archive of the package is another program, `archive_server`. It keeps its index in MariaDB, and
Debian's build of it accepts objects in Implicit VR Little Endian only: it never reads the file that
would allow more.
"""

import gzip
import re
import shutil
from pathlib import Path

from pydicom.uid import AllTransferSyntaxes

from harness.clients.dimse import NATIVE
from harness.errors import ServerNotFound
from harness.model import Version
from harness.servers.adapter import Adapter
from harness.servers.capabilities import COMPRESSED, DIMSE_STORAGE
from harness.servers.launcher import DATA, Launch, Seat
from harness.servers.product import Build, Product, Spec

PROGRAM = "simple_storage"
CONFIGURATION = "ctn.cfg"


class Ctn(Adapter):
    """A simple_storage that starts a process for each association."""

    can = DIMSE_STORAGE | {COMPRESSED}

    def launch(self, seat: Seat) -> Launch:
        """Return the command, and its configuration."""
        # It cannot inflate, but would accept deflated objects if that syntax were listed.
        accepted = [*NATIVE, *(each for each in AllTransferSyntaxes if each.is_encapsulated)]
        # Without the last line, objects in Implicit VR are stored without file meta information.
        configuration = (
            f"ACCEPT/XFER {';'.join(NATIVE)}\n"
            f"ACCEPT/XFER/STORAGE {';'.join(accepted)}\n"
            "STORAGE/PART10FLAG 1\n"
        )
        options = ("-c", self.ae_title, "-C", CONFIGURATION, "-f", "-p", "-s", "-x", DATA)
        # Its log is its output, which would be block-buffered without stdbuf. -p logs association
        # requests, without which it logs nothing for a C-ECHO; -s leaves out the data sets.
        command = ("stdbuf", "--output=L", self.program, *options, str(seat.ports["dicom"]))
        return Launch(command, {CONFIGURATION: configuration.encode()})


def find(spec: Spec) -> Build:  # noqa: ARG001 - nothing can be asked of it
    """Find it in Debian's package."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise ServerNotFound(
            f"--remote ctn: {PROGRAM} is not on the search path: apt-get install ctn"
        )
    return Build("ctn", _version(Path(program)), Ctn, executable=Path(program))


def _version(program: Path) -> Version:
    """Return the package version from its changelog: the programs know only a date."""
    changelog = program.parent.parent / "share/doc/ctn/changelog.Debian.gz"
    try:
        with gzip.open(changelog, "rt", encoding="utf-8") as file:
            heading = file.readline()
    except OSError:
        heading = ""
    version = re.match(r"ctn \((\d[\d.]*)", heading)
    return Version(version.group(1) if version else "unknown")


PRODUCT = Product("CTN's receiver: C-ECHO and C-STORE only", find)
