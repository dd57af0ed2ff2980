"""`dcm serve`, an archive of the toolkit itself: DICOM and DICOMweb over an index of a folder."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

from dcm import __version__
from harness.clients.dimse import Dimse
from harness.errors import ServerNotFound
from harness.model import AETitle, Version
from harness.servers.adapter import PATIENCE, Adapter
from harness.servers.capabilities import (
    COMPRESSED,
    DICOMWEB,
    DICOMWEB_MORE,
    DIMSE_ARCHIVE,
    RELATED,
)
from harness.servers.launcher import DATA, Launch, Seat
from harness.servers.product import Build, Product, Spec

NEEDED = ("starlette", "uvicorn", "gdcm")
"""Modules without which it has no web services, or cannot decode JPEG Lossless and JPEG-LS."""

NOTHING = "2.25.404"
"""A UID that it has no objects for."""


class DcmServe(Adapter):
    """A `dcm serve` that stores what it receives in its data folder."""

    can = DIMSE_ARCHIVE | DICOMWEB | (DICOMWEB_MORE - {"dicomweb.uri"}) | {
        COMPRESSED, RELATED, "dimse.commit",
    }  # fmt: skip
    doors = ("dicom", "http")
    dicomweb = "/dicom-web"
    index = ".dcm-index.sqlite"

    def launch(self, seat: Seat) -> Launch:
        """Return the command, with a configuration that names the destinations of C-MOVE."""
        argv = [
            self.python, "-m", "dcm", "--config", "dcm.toml", "serve", DATA, "--writable",
            "--ae-title", self.ae_title, "--port", str(seat.ports["http"]),
            "--dicom-port", str(seat.ports["dicom"]), "--verbose",
        ]  # fmt: skip
        files = {"dcm.toml": "\n".join(self._configuration()).encode()}
        encryption = self.role.encryption
        if encryption is not None:
            files |= encryption.server_files()
            if "http" in encryption.doors:
                argv += ("--certificate", "server.pem", "--key", "server.key")
                argv += ("--client-ca", "authority.pem")
        return Launch(tuple(argv), files)

    def empty(self, folder: Path | None, worklists: Path | None, *, unsettled: bool) -> bool:
        """Empty the folder and the index, once everything it has stored is indexed.

        It adds instances to its index in batches, slightly later, but before it answers a query.
        """
        client = Dimse(
            self.endpoints["dicom"],
            self.ae_title,
            AETitle("HARNESS"),
            PATIENCE,
            self.role.tls_at("dicom"),
        )
        client.find("STUDY", StudyInstanceUID=NOTHING)
        return super().empty(folder, worklists, unsettled=unsettled)

    def _configuration(self) -> Iterator[str]:
        yield "[local_nodes.default]"
        if self.role.tls_at("dicom") is not None:
            yield 'tls_certificate = "server.pem"'
            yield 'tls_key = "server.key"'
            yield 'tls_ca = "authority.pem"'
            yield "tls_require_certificate = true"
        for number, (title, node) in enumerate(self.role.destinations.items()):
            yield f"[remote_nodes.node{number}]"
            yield f"host = {json.dumps(node.host)}"
            yield f"port = {node.port}"
            yield f"ae_title = {json.dumps(title)}"


def find(asked: Spec) -> Build:  # noqa: ARG001 - it has no variants
    """Return it: it is part of this distribution, and only its dependencies may be missing."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ServerNotFound(
            f"--remote dcm-serve: the Python module {missing[0]} is not installed: "
            "pip install 'dicom-harness[dcm-serve]'"
        )
    return Build("dcm-serve", Version(__version__), DcmServe)


PRODUCT = Product("the toolkit's own archive: DICOM and DICOMweb", find, heeds=frozenset({"tls"}))
