"""A private MariaDB."""

from collections.abc import Sequence
from pathlib import Path

from harness.servers.databases.database import Database
from harness.servers.databases.programs import run_program, write_secret

# Nothing has to survive a power cut, so nothing waits for the disk. But cases kill it, and
# committed data must then be there: the log is passed to the kernel at each commit (2), not each
# second (0). `loose` because MariaDB plans to drop that option.
SETTINGS = (
    "--innodb-flush-log-at-trx-commit=2",
    "--loose-innodb-flush-method=nosync",
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=16M",
    "--key-buffer-size=1M",
    "--aria-pagecache-buffer-size=1M",
    "--max-connections=300",  # 50 for each Orthanc, as with PostgreSQL
    "--skip-name-resolve",
    # As in Debian's configuration, which is not read here.
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_general_ci",
)


class Mariadb(Database):
    """MariaDB with its own folder."""

    product, secret = "mariadb", "MYSQL_PWD"

    def make_data(self) -> None:
        """Create the data folder, with a single account that has all privileges."""
        run_program(
            [
                *(self.installation.maker, "--no-defaults"),
                *(f"--basedir={self.installation.root / 'usr'}", f"--datadir={self.data}"),
                *("--auth-root-authentication-method=normal", "--skip-test-db", *SETTINGS),
            ],
            environment={**self.installation.environment, "TMPDIR": str(self.folder)},
        )
        who = self._administrator
        # The users created by the installation need no password. A file of statements is run before
        # any client can connect; the server is given it once, at the first start.
        statements = (
            "DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys'",  # that one owns views
            "FLUSH PRIVILEGES",
            f"CREATE USER {who.username}@'%' IDENTIFIED BY '{who.password}'",
            f"GRANT ALL ON *.* TO {who.username}@'%' WITH GRANT OPTION",
        )
        write_secret(self.data / "first.sql", "".join(f"{each};\n" for each in statements))

    @property
    def _socket_path(self) -> Path:
        return self.folder / "mariadb.sock"

    def _command(self) -> Sequence[str | Path]:
        first = self.data / "first.sql"
        return [
            *(self.installation.server, "--no-defaults"),
            *(f"--basedir={self.installation.root / 'usr'}", f"--datadir={self.data}"),
            *(f"--bind-address={self.endpoint.host}", f"--port={self.endpoint.port}"),
            # Required. A relative path is in the data folder.
            f"--socket={self.socket or 'mariadb.sock'}",
            f"--pid-file={self.folder / 'mariadb.pid'}",
            f"--tmpdir={self.folder}",  # else TMPDIR, where it may not be allowed to write
            *SETTINGS,
            *([f"--init-file={first}"] if first.exists() else []),
        ]

    def start(self) -> None:
        """Start it with its existing data."""
        super().start()
        (self.data / "first.sql").unlink(missing_ok=True)

    def _ready(self, begin: int) -> bool:
        return "ready for connections" in self.log_since(begin)

    def _client(self, user: str, database: str | None) -> Sequence[str | Path]:
        return [
            *(self.installation.client, "--no-defaults", "--batch", "--skip-column-names"),
            *("--protocol=tcp", f"--host={self.endpoint.host}", f"--port={self.endpoint.port}"),
            *(f"--user={user}", "--default-character-set=utf8mb4"),
            *([] if database is None else [f"--database={database}"]),
        ]

    def _creating(self, name: str, password: str) -> str:
        # In GRANT statements an underscore matches any character.
        pattern = name.replace("_", r"\_")
        return (
            f"CREATE DATABASE {name};\n"
            f"CREATE USER {name}@'%' IDENTIFIED BY '{password}';\n"
            f"GRANT ALL ON `{pattern}`.* TO {name}@'%';\n"
        )

    def _dropping(self, name: str) -> str:
        return (
            f"DROP USER {name}@'%';\n"
            f"KILL CONNECTION USER {name}@'%';\n"  # connected clients would continue
            f"DROP DATABASE {name};\n"
        )
