"""Orthanc as a child process, as remote or as local."""

import json
import re
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from harness.clients.rest import NoAnswer, Rest
from harness.config.orthanc import DICOMWEB_ROOT
from harness.config.settings import Ports
from harness.model import AETitle, Credentials, Endpoint, Port, Version
from harness.servers import capabilities
from harness.servers.base import Identity
from harness.servers.capabilities import CRASH
from harness.servers.emptying import Emptier
from harness.servers.guard import Guard
from harness.servers.libraries import libraries_of
from harness.servers.locate import OrthancInstallation
from harness.servers.process import HERE, StartedServer, free_port
from harness.waiting import wait_until

# dcmtk inside Orthanc leaves Nagle's algorithm on; its HTTP client obeys a proxy of the environment.
ENVIRONMENT = {"TCP_NODELAY": "1", "no_proxy": "*", "NO_PROXY": "*"}

DICOMWEB = DICOMWEB_ROOT.rstrip("/")

Configure = Callable[[Ports, Path, Path | None], Mapping[str, object]]
"""Makes the configuration for the ports to listen on, a folder for the server's data, and one of worklists.

Both folders as the server sees them.
"""


class OrthancProcess(StartedServer):
    """An Orthanc that the harness starts, with its storage in a temporary folder."""

    def __init__(
        self,
        name: str,
        installation: OrthancInstallation,
        configure: Configure,
        *,
        ae_title: AETitle,
        credentials: Credentials | None,
        guard: Guard,
        worklists: bool = False,
    ) -> None:
        root = installation.root
        super().__init__(name, "Orthanc", guard, within=None if root is None else root / "tmp")
        self.installation = installation
        self.configure = configure
        self.ae_title = ae_title
        self.credentials = credentials
        self.worklists = self.folder / "worklists" if worklists else None
        nowhere = Endpoint("127.0.0.1", free_port())  # nobody is there before the start
        self._client, self._emptier = Rest(nowhere), Emptier(nowhere, None, time_limit=2.0)
        self.start()
        found, known = describe(self._client, installation.executable)
        self.identity = replace(found, ae_title=self.ae_title)  # as configured, whatever it says
        self.capabilities = known.having(CRASH).built_with(libraries_of(self.pid))

    def start_once(self, *, keep: bool) -> None:
        """Write the configuration, and start it."""
        self.dicom = Endpoint("127.0.0.1", free_port())
        self.rest: Endpoint | None = Endpoint("127.0.0.1", free_port())
        token = uuid.uuid4().hex
        data, worklists, seen = self.folder / "data", self.worklists, self.installation.seen
        for folder in (data, worklists):
            if folder is not None and not keep:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
        ports = Ports(Port(self.dicom.port), Port(self.rest.port))
        here = HERE if self.installation.root is None else seen(self.folder)
        configured = self.configure(ports, here / data.name, worklists and here / worklists.name)
        configuration = {**configured, "Name": token}
        file = self.folder / "configuration.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(configuration, indent=2))
        self._client.close()
        self._client = Rest(self.rest, self.credentials, time_limit=2.0)
        self._emptier.close()
        self._emptier = Emptier(self.rest, self.credentials, time_limit=2.0)
        self._process.start(
            [*self.installation.command, "--verbose", str(seen(file))],
            environment=ENVIRONMENT,
            ready=lambda: system_of(self._client).get("Name") == token,
        )
        self.dicomweb: str | None = DICOMWEB

    def crash(self) -> None:
        """End it by force and start it again with what it has stored; its ports may change."""
        self._process.kill()
        self.start(keep=True)

    def reset(self, *, unsettled: bool) -> None:
        """Empty the server; the requests do not pass the relay."""
        if unsettled:
            settle(self._client)
        self._emptier.empty()
        if self.worklists is not None:
            clear_folder(self.worklists)

    def outlasts_reset(self, method: str, target: str) -> bool:
        """Return whether a request may have changed more than objects."""
        return outlasts_reset(method, target)

    def trouble(self) -> str | None:
        """Say how the process ended, or that it no longer answers."""
        return self.died() or (None if system_of(self._client) else "does not answer any more")

    def close(self) -> None:
        """End it, with the connections to it."""
        self._client.close()
        self._emptier.close()
        super().close()


# What a request to these paths changes is objects, or goes with them. All else of Orthanc's REST API may
# change settings, run scripts or leave a job behind.
_OBJECTS = re.compile(
    r"/(patients|studies|series|instances)(/[^/]+)?(/(attachments|metadata|labels|protected|tags|file)\b.*)?"
    r"|/tools/(find|count-resources|lookup|bulk-content|bulk-delete|dicom-conformance|create-dicom)"
    r"|/(changes|exports)|/queries/[^/]+(/.*)?"
    r"|/modalities/[^/]+/(echo|find|find-(patient|study|series|instance|worklist)|query)"
    r"|/dicom-web/(studies|series|instances|servers/[^/]+/(get|qido))(/[^/]+)*"
)


def outlasts_reset(method: str, target: str) -> bool:
    """Return whether a request may have changed what `empty` does not put back."""
    if method not in ("POST", "PUT", "DELETE", "PATCH"):
        return False
    return _OBJECTS.fullmatch(target.partition("?")[0]) is None


def system_of(client: Rest) -> dict[str, Any]:
    """Return `/system`, or an empty dictionary where nobody answers, or not with that."""
    try:
        answer = client.get("/system", expect=None)
        return dict(answer.json()) if answer.status_code == requests.codes.ok else {}
    except (NoAnswer, ValueError):
        return {}


def describe(
    client: Rest, executable: Path | None = None, image: str | None = None
) -> tuple[Identity, capabilities.Capabilities]:
    """Ask a running Orthanc who it is and what it can do."""
    system = client.json("/system")
    names = [name for name in client.json("/plugins") if name != "explorer.js"]
    plugins = {name: str(client.json(f"/plugins/{name}").get("Version", "")) for name in names}
    version, ae_title = Version(str(system["Version"])), AETitle(system["DicomAet"])
    identity = Identity("Orthanc", version, ae_title, plugins, executable, image)
    return identity, capabilities.of_orthanc(system, plugins)


def settle(client: Rest) -> None:
    """Cancel the jobs that are not done, and wait until none is: a C-MOVE may still be sending."""

    def under_way() -> list[str]:
        jobs = client.json("/jobs?expand")
        return [job["ID"] for job in jobs if job["State"] not in ("Success", "Failure")]

    for job in under_way():
        client.post(f"/jobs/{job}/cancel", expect=None)  # it may have ended by now
    wait_until(lambda: not under_way(), what="the jobs of a failed case to end", within=5)


def clear_folder(folder: Path) -> None:
    """Delete the files in a folder of worklists."""
    for file in folder.glob("*.wl"):
        file.unlink()
