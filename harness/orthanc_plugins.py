"""Orthanc's plugins by name: their libraries, their names in Orthanc, and their packages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Plugin:
    """A plugin, with the name used by cases and the option `--plugin`."""

    name: str
    library: str
    package: str | None = None
    """The Debian package, or None if there is none."""
    listed: str = ""
    """The name in Orthanc's list of plugins, if it differs from `name`."""

    @property
    def identifier(self) -> str:
        """The name in Orthanc's list of plugins."""
        return self.listed or self.name

    @property
    def advice(self) -> str:
        """Return how to install the plugin."""
        if self.package is None:
            return f"no Debian package contains {self.library}: give its path with --plugins"
        if self.package == "orthanc":
            return f"the Debian package orthanc contains {self.library} in later versions"
        return f"HARNESS_PLUGINS={self.name} ./run-local.sh --setup-only unpacks {self.package}"


PLUGINS: Mapping[str, Plugin] = {
    each.name: each
    for each in (
        Plugin("dicomweb", "libOrthancDicomWeb.so", "orthanc-dicomweb", "dicom-web"),
        Plugin("gdcm", "libOrthancGdcm.so", "orthanc-gdcm"),
        Plugin("worklists", "libModalityWorklists.so", "orthanc"),
        Plugin("serve-folders", "libServeFolders.so", "orthanc"),
        Plugin("housekeeper", "libHousekeeper.so", "orthanc"),
        Plugin("delayed-deletion", "libDelayedDeletion.so", "orthanc"),
        Plugin("multitenant-dicom", "libMultitenantDicom.so", "orthanc"),
        Plugin("wsi", "libOrthancWSI.so", "orthanc-wsi"),
        Plugin("python", "libOrthancPython.so", "orthanc-python"),
        Plugin("web-viewer", "libOrthancWebViewer.so", "orthanc-webviewer"),
        Plugin("transfers", "libOrthancTransfers.so"),
        Plugin("authorization", "libOrthancAuthorization.so"),
        Plugin("advanced-storage", "libOrthancAdvancedStorage.so"),
        Plugin("pixels-masker", "libOrthancPixelsMasker.so"),
    )
}
"""The plugins that have cases.

Plugins for an index or storage in a database are chosen with `--database` instead.
"""
_BY_LIBRARY = {each.library: each for each in PLUGINS.values()}
_BY_IDENTIFIER = {each.identifier: each for each in PLUGINS.values()}


@dataclass(frozen=True)
class Choice:
    """The plugins that an Orthanc loads; by default, those that belong to it."""

    paths: tuple[Path, ...] | None = None
    """Only these files and folders."""
    names: tuple[str, ...] = ()
    """Only these, wherever they are found."""
    every: bool = False
    """Those that belong to it, and all that were unpacked."""
    more: tuple[str, ...] = ()
    """Additional plugins."""


def name_of(identifier: str) -> str:
    """Return our name for a plugin that Orthanc lists: `dicomweb` for `dicom-web`."""
    known = _BY_IDENTIFIER.get(identifier)
    return identifier if known is None else known.name


def plugin_of(path: str | Path) -> Plugin | None:
    """Return the plugin whose library is at `path`, or None if it is unknown."""
    return _BY_LIBRARY.get(re.sub(r"\.so[.\d]*$", ".so", Path(path).name))
