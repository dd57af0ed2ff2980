"""Orthanc: how it is configured, started, identified and emptied."""

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
from harness.model import AETitle, Credentials, Endpoint, Version
from harness.servers import capabilities
from harness.servers.adapter import Adapter, Lasting
from harness.servers.authorization import EVERYTHING, AuthorizationService, Profile
from harness.servers.capabilities import Capabilities, Identity
from harness.servers.launcher import Launch, Seat
from harness.servers.process import free_port
from harness.servers.product import Build, Role
from harness.waiting import wait_until

# dcmtk in Orthanc leaves Nagle's algorithm on; its HTTP client uses a proxy from the environment.
# orthancteam/orthanc turns VERBOSE_ENABLED into the option --verbose.
ENVIRONMENT = {
    "TCP_NODELAY": "1", "no_proxy": "*", "NO_PROXY": "*", "VERBOSE_ENABLED": "true",
}  # fmt: skip
CLOSED_WHILE_IDLE = urllib3.Retry(total=1, connect=0, read=1, redirect=0, allowed_methods=None)
"""The server may close the connection just as it is emptied; all these requests are idempotent."""
FILE = "configuration.json"
AUTHORIZATION = "{authorization}"
MORE = '"{port}"'
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
        self.authorization: AuthorizationService | None = None
        self.client: Rest
        self._pool: urllib3.HTTPConnectionPool

    def launch(self, seat: Seat) -> Launch:
        """Write a configuration that names this start, so no other Orthanc is mistaken for it."""
        self._token = uuid.uuid4().hex
        if self.role.database is not None and not seat.kept:
            self.role.database.renew()
        settings: dict[str, Any] = {**self.configure(seat), "Name": self._token}
        self.credentials = user_of(settings, self.role.itself.credentials)
        # Scripts are copied next to the configuration: in another root or an image, ours are
        # invisible.
        scripts = [Path(each) for each in settings.get("LuaScripts", ())]
        if scripts:
            settings["LuaScripts"] = [str(seat.here / each.name) for each in scripts]
        if "PythonScript" in settings:
            scripts.append(Path(settings["PythonScript"]))
            settings["PythonScript"] = str(seat.here / scripts[-1].name)
        file = FILE if self.build.image is None else f"{CONFIGURATION}/orthanc.json"
        command = self.build.command
        argv = None if command is None else (*command, "--verbose", str(seat.here / file))
        files = {file: json.dumps(settings, indent=2).encode()}
        files |= {each.name: each.read_bytes() for each in scripts}
        if self.role.encryption is not None:
            files |= self.role.encryption.server_files()
        return Launch(argv, files, ENVIRONMENT)

    def configure(self, seat: Seat) -> Mapping[str, object]:
        """Return the configuration: the suites' for the remote, a plain one for the local."""
        ports = Ports(seat.ports["dicom"], seat.ports["http"])
        # A process is reached only by our relays, which are on this computer.
        others = self.build.image is not None
        if self.role.name == "local":
            return local_configuration(self.role.pair, seat.data, ports, open_to_others=others)
        plugins, overrides = self.build.plugins, self.build.overrides
        more: dict[str, object] = {}
        if self.role.encryption is not None:
            more |= tls_settings(seat.here, self.role.encryption.doors)
            https = "http" in self.role.encryption.doors
            overrides = (Override(("DicomWeb", "Ssl"), value=https), *overrides)
        if self.role.database is not None:
            root = self.build.root
            for path in self.role.database.plugins(root):
                seen = path if root is None else Path("/") / path.relative_to(root)
                plugins += () if str(seen) in plugins else (str(seen),)
            more |= self.role.database.section(root)
        setup = Setup(self.role.pair, seat.data, seat.worklists, plugins, open_to_others=others)
        settings = overridden({**remote_configuration(setup, ports), **more}, overrides)
        return self._filled_in(settings, seat)

    def _filled_in(self, settings: Mapping[str, object], seat: Seat) -> dict[str, object]:
        """Replace the placeholders whose values only this start knows.

        These are `{here}`, the server's folder, `{port}`, an additional port, and
        `{authorization}`, the address of a service that decides on permissions.
        """
        text = json.dumps(settings).replace("{here}", json.dumps(str(seat.here))[1:-1])
        if MORE in text:
            self.more = Endpoint("127.0.0.1", free_port())
            text = text.replace(MORE, str(self.more.port))
        if AUTHORIZATION in text:
            text = text.replace(AUTHORIZATION, self._authorize().url)
        filled: dict[str, object] = json.loads(text)
        return filled

    def _authorize(self) -> AuthorizationService:
        """Start the service that the server will ask; at first it knows only the harness itself."""
        if self.authorization is None:
            self.authorization = AuthorizationService()
        if self.credentials is not None:
            word = f"{self.credentials.username}:{self.credentials.password}"
            token = urllib3.make_headers(basic_auth=word)["authorization"]
            self.authorization.users[token] = Profile("harness", ("all",), (EVERYTHING,))
        return self.authorization

    def reach(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Connect to its new address."""
        self._hang_up()
        super().reach(endpoints)
        who, limit, tls = self.credentials, self.time_limit, self.role.tls_at("http")
        self.client = Rest(endpoints["http"], who, limit, tls=tls)
        user = None if who is None else f"{who.username}:{who.password}"
        options: dict[str, Any] = {"headers": urllib3.make_headers(basic_auth=user)}
        if tls is not None:
            options |= {"ssl_context": tls.context, "assert_hostname": False}
        self._pool = urllib3.connection_from_url(self.client.base, timeout=limit, **options)

    def answers(self, time_limit: float) -> bool:  # noqa: ARG002 - its client has the limit
        """Return whether it, and no other server, answers.

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
                f"the image {self.build.image} started Orthanc without our configuration: its entry "
                f"point must read the files in {CONFIGURATION}"
            )
        return name is not None and self._token in ("", name)

    def describe(self) -> tuple[Identity, Capabilities]:
        """Return its identity and capabilities; its AE title is the configured one."""
        if self.build.image is not None and self.build.command is None:
            self.client.put("/tools/log-level", "verbose")  # not every image has an option for it
        found, able = describe(self.client)
        missing = sorted({*self.build.required} - {*found.plugins})
        if missing:
            raise ServerNotReady(
                f"the {self.role.name} Orthanc has not loaded the plugin {', '.join(missing)}, which was "
                f"requested; it lists {', '.join(found.plugins) or 'none'}"
            )
        own = self.build.identity(self.ae_title)
        return replace(own, version=found.version, plugins=found.plugins), able

    def empty(self, folder: Path | None, worklists: Path | None, *, unsettled: bool) -> bool:  # noqa: ARG002
        """Delete everything by requests that bypass the relay."""
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
        """Return the JSON of the answer; None if the request fails and that is allowed.

        Half of all requests in a run are these. `requests` would take a millisecond of CPU time for
        each; urllib3, on which it is based, takes a third of that.
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

    def lasting(self, method: str, target: str) -> Lasting:
        """Return what a request may have left behind in addition to objects."""
        path = target.partition("?")[0]
        if method not in ("POST", "PUT", "DELETE", "PATCH") or _OBJECTS.fullmatch(path):
            return Lasting.NOTHING
        return Lasting.WORK if _JOBS.fullmatch(path) else Lasting.SETTINGS

    def close(self) -> None:
        """Close the connections to it, and its authorization service."""
        self._hang_up()
        if self.authorization is not None:
            self.authorization.close()
            self.authorization = None

    def _hang_up(self) -> None:
        if self.endpoints:
            self.client.close()
            self._pool.close()


# Requests to the paths in _OBJECTS change only objects, or what is removed with them; those in
# _JOBS start or end a job. Everything else in Orthanc's REST API may change settings or run
# scripts.
_OBJECTS = re.compile(
    r"/(patients|studies|series|instances)(/[^/]+)?(/(attachments|metadata|labels|protected|tags|file)\b.*)?"
    r"|/instances/[^/]+/(modify|anonymize|reconstruct)"
    r"|/tools/(find|count-resources|lookup|bulk-content|bulk-delete|dicom-conformance|create-dicom)"
    r"|/(changes|exports)|/queries/[^/]+(/.*)?"
    r"|/modalities/[^/]+/(echo|find|find-(patient|study|series|instance|worklist)|query)"
    r"|/dicom-web/(studies|series|instances|servers/[^/]+/(get|qido))(/[^/]+)*"
)
_JOBS = re.compile(
    r"/(patients|studies|series)/[^/]+/(modify|anonymize|split|merge|archive|media|reconstruct)"
    r"|/tools/(bulk-modify|bulk-anonymize|create-archive|create-media|create-media-extended)"
    r"|/jobs/[^/]+/(cancel|pause|resume|resubmit|archive)"
)


def tls_settings(folder: Path, doors: Sequence[str]) -> dict[str, object]:
    """Return the settings for TLS, with certificates in `folder`: clients must present one."""
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


def user_of(settings: Mapping[str, Any], own: Credentials | None) -> Credentials | None:
    """Return a user that these settings accept: the harness's own, else another one.

    Before 1.13.0 a server that requires a user but has none configured creates one with a
    well-known password.
    """
    users: Mapping[str, str] = settings.get("RegisteredUsers", {})
    if own is None or users.get(own.username) == own.password:
        return own
    name = own.username if own.username in users else next(iter(users), "orthanc")
    return Credentials(name, users.get(name, "orthanc"))


def describe(client: Rest) -> tuple[Identity, Capabilities]:
    """Return the identity and capabilities of a running Orthanc."""
    system = client.json("/system")
    names = [name for name in client.json("/plugins") if name != "explorer.js"]
    plugins = {name: str(client.json(f"/plugins/{name}").get("Version", "")) for name in names}
    version, ae_title = Version(str(system["Version"])), AETitle(system["DicomAet"])
    identity = Identity("Orthanc", version, ae_title, plugins)
    return identity, capabilities.of_orthanc(system, plugins)


def settle(client: Rest) -> None:
    """Cancel unfinished jobs, and wait until none is left: a C-MOVE may still be sending."""

    def under_way() -> list[str]:
        jobs = client.json("/jobs?expand")
        return [job["ID"] for job in jobs if job["State"] not in ("Success", "Failure")]

    for job in under_way():
        client.post(f"/jobs/{job}/cancel", expect=None)  # it may have ended by now
    wait_until(lambda: not under_way(), what="the end of the jobs of a failed case", within=5)


def clear_folder(folder: Path) -> None:
    """Delete the worklist files in a folder."""
    for file in folder.glob("*.wl"):
        file.unlink()
