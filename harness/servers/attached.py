"""An Orthanc that somebody else started: reached, described, emptied, never ended."""

from dataclasses import replace
from pathlib import Path

from harness.clients.rest import NoAnswer, Rest
from harness.config.settings import Instance
from harness.errors import ConfigError, ServerRefused, ServerUnreachable
from harness.model import Endpoint
from harness.servers import orthanc
from harness.servers.base import Identity
from harness.servers.capabilities import Capabilities
from harness.servers.emptying import Emptier
from harness.servers.orthanc_settings import Settings


class AttachedOrthanc:
    """The remote of attached mode. Its log is out of reach, and it cannot be started again."""

    def __init__(self, instance: Instance, worklists: Path | None, time_limit: float) -> None:
        self.dicom = Endpoint(instance.host, instance.dicom)
        self.rest: Endpoint | None = rest_of(instance)
        self.dicomweb: str | None = orthanc.DICOMWEB
        self.credentials = instance.credentials
        self.worklists = worklists if worklists is not None and worklists.is_dir() else None
        self._client = Rest(rest_of(instance), self.credentials, time_limit)
        self._emptier = Emptier(rest_of(instance), self.credentials, time_limit)
        found, known = orthanc.describe(self._client)
        # As configured, whatever the server says of itself.
        self.identity = replace(found, ae_title=instance.ae_title)
        self.capabilities = self._within_reach(known)
        self._settings = Settings(self._client)

    def _within_reach(self, known: Capabilities) -> Capabilities:
        """Leave out what the harness cannot test from here: worklists lie in a folder of the server."""
        if self.worklists is not None:
            return known
        return known.without("dimse.worklist")

    def reset(self, *, unsettled: bool) -> None:
        """Empty the server."""
        if unsettled:
            orthanc.settle(self._client)
        self._emptier.empty()
        if self.worklists is not None:
            orthanc.clear_folder(self.worklists)

    def outlasts_reset(self, method: str, target: str) -> bool:
        """Return whether a request may have changed more than objects."""
        return orthanc.outlasts_reset(method, target)

    def restore(self) -> None:
        """Empty the server, and put back the settings that a case may have changed.

        It cannot be started anew, so that a script which was run there goes on.
        """
        self.reset(unsettled=True)
        self._settings.put_back()

    def died(self) -> str | None:
        """Say nothing: the process is not ours."""
        return None

    def trouble(self) -> str | None:
        """Say that it no longer answers."""
        return None if orthanc.system_of(self._client) else "does not answer any more"

    def restart(self) -> None:
        """Refuse: it is not ours."""
        raise ServerUnreachable(
            f"the server at {self.rest} does not answer any more, and the harness did not start it; "
            "start it again, then run again"
        )

    def crash(self) -> None:
        """Refuse: it is not ours."""
        raise ServerUnreachable("a server that the harness did not start is not ended by it")

    def log_position(self) -> int:
        """Return 0: the log is out of reach."""
        return 0

    def log_since(self, position: int) -> str:  # noqa: ARG002 - as the Protocol has it
        """Return nothing: the log is out of reach."""
        return ""

    def close(self) -> None:
        """Leave it running."""
        self._client.close()
        self._emptier.close()


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
