"""Orthanc in a container, as remote or as local, of any image that is configured in `/etc/orthanc`."""

import json
import signal
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.clients.rest import NoAnswer, Rest
from harness.config.settings import Ports
from harness.errors import ServerError, ServerNotReady
from harness.model import AETitle, Credentials, Endpoint, Port
from harness.servers import orthanc
from harness.servers.capabilities import Capabilities
from harness.servers.container import Container, Limits
from harness.servers.container_engine import Engine, own_container, speaking
from harness.servers.container_image import CONFIGURATION, OrthancImage
from harness.servers.container_site import ContainerSite
from harness.servers.emptying import Emptier
from harness.servers.libraries import libraries_in
from harness.waiting import WaitTimeout, wait_until

PORTS = Ports(Port(4242), Port(8042))  # in its own container nobody else has them
DATA = Path("/harness")
# What orthancteam/orthanc makes of VERBOSE_ENABLED is the option --verbose.
ENVIRONMENT = {**orthanc.ENVIRONMENT, "VERBOSE_ENABLED": "true"}


class OrthancContainer:
    """An Orthanc that the harness starts in a container, with its storage inside."""

    def __init__(
        self,
        name: str,
        image: OrthancImage,
        configure: orthanc.Configure,
        *,
        site: ContainerSite,
        ae_title: AETitle,
        credentials: Credentials | None,
        worklists: Path | None = None,
        limits: Limits,
    ) -> None:
        self.image = image
        self.configure = configure
        self.ae_title = ae_title
        self.credentials = credentials
        shared = None if worklists is None else _shared(site.engine, worklists)
        self.worklists = None if shared is None else worklists
        self.dicom = Endpoint(site.own_address, PORTS.dicom)  # its own is known once it runs
        self.rest: Endpoint | None = None
        self.dicomweb: str | None = orthanc.DICOMWEB
        self._client, self._emptier = Rest(self.dicom), Emptier(self.dicom, None, time_limit=2.0)
        self._starts = 0
        self._container = Container(
            f"{name} Orthanc",
            site,
            image.id,
            command=image.command,
            environment=ENVIRONMENT,
            mounts=[_empty_folder(CONFIGURATION), *([shared] if shared else [])],
            limits=limits,
        )
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Start, empty."""
        self._starts += 1
        if self.worklists is not None:
            orthanc.clear_folder(self.worklists)
        token = uuid.uuid4().hex
        data = DATA / str(self._starts)
        configuration = {**self.configure(PORTS, data, self.worklists), "Name": token}
        text = json.dumps(configuration, indent=2)
        file = f"{CONFIGURATION}/orthanc.json"
        self._container.put({file: text.encode()}, folders=[str(DATA), str(data)])
        self._container.start(ready=lambda: self._answers_as(token))
        self._client.put(
            "/tools/log-level", "verbose"
        )  # not every entry point has an option for it
        identity, known = orthanc.describe(self._client, image=self.image.name)
        self.identity = replace(identity, ae_title=self.ae_title)  # as configured, whatever it says
        built_with = libraries_in(self._container.maps("Orthanc"))
        self.capabilities = self._within_reach(known).built_with(built_with)

    def _answers_as(self, token: str) -> bool:
        if not self._find():
            return False  # it ended a moment ago, which the next look sees
        try:
            answer = self._client.get("/system", expect=None)
            name = answer.json().get("Name") if answer.ok else None
        except (NoAnswer, ValueError):
            return False
        if name != token:
            raise ServerNotReady(
                f"{self._container.name}: the image {self.image.name} started an Orthanc, but not with our "
                f"configuration: its entry point must read the files in {CONFIGURATION}"
            )
        return True

    def _find(self) -> bool:
        """Learn its endpoints, for the engine gives out addresses anew; False while it has none."""
        address = self._container.address
        if address is None:
            return False
        rest = Endpoint(address, PORTS.rest)
        if rest != self.rest:
            self.dicom, self.rest = Endpoint(address, PORTS.dicom), rest
            self._client.close()
            self._client = Rest(rest, self.credentials, time_limit=2.0)
            self._emptier.close()
            self._emptier = Emptier(rest, self.credentials, time_limit=2.0)
        return True

    def _within_reach(self, known: Capabilities) -> Capabilities:
        """Leave worklists out where the container cannot see the folder that the cases write to."""
        return known if self.worklists is not None else known.without("dimse.worklist")

    def reset(self, *, unsettled: bool) -> None:
        """Empty the server; the requests do not pass the relay."""
        if unsettled:
            orthanc.settle(self._client)
        self._emptier.empty()
        if self.worklists is not None:
            orthanc.clear_folder(self.worklists)

    def outlasts_reset(self, method: str, target: str) -> bool:
        """Return whether a request may have changed more than objects."""
        return orthanc.outlasts_reset(method, target)

    def restore(self) -> None:
        """Start it anew: its configuration is that of the first start."""
        self.restart()

    def died(self) -> str | None:
        """Say how it ended."""
        return self._container.ended()

    def trouble(self) -> str | None:
        """Say how it ended, or that it no longer answers."""
        died = self.died()
        if died or orthanc.system_of(self._client):
            return died
        try:  # the engine learns of a crash a moment after those who spoke with the server
            return wait_until(self.died, what="the engine to see the end", within=0.5)
        except WaitTimeout:
            return "does not answer any more"

    def restart(self) -> None:
        """End it by force and start it again, empty; its address may change."""
        self._container.kill()
        self.start()

    def crash(self) -> None:
        """Refuse: what it has stored goes with its container."""
        raise ServerError("a container keeps nothing of what its server stored")

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to Orthanc itself, as a crash or an administrator would."""
        self._container.send_signal(number, "Orthanc")

    def freeze(self) -> None:
        """Let it hang until `thaw`: connections stay open, nothing is answered."""
        self._container.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        self._container.thaw()

    def cut_off(self) -> None:
        """Take it from the network until `reconnect`: it runs on, and nothing reaches it."""
        self._container.cut_off()

    def reconnect(self) -> None:
        """Bring it back to the network; its address may change."""
        self._container.reconnect()
        if not self._find():
            raise ServerError(
                f"{self._container.name}: no address, though brought back to its network"
            )

    def log_position(self) -> int:
        """Return the place in the log at which the next line will stand."""
        return self._container.log_position()

    def log_since(self, position: int) -> str:
        """Return the log from `position` on."""
        return self._container.log_since(position)

    def close(self) -> None:
        """Remove the container, with all that is in it."""
        self._client.close()
        self._emptier.close()
        self._container.remove()


