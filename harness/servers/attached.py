"""A server that the harness did not start: described, emptied if it is an Orthanc, never ended."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.uid import CTImageStorage, JPEG2000Lossless, JPEGLosslessSV1, RLELossless
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

from dcm.wire import ImplementationVersionName
from harness.clients.answers import Malformed
from harness.clients.dimse import FIND, GET, MOVE, NATIVE
from harness.clients.rest import NoAnswer, Rest
from harness.clients.wire import ProtocolBroken, Wire
from harness.config.settings import Node
from harness.errors import ServerNotReady, ServerRefused, ServerUnreachable
from harness.model import AETitle, Endpoint, Port, Version
from harness.servers import orthanc
from harness.servers.adapter import Adapter
from harness.servers.attached_orthanc import AttachedOrthanc
from harness.servers.capabilities import DICOMWEB, DICOMWEB_MORE, Capabilities, Identity
from harness.servers.deployment import Deployment
from harness.servers.launcher import Launch, Launcher, Seat
from harness.servers.product import Build, Role

TIME_LIMIT = 5.0  # seconds for an answer to the harness itself
UNKNOWN = Version("unknown")


class AttachedLauncher(Launcher):
    """Leaves starting and ending to the user: the process and its log are out of reach."""

    ours = False

    def __init__(self, instance: Node, worklists: Path | None) -> None:
        self.name = f"the server at {instance.host}"
        self._instance = instance
        self.worklists = worklists if worklists is not None and worklists.is_dir() else None

    def seat(self, doors: Sequence[str], *, keep: bool) -> Seat:  # noqa: ARG002 - as the Protocol has it
        """Return its ports."""
        ports = {"dicom": self._instance.dicom, "http": self._instance.rest}
        return Seat(Path(), {door: port for door in doors if (port := ports[door])}, self.worklists)

    def start(self, launch: Launch, *, ready: Callable[[], bool]) -> None:  # noqa: ARG002
        """Check that it answers. Raises ServerNotReady if it does not."""
        if not ready():
            raise ServerNotReady(f"{self.name} does not answer")

    def endpoints(self, ports: Mapping[str, Port]) -> Mapping[str, Endpoint]:
        """Return its endpoints."""
        return {door: Endpoint(self._instance.host, port) for door, port in ports.items()}

    def kill(self, *_: Any, **__: Any) -> None:
        """Raise ServerUnreachable: the harness must not end it."""
        raise ServerUnreachable(
            f"{self.name} was not started by the harness, which therefore does not stop or restart it; "
            "if it no longer answers, restart it, then run again"
        )

    change = stop = send_signal = freeze = thaw = kill

    def close(self) -> None:
        """Leave it running."""


class AttachedServer(Adapter):
    """Any server that speaks DICOM, and perhaps DICOMweb. Stored objects are never deleted."""

    def __init__(self, role: Role, build: Build, dicomweb: str | None) -> None:
        super().__init__(role, build)
        self.dicomweb = dicomweb
        self.credentials = role.itself.credentials
        self.doors = ("dicom",) if dicomweb is None else ("dicom", "http")

    def launch(self, seat: Seat) -> Launch:  # noqa: ARG002 - as its base has it
        """Return nothing to start."""
        return Launch(None)

    def describe(self) -> tuple[Identity, Capabilities]:
        """Request an association with every service, and return what is accepted."""
        identity, able = negotiated(self.endpoints["dicom"], self.ae_title)
        web = DICOMWEB | DICOMWEB_MORE if self.dicomweb is not None else frozenset()
        return identity, able.having(*web)

    def empty(self, folder: Path | None, worklists: Path | None, *, unsettled: bool) -> bool:  # noqa: ARG002
        """Leave everything: DICOM has no way to delete."""
        return True


def negotiated(endpoint: Endpoint, ae_title: AETitle) -> tuple[Identity, Capabilities]:
    """Return the identity of a server and the services it accepts, from one association.

    Raises ServerUnreachable if it does not accept the association.
    """
    compressed = (JPEGLosslessSV1, JPEG2000Lossless, RLELossless)
    wanted = [
        ("dimse.echo", str(Verification), NATIVE),
        ("dimse.store", CTImageStorage, NATIVE),
        ("dimse.store.compressed", CTImageStorage, compressed),
        ("dimse.commit", str(StorageCommitmentPushModel), NATIVE),
    ]
    for service, models in (("find", FIND), ("move", MOVE), ("get", GET)):
        wanted += [(f"dimse.{service}.{root}", str(uid), NATIVE) for root, uid in models.items()]
    wire = Wire(endpoint, ae_title, AETitle("HARNESS"), TIME_LIMIT)
    proposals = [(uid, syntaxes) for _, uid, syntaxes in wanted]
    try:
        answer = wire.accepted(wire.request(proposals))
        chosen = wire.chosen(proposals)
    except ProtocolBroken as error:
        raise ServerUnreachable(
            f"the server at {endpoint} rejected an association of HARNESS with {ae_title}: {error}"
        ) from error
    called = [each.name for each in answer.items(ImplementationVersionName)]
    found = [name for (name, *_), syntax in zip(wanted, chosen, strict=True) if syntax is not None]
    identity = Identity(called[0] if called else "DICOM server", UNKNOWN, ae_title)
    return identity, Capabilities(dict.fromkeys(found))


@dataclass(frozen=True)
class Attachment:
    """What was found at the address of a server."""

    identity: Identity
    is_orthanc: bool
    patients: int = 0
    """The number of patients it holds; a run deletes them, if it is an Orthanc."""


def attach(
    role: Role,
    worklists: Path | None,
    time_limit: float,
    *,
    is_orthanc: bool = True,
    dicomweb: str | None = None,
) -> Deployment:
    """Return the deployment of the remote that `role` describes."""
    adapter: Adapter
    if is_orthanc:
        adapter = AttachedOrthanc(role, Build("Orthanc", UNKNOWN, AttachedOrthanc))
        adapter.time_limit = time_limit
    else:
        build = Build("DICOM server", UNKNOWN, AttachedServer)
        adapter = AttachedServer(role, build, dicomweb)
    return Deployment(adapter, AttachedLauncher(role.itself, worklists))


def look(instance: Node, *, rest_is_named: bool, dicomweb: str | None) -> Attachment:
    """Return what answers at `instance`: an Orthanc, or any server if its REST port is not named.

    Raises ServerUnreachable or ServerRefused with advice.
    """
    if dicomweb is not None:
        return Attachment(negotiated(instance.dicom_endpoint, instance.ae_title)[0], False)
    try:
        return _orthanc_at(instance)
    except ServerUnreachable as error:
        if rest_is_named:
            raise
        try:
            identity, _ = negotiated(instance.dicom_endpoint, instance.ae_title)
        except ServerUnreachable as second:
            raise ServerUnreachable(f"{error}; and {second}") from error
        return Attachment(identity, False)


def _orthanc_at(instance: Node) -> Attachment:
    endpoint = instance.rest_endpoint
    if endpoint is None:
        raise ServerUnreachable("unknown REST port: use --rest PORT")
    with Rest(endpoint, instance.credentials, TIME_LIMIT) as client:
        try:
            answer = client.get("/system", expect=None)
        except NoAnswer as error:
            raise ServerUnreachable(
                f"no answer from http://{endpoint}: check that the server is running with its generated "
                f"configuration, and that --server and --rest are correct ({error})"
            ) from error
        if answer.status_code in (401, 403):
            user = "no user" if instance.credentials is None else instance.credentials.username
            raise ServerRefused(
                f"the server at http://{endpoint} rejected {user!r} (status {answer.status_code}): "
                "use --username and --password, or --config with the configuration file of the "
                "server"
            )
        try:
            is_orthanc = answer.ok and "Version" in answer.json()
        except Malformed:
            is_orthanc = False
        if not is_orthanc:
            raise ServerUnreachable(
                f"the server at http://{endpoint} is not an Orthanc: "
                f"GET /system returned status {answer.status_code}"
            )
        identity, _ = orthanc.describe(client)
        return Attachment(identity, True, len(client.json("/patients")))
