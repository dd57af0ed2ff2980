"""`dcm serve`, an archive of the toolkit itself: DICOM and DICOMweb over an index of a folder."""

import json
from collections.abc import Iterator

from dcm import __version__
from harness.model import Version
from harness.servers.adapter import Adapter
from harness.servers.capabilities import (
    COMPRESSED,
    DICOMWEB,
    DICOMWEB_MORE,
    DIMSE_ARCHIVE,
    RELATED,
)
from harness.servers.launcher import DATA, Launch, Seat
from harness.servers.product import Build, Product, Spec


class DcmServe(Adapter):
    """A `dcm serve` that stores what it is sent into its data folder."""

    can = DIMSE_ARCHIVE | DICOMWEB | (DICOMWEB_MORE - {"dicomweb.uri"}) | {
        COMPRESSED, RELATED, "dimse.commit",
    }  # fmt: skip
    doors = ("dicom", "http")
    dicomweb = "/dicom-web"
    index = ".dcm-index.sqlite"

    def launch(self, seat: Seat) -> Launch:
        """Return the command, with a configuration that names the destinations of C-MOVE."""
        argv = (
            self.python, "-m", "dcm", "--config", "dcm.toml", "serve", DATA, "--writable",
            "--ae-title", self.ae_title, "--port", str(seat.ports["http"]),
            "--dicom-port", str(seat.ports["dicom"]), "--verbose",
        )  # fmt: skip
        return Launch(argv, {"dcm.toml": "\n".join(self._configuration()).encode()})

    def _configuration(self) -> Iterator[str]:
        for number, (title, node) in enumerate(self.role.destinations.items()):
            yield f"[remote_nodes.node{number}]"
            yield f"host = {json.dumps(node.host)}"
            yield f"port = {node.port}"
            yield f"ae_title = {json.dumps(title)}"


def find(asked: Spec) -> Build:  # noqa: ARG001 - it has no variants
    """Return it; it is always there, as a part of this distribution."""
    return Build("dcm-serve", Version(__version__), DcmServe)


PRODUCT = Product("the toolkit's own archive: DICOM and DICOMweb", find)
