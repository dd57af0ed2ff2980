"""Orthanc, installed on this computer, at a path, or from a Debian release."""

import contextlib
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from harness.errors import ConfigError, ServerError, ServerNotFound
from harness.orthanc_plugins import PLUGINS, Choice, plugin_of
from harness.servers.container import ContainerLimits
from harness.servers.container_engine import connect, speaking
from harness.servers.locate import OrthancInstallation, find_orthanc, usual_places
from harness.servers.orthanc import Orthanc
from harness.servers.plugins import by_name, plugin_version, unpacked
from harness.servers.product import Build, Product, Spec
from harness.servers.products import image

RELEASE = re.compile(r"[a-z]+")
TESTING = "testing"


def find(asked: Spec) -> Build:
    """Find the requested Orthanc, or else the default one on this computer."""
    release = asked.argument or ""
    if RELEASE.fullmatch(release) and release != "none":
        return _of_release(release, asked)
    return _process(find_orthanc(asked.argument), asked)


def _process(installation: OrthancInstallation, asked: Spec) -> Build:
    beside = () if installation.root is not None else tuple(unpacked())
    at_hand = by_name([*installation.plugins, *beside])
    plugins = tuple(_chosen(installation, asked.plugins, at_hand))
    return Build(
        "Orthanc",
        installation.version,
        Orthanc,
        executable=installation.executable,
        root=installation.root,
        command=installation.command,
        plugins=tuple(map(str, plugins)),
        required=() if asked.plugins == Choice() else _required(plugins, asked.plugins),
        loadable={
            name: plugin_version(installation.on_disk(path)) for name, path in at_hand.items()
        },
        overrides=asked.overrides,
    )


def _chosen(
    installation: OrthancInstallation, asked: Choice, at_hand: Mapping[str, Path]
) -> Iterator[Path]:
    """Yield the requested plugins, as the executable sees them."""
    chosen: list[Path] = []
    if asked.paths is not None:
        for path in asked.paths:
            if not path.exists():
                raise ConfigError(f"--plugins {path} does not exist")
            chosen.append(installation.seen(path.absolute()))
    elif not asked.names:
        chosen += installation.plugins
    wanted = at_hand if asked.every else (*asked.names, *asked.more)
    present = by_name(chosen)
    for name in wanted:
        if name not in at_hand:
            raise ConfigError(f"--plugin {name} is not on this computer: {PLUGINS[name].advice}")
        if name not in present:
            chosen.append(at_hand[name])
    yield from dict.fromkeys(chosen)


def _required(plugins: Iterable[Path], asked: Choice) -> tuple[str, ...]:
    """Return the plugins that Orthanc must list: the named ones, not those it merely has."""
    named = {*asked.names, *asked.more}
    known = (plugin_of(path) for path in plugins)
    return tuple(
        each.identifier
        for each in known
        if each is not None and (asked.every or asked.paths is not None or each.name in named)
    )


def _of_release(release: str, asked: Spec) -> Build:
    """Find the Orthanc of a Debian release: on this computer, else in the image made from it."""
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
            f"--remote orthanc:{release}: this computer does not have the Orthanc of that release "
            f"({f'it is Debian {here}' if here else 'it is not Debian'}), nor the image {name}: "
            f"`./run-docker.sh --release {release} --setup-only` creates it ({error})"
        ) from error
    return image.find(Spec(name, asked.plugins, asked.overrides, asked.limits))


def _release_here() -> str | None:
    """Return the name of the Debian release on this computer, or None if it is not Debian."""
    try:
        facts = platform.freedesktop_os_release()
    except OSError:
        return None
    if facts["ID"] != "debian":
        return None
    # Testing has the name of the next release, but no number yet.
    return facts.get("VERSION_CODENAME") if "VERSION_ID" in facts else TESTING


PRODUCT = Product(
    "Orthanc: the installed one, that of a Debian release (trixie, testing), an executable, or a system root",
    find,
    argument="[:RELEASE|:PATH]",
    heeds=frozenset({"--plugins", "--with", "--memory", "--database", "tls"}),
)
