"""An image with a server in it: found or pulled, asked for its version, and how it is started."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import ConfigError, ServerError
from harness.model import Version
from harness.servers.container_engine import Engine, connect, is_not_found, speaking
from harness.servers.container_labels import new_labels, remove_run
from harness.servers.locate import PLUGIN_FOLDERS

CONFIGURATION = "/etc/orthanc"
"""Where every image that is made for Orthanc looks for configuration files."""


@dataclass(frozen=True)
class OrthancImage:
    """An image, by its id: its name may be given to another one while we run."""

    name: str
    id: str
    version: Version
    plugins: tuple[str, ...]
    """The plugins that the remote loads, or folders of them; paths inside the image."""
    command: tuple[str, ...] | None
    """What to run, without the path of the configuration; None if the image says so itself."""


@dataclass(frozen=True)
class Look:
    """A look into an image: what a program in it said, and the container, which has ended."""

    name: str
    id: str
    configuration: Mapping[str, Any]
    said: str
    engine: Engine
    container: str

    def version(self, pattern: str, program: str) -> Version:
        """Return the version that the program said. Raises ConfigError if it is not in the image."""
        found = re.search(pattern, self.said, re.MULTILINE)
        if found is not None:
            return Version(found.group(1))
        met = (
            f"asked for its version, it said {self.said.splitlines()[0]!r}"
            if self.said.strip()
            else "none on its PATH"
        )
        example = ", such as orthancteam/orthanc" if program == "Orthanc" else ""
        raise ConfigError(
            f"--image {self.name}: there is no {program} in it ({met}); name an image that has one{example}"
        )

    def has(self, path: str) -> bool:
        """Return whether the image has a file; the SDK would transfer it as well."""
        api = self.engine.api
        answer = api.head(
            f"{api.base_url}/v{api.api_version}/containers/{self.container}/archive",
            params={"path": path},
            timeout=api.timeout,
        )
        return bool(answer.ok)


@contextlib.contextmanager
def looking_into(engine: Engine, name: str, *argv: str) -> Iterator[Look]:
    """Find the image `name`, or pull it, and run `argv` in it, which sees nothing of the network.

    Raises ConfigError if there is no such image.
    """
    try:
        with speaking(f"--image {name}"):
            found = engine.api.inspect_image(name)
    except ServerError as error:
        if not is_not_found(error):
            raise ConfigError(str(error)) from error
        found = _pull(engine, name)
    labels = new_labels(engine)
    api = engine.api
    try:
        with speaking(f"--image {name}: looking into it"):
            host = api.create_host_config(network_mode="none", init=True)
            container = str(
                api.create_container(
                    found["Id"], entrypoint=[argv[0]], command=list(argv[1:]), labels=labels,
                    host_config=host,
                )["Id"]
            )  # fmt: skip
            said = _said(engine, name, container, argv[0])
            yield Look(name, found["Id"], found["Config"], said, engine, container)
    finally:
        remove_run(engine, labels)


def _said(engine: Engine, name: str, container: str, program: str) -> str:
    try:
        with speaking(f"--image {name}: starting {program}"):
            engine.api.start(container)
            engine.api.wait(container)
            return str(engine.api.logs(container).decode(errors="replace"))
    except ServerError as error:
        if "executable file not found" not in str(error):
            raise
        return ""


def find_image(engine: Engine, name: str, plugins: Sequence[str] | None = None) -> OrthancImage:
    """Find an image with an Orthanc in it.

    `plugins` are paths in the image; left out, the usual folders as far as it has them. Raises
    ConfigError where there is no such image, or no Orthanc or no such plugin in it.
    """
    with looking_into(engine, name, "Orthanc", "--version") as look:
        return OrthancImage(
            name,
            look.id,
            look.version(r"^\S*Orthanc (\S+)", "Orthanc"),
            tuple(_plugins(look, plugins)),
            _command(look.configuration),
        )


def find_program_in(name: str, product: str, argv: Sequence[str], pattern: str) -> dict[str, Any]:
    """Find a program in an image: what a Build of it says of image and version."""
    with contextlib.closing(connect()) as engine, looking_into(engine, name, *argv) as look:
        version = look.version(pattern, product)
        return {"version": version, "image": look.name, "image_id": look.id}


def _pull(engine: Engine, name: str) -> Any:
    try:
        with speaking(f"--image {name}: it is not here, and was not to be pulled"):
            return engine.images.pull(name).attrs
    except ServerError as error:
        raise ConfigError(
            f"{error}; `docker images` lists those that are here, `docker load` brings one from a file"
        ) from error


def _plugins(look: Look, asked: Sequence[str] | None) -> Iterator[str]:
    """Return the plugins that were asked for, else the folders that hold those of the image."""
    for path in asked if asked is not None else (f"/{folder}" for folder in PLUGIN_FOLDERS):
        if look.has(path):
            yield path
        elif asked is not None:
            raise ConfigError(
                f"--plugins {path}: there is no such file or folder in the image {look.name}"
            )


def _command(configuration: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Start Orthanc ourselves only where the image was not made to do so."""
    words = configuration.get("Cmd") or ()
    if configuration.get("Entrypoint") or any("Orthanc" in word for word in words):
        return None
    return ("Orthanc",)
