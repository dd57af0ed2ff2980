"""dcmtk's modality worklist server, `wlmscpfs`: answers from files in a folder named after its AE title."""

import functools
from pathlib import Path

from harness.servers.adapter import ENVIRONMENT, Adapter
from harness.servers.dcmtk_programs import find_program
from harness.servers.launcher import Launch, Seat
from harness.servers.orthanc import clear_folder
from harness.servers.product import IN_IMAGE, Product


class Wlmscpfs(Adapter):
    """A wlmscpfs; who calls it by a name without a folder is rejected."""

    can = ("dimse.echo", "dimse.worklist")
    has_worklists = True

    def launch(self, seat: Seat) -> Launch:
        """Return the command, with the lock file that it insists on."""
        assert seat.worklists is not None
        # -dfr: what is incomplete by its own lights (an empty sequence, say) is answered all the same.
        options = ("--verbose", "-dhl", "--keep-char-set", "-dfr", "-dfp", seat.worklists.name)
        lock = {f"{self.worklists_in(Path(seat.worklists.name))}/lockfile": b""}
        return Launch((self.program, *options, str(seat.ports["dicom"])), lock, ENVIRONMENT)

    def worklists_in(self, shared: Path) -> Path:
        """Return the folder that is named after its title."""
        return shared / self.ae_title

    def empty(self, folder: Path | None, worklists: Path | None, *, unsettled: bool) -> bool:  # noqa: ARG002
        """Delete the worklist items, and leave the lock file."""
        if worklists is None:
            return False
        clear_folder(worklists)
        return True


PRODUCT = Product(
    "dcmtk's worklist server: C-ECHO and worklist queries only",
    functools.partial(find_program, "wlmscpfs", Wlmscpfs),
    heeds=IN_IMAGE,
)
