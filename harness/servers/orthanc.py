"""Orthanc: how it is configured and started, what it says of itself, how it is emptied."""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests
import urllib3
from urllib3.exceptions import HTTPError

from harness.clients.answers import Malformed
from harness.clients.rest import NoAnswer, Rest, UnexpectedStatus
from harness.config.orthanc import DICOMWEB_ROOT, local_configuration, remote_configuration
from harness.config.overrides import Override, overridden
from harness.config.settings import Ports, Setup
from harness.errors import ServerNotReady
from harness.model import AETitle, Endpoint, Version
from harness.servers import capabilities
from harness.servers.adapter import Adapter
from harness.servers.capabilities import Capabilities, Identity
from harness.servers.launcher import Launch, Seat
from harness.servers.product import Build, Role
from harness.waiting import wait_until

# dcmtk inside Orthanc leaves Nagle's algorithm on; its HTTP client obeys a proxy of the environment.
# What orthancteam/orthanc makes of VERBOSE_ENABLED is the option --verbose.
ENVIRONMENT = {
    "TCP_NODELAY": "1", "no_proxy": "*", "NO_PROXY": "*", "VERBOSE_ENABLED": "true",
}  # fmt: skip
CLOSED_WHILE_IDLE = urllib3.Retry(total=1, connect=0, read=1, redirect=0, allowed_methods=None)
"""A server may close the connection just as it is emptied; all that this asks can be asked twice."""
FILE = "configuration.json"
CONFIGURATION = "/etc/orthanc"
"""Where every image that is made for Orthanc looks for configuration files."""


