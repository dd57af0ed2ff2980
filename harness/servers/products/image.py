"""An Orthanc in a container, from an image."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from harness.errors import ConfigError
from harness.orthanc_plugins import PLUGINS, Choice
from harness.servers.container_engine import connect
from harness.servers.container_image import Look, looking_into
from harness.servers.locate import PLUGIN_FOLDERS
from harness.servers.orthanc import CONFIGURATION, Orthanc
from harness.servers.product import Build, Product, Spec


def find(asked: Spec) -> Build:
    """Find the image, or pull it, and inspect it.

    Raises ConfigError if there is no such image, or if it lacks Orthanc or a requested plugin.
    """
    argv = ("Orthanc", "--version")
    with (
        contextlib.closing(connect()) as engine,
        looking_into(engine, asked.argument or "", *argv) as look,
    ):
        return Build(
            "Orthanc",
            look.version(r"^\S*Orthanc (\S+)", "Orthanc"),
            Orthanc,
            image=look.name,
            image_id=look.id,
            covered=(CONFIGURATION,),
            limits=asked.limits,
            command=_command(look.configuration),
            plugins=tuple(_plugins(look, asked.plugins)),
            required=tuple(PLUGINS[name].identifier for name in asked.plugins.names),
            overrides=asked.overrides,
        )


def _plugins(look: Look, asked: Choice) -> Iterator[str]:
    """Yield the requested plugins, else the plugin folders of the image."""
    folders = [f"/{each}" for each in PLUGIN_FOLDERS]
    for path in map(str, asked.paths or ()):
        if not look.has(path):
            raise ConfigError(f"--plugins {path}: it does not exist in the image {look.name}")
        yield path
    for name in asked.names:
        libraries = [f"{folder}/{PLUGINS[name].library}" for folder in folders]
        found = next(filter(look.has, libraries), None)
        if found is None:
            raise ConfigError(f"--plugin {name}: the image {look.name} has no {libraries[0]}")
        yield found
    if asked.paths is None and not asked.names:
        yield from filter(look.has, folders)


def _command(configuration: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the command to start Orthanc, or None if the image has its own."""
    words = configuration.get("Cmd") or ()
    if configuration.get("Entrypoint") or any("Orthanc" in word for word in words):
        return None
    return ("Orthanc",)


PRODUCT = Product(
    "Orthanc in a container of this image",
    find,
    argument=":NAME",
    heeds=frozenset({"--plugins", "--with", "--memory", "tls"}),
)
