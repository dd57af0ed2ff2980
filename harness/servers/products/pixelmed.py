"""PixelMed's archive, `DicomAndWebStorageServer`: DICOM and WADO-URI, in Java."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from harness.errors import ServerNotFound
from harness.model import Version
from harness.servers.adapter import Adapter
from harness.servers.capabilities import DIMSE_ARCHIVE, RELATED
from harness.servers.launcher import DATA, Launch, Seat
from harness.servers.product import Build, Product, Spec

MAIN = "com.pixelmed.server.DicomAndWebStorageServer"
OBJECTS = "objects"
JAR = "pixelmed.jar"
# The dependencies of Debian's package; the server needs no other jar. The manifest of Debian's
# pixelmed.jar names them by absolute path, so they are found without being listed, too.
NEEDED = ("hsqldb", "commons-codec", "commons-net", "slf4j-api", "slf4j-jdk14", "vecmath")
JAVA = (
    "-Xshare:auto",  # it is started many times: these three halve the start-up time
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Djava.awt.headless=true",
    "-Dnet.mdns.interface=127.0.0.1",  # else it announces itself on every network of the computer
    "-Djava.util.logging.config.file=logging.properties",
    "-Duser.home=.",  # relative paths, and the name of its configuration, start there
)
# At its default level it logs no requests.
LOGGING = """\
handlers=java.util.logging.ConsoleHandler
.level=INFO
com.pixelmed.network.level=FINE
java.util.logging.ConsoleHandler.level=FINE
java.util.logging.SimpleFormatter.format=%1$tF %1$tT.%1$tL %4$s %3$s: %5$s%6$s%n
"""


class PixelMed(Adapter):
    """A DicomAndWebStorageServer with its index, an HSQLDB in its own process, in its folder."""

    can = DIMSE_ARCHIVE | {RELATED, "dicomweb.uri"}
    doors = ("dicom", "http")
    dicomweb = ""
    """It examines only the query of a URL: WADO-URI is offered below every path."""

    def launch(self, seat: Seat) -> Launch:
        """Return the command, with the configuration that it reads from its home folder."""
        settings = {
            "Dicom.ListeningPort": seat.ports["dicom"],
            "Dicom.CalledAETitle": self.ae_title,
            "Dicom.CallingAETitle": self.ae_title,
            "Dicom.PrimaryDeviceType": "ARCHIVE",
            "Dicom.RemoteAEs": ",".join(self.role.destinations),
            "Application.DatabaseFileName": f"{DATA}/index",
            "Application.SavedImagesFolderName": f"{DATA}/{OBJECTS}",
            "WebServer.ListeningPort": seat.ports["http"],
        }
        for title, endpoint in self.role.destinations.items():
            settings |= {
                f"Dicom.RemoteAEs.{title}.CalledAETitle": title,
                f"Dicom.RemoteAEs.{title}.HostNameOrIPAddress": endpoint.host,
                f"Dicom.RemoteAEs.{title}.Port": endpoint.port,
            }
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        beside = Path(self.program).parent
        jars = (self.program, *(str(beside / f"{each}.jar") for each in NEEDED))
        argv = ("java", *JAVA, "-cp", os.pathsep.join(jars), MAIN)
        files = {f".{MAIN}.properties": text, "logging.properties": LOGGING}
        return Launch(argv, {name: content.encode() for name, content in files.items()})

    def empty(self, folder: Path | None, worklists: Path | None, *, unsettled: bool) -> bool:  # noqa: ARG002
        """Return whether it holds no objects: its process locks the index, and it cannot delete."""
        return folder is not None and not any(
            each.is_file() for each in (folder / DATA / OBJECTS).rglob("*")
        )


def find(spec: Spec) -> Build:  # noqa: ARG001 - nothing can be asked of it
    """Find the jar in Debian's place: `/usr/share/java` for `/usr/bin` on the search path, etc."""
    jar = next((each for each in _places() if each.is_file()), None)
    missing = [] if jar else [f"{JAR} is missing in /usr/share/java"]
    if shutil.which("java") is None:
        missing.append("java is not on the search path")
    if jar is None or missing:
        raise ServerNotFound(
            f"--remote pixelmed: {' and '.join(missing)}: "
            "apt-get install libpixelmed-java default-jre-headless"
        )
    # Debian's pixelmed.jar is a link to pixelmed-20220618.jar.
    version = jar.resolve().stem.partition("-")[2]
    return Build("pixelmed", Version(version or "unknown"), PixelMed, executable=jar)


def _places() -> Iterator[Path]:
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        yield Path(folder).parent / "share/java" / JAR


PRODUCT = Product("PixelMed's archive: DICOM and WADO-URI", find)
