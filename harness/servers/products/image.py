"""An Orthanc in a container, from an image."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.servers.container_engine import connect
from harness.servers.container_image import Look, looking_into
from harness.servers.locate import PLUGIN_FOLDERS
from harness.servers.orthanc import CONFIGURATION, Orthanc
from harness.servers.product import Build, Product, Spec


def find(asked: Spec) -> Build:
    """Find the image, or pull it, and look into it.

    Raises ConfigError where there is no such image, or no Orthanc or no such plugin in it.
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
            overrides=asked.overrides,
        )


def _plugins(look: Look, asked: Sequence[Path] | None) -> Iterator[str]:
    """Return the plugins that were asked for, else the folders that hold those of the image."""
    for path in map(str, asked) if asked is not None else (f"/{each}" for each in PLUGIN_FOLDERS):
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


PRODUCT = Product(
    "Orthanc in a container of this image",
    find,
    argument=":NAME",
    heeds=frozenset({"--plugins", "--with", "--memory", "tls"}),
)
