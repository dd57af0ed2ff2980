"""tiny-pacs, an archive in Python with DICOMweb: a second reader of PS3.18 beside Orthanc's plugin."""

import importlib.metadata
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pydicom.uid import AllTransferSyntaxes

from harness.errors import ServerNotFound
from harness.model import Endpoint, Version
from harness.servers.capabilities import (
    COMPRESSED,
    DICOMWEB,
    DIMSE_QUERY_RETRIEVE,
    DIMSE_STORAGE,
    RELATED,
)
from harness.servers.dicom_process import DATA, DicomProcess
from harness.servers.process import free_port
from harness.servers.product import Asked, Found, Product
from harness.servers.sqlite_index import empty_index

PREFIX = "/dicomweb"
OBJECTS = "objects"
MORE = frozenset({COMPRESSED, RELATED, "dimse.commit"})
LOG = {
    "version": 1,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "INFO", "handlers": ["console"]},
}
SCHEMA = ("schemaversion",)  # what tiny-pacs notes of its own tables


class TinyPacs(DicomProcess):
    """A tiny-pacs with its index and its objects in its folder."""

    can = DIMSE_STORAGE | DIMSE_QUERY_RETRIEVE | DICOMWEB | MORE
    """Its WADO-URI renders nothing, and is below another path than that of the cases."""
    dicomweb: str | None = PREFIX

    def command(self) -> Sequence[str | Path]:
        """Write the configuration, and return the command."""
        self.rest = Endpoint("127.0.0.1", free_port())
        file = self.folder / "tiny-pacs.json"
        file.write_text(json.dumps(self._configuration(self.rest.port), indent=2))
        return sys.executable, "-m", "tiny_pacs", "run", "-c", file

    def _configuration(self, http: int) -> dict[str, object]:
        devices = {
            title: {"aet": title, "address": endpoint.host, "port": endpoint.port}
            for title, endpoint in self.role.destinations.items()
        }
        return {
            "ae": {
                "ae_title": [self.identity.ae_title],
                "port": self.dicom.port,
                # Those that it knows by itself leave out big endian.
                "supported_ts": [str(each) for each in AllTransferSyntaxes],
            },
            "log": LOG,
            "components": {
                "Database": {"on": True, "db_name": str(DATA / "index"), "mode": "rwc"},
                "Devices": {"on": True, "devices": devices, "auto_add": False},
                "PACS": {"on": True},
                "InMemoryStorage": {"on": False},
                "FileStorage": {
                    "on": True,
                    "overwrite": True,
                    "storage_dir": str(DATA / OBJECTS),
                },
                "HttpServer": {"on": True, "port": http},
                "DICOMWeb": {"on": True, "prefix": PREFIX},
            },
        }

    def answers(self, time_limit: float = 2.0) -> bool:
        """Return whether both doors are open: where the port for HTTP is taken, it goes on without."""
        http = self.rest is not None and self._process.listens(self.rest.port)
        return http and super().answers(time_limit)

    def reset(self, *, unsettled: bool) -> None:  # noqa: ARG002 - it has no work in the background
        """Empty the index from outside, and delete the files: it fails with the twelfth copy of an object."""
        empty_index(self.data / "index", keep=SCHEMA)
        for file in (self.data / OBJECTS).glob("*/*.dcm"):
            file.unlink()


def find(asked: Asked) -> Found:  # noqa: ARG001 - nothing can be asked of it
    """Find it among the installed packages."""
    try:
        version = importlib.metadata.version("tiny-pacs")
        importlib.metadata.version("tiny-pacs-dicomweb")
    except importlib.metadata.PackageNotFoundError as missing:
        raise ServerNotFound(
            f"--remote tiny-pacs: the Python package {missing.name} is not installed: "
            "pip install 'dicom-harness[tiny-pacs]'"
        ) from missing
    return Found("tiny-pacs", Version(version), TinyPacs, rest=True)


PRODUCT = Product("an archive in Python: DICOM and DICOMweb", find)
