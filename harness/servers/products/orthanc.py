"""Orthanc: of this computer, of a path, or of a release of Debian."""

import contextlib
import platform
import re

from harness.errors import ConfigError, ServerError, ServerNotFound
from harness.servers.container import ContainerLimits
from harness.servers.container_engine import connect, speaking
from harness.servers.locate import OrthancInstallation, find_orthanc, usual_places
from harness.servers.orthanc import Orthanc
from harness.servers.product import Build, Product, Spec
from harness.servers.products import image

RELEASE = re.compile(r"[a-z]+")
TESTING = "testing"


def find(asked: Spec) -> Build:
    """Find the Orthanc that was asked for, or else the usual one of this computer."""
    release = asked.argument or ""
    if RELEASE.fullmatch(release) and release != "none":
        return _of_release(release, asked)
    return _process(find_orthanc(asked.argument), asked)


def _process(installation: OrthancInstallation, asked: Spec) -> Build:
    plugins = installation.plugins
    if asked.plugins is not None:
        for path in asked.plugins:
            if not path.exists():
                raise ConfigError(f"--plugins {path}: there is no such file or folder")
        plugins = tuple(installation.seen(path.absolute()) for path in asked.plugins)
    return Build(
        "Orthanc",
        installation.version,
        Orthanc,
        executable=installation.executable,
        root=installation.root,
        command=installation.command,
        plugins=tuple(map(str, plugins)),
        overrides=asked.overrides,
    )


def _of_release(release: str, asked: Spec) -> Build:
    """Find the Orthanc that a release of Debian has: on this computer, else in the image made from it."""
    here = _release_here()
    if release == here:
        own = next((each for each in usual_places() if each.is_file()), None)
        if own is not None and asked.limits == ContainerLimits():
            return _process(find_orthanc(str(own)), asked)
    name = f"dicom-harness-server:{release}"
    try:
        with contextlib.closing(connect()) as engine, speaking(f"looking for the image {name}"):
            engine.api.inspect_image(name)
    except (ConfigError, ServerError) as error:
        raise ServerNotFound(
            f"--remote orthanc:{release}: this computer has no Orthanc of that release "
            f"({f'it is Debian {here}' if here else 'it is no Debian'}), and no image {name}: "
            f"`./run-docker.sh --release {release} --setup-only` makes it ({error})"
        ) from error
    return image.find(Spec(name, asked.plugins, asked.overrides, asked.limits))


def _release_here() -> str | None:
    """Return the name of the Debian release that this computer runs; None where it is none."""
    try:
        facts = platform.freedesktop_os_release()
    except OSError:
        return None
    if facts["ID"] != "debian":
        return None
    # Testing has the name of the release that it will be, and no number yet.
    return facts.get("VERSION_CODENAME") if "VERSION_ID" in facts else TESTING


PRODUCT = Product(
    "Orthanc: of this computer, a Debian release (trixie, testing), an executable, or another system's root",
    find,
    argument="[:RELEASE|:PATH]",
    heeds=frozenset({"--plugins", "--with", "--memory", "--database", "tls"}),
)
