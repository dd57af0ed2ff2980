"""A database for the index of a server under test: how to reach it, and Orthanc's options for it.

The options are those of Orthanc's plugins for PostgreSQL and MySQL (orthanc-databases), the
versions those of their release notes. Each plugin is two libraries, one for the index and one for
the objects, which read the same section and do nothing unless it enables them.
"""

from dataclasses import dataclass
from pathlib import Path

from harness.config.orthanc import known_to
from harness.errors import ConfigError
from harness.model import Credentials, Endpoint, Version

Json = dict[str, object]

# First version of each option that the first plugins did not have.
SINCE = {
    "PostgreSQL": {
        "EnableSsl": "3.0",
        "MaximumConnectionRetries": "3.3",
        "ConnectionRetryInterval": "3.3",
        "IndexConnectionsCount": "4.0",
    },
    "MySQL": {
        "EnableSsl": "3.0",
        "MaximumConnectionRetries": "3.0",
        "ConnectionRetryInterval": "3.0",
        "IndexConnectionsCount": "4.0",
    },
}


@dataclass(frozen=True)
class DatabaseConnection:
    """An empty database for one server, and the user who owns it."""

    endpoint: Endpoint
    credentials: Credentials
    database: str
    socket: Path | None = None
    """The Unix socket of the same instance, or None if its path is too long for one."""


@dataclass(frozen=True)
class DatabaseUse:
    """What a server keeps in its database in addition to its index, and how it connects."""

    objects: bool = False
    connections: int | None = None
    """Number of connections for the index; None for the plugin's default: 50 since version 7.0."""
    socket: bool = False
    """Whether it connects to the Unix socket instead of the port."""


INDEX = DatabaseUse()


def postgresql_section(
    connection: DatabaseConnection, use: DatabaseUse = INDEX, plugin: Version | None = None
) -> Json:
    """Return the section `PostgreSQL`; if the plugin's version is given, later options are omitted.

    Plugins need Orthanc 1.12.3 since 6.2, and 1.12.5 since 7.0.
    """
    # libpq takes a host that begins with a slash for the socket's folder; its file name has the
    # port.
    host = str(_socket(connection).parent) if use.socket else connection.endpoint.host
    return _section("PostgreSQL", {"Host": host}, connection, use, plugin)


def mysql_section(
    connection: DatabaseConnection, use: DatabaseUse = INDEX, plugin: Version | None = None
) -> Json:
    """Return the section `MySQL`, also for MariaDB; `plugin` is as for PostgreSQL."""
    if use.socket:
        where: Json = {"Host": "localhost", "UnixSocket": str(_socket(connection))}
    else:
        # Otherwise the host `localhost` would mean the socket of the system's own server.
        where = {"Host": connection.endpoint.host, "UnixSocket": ""}
    return _section("MySQL", where, connection, use, plugin)


def _section(
    name: str,
    where: Json,
    connection: DatabaseConnection,
    use: DatabaseUse,
    plugin: Version | None,
) -> Json:
    options: Json = {
        "EnableIndex": True,
        "EnableStorage": use.objects,
        **where,
        "Port": connection.endpoint.port,
        "Database": connection.database,
        "Username": connection.credentials.username,
        "Password": connection.credentials.password,
        "EnableSsl": False,
        "Lock": True,  # refuse a second server on the same database
        # A restarted database is back within a second; the plugins would wait five.
        "MaximumConnectionRetries": 10,
        "ConnectionRetryInterval": 1,
    }
    if use.connections is not None:
        options["IndexConnectionsCount"] = use.connections
    return {name: known_to(plugin, options, SINCE[name])}


def _socket(connection: DatabaseConnection) -> Path:
    if connection.socket is None:
        raise ConfigError(
            f"the database {connection.database} has no Unix socket: the path of the temporary folder is "
            "too long for one. Use its port, or set TMPDIR to a folder with a shorter name"
        )
    return connection.socket
