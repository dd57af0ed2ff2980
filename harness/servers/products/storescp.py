"""dcmtk's `storescp`: receives objects, and answers no queries."""

import functools

from harness.servers.adapter import ENVIRONMENT, Adapter
from harness.servers.capabilities import DIMSE_STORAGE
from harness.servers.dcmtk_programs import find_program
from harness.servers.launcher import DATA, Launch, Seat
from harness.servers.product import IN_IMAGE, Product


class Storescp(Adapter):
    """A storescp that accepts every transfer syntax it knows; it forks for each association."""

    can = DIMSE_STORAGE

    def launch(self, seat: Seat) -> Launch:
        """Return the command: all settings are options."""
        options: tuple[str, ...] = ("--verbose", "--fork", "--accept-all", "-dhl", "-od", DATA)
        files: dict[str, bytes] = {}
        encryption = self.role.encryption
        if encryption is not None:
            files |= encryption.server_files()
            options += ("+tls", "server.key", "server.pem", "+cf", "authority.pem")
        title = ("-aet", self.ae_title)
        return Launch(
            (self.program, *options, *title, str(seat.ports["dicom"])), files, ENVIRONMENT
        )


PRODUCT = Product(
    "dcmtk's receiver: C-ECHO and C-STORE only",
    functools.partial(find_program, "storescp", Storescp),
    heeds=IN_IMAGE | {"tls"},
)
