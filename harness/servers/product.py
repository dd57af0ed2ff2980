"""Defines a kind of server for the harness: how to find it on this computer and start it in a role.

Each kind is one module that defines `PRODUCT = Product(...)`: those of the harness are in
`harness/servers/products/`, your own is in a file given with `--remote ./FILE.py`.
`docs/adding-a-server.md` shows how to write one, step by step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.certificates import Encryption, TlsClient
from harness.config.overrides import Override
from harness.config.settings import Node, Pair
from harness.model import AETitle, Endpoint, Version
from harness.orthanc_plugins import Choice
from harness.servers.capabilities import Identity
from harness.servers.container import ContainerLimits
from harness.servers.container_site import ContainerSite
from harness.servers.guard import Guard

if TYPE_CHECKING:
    from harness.servers.adapter import Adapter
    from harness.servers.databases.place import DatabasePlace, Occupied


@dataclass(frozen=True)
class Spec:
    """What was requested in addition to the name of a product."""

    argument: str | None = None
    """The part after the colon in `orthanc:trixie`."""
    plugins: Choice = field(default_factory=Choice)
    """The plugins that the remote loads."""
    overrides: tuple[Override, ...] = ()
    """Overrides of our configuration for the remote."""
    limits: ContainerLimits = field(default_factory=ContainerLimits)
    """The resource limits of a container."""
    image: str | None = None
    """The image to run the program in, or None for this computer."""


@dataclass(frozen=True)
class Role:
    """The role that a server is started for, and the servers as they see each other by relay."""

    name: Literal["remote", "local"]
    pair: Pair
    guard: Guard
    site: ContainerSite | None = None
    """The network of the containers, if one of the pair is in a container."""
    encryption: Encryption | None = None
    """The TLS settings, if some of its interfaces use TLS; None without."""
    database: "DatabasePlace | Occupied | None" = None
    """Where it keeps index and objects, or None for its own files."""

    @property
    def itself(self) -> Node:
        """The address at which the others reach it, and the user that it accepts."""
        return self.pair.remote if self.name == "remote" else self.pair.local

    def tls_at(self, door: str) -> TlsClient | None:
        """Return the TLS settings that the harness uses for an interface; None without TLS."""
        return None if self.encryption is None else self.encryption.at(door)

    @property
    def ae_title(self) -> AETitle:
        """The AE title that it has to use."""
        return self.itself.ae_title

    @property
    def destinations(self) -> dict[AETitle, Endpoint]:
        """The destinations it may be asked to send to: both servers, by their AE titles."""
        return {each.ae_title: each.dicom_endpoint for each in (self.pair.remote, self.pair.local)}


@dataclass(frozen=True)
class Build:
    """A server of a certain version, which can be started any number of times."""

    product: str
    version: Version
    make: "type[Adapter]"
    executable: Path | None = None
    root: Path | None = None
    """The root folder of another system, needed to find its libraries."""
    image: str | None = None
    """The name of the container image that it is started from; it needs a ContainerSite."""
    image_id: str | None = None
    """The image itself: its name may be reassigned while we run."""
    process: str = ""
    """The name of its process in a container, if that is not the product's."""
    covered: tuple[str, ...] = ()
    """Folders of the image that must be empty for the server."""
    limits: ContainerLimits = field(default_factory=ContainerLimits)
    """The resource limits of its container."""
    command: tuple[str, ...] | None = None
    """The command for an Orthanc, without its configuration; None if the image has one."""
    plugins: tuple[str, ...] = ()
    """The plugins that an Orthanc loads, as it sees them."""
    required: tuple[str, ...] = ()
    """The requested ones among them, by the name Orthanc lists: it is not ready without them."""
    loadable: Mapping[str, Version | None] = field(default_factory=dict)
    """The plugins available for it, by name, loaded or not."""
    overrides: tuple[Override, ...] = ()
    """Overrides of our configuration."""

    wrap: tuple[str, ...] = ()
    """A program with its options under which the server runs, such as gdb or valgrind."""

    @property
    def rest(self) -> bool:
        """Whether it speaks HTTP: its relay is then opened before the server starts."""
        return "http" in self.make.doors

    @property
    def notes(self) -> tuple[str, ...]:
        """What is unusual about its configuration."""
        return tuple(f"configured with {each}" for each in self.overrides)

    def identity(self, ae_title: AETitle) -> Identity:
        """Return its identity, as far as it is known before it runs."""
        return Identity(
            self.product, self.version, ae_title, executable=self.executable, image=self.image
        )


IN_IMAGE = frozenset({"--image", "--memory"})
"""The options for a product whose program can be in an image."""


@dataclass(frozen=True)
class Product:
    """A kind of server."""

    summary: str
    """A short description for the list of products."""
    find: Callable[[Spec], Build]
    """Find it. Raises ServerNotFound with what to install, ConfigError if the request is wrong."""
    argument: str = ""
    """What follows the name: `:NAME`, or `[:PATH]` if optional; "" for nothing."""
    heeds: frozenset[str] = frozenset()
    """The options it supports: `--plugins`, `--with`, `--memory`, `--database`; `tls` for TLS."""
