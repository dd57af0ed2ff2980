"""dcmtk's modality worklist server, `wlmscpfs`: answers from files in a folder named after its AE title."""

from collections.abc import Sequence
from pathlib import Path

from harness.servers.dcmtk_programs import find_program
from harness.servers.dicom_process import DATA, DicomProcess
from harness.servers.orthanc import clear_folder
from harness.servers.product import Asked, Found, Product


class Wlmscpfs(DicomProcess):
    """A wlmscpfs; who calls it by a name without a folder is rejected."""

    can = ("dimse.echo", "dimse.worklist")

    def command(self) -> Sequence[str | Path]:
        """Make the folder with the lock file that it insists on, and return the command."""
        self.worklists = self.data / self.identity.ae_title
        self.worklists.mkdir()
        (self.worklists / "lockfile").touch()
        # -dfr: what is incomplete by its own lights (an empty sequence, say) is answered all the same.
        options = ("--verbose", "-dhl", "--keep-char-set", "-dfr", "-dfp", DATA)
        return str(self.identity.executable), *options, str(self.dicom.port)

    def reset(self, *, unsettled: bool) -> None:  # noqa: ARG002 - it has no work in the background
        """Delete the worklist items, and leave the lock file."""
        if self.worklists is not None:
            clear_folder(self.worklists)


def find(asked: Asked) -> Found:  # noqa: ARG001 - nothing can be asked of it
    """Find it in dcmtk's package."""
    return find_program("wlmscpfs", Wlmscpfs)


PRODUCT = Product("dcmtk's worklist server: C-ECHO and worklist queries only", find)
