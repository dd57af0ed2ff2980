"""A private MariaDB."""

from collections.abc import Sequence
from pathlib import Path

from harness.servers.databases.database import Database
from harness.servers.databases.programs import run_program, write_secret

# Nothing has to outlive a power cut, so that nothing waits for the disk; but cases kill it, and what was
# committed must then be there: the log is handed to the kernel at each commit (2), not each second (0).
# `loose` because MariaDB wants to drop that option some day.
SETTINGS = (
    "--innodb-flush-log-at-trx-commit=2",
    "--loose-innodb-flush-method=nosync",
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=16M",
    "--key-buffer-size=1M",
    "--aria-pagecache-buffer-size=1M",
    "--max-connections=300",  # 50 for each Orthanc, as with PostgreSQL
    "--skip-name-resolve",
    # As Debian's configuration has it, which is not read here.
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_general_ci",
)


class Mariadb(Database):
    """MariaDB with a folder of its own."""

    product, secret = "mariadb", "MYSQL_PWD"

    def make_data(self) -> None:
        """Make the folder of the data, with one account in it, which may do everything."""
        run_program(
            [
                *(self.installation.maker, "--no-defaults"),
                *(f"--basedir={self.installation.root / 'usr'}", f"--datadir={self.data}"),
                *("--auth-root-authentication-method=normal", "--skip-test-db", *SETTINGS),
            ],
            environment={**self.installation.environment, "TMPDIR": str(self.folder)},
        )
        who = self._administrator
        # The users that it has made need no password. A file of statements is run before anybody can
        # connect; the server takes it once, at the first start.
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
            # It needs one. A path that is not absolute lies in the folder of its data.
            f"--socket={self.socket or 'mariadb.sock'}",
            f"--pid-file={self.folder / 'mariadb.pid'}",
            f"--tmpdir={self.folder}",  # else TMPDIR, where it may not be allowed to write
            *SETTINGS,
            *([f"--init-file={first}"] if first.exists() else []),
        ]

    def start(self) -> None:
        """Start it with the data that is there."""
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
        # Where rights are granted an underscore stands for any character.
        pattern = name.replace("_", r"\_")
        return (
            f"CREATE DATABASE {name};\n"
            f"CREATE USER {name}@'%' IDENTIFIED BY '{password}';\n"
            f"GRANT ALL ON `{pattern}`.* TO {name}@'%';\n"
        )

    def _dropping(self, name: str) -> str:
        return (
            f"DROP USER {name}@'%';\n"
            f"KILL CONNECTION USER {name}@'%';\n"  # connected clients would go on
            f"DROP DATABASE {name};\n"
        )
