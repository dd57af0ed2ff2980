"""pynetdicom's `qrscp`, the embedded server: available wherever the harness is installed."""

import configparser
import io

import pynetdicom

from harness.model import Version
from harness.servers.adapter import ENVIRONMENT, Adapter
from harness.servers.capabilities import COMPRESSED, DIMSE_ARCHIVE
from harness.servers.container_image import find_program_in
from harness.servers.launcher import Launch, Seat
from harness.servers.product import IN_IMAGE, Build, Product, Spec

OBJECTS = "instances"


class Qrscp(Adapter):
    """A qrscp with its database in its folder."""

    can = DIMSE_ARCHIVE | {COMPRESSED}
    index = "instances.sqlite"

    def launch(self, seat: Seat) -> Launch:
        """Return the command, and its configuration."""
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
            "database_location": str(seat.data / self.index),
            "log_identifier": "True",
        }
        for title, endpoint in self.role.destinations.items():
            settings[title] = {"address": endpoint.host, "port": str(endpoint.port)}
        text = io.StringIO()
        settings.write(text)
        argv = (self.python, "-m", "pynetdicom", "qrscp", "-v", "-c", "qrscp.ini")
        return Launch(argv, {"qrscp.ini": text.getvalue().encode()}, ENVIRONMENT)


def find(asked: Spec) -> Build:
    """Return the one that the harness depends on, or that of an image."""
    if asked.image is not None:
        argv = ("python3", "-c", "import pynetdicom; print(pynetdicom.__version__)")
        return find_program_in(asked, "qrscp", Qrscp, argv, process="python3")
    return Build("qrscp", Version(pynetdicom.__version__), Qrscp)


PRODUCT = Product("pynetdicom's archive, the embedded server: DICOM only", find, heeds=IN_IMAGE)
