"""A database that a server under test keeps its index in: how it is reached, and what Orthanc must be told.

The options are those of Orthanc's plugins for PostgreSQL and MySQL (orthanc-databases), the versions those of
their release notes. Each plugin is two libraries, one for the index and one for the objects, which read the
same section and do nothing unless it enables them.
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
    """The Unix socket of the same instance; None where its path is too long for one."""


@dataclass(frozen=True)
class DatabaseUse:
    """What a server keeps in its database besides its index, and how it goes about it."""

    objects: bool = False
    connections: int | None = None
    """How many the index uses; None for the plugin's own number, which is 50 from PostgreSQL 7.0 on."""
    socket: bool = False
    """Whether it connects to the Unix socket instead of the port."""


INDEX = DatabaseUse()


def postgresql_section(
    connection: DatabaseConnection, use: DatabaseUse = INDEX, plugin: Version | None = None
) -> Json:
    """Return the section `PostgreSQL`; naming the plugin's version leaves out what came later.

    Plugins from 6.2 on need Orthanc 1.12.3, from 7.0 on 1.12.5.
    """
    # libpq takes a host that begins with a slash for the folder of the socket, whose name has the port.
    host = str(_socket(connection).parent) if use.socket else connection.endpoint.host
    return _section("PostgreSQL", {"Host": host}, connection, use, plugin)


def mysql_section(
    connection: DatabaseConnection, use: DatabaseUse = INDEX, plugin: Version | None = None
) -> Json:
    """Return the section `MySQL`, for MariaDB too; naming the plugin's version leaves out what came later."""
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
        "Lock": True,  # a second server that uses the same database is refused
        # A database that starts again is back in a second; the plugins would wait five.
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
