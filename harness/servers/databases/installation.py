"""Finding PostgreSQL, MariaDB and Orthanc's plugins for them on this computer."""

import os
import re
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ServerNotFound
from harness.model import Version
from harness.servers.locate import CHECKOUT, PLUGIN_FOLDERS

VARIABLE = "HARNESS_DATABASE_ROOT"
"""Names a folder in which packages were unpacked."""

UNPACKED = CHECKOUT / ".databases"
"""Where run-local.sh unpacks packages: installing PostgreSQL's would start a service of the system."""

PLUGINS = {
    "PostgreSQL": ("libOrthancPostgreSQLIndex.so", "libOrthancPostgreSQLStorage.so"),
    "MariaDB": ("libOrthancMySQLIndex.so", "libOrthancMySQLStorage.so"),
}
PACKAGES = {"PostgreSQL": "orthanc-postgresql", "MariaDB": "orthanc-mysql"}


@dataclass(frozen=True)
class DatabaseInstallation:
    """The programs of a database server that belong together."""

    product: str
    version: Version
    server: Path
    maker: Path
    """Makes the folder of its data: initdb, mariadb-install-db."""
    client: Path
    root: Path = Path("/")
    """The folder below which its packages were unpacked."""

    @property
    def environment(self) -> dict[str, str]:
        """What its programs need in their environment to find libraries that were unpacked with them."""
        if self.root == Path("/"):
            return {}
        multiarch = sysconfig.get_config_var("MULTIARCH") or ""
        return {"LD_LIBRARY_PATH": str(self.root / "usr/lib" / multiarch)}


def find_postgresql(root: Path | None = None) -> DatabaseInstallation:
    """Find PostgreSQL below `root`, or where its packages are; of several versions the newest.

    Raises ServerNotFound with the command that installs it.
    """
    for each in _roots(root):
        folders = each.glob("usr/lib/postgresql/*/bin")
        for folder in sorted(folders, key=lambda it: Version(it.parent.name), reverse=True):
            server, maker, client = (folder / name for name in ("postgres", "initdb", "psql"))
            if all(map(_runs, (server, maker, client))):
                version = _version(server, each, r"PostgreSQL\) (\S+)")
                if version:
                    return DatabaseInstallation("PostgreSQL", version, server, maker, client, each)
    raise _not_found(
        "PostgreSQL",
        "postgres, initdb and psql",
        "postgresql",
        "postgresql (which starts a service of the system)",
        root,
    )


def find_mariadb(root: Path | None = None) -> DatabaseInstallation:
    """Find MariaDB below `root`, or where its packages are.

    Raises ServerNotFound with the command that installs it.
    """
    for each in _roots(root):
        server = _first(each / "usr/sbin", "mariadbd", "mysqld")
        maker = _first(each / "usr/bin", "mariadb-install-db", "mysql_install_db")
        client = _first(each / "usr/bin", "mariadb", "mysql")
        if server and maker and client:
            version = _version(server, each, r"Ver (\d\S*?)-MariaDB")
            if version:
                return DatabaseInstallation("MariaDB", version, server, maker, client, each)
    raise _not_found(
        "MariaDB",
        "mariadbd, mariadb-install-db and mariadb",
        "mariadb",
        "mariadb-server-core mariadb-client-core",
        root,
    )


def find_plugins(product: str, root: Path | None = None) -> tuple[Path, Path]:
    """Find Orthanc's plugins for a database: that of the index, and that of the objects.

    Raises ServerNotFound with the command that installs them.
    """
    index, objects = PLUGINS[product]
    for each in _roots(root):
        for folder in PLUGIN_FOLDERS:
            found = (each / folder / index, each / folder / objects)
            if all(path.exists() for path in found):
                return found
    package = PACKAGES[product]
    raise ServerNotFound(
        f"there is no {index} in {_words(root)}: apt-get install {package}, or unpack it: "
        f"apt-get download {package}; dpkg-deb --extract {package}_*.deb FOLDER; export {VARIABLE}=FOLDER"
    )


def plugin_version(plugin: Path) -> Version | None:
    """Return the version of a plugin, which Debian writes behind the name of the file that it links to."""
    found = re.search(r"\.so\.(\d[\d.]*)$", plugin.resolve().name)
    return Version(found.group(1)) if found else None


def _roots(named: Path | None) -> Iterator[Path]:
    if named is not None:
        yield named.absolute()
        return
    if os.environ.get(VARIABLE):
        yield Path(os.environ[VARIABLE]).absolute()
    yield Path("/")
    yield UNPACKED


def _words(named: Path | None) -> str:
    return ", ".join(str(each) for each in _roots(named))


def _first(folder: Path, *names: str) -> Path | None:
    return next((folder / name for name in names if _runs(folder / name)), None)


def _runs(program: Path) -> bool:
    return program.is_file() and os.access(program, os.X_OK)


def _version(server: Path, root: Path, pattern: str) -> Version | None:
    """Ask a server for its version; None where it is another product, or lacks a library."""
    needs = DatabaseInstallation("", Version("0"), server, server, server, root).environment
    try:
        answer = subprocess.run(
            [server, "--version"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            env={**os.environ, **needs},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(pattern, answer.stdout)
    return Version(found.group(1)) if found else None


def _not_found(
    product: str, programs: str, value: str, packages: str, root: Path | None
) -> ServerNotFound:
    return ServerNotFound(
        f"{product} is not installed: there are no {programs} that run below {_words(root)}. "
        f"HARNESS_DATABASES={value} ./run-local.sh --setup-only unpacks it; to install it: "
        f"apt-get install --no-install-recommends {packages}"
    )