class Orthanc(Adapter):
    """An Orthanc in one of the two roles."""

    doors = ("dicom", "http")
    dicomweb = DICOMWEB_ROOT.rstrip("/")
    time_limit = 2.0
    """Seconds for an answer to the harness itself."""

    def __init__(self, role: Role, build: Build) -> None:
        super().__init__(role, build)
        self.credentials = role.itself.credentials
        self.has_worklists = role.name == "remote"
        self._token = ""
        self.client: Rest
        self._pool: urllib3.HTTPConnectionPool

    def launch(self, seat: Seat) -> Launch:
        """Write a configuration that names this start, so that no other Orthanc is taken for it."""
        self._token = uuid.uuid4().hex
        if self.role.database is not None and not seat.kept:
            self.role.database.renew()
        settings: dict[str, Any] = {**self.configure(seat), "Name": self._token}
        scripts = [Path(each) for each in settings.get("LuaScripts", ())]
        if scripts:  # beside the configuration: in another root or an image it does not see ours
            settings["LuaScripts"] = [str(seat.here / each.name) for each in scripts]
        file = FILE if self.build.image is None else f"{CONFIGURATION}/orthanc.json"
        command = self.build.command
        argv = None if command is None else (*command, "--verbose", str(seat.here / file))
        files = {file: json.dumps(settings, indent=2).encode()}
        files |= {each.name: each.read_bytes() for each in scripts}
        if self.role.encryption is not None:
            files |= self.role.encryption.server_files()
        return Launch(argv, files, ENVIRONMENT)

    def configure(self, seat: Seat) -> Mapping[str, object]:
        """Return the configuration: the suites' for the remote, a plain one for the local server."""
        ports = Ports(seat.ports["dicom"], seat.ports["http"])
        if self.role.name == "local":
            return local_configuration(self.role.pair, seat.data, ports)
        plugins, overrides = self.build.plugins, self.build.overrides
        more: dict[str, object] = {}
        if self.role.encryption is not None:
            more |= tls_settings(seat.here, self.role.encryption.doors)
            https = "http" in self.role.encryption.doors
            overrides = (Override(("DicomWeb", "Ssl"), value=https), *overrides)
        if self.role.database is not None:
            plugins += tuple(map(str, self.role.database.plugins))
            more |= self.role.database.section()
        setup = Setup(self.role.pair, seat.data, seat.worklists, plugins)
        return overridden({**remote_configuration(setup, ports), **more}, overrides)

    def reach(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Speak to it at its new place."""
        self.close()
        super().reach(endpoints)
        who, limit, tls = self.credentials, self.time_limit, self.role.tls_at("http")
        self.client = Rest(endpoints["http"], who, limit, tls=tls)
        user = None if who is None else f"{who.username}:{who.password}"
        options: dict[str, Any] = {"headers": urllib3.make_headers(basic_auth=user)}
        if tls is not None:
            options |= {"ssl_context": tls.context, "assert_hostname": False}
        self._pool = urllib3.connection_from_url(self.client.base, timeout=limit, **options)

    def answers(self, time_limit: float) -> bool:  # noqa: ARG002 - its client has the limit
        """Return whether it answers, and nobody else does.

        Raises ServerNotReady if the image has started an Orthanc with another configuration.
        """
        try:
            answer = self.client.get("/system", expect=None)
            name = answer.json().get("Name") if answer.ok else None
        except NoAnswer:
            return False
        except Malformed:
            name = None
        if self.build.image is not None and name != self._token:
            raise ServerNotReady(
                f"the image {self.build.image} started an Orthanc, but not with our configuration: its entry "
                f"point must read the files in {CONFIGURATION}"
            )
        return name is not None and self._token in ("", name)

    def describe(self) -> tuple[Identity, Capabilities]:
        """Ask it; its title is the one that it was configured with, whatever it says."""
        if self.build.image is not None and self.build.command is None:
            self.client.put("/tools/log-level", "verbose")  # not every image has an option for it
        found, able = describe(self.client)
        own = self.build.identity(self.ae_title)
        return replace(own, version=found.version, plugins=found.plugins), able

    def empty(self, folder: Path | None, worklists: Path | None, *, unsettled: bool) -> bool:  # noqa: ARG002
        """Delete everything by requests, which do not pass the relay."""
        if unsettled:
            settle(self.client)
        patients = self._ask("GET", "/patients")
        if patients:
            resources = json.dumps({"Resources": patients})
            if self._ask("POST", "/tools/bulk-delete", resources, may_fail=True) is None:
                for patient in patients:  # Orthanc before 1.9.4
                    self._ask("DELETE", f"/patients/{patient}", may_fail=True)
        self._ask("DELETE", "/exports")
        self._ask("DELETE", "/changes")
        if worklists is not None:
            clear_folder(worklists)
        return True

    def _ask(
        self, method: str, path: str, body: str | None = None, *, may_fail: bool = False
    ) -> Any:
        """Return the JSON of the answer; None for a request that may fail and does.

        Half of all requests of a run are these. `requests` would take a millisecond of processor time for
        each; urllib3, on which it stands, takes a third of that.
        """
        try:
            answer = self._pool.request(method, path, body=body, retries=CLOSED_WHILE_IDLE)
        except HTTPError as error:
            raise NoAnswer(f"{method} {path}: no answer: {error}") from error
        if answer.status == requests.codes.ok:
            return answer.json() if answer.data else {}
        if may_fail:
            return None
        raise UnexpectedStatus(f"{method} {path}: expected status 200, received {answer.status}")

    def outlasts_emptying(self, method: str, target: str) -> bool:
        """Return whether a request may have changed more than objects."""
        if method not in ("POST", "PUT", "DELETE", "PATCH"):
            return False
        return _OBJECTS.fullmatch(target.partition("?")[0]) is None

    def close(self) -> None:
        """Close the connections to it."""
        if self.endpoints:
            self.client.close()
            self._pool.close()


# What a request to these paths changes is objects, or goes with them. All else of Orthanc's REST API may
# change settings, run scripts or leave a job behind.
_OBJECTS = re.compile(
    r"/(patients|studies|series|instances)(/[^/]+)?(/(attachments|metadata|labels|protected|tags|file)\b.*)?"
    r"|/tools/(find|count-resources|lookup|bulk-content|bulk-delete|dicom-conformance|create-dicom)"
    r"|/(changes|exports)|/queries/[^/]+(/.*)?"
    r"|/modalities/[^/]+/(echo|find|find-(patient|study|series|instance|worklist)|query)"
    r"|/dicom-web/(studies|series|instances|servers/[^/]+/(get|qido))(/[^/]+)*"
)


def tls_settings(folder: Path, doors: Sequence[str]) -> dict[str, object]:
    """Return the settings for TLS, with certificates in `folder`: clients must show one."""
    authority = str(folder / "authority.pem")
    dicom, http = "dicom" in doors, "http" in doors
    return {
        "DicomTlsEnabled": dicom,
        "DicomTlsCertificate": str(folder / "server.pem"),
        "DicomTlsPrivateKey": str(folder / "server.key"),
        "DicomTlsTrustedCertificates": authority,
        "DicomTlsRemoteCertificateRequired": dicom,
        "SslEnabled": http,
        "SslCertificate": str(folder / "both.pem"),
        "SslVerifyPeers": http,
        "SslTrustedClientCertificates": authority,
    }


def describe(client: Rest) -> tuple[Identity, Capabilities]:
    """Ask a running Orthanc who it is and what it can do."""
    system = client.json("/system")
    names = [name for name in client.json("/plugins") if name != "explorer.js"]
    plugins = {name: str(client.json(f"/plugins/{name}").get("Version", "")) for name in names}
    version, ae_title = Version(str(system["Version"])), AETitle(system["DicomAet"])
    identity = Identity("Orthanc", version, ae_title, plugins)
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
