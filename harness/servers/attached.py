"""An Orthanc that somebody else started: reached, described, emptied, never ended."""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.clients.rest import NoAnswer, Rest
from harness.config.settings import Instance
from harness.errors import ConfigError, ServerNotReady, ServerRefused, ServerUnreachable
from harness.model import Endpoint, Port, Version
from harness.servers import orthanc
from harness.servers.capabilities import Capabilities
from harness.servers.deployment import Deployment
from harness.servers.identity import Identity
from harness.servers.launcher import Launch, Seat
from harness.servers.orthanc_settings import Settings
from harness.servers.product import Role


class AttachedLauncher:
    """Leaves starting and ending to somebody else. The log is out of reach."""

    ours = False
    pid: int | None = None
    folder: Path | None = None

    def __init__(self, instance: Instance, worklists: Path | None) -> None:
        self.name = f"the server at {instance.host}"
        self._instance = instance
        self.worklists = worklists if worklists is not None and worklists.is_dir() else None

    def seat(self, doors: Sequence[str], *, keep: bool) -> Seat:  # noqa: ARG002 - as the Protocol has it
        """Return where it is."""
        ports = {"dicom": self._instance.dicom, "http": self._instance.rest}
        return Seat(Path(), {door: port for door in doors if (port := ports[door])}, self.worklists)

    def start(self, launch: Launch, *, ready: Callable[[], bool]) -> None:  # noqa: ARG002
        """Look whether it answers. Raises ServerNotReady if it does not."""
        if not ready():
            raise ServerNotReady(f"{self.name} does not answer")

    def endpoints(self, ports: Mapping[str, Port]) -> Mapping[str, Endpoint]:
        """Return its endpoints."""
        return {door: Endpoint(self._instance.host, port) for door, port in ports.items()}

    def listens(self, ports: Mapping[str, Port]) -> bool:  # noqa: ARG002 - as the Protocol has it
        """Return true: the process is out of reach."""
        return True

    def ended(self) -> str | None:
        """Return nothing: the process is out of reach."""
        return None

    def stop(self) -> None:
        """Raise ServerUnreachable."""
        self.kill()

    def kill(self) -> None:
        """Raise ServerUnreachable: it is not ours to end."""
        raise ServerUnreachable(
            f"{self.name} was started by somebody else, and the harness neither ends it nor starts it again; "
            "if it does not answer any more, start it again, then run again"
        )

    def send_signal(self, number: signal.Signals) -> None:  # noqa: ARG002 - as the Protocol has it
        """Raise ServerUnreachable."""
        self.kill()

    def freeze(self) -> None:
        """Raise ServerUnreachable."""
        self.kill()

    def thaw(self) -> None:
        """Raise ServerUnreachable."""
        self.kill()

    def libraries(self) -> Mapping[str, Version]:
        """Return none: the process is out of reach."""
        return {}

    def log_position(self) -> int:
        """Return 0: the log is out of reach."""
        return 0

    def log_since(self, position: int) -> str:  # noqa: ARG002 - as the Protocol has it
        """Return nothing: the log is out of reach."""
        return ""

    def close(self) -> None:
        """Leave it running."""


class AttachedOrthanc(orthanc.Orthanc):
    """An Orthanc that was configured and started by somebody else."""

    def __init__(self, role: Role, time_limit: float) -> None:
        super().__init__(role, None, command=None)
        self.time_limit = time_limit
        self._settings: Settings

    def launch(self, seat: Seat) -> Launch:  # noqa: ARG002 - as its base has it
        """Return nothing to start."""
        return Launch(None)

    def describe(self) -> tuple[Identity, Capabilities]:
        """Ask it, and read the settings that a case may change."""
        self._settings = Settings(self.client)
        found, able = orthanc.describe(self.client)
        return replace(found, ae_title=self.ae_title), able

    def put_back(self) -> None:
        """Put back the settings. A script that a case has run there goes on: only a new start ends it."""
        self._settings.put_back()


def attach(role: Role, worklists: Path | None, time_limit: float) -> Deployment:
    """Reach the remote that `role` describes."""
    rest_of(role.itself)
    adapter = AttachedOrthanc(role, time_limit)
    return Deployment(adapter, AttachedLauncher(role.itself, worklists))


def rest_of(instance: Instance) -> Endpoint:
    """Return the REST endpoint. Raises ConfigError where the instance has none."""
    if instance.rest is None:
        raise ConfigError(
            "attached mode needs the REST interface of the remote: name it with --rest PORT"
        )
    return Endpoint(instance.host, instance.rest)


def check_attached(instance: Instance) -> tuple[Identity, int]:
    """Find out who answers at `instance`, and how many patients it holds.

    Raises ServerUnreachable or ServerRefused with what to do.
    """
    endpoint = rest_of(instance)
    with Rest(endpoint, instance.credentials, time_limit=5.0) as client:
        try:
            answer = client.get("/system", expect=None)
        except NoAnswer as error:
            raise ServerUnreachable(
                f"nobody answers at http://{endpoint}: is the server started with its generated "
                f"configuration, and do --server and --rest name it? ({error})"
            ) from error
        if answer.status_code in (401, 403):
            user = "no user" if instance.credentials is None else instance.credentials.username
            raise ServerRefused(
                f"the server at http://{endpoint} refuses {user!r} (status {answer.status_code}): "
                "--username and --password, or --config with the file that the server was started with, say "
                "who we are"
            )
        if not orthanc.system_of(client):
            raise ServerUnreachable(
                f"who answers at http://{endpoint} is no Orthanc: "
                f"GET /system gave status {answer.status_code}"
            )
        identity, _ = orthanc.describe(client)
        return identity, len(client.json("/patients"))
