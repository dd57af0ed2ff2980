"""pynetdicom's `qrscp`, the embedded server: it is there where Python is."""

import configparser
import io
import sys
from pathlib import Path

import pynetdicom

from harness.model import Version
from harness.servers.adapter import ENVIRONMENT, Adapter
from harness.servers.capabilities import COMPRESSED, DIMSE_QUERY_RETRIEVE, DIMSE_STORAGE
from harness.servers.launcher import DATA, Launch, Seat
from harness.servers.product import Asked, Build, Product
from harness.servers.sqlite_index import empty_index

OBJECTS, INDEX = "instances", "instances.sqlite"


class Qrscp(Adapter):
    """A qrscp with its database in its folder."""

    can = DIMSE_STORAGE | DIMSE_QUERY_RETRIEVE | {COMPRESSED}

    def launch(self, seat: Seat) -> Launch:
        """Return the command, with the configuration that it reads."""
        settings = configparser.ConfigParser()
        settings["DEFAULT"] = {
            "ae_title": self.ae_title,
            "port": str(seat.ports["dicom"]),
            "max_pdu": "16382",
            "acse_timeout": "5",
            "dimse_timeout": "30",
            "network_timeout": "30",
            "bind_address": "127.0.0.1",
            "instance_location": str(seat.data / OBJECTS),
            "database_location": str(seat.data / INDEX),
            "log_identifier": "True",
        }
        for title, endpoint in self.role.destinations.items():
            settings[title] = {"address": endpoint.host, "port": str(endpoint.port)}
        text = io.StringIO()
        settings.write(text)
        argv = (sys.executable, "-m", "pynetdicom", "qrscp", "-v", "-c", "qrscp.ini")
        return Launch(argv, {"qrscp.ini": text.getvalue().encode()}, ENVIRONMENT)

    def empty(self, folder: Path | None, worklists: Path | None, *, unsettled: bool) -> None:  # noqa: ARG002
        """Empty the database from outside, and delete the files."""
        assert folder is not None
        empty_index(folder / DATA / INDEX)
        for file in (folder / DATA / OBJECTS).iterdir():
            file.unlink()


def find(asked: Asked) -> Build:  # noqa: ARG001 - it is always there
    """Return the one that the harness depends on."""
    return Build("qrscp", Version(pynetdicom.__version__), Qrscp)


PRODUCT = Product("pynetdicom's archive, the embedded server: DICOM only", find)
