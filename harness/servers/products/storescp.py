"""dcmtk's `storescp`: receives objects, and answers no question about them."""

from collections.abc import Sequence
from pathlib import Path

from harness.servers.capabilities import DIMSE_STORAGE
from harness.servers.dcmtk_programs import find_program
from harness.servers.dicom_process import DATA, DicomProcess
from harness.servers.product import Asked, Found, Product


class Storescp(DicomProcess):
    """A storescp that takes every transfer syntax it knows; it makes a process for each association."""

    can = DIMSE_STORAGE

    def command(self) -> Sequence[str | Path]:
        """Return the command: all that it is to know are options."""
        title = ("-aet", self.identity.ae_title)
        options = ("--verbose", "--fork", "--accept-all", "-dhl", "-od", DATA)
        return str(self.identity.executable), *options, *title, str(self.dicom.port)


def find(asked: Asked) -> Found:  # noqa: ARG001 - nothing can be asked of it
    """Find it in dcmtk's package."""
    return find_program("storescp", Storescp)


PRODUCT = Product("dcmtk's receiver: C-ECHO and C-STORE only", find)
