"""tiny-pacs, an archive in Python with DICOMweb: a second implementation of PS3.18."""

import importlib.metadata
import json
from collections.abc import Mapping

from pydicom.uid import AllTransferSyntaxes

from harness.errors import ServerNotFound
from harness.model import Port, Version
from harness.servers.adapter import ENVIRONMENT, Adapter
from harness.servers.capabilities import COMPRESSED, DICOMWEB, DIMSE_ARCHIVE, RELATED
from harness.servers.container_image import find_program_in
from harness.servers.launcher import DATA, Launch, Seat
from harness.servers.product import IN_IMAGE, Build, Product, Spec

LOG = {
    "version": 1,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "INFO", "handlers": ["console"]},
}


class TinyPacs(Adapter):
    """A tiny-pacs with its index and its objects in its folder."""

    can = DIMSE_ARCHIVE | DICOMWEB | {COMPRESSED, RELATED, "dimse.commit"}
    """Its WADO-URI does not render, and is below another path than the cases expect."""
    doors = ("dicom", "http")
    dicomweb = "/dicomweb"
    index = "index"
    index_keeps = ("schemaversion",)

    def launch(self, seat: Seat) -> Launch:
        """Return the command, and its configuration."""
        configuration = json.dumps(self._configuration(seat.ports), indent=2)
        argv = (self.python, "-m", "tiny_pacs", "run", "-c", "tiny-pacs.json")
        return Launch(argv, {"tiny-pacs.json": configuration.encode()}, ENVIRONMENT)

    def _configuration(self, ports: Mapping[str, Port]) -> dict[str, object]:
        devices = {
            title: {"aet": title, "address": endpoint.host, "port": endpoint.port}
            for title, endpoint in self.role.destinations.items()
        }
        return {
            "ae": {
                "ae_title": [self.ae_title],
                "port": ports["dicom"],
                # Its own default leaves out big endian.
                "supported_ts": [str(each) for each in AllTransferSyntaxes],
            },
            "log": LOG,
            "components": {
                "Database": {"on": True, "db_name": f"{DATA}/{self.index}", "mode": "rwc"},
                "Devices": {"on": True, "devices": devices, "auto_add": False},
                "PACS": {"on": True},
                "InMemoryStorage": {"on": False},
                "FileStorage": {"on": True, "overwrite": True, "storage_dir": f"{DATA}/objects"},
                "HttpServer": {"on": True, "port": ports["http"]},
                "DICOMWeb": {"on": True, "prefix": self.dicomweb},
            },
        }


def find(asked: Spec) -> Build:
    """Find it among the installed packages, or in an image."""
    if asked.image is not None:
        words = "from importlib.metadata import version; print(version('tiny-pacs'))"
        argv = ("python3", "-c", words)
        return find_program_in(asked, "tiny-pacs", TinyPacs, argv, process="python3")
    try:
        version = importlib.metadata.version("tiny-pacs")
        importlib.metadata.version("tiny-pacs-dicomweb")
    except importlib.metadata.PackageNotFoundError as missing:
        raise ServerNotFound(
            f"--remote tiny-pacs: the Python package {missing.name} is not installed: "
            "pip install 'dicom-harness[tiny-pacs]'"
        ) from missing
    return Build("tiny-pacs", Version(version), TinyPacs)


PRODUCT = Product("an archive in Python: DICOM and DICOMweb", find, heeds=IN_IMAGE)
