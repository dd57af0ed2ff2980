"""The location of Orthanc plugins on this computer, and their versions."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.model import Version
from harness.orthanc_plugins import plugin_of
from harness.servers.locate import CHECKOUT, PLUGIN_FOLDERS

VARIABLE = "HARNESS_PLUGIN_ROOT"
"""Environment variable with a folder in which plugin packages were unpacked."""
UNPACKED = CHECKOUT / ".plugins"
"""The folder into which run-local.sh unpacks them."""


def plugin_version(path: Path) -> Version | None:
    """Return the version of a plugin, which Debian appends to the name of the file it links to."""
    found = re.search(r"\.so\.(\d[\d.]*)$", path.resolve().name)
    return Version(found.group(1)) if found else None


def unpacked() -> Iterator[Path]:
    """Yield the plugins that were unpacked for an Orthanc installed on this computer."""
    for root in unpacked_roots():
        for folder in PLUGIN_FOLDERS:
            yield from sorted((root / folder).glob("lib*.so"))


def unpacked_roots() -> list[Path]:
    """Return the folders in which plugins were unpacked."""
    named = os.environ.get(VARIABLE)
    return [Path(named).absolute()] if named else [UNPACKED]


def by_name(paths: Iterable[Path]) -> dict[str, Path]:
    """Return the plugins at `paths` by name; the first of several wins."""
    found: dict[str, Path] = {}
    for path in paths:
        known = plugin_of(path)
        if known is not None:
            found.setdefault(known.name, path)
    return found
