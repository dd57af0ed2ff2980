"""`dcm listen`, the receiver of the toolkit itself: C-ECHO and C-STORE only."""

from dcm import __version__
from harness.model import Version
from harness.servers.adapter import Adapter
from harness.servers.capabilities import COMPRESSED, DIMSE_STORAGE
from harness.servers.launcher import DATA, Launch, Seat
from harness.servers.product import Build, Product, Spec


class DcmListen(Adapter):
    """A `dcm listen` that stores what it receives in its data folder."""

    can = DIMSE_STORAGE | {COMPRESSED}

    def launch(self, seat: Seat) -> Launch:
        """Return the command: all settings are options."""
        port = str(seat.ports["dicom"])
        where = ("--host", "127.0.0.1", "--port", port, "--ae-title", str(self.ae_title))
        return Launch((self.python, "-m", "dcm", "--verbose", "listen", "-o", DATA, *where), {})


def find(asked: Spec) -> Build:  # noqa: ARG001 - it has no variants
    """Return it: it is part of this distribution."""
    return Build("dcm-listen", Version(__version__), DcmListen)


PRODUCT = Product("the toolkit's own receiver: C-ECHO and C-STORE only", find)