def _empty_folder(path: str) -> Any:
    """Cover a folder of the image with an empty one, that goes with the container.

    Orthanc reads all files of the folder and refuses a key that stands in two of them.
    """
    from docker.types import Mount  # noqa: PLC0415 - an optional dependency

    return Mount(path, None, type="volume", no_copy=True)


def _shared(engine: Engine, folder: Path) -> Any:
    """Show a folder of ours to a container, under the same name; None where the engine cannot see it.

    Where we run in a container, the engine sees only what was mounted into that one.
    """
    from docker.types import Mount  # noqa: PLC0415 - an optional dependency

    folder.chmod(0o755)  # whoever the server runs as
    own = own_container(engine)
    if own is None:
        return Mount(str(folder), str(folder), type="bind", read_only=True)
    with speaking("looking at our own mounts"):
        mounts = engine.api.inspect_container(own)["Mounts"]
    for each in sorted(mounts, key=lambda one: -len(one["Destination"])):
        if not folder.is_relative_to(each["Destination"]):
            continue
        if each["Type"] == "bind":
            source = Path(each["Source"]) / folder.relative_to(each["Destination"])
            return Mount(str(folder), str(source), type="bind", read_only=True)
        if each["Type"] == "volume":
            return Mount(each["Destination"], each["Name"], type="volume", read_only=True)
    return None
