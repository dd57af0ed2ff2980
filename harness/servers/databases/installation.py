"""Finds PostgreSQL, MariaDB and Orthanc's plugins for them on this computer."""

import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ServerNotFound
from harness.model import Version
from harness.servers.locate import CHECKOUT, PLUGIN_FOLDERS

VARIABLE = "HARNESS_DATABASE_ROOT"
"""Environment variable with a folder in which packages were unpacked."""

UNPACKED = CHECKOUT / ".databases"
"""Where run-local.sh unpacks packages: installing PostgreSQL's would start a system service."""


@dataclass(frozen=True)
class DatabaseInstallation:
    """The programs of a database server that belong together."""

    product: str
    version: Version
    server: Path
    maker: Path
    """Creates the data folder: initdb, mariadb-install-db."""
    client: Path
    root: Path = Path("/")
    """The folder below which its packages were unpacked."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that its programs need."""
        return _libraries(self.root)


def _libraries(root: Path) -> dict[str, str]:
    """Return an environment variable with the path of libraries unpacked with programs."""
    if root == Path("/"):
        return {}
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    return {"LD_LIBRARY_PATH": str(root / "usr/lib" / multiarch)}


@dataclass(frozen=True)
class _Kind:
    product: str
    plugin: str
    """The product, as in the names of Orthanc's plugins."""
    candidates: Callable[[Path], Iterable[tuple[Path, Path, Path]]]
    """Where server, maker and client may be below a root folder, the best ones first."""
    version: str
    """The pattern of the version in the server's output."""
    packages: str


def _postgresql(root: Path) -> Iterable[tuple[Path, Path, Path]]:
    folders = root.glob("usr/lib/postgresql/*/bin")
    for folder in sorted(folders, key=lambda it: Version(it.parent.name), reverse=True):
        yield folder / "postgres", folder / "initdb", folder / "psql"


def _mariadb(root: Path) -> Iterable[tuple[Path, Path, Path]]:
    system, user = root / "usr/sbin", root / "usr/bin"
    yield system / "mariadbd", user / "mariadb-install-db", user / "mariadb"
    yield system / "mysqld", user / "mysql_install_db", user / "mysql"


_KINDS = {
    "postgresql": _Kind(
        "PostgreSQL",
        "PostgreSQL",
        _postgresql,
        r"PostgreSQL\) (\S+)",
        "postgresql (which starts a service of the system)",
    ),
    "mariadb": _Kind(
        "MariaDB",
        "MySQL",
        _mariadb,
        r"Ver (\d\S*?)-MariaDB",
        "mariadb-server-core mariadb-client-core",
    ),
}


def find_database(kind: str, root: Path | None = None) -> DatabaseInstallation:
    """Find PostgreSQL or MariaDB below `root`, or in the default places.

    Raises ServerNotFound with the command that installs it.
    """
    known = _KINDS[kind]
    for each in _roots(root):
        for programs in known.candidates(each):
            if all(map(shutil.which, programs)):
                version = _version(programs[0], each, known.version)
                if version:
                    return DatabaseInstallation(known.product, version, *programs, each)
    raise ServerNotFound(
        f"{known.product} is not installed: its programs are not in {_words(root)}, or do not run. "
        f"HARNESS_DATABASES={kind} ./run-local.sh --setup-only unpacks it; to install it: "
        f"apt-get install --no-install-recommends {known.packages}"
    )


def find_plugins(kind: str, root: Path | None = None) -> tuple[Path, Path]:
    """Find Orthanc's plugins for a database: one for the index, and one for the objects.

    Raises ServerNotFound with the command that installs them.
    """
    plugin = _KINDS[kind].plugin
    index, package = f"libOrthanc{plugin}Index.so", f"orthanc-{plugin.lower()}"
    for each in _roots(root):
        for folder in PLUGIN_FOLDERS:
            found = each / folder / index, each / folder / f"libOrthanc{plugin}Storage.so"
            if all(path.exists() for path in found):
                return found
    raise ServerNotFound(
        f"{index} is missing in {_words(root)}: apt-get install {package}, or unpack it: "
        f"apt-get download {package}; dpkg-deb --extract {package}_*.deb FOLDER; export {VARIABLE}=FOLDER"
    )


def _roots(named: Path | None) -> Iterator[Path]:
    if named is not None:
        yield named.absolute()
        return
    if os.environ.get(VARIABLE):
        yield Path(os.environ[VARIABLE]).absolute()
    yield Path("/")
    yield UNPACKED


def _words(named: Path | None) -> str:
    return ", ".join(map(str, _roots(named)))


def _version(server: Path, root: Path, pattern: str) -> Version | None:
    """Return the version of a server, or None if it is another product, or lacks a library."""
    environment = {**os.environ, **_libraries(root)}
    try:
        answer = subprocess.run(
            [server, "--version"], capture_output=True, text=True, timeout=10, check=False,
            env=environment,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(pattern, answer.stdout)
    return Version(found.group(1)) if found else None
