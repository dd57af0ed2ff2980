"""A private PostgreSQL."""

import signal
from collections.abc import Sequence
from pathlib import Path

from harness.servers.databases.database import Database
from harness.servers.databases.programs import run_program, write_secret

# Nothing has to survive a power cut, so nothing waits for the disk. Not synchronous_commit=off nor
# full_page_writes=off, because cases kill it: what was reported as committed must then be there.
SETTINGS = {
    "fsync": "off",
    "shared_buffers": "32MB",
    "max_connections": "300",  # 50 for each Orthanc, since version 7.0 of its plugin
    "jit": "off",
    "dynamic_shared_memory_type": "mmap",  # files in its folder, not some in /dev/shm that stay
}


class Postgresql(Database):
    """PostgreSQL with its own folder."""

    product, secret = "postgresql", "PGPASSWORD"
    orderly = signal.SIGINT  # "fast"; SIGTERM waits for connected clients

    def make_data(self) -> None:
        """Create the data folder."""
        password = self.folder / "password"
        write_secret(password, self._administrator.password)
        run_program(
            [
                *(self.installation.maker, "--pgdata", self.data, "--no-sync"),
                *("--username", self._administrator.username, "--pwfile", password),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8"),
            ],
            environment=self.installation.environment,
        )
        password.unlink()
        # Access is controlled by the listening address, and by the password.
        with (self.data / "pg_hba.conf").open("a") as file:
            file.write("host all all all scram-sha-256\n")

    @property
    def _socket_path(self) -> Path:
        return self.folder / f".s.PGSQL.{self.endpoint.port}"

    def _command(self) -> Sequence[str | Path]:
        folder = str(self.folder).replace('"', '""')
        settings = {
            **SETTINGS,
            "listen_addresses": self.endpoint.host,
            "port": self.endpoint.port,
            "unix_socket_directories": f'"{folder}"' if self.socket else "",
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return [self.installation.server, "-D", self.data, *options]

    def start(self) -> None:
        """Start it with its existing data."""
        super().start()
        # A killed PostgreSQL leaves a segment of shared memory behind (shmget(2)). Marked for
        # removal, it is freed by the kernel with the last process that uses it, however that ends.
        segment = self._status()[6].split()[1]
        run_program(["ipcrm", "--shmem-id", segment])

    def _ready(self, begin: int) -> bool:  # noqa: ARG002 - it says so in a file
        status = self._status()
        return len(status) > 7 and status[0] == str(self.pid) and status[7].strip() == "ready"

    def _status(self) -> list[str]:
        """Return the lines of its lock file: process, folder, time, port, ..., segment, state."""
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _client(self, user: str, database: str | None) -> Sequence[str | Path]:
        return [
            *(self.installation.client, "--no-psqlrc", "--quiet", "--no-password"),
            *("--no-align", "--tuples-only", "--field-separator=\t", "--set=ON_ERROR_STOP=1"),
            *("--host", self.endpoint.host, "--port", str(self.endpoint.port)),
            *("--username", user, "--dbname", database or "postgres"),
        ]

    def _creating(self, name: str, password: str) -> str:
        return (
            f"CREATE ROLE {name} LOGIN PASSWORD '{password}';\n"
            f"CREATE DATABASE {name} OWNER {name};\n"
            f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC;\n"
        )

    def _dropping(self, name: str) -> str:
        return f"DROP DATABASE {name} WITH (FORCE);\nDROP ROLE {name};\n"
