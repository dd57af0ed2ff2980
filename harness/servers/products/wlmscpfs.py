"""dcmtk's worklist server, `wlmscpfs`: answers from files in a folder named after its AE title."""

import functools
from pathlib import Path

from harness.servers.adapter import ENVIRONMENT, Adapter
from harness.servers.dcmtk_programs import find_program
from harness.servers.launcher import Launch, Seat
from harness.servers.orthanc import clear_folder
from harness.servers.product import IN_IMAGE, Product


class Wlmscpfs(Adapter):
    """A wlmscpfs; it rejects associations whose called title has no folder."""

    can = ("dimse.echo", "dimse.worklist")
    has_worklists = True

    def launch(self, seat: Seat) -> Launch:
        """Return the command, and the lock file that it requires."""
        assert seat.worklists is not None
        # -dfr: also return items that it considers incomplete (an empty sequence, for example).
        options = ("--verbose", "-dhl", "--keep-char-set", "-dfr", "-dfp", seat.worklists.name)
        lock = {f"{self.worklists_in(Path(seat.worklists.name))}/lockfile": b""}
        return Launch((self.program, *options, str(seat.ports["dicom"])), lock, ENVIRONMENT)

    def worklists_in(self, shared: Path) -> Path:
        """Return the folder that is named after its title."""
        return shared / self.ae_title

    def empty(self, folder: Path | None, worklists: Path | None, *, unsettled: bool) -> bool:  # noqa: ARG002
        """Delete the worklist items, but keep the lock file."""
        if worklists is None:
            return False
        clear_folder(worklists)
        return True


PRODUCT = Product(
    "dcmtk's worklist server: C-ECHO and worklist queries only",
    functools.partial(find_program, "wlmscpfs", Wlmscpfs),
    heeds=IN_IMAGE,
)
