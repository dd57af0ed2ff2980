"""What a kind of server is to the harness: how one is found on this computer, and started in a role.

Each kind is one module that says `PRODUCT = Product(...)`: those of the harness in
`harness/servers/products/`, one of your own in a file that `--remote ./FILE.py` names.
`docs/adding-a-server.md` makes one, step by step.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.certificates import Encryption, TlsClient
from harness.config.overrides import Override
from harness.config.settings import Node, Pair
from harness.model import AETitle, Endpoint, Version
from harness.servers.capabilities import Identity
from harness.servers.container import ContainerLimits
from harness.servers.container_site import ContainerSite
from harness.servers.guard import Guard

if TYPE_CHECKING:
    from harness.servers.adapter import Adapter
    from harness.servers.databases.place import DatabasePlace


@dataclass(frozen=True)
class Spec:
    """What was asked for besides the name of a product."""

    argument: str | None = None
    """What stands behind the colon of `orthanc:trixie`."""
    plugins: tuple[Path, ...] | None = None
    """The plugins that the remote loads; None for those that belong to it."""
    overrides: tuple[Override, ...] = ()
    """What the configuration of the remote says instead of what we would."""
    limits: ContainerLimits = field(default_factory=ContainerLimits)
    """What a container may use."""
    image: str | None = None
    """The image in which the program is to run; None for this computer."""


@dataclass(frozen=True)
class Role:
    """The part that a server is started for, and the servers as they see each other: through the relays."""

    name: Literal["remote", "local"]
    pair: Pair
    guard: Guard
    site: ContainerSite | None = None
    """The network of the containers, where one of the pair is in a container."""
    encryption: Encryption | None = None
    """With what some of its doors speak TLS; None without."""
    database: "DatabasePlace | None" = None
    """Where it keeps index and objects; None for its own files."""

    @property
    def itself(self) -> Node:
        """How the others reach it, and the user whom it lets in."""
        return self.pair.remote if self.name == "remote" else self.pair.local

    def tls_at(self, door: str) -> TlsClient | None:
        """Return with what the harness itself speaks TLS at a door; None without."""
        return None if self.encryption is None else self.encryption.at(door)

    @property
    def ae_title(self) -> AETitle:
        """The title that it is to have."""
        return self.itself.ae_title

    @property
    def destinations(self) -> dict[AETitle, Endpoint]:
        """To whom it may be asked to send: both servers, by their titles."""
        return {each.ae_title: each.dicom_endpoint for each in (self.pair.remote, self.pair.local)}


@dataclass(frozen=True)
class Build:
    """A server of a certain version that can be started as often as you like."""

    product: str
    version: Version
    make: "type[Adapter]"
    executable: Path | None = None
    root: Path | None = None
    """The root folder of another system, in which alone it finds its libraries."""
    image: str | None = None
    """The name of the container image that it is started from; it needs a ContainerSite."""
    image_id: str | None = None
    """The image itself: its name may be given to another one while we run."""
    process: str = ""
    """The name of its process in a container, if that is not the product's."""
    covered: tuple[str, ...] = ()
    """Folders of the image that the server is to find empty."""
    limits: ContainerLimits = field(default_factory=ContainerLimits)
    """What its container may use."""
    command: tuple[str, ...] | None = None
    """What starts an Orthanc, without its configuration; None if the image does that."""
    plugins: tuple[str, ...] = ()
    """The plugins that an Orthanc loads, as it sees them."""
    overrides: tuple[Override, ...] = ()
    """What its configuration says instead of what we would."""

    @property
    def rest(self) -> bool:
        """Whether it speaks HTTP: the relay in front of that door is opened before the server starts."""
        return "http" in self.make.doors

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what in its configuration is not as usual."""
        return tuple(f"configured with {each}" for each in self.overrides)

    def identity(self, ae_title: AETitle) -> Identity:
        """Say who it is going to be, as far as that is known before it runs."""
        return Identity(
            self.product, self.version, ae_title, executable=self.executable, image=self.image
        )


IN_IMAGE = frozenset({"--image", "--memory"})
"""What a product heeds whose program can be in an image."""


@dataclass(frozen=True)
class Product:
    """A kind of server."""

    summary: str
    """A few words for those who ask which there are."""
    find: Callable[[Spec], Build]
    """Find it. Raises ServerNotFound with what to install, ConfigError where what was asked for is wrong."""
    argument: str = ""
    """What follows the name: `:NAME`, or `[:PATH]` where it may be left out; empty where nothing does."""
    heeds: frozenset[str] = frozenset()
    """Which options it can follow: `--plugins`, `--with`, `--memory`, `--database`; `tls` for encryption."""
