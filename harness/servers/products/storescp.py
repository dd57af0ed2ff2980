"""dcmtk's `storescp`: receives objects, and answers no question about them."""

from harness.servers.adapter import ENVIRONMENT, Adapter
from harness.servers.capabilities import DIMSE_STORAGE
from harness.servers.dcmtk_programs import find_program
from harness.servers.launcher import DATA, Launch, Seat
from harness.servers.product import Asked, Build, Product


class Storescp(Adapter):
    """A storescp that takes every transfer syntax it knows; it makes a process for each association."""

    can = DIMSE_STORAGE

    def launch(self, seat: Seat) -> Launch:
        """Return the command: all that it is to know are options."""
        options = (
            "--verbose",
            "--fork",
            "--accept-all",
            "-dhl",
            "-od",
            DATA,
            "-aet",
            self.ae_title,
        )
        return Launch((self.program, *options, str(seat.ports["dicom"])), {}, ENVIRONMENT)


def find(asked: Asked) -> Build:  # noqa: ARG001 - nothing can be asked of it
    """Find it in dcmtk's package."""
    return find_program("storescp", Storescp)


PRODUCT = Product("dcmtk's receiver: C-ECHO and C-STORE only", find)
