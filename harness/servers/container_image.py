"""An image with an Orthanc in it: found or pulled, asked for its version, and how it is started."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import ConfigError, ServerError
from harness.model import Version
from harness.servers.container_engine import Engine, is_not_found, speaking
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


def find_image(engine: Engine, name: str, plugins: Sequence[str] | None = None) -> OrthancImage:
    """Find the image `name`, or pull it, and look into it.

    `plugins` are paths in the image; left out, the usual folders as far as it has them. Raises
    ConfigError where there is no such image, or no Orthanc or no such plugin in it.
    """
    try:
        with speaking(f"--image {name}"):
            found = engine.api.inspect_image(name)
    except ServerError as error:
        if not is_not_found(error):
            raise ConfigError(str(error)) from error
        found = _pull(engine, name)
    labels = new_labels(engine)
    try:
        with speaking(f"--image {name}: looking into it"):
            probe = _probe(engine, found["Id"], labels)
            return OrthancImage(
                name,
                found["Id"],
                _version(engine, name, probe),
                tuple(_plugins(engine, name, probe, plugins)),
                _command(found["Config"]),
            )
    finally:
        remove_run(engine, labels)


def _pull(engine: Engine, name: str) -> Any:
    try:
        with speaking(f"--image {name}: it is not here, and was not to be pulled"):
            return engine.images.pull(name).attrs
    except ServerError as error:
        raise ConfigError(
            f"{error}; `docker images` lists those that are here, `docker load` brings one from a file"
        ) from error


def _probe(engine: Engine, image: str, labels: dict[str, str]) -> str:
    """Make a container that says the version; it sees nothing of the network."""
    api = engine.api
    host = api.create_host_config(network_mode="none", init=True)
    made = api.create_container(
        image, entrypoint=["Orthanc"], command=["--version"], labels=labels, host_config=host
    )
    return str(made["Id"])


def _version(engine: Engine, name: str, probe: str) -> Version:
    try:
        with speaking(f"--image {name}: starting Orthanc"):
            engine.api.start(probe)
            engine.api.wait(probe)
            said = engine.api.logs(probe).decode(errors="replace")
    except ServerError as error:
        if "executable file not found" not in str(error):
            raise
        said = ""
    found = re.match(r"\S*Orthanc (\S+)", said)
    if found is None:
        met = (
            f"asked for --version it said {said.splitlines()[0]!r}"
            if said.strip()
            else "none on its PATH"
        )
        raise ConfigError(
            f"--image {name}: there is no Orthanc in it ({met}); name an image that has one, such as "
            "orthancteam/orthanc"
        )
    return Version(found.group(1))


def _plugins(engine: Engine, name: str, probe: str, asked: Sequence[str] | None) -> Iterator[str]:
    """Return the plugins that were asked for, else the folders that hold those of the image."""
    for path in asked if asked is not None else (f"/{folder}" for folder in PLUGIN_FOLDERS):
        if _exists(engine, probe, path):
            yield path
        elif asked is not None:
            raise ConfigError(
                f"--plugins {path}: there is no such file or folder in the image {name}"
            )


def _exists(engine: Engine, container: str, path: str) -> bool:
    """Look for a file in a container; the SDK would transfer it as well."""
    api = engine.api
    answer = api.head(
        f"{api.base_url}/v{api.api_version}/containers/{container}/archive",
        params={"path": path},
        timeout=api.timeout,
    )
    return bool(answer.ok)


def _command(configuration: dict[str, Any]) -> tuple[str, ...] | None:
    """Start Orthanc ourselves only where the image was not made to do so."""
    words = configuration.get("Cmd") or ()
    if configuration.get("Entrypoint") or any("Orthanc" in word for word in words):
        return None
    return ("Orthanc",)
