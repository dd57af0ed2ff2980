"""pynetdicom's `qrscp`, the embedded server: it is there where Python is."""

import configparser
import io
from pathlib import Path

import pynetdicom

from harness.model import Version
from harness.servers.adapter import ENVIRONMENT, Adapter
from harness.servers.capabilities import COMPRESSED, DIMSE_QUERY_RETRIEVE, DIMSE_STORAGE
from harness.servers.container_image import find_program_in
from harness.servers.launcher import DATA, Launch, Seat
from harness.servers.product import Build, Product, Spec
from harness.servers.sqlite_index import empty_index

OBJECTS, INDEX = "instances", "instances.sqlite"


class Qrscp(Adapter):
    """A qrscp with its database in its folder."""

    can = DIMSE_STORAGE | DIMSE_QUERY_RETRIEVE | {COMPRESSED}

    def launch(self, seat: Seat) -> Launch:
        """Return the command, with the configuration that it reads."""
        assert self.build is not None
        settings = configparser.ConfigParser()
        settings["DEFAULT"] = {
            "ae_title": self.ae_title,
            "port": str(seat.ports["dicom"]),
            "max_pdu": "16382",
            "acse_timeout": "5",
            "dimse_timeout": "30",
            "network_timeout": "30",
            "bind_address": "127.0.0.1" if self.build.image is None else "0.0.0.0",  # noqa: S104
            "instance_location": str(seat.data / OBJECTS),
            "database_location": str(seat.data / INDEX),
            "log_identifier": "True",
        }
        for title, endpoint in self.role.destinations.items():
            settings[title] = {"address": endpoint.host, "port": str(endpoint.port)}
        text = io.StringIO()
        settings.write(text)
        argv = (self.python, "-m", "pynetdicom", "qrscp", "-v", "-c", "qrscp.ini")
        return Launch(argv, {"qrscp.ini": text.getvalue().encode()}, ENVIRONMENT)

    def empty(self, folder: Path | None, worklists: Path | None, *, unsettled: bool) -> None:  # noqa: ARG002
        """Empty the database from outside, and delete the files."""
        assert folder is not None
        empty_index(folder / DATA / INDEX)
        for file in (folder / DATA / OBJECTS).iterdir():
            file.unlink()


def find(asked: Spec) -> Build:
    """Return the one that the harness depends on, or that of an image."""
    if asked.image is not None:
        argv = ("python3", "-c", "import pynetdicom; print(pynetdicom.__version__)")
        found = find_program_in(asked.image, "qrscp", argv, r"^(\d+(?:\.\d+)+)$")
        return Build("qrscp", make=Qrscp, process="python3", limits=asked.limits, **found)
    return Build("qrscp", Version(pynetdicom.__version__), Qrscp)


PRODUCT = Product(
    "pynetdicom's archive, the embedded server: DICOM only",
    find,
    heeds=frozenset({"--image", "--memory"}),
)
