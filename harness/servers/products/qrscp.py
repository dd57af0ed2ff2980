"""pynetdicom's `qrscp`, the embedded server: it is there where Python is."""

import configparser
import sys
from collections.abc import Sequence
from pathlib import Path

import pynetdicom

from harness.model import Version
from harness.servers.capabilities import COMPRESSED, DIMSE_QUERY_RETRIEVE, DIMSE_STORAGE
from harness.servers.dicom_process import DATA, DicomProcess
from harness.servers.process import HERE
from harness.servers.product import Asked, Found, Product
from harness.servers.sqlite_index import empty_index

SEEN = HERE / DATA  # it takes a relative path from the folder of its own module


class Qrscp(DicomProcess):
    """A qrscp with its database in its folder."""

    can = DIMSE_STORAGE | DIMSE_QUERY_RETRIEVE | {COMPRESSED}

    def command(self) -> Sequence[str | Path]:
        """Write the configuration, and return the command."""
        settings = configparser.ConfigParser()
        settings["DEFAULT"] = {
            "ae_title": self.identity.ae_title,
            "port": str(self.dicom.port),
            "max_pdu": "16382",
            "acse_timeout": "5",
            "dimse_timeout": "30",
            "network_timeout": "30",
            "bind_address": "127.0.0.1",
            "instance_location": str(SEEN / "instances"),
            "database_location": str(SEEN / "instances.sqlite"),
            "log_identifier": "True",
        }
        for title, endpoint in self.role.destinations.items():
            settings[title] = {"address": endpoint.host, "port": str(endpoint.port)}
        file = self.folder / "qrscp.ini"
        with file.open("w") as output:
            settings.write(output)
        return sys.executable, "-m", "pynetdicom", "qrscp", "-v", "-c", file

    def reset(self, *, unsettled: bool) -> None:  # noqa: ARG002 - it has no work in the background
        """Empty the database from outside, and delete the files."""
        empty_index(self.data / "instances.sqlite")
        for file in (self.data / "instances").iterdir():
            file.unlink()


def find(asked: Asked) -> Found:  # noqa: ARG001 - it is always there
    """Return the one that the harness depends on."""
    return Found("qrscp", Version(pynetdicom.__version__), Qrscp)


PRODUCT = Product("pynetdicom's archive, the embedded server: DICOM only", find)
