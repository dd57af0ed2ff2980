"""The identity and capabilities of a server, as names that cases need: `plugin.dicomweb>=1.8`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.case import Need
from harness.model import AETitle, Version
from harness.orthanc_plugins import name_of

DIMSE_QUERY_RETRIEVE = frozenset(
    f"dimse.{service}.{level}"
    for service in ("find", "move", "get")
    for level in ("patient", "study")
)
RELATED = "dimse.find.related"
"""The additional query attributes of PS3.4 C.3.4: related counts, ModalitiesInStudy."""
COMPRESSED = "dimse.store.compressed"
"""Objects are accepted in compressed transfer syntaxes."""
CRASH = "server.crash"
"""The harness can kill the server and start it again with what it has stored."""
RESTART = "server.restart"
"""The harness can stop the server and start it again with what it has stored."""
FILES = "server.files"
"""The harness can read the files in which the server stores objects."""
CONFIGURE = "server.configure"
"""The harness can start the server with the settings that a case names."""
LIBRARY = "library."
"""A fact of the build: a shared library that the server has loaded, with its version."""
EXTENDED: Mapping[str, str] = {
    "HasExtendedFind": "rest.extended-find",
    "HasExtendedChanges": "rest.extended-changes",
}
"""What the database of an Orthanc can do, since 1.12.5; the keys are those of `/system`."""
EMULATED_FIND = "rest.emulated-find"
"""The database lacks the searches of Orthanc 1.12.5 and later, which emulates some of them."""
STORAGE_COMMITMENT_SINCE = Version("1.6.0")
DIMSE_STORAGE = frozenset({"dimse.echo", "dimse.store"})
DIMSE_ARCHIVE = DIMSE_STORAGE | DIMSE_QUERY_RETRIEVE
DICOMWEB = frozenset({"dicomweb.qido", "dicomweb.wado", "dicomweb.stow"})
# What a server that stores, finds and retrieves may lack: `relational` are searches that skip a
# level, such as `/instances`; `uri` is WADO-URI.
DICOMWEB_MORE = frozenset(
    f"dicomweb.{each}" for each in ("metadata", "bulk", "frames", "rendered", "relational", "uri")
)


@dataclass(frozen=True)
class Identity:
    """The identity of a server: its product, its version and what was added to it."""

    product: str
    version: Version
    ae_title: AETitle
    plugins: Mapping[str, str] = field(default_factory=dict)
    executable: Path | None = None
    image: str | None = None
    """The container image that it was started from."""

    def as_json(self) -> dict[str, object]:
        """Return the identity for the record of a run."""
        return {
            "name": self.product,
            "version": str(self.version),
            "ae_title": self.ae_title,
            "plugins": dict(self.plugins),
            "executable": None if self.executable is None else str(self.executable),
            "image": self.image,
        }


@dataclass(frozen=True)
class Capabilities:
    """The names of a server's capabilities, with a version where there is one."""

    versions: Mapping[str, Version | None] = field(default_factory=dict)

    def unmet(self, need: Need) -> str | None:
        """Return why `need` is not met; None if it is met."""
        if need.name not in self.versions:
            return f"needs {need}, which this server does not have"
        version = self.versions[need.name]
        if need.at_least is None or (version is not None and version >= need.at_least):
            return None
        return f"needs {need}, but this is {version or 'of unknown version'}"

    def unknown(self, need: Need) -> bool:
        """Return whether `need` cannot be checked because the server's libraries are unknown."""
        return need.name.startswith(LIBRARY) and not any(
            name.startswith(LIBRARY) for name in self.versions
        )

    def without(self, *names: str) -> "Capabilities":
        """Return the capabilities without these, to which the harness has no access."""
        return Capabilities(
            {name: each for name, each in self.versions.items() if name not in names}
        )

    def having(self, *names: str) -> "Capabilities":
        """Return the capabilities with these, which the harness itself provides."""
        return Capabilities({**self.versions, **dict.fromkeys(names)})

    def built_with(self, libraries: Mapping[str, Version]) -> "Capabilities":
        """Return the capabilities with the libraries that the server has loaded."""
        loaded = {LIBRARY + name: each for name, each in libraries.items()}
        return Capabilities({**self.versions, **loaded})

    def as_json(self) -> dict[str, str | None]:
        """Return the names with their versions, for the record of a run."""
        return {
            name: None if version is None else str(version)
            for name, version in sorted(self.versions.items())
        }


def of_orthanc(system: Mapping[str, object], plugins: Mapping[str, str]) -> Capabilities:
    """Return the capabilities of an Orthanc from its `/system` and the versions of its plugins."""
    found: dict[str, Version | None] = dict.fromkeys(DIMSE_ARCHIVE | {COMPRESSED, RELATED, "rest"})
    version = Version(str(system["Version"]))
    found["orthanc"] = version
    if version >= STORAGE_COMMITMENT_SINCE:
        found["dimse.commit"] = None
    for name, number in plugins.items():
        found[f"plugin.{name_of(name)}"] = Version(number)
    able = system.get("Capabilities")
    if isinstance(able, Mapping):
        found |= dict.fromkeys(name for key, name in EXTENDED.items() if able.get(key))
        if not able.get("HasExtendedFind"):
            found[EMULATED_FIND] = None
    if "plugin.dicomweb" in found:
        found |= dict.fromkeys(DICOMWEB | DICOMWEB_MORE)
    if "plugin.worklists" in found:
        found["dimse.worklist"] = None
    return Capabilities(found)
