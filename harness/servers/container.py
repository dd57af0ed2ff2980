"""A server in a container: made, started, looked at, troubled, ended; its log kept by the engine."""

import io
import signal
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import ServerError, ServerNotReady
from harness.servers.container_engine import speaking
from harness.servers.container_labels import remove
from harness.servers.container_site import ContainerSite
from harness.waiting import WaitTimeout, wait_until

LOG_LINES_SHOWN = 15
SECOND = 1_000_000_000  # nanoseconds
# The init hands on only some signals, and an entry point may stand between it and the server.
SEND = """
for folder in /proc/[0-9]*; do
  read -r name < "$folder/comm" && [ "$name" = "$1" ] && kill -"$2" "${folder#/proc/}" && sent=yes
done
[ "$sent" = yes ]
"""
# The files that a process has loaded, read with nothing but the shell.
MAPS = """
for folder in /proc/[0-9]*; do
  read -r name < "$folder/comm" && [ "$name" = "$1" ] || continue
  while read -r line; do echo "$line"; done < "$folder/maps" && exit
done
"""


@dataclass(frozen=True)
class ContainerLimits:
    """How much a container may use; None where nothing is said."""

    memory: str | None = None
    """Bytes, or a number with one of the suffixes b, k, m, g. No more than that is swapped either."""
    cpus: float | None = None


class Container:
    """One container, which is started again after it ended; log and limits outlive that."""

    def __init__(
        self,
        name: str,
        site: ContainerSite,
        image: str,
        *,
        entry: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
        mounts: Sequence[Any] = (),
        limits: ContainerLimits = ContainerLimits(),
        user: str | None = None,
    ) -> None:
        """Make it. `entry` and `user` replace what the image says: the program, and who runs it."""
        self.name = name
        self._site = site
        self._api = site.engine.api
        with speaking(f"{name}: making a container of {image}"):
            host = self._api.create_host_config(
                init=True,  # a process with id 1 would not die of a signal such as SIGSEGV
                mounts=list(mounts),
                mem_limit=limits.memory,
                memswap_limit=limits.memory,
                nano_cpus=None if limits.cpus is None else int(limits.cpus * SECOND),
                network_mode=site.network,
                log_config={"Type": "json-file"},  # whatever the engine does with logs by default
            )
            self.id: str = self._api.create_container(
                image,
                entrypoint=None if entry is None else list(entry),
                environment=dict(environment or {}),
                user=user,
                labels=site.labels,
                host_config=host,
            )["Id"]

    def start(self, *, ready: Callable[[], bool], within: float = 30.0) -> None:
        """Start it and wait until it is alive and `ready()` says so.

        Raises ServerNotReady with the last lines of the log when it ends, or is not ready `within` seconds.
        """
        begin = self.log_position()
        try:
            with speaking(f"{self.name}: starting the container"):
                self._api.start(self.id)
        except ServerError as error:
            raise ServerNotReady(str(error)) from error
        try:
            wait_until(
                lambda: self.ended() or ready(), what=f"{self.name} to answer", within=within
            )
        except WaitTimeout as error:
            lines = self._last_lines(begin)
            self.kill()
            raise ServerNotReady(f"{self.name}: {error}{lines}") from None
        ended = self.ended()
        if ended:
            raise ServerNotReady(f"{self.name} {ended} while it started{self._last_lines(begin)}")

    def run(self) -> None:
        """Start it and wait for its end. Raises ServerError if that is not exit code 0."""
        begin = self.log_position()
        with speaking(f"{self.name}: running a container to its end"):
            self._api.start(self.id)
            code = self._api.wait(self.id)["StatusCode"]
        if code:
            raise ServerError(f"{self.name} ended with exit code {code}{self._last_lines(begin)}")

    @property
    def address(self) -> str | None:
        """Its address in the network of the site; another one, maybe, after each start.

        None while it does not run, or is cut off.
        """
        networks = self._inspect()["NetworkSettings"]["Networks"].values()
        for each in networks:
            if each["NetworkID"] == self._site.network and each["IPAddress"]:
                return str(each["IPAddress"])
        return None

    def volume(self, path: str) -> str:
        """Return the name of the volume that is mounted at `path`."""
        mounts = self._inspect()["Mounts"]
        return next(str(each["Name"]) for each in mounts if each["Destination"] == path)

    def ended(self) -> str | None:
        """Say how it ended, in words; None while it runs."""
        try:
            inspected = self._inspect()
        except ServerError as error:
            return f"is lost ({error})"
        state = inspected["State"]
        if state["Running"]:
            return None
        if state["Status"] == "created":
            return "is not running"
        if state["OOMKilled"]:
            limit = inspected["HostConfig"]["Memory"]
            allowed = f" of {limit / 2**20:g} MB" if limit else ", that of the computer"
            return f"died of SIGKILL, since its memory was used up: it reached the limit{allowed}"
        code = state["ExitCode"]
        if code - 128 in set(signal.Signals):
            return f"died of {signal.Signals(code - 128).name}"
        return f"ended with exit code {code}"

    def put(self, files: Mapping[str, bytes], folders: Sequence[str] = ()) -> None:
        """Write files, and make folders that anybody may write to, whether it runs or not.

        They go through the engine: it need not see our file system.
        """
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for folder in folders:
                entry = tarfile.TarInfo(folder.lstrip("/"))
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
                tar.addfile(entry)
            for path, content in files.items():
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size, entry.mode = len(content), 0o444  # whoever the server runs as
                tar.addfile(entry, io.BytesIO(content))
        with speaking(f"{self.name}: writing files into the container"):
            self._api.put_archive(self.id, "/", archive.getvalue())

    def send_signal(self, number: signal.Signals, process: str) -> None:
        """Send a signal to the processes of this name; the container needs a shell for that."""
        name = number.name.removeprefix("SIG")
        with speaking(f"{self.name}: sending {number.name} to {process}"):
            made = self._api.exec_create(
                self.id, ["/bin/sh", "-c", SEND, "sh", process, name], user="0"
            )
            said = self._api.exec_start(made["Id"])
            code = self._api.exec_inspect(made["Id"])["ExitCode"]
        if code:
            raise ServerError(
                f"{self.name}: {number.name} could not be sent to {process} (exit code {code}): "
                f"{said.decode(errors='replace').strip() or 'there is no such process'}"
            )

    def maps(self, process: str) -> list[str]:
        """Return the lines of `/proc/PID/maps` of the process of this name; none where that cannot be read.

        They are read inside: the process ids of the engine's computer need not be ours.
        """
        try:
            with speaking(f"{self.name}: looking at the libraries of {process}"):
                made = self._api.exec_create(self.id, ["/bin/sh", "-c", MAPS, "sh", process])
                said = self._api.exec_start(made["Id"])
        except ServerError:
            return []
        return str(said.decode(errors="replace")).splitlines()

    def freeze(self) -> None:
        """Stop the world for it, until `thaw`; its connections stay open."""
        wait_until(self._frozen, what=f"{self.name} to freeze")

    def _frozen(self) -> bool:
        try:
            with speaking(f"{self.name}: freezing the container"):
                self._api.pause(self.id)
        except ServerError as error:
            # runc gives up after some tries on a busy computer: its advice is to ask again.
            if "unable to freeze" not in str(error):
                raise
            return False
        return True

    def thaw(self) -> None:
        """Let it go on."""
        with speaking(f"{self.name}: thawing the container"):
            self._api.unpause(self.id)

    def cut_off(self) -> None:
        """Take it from the network: it runs on, and nobody reaches it."""
        with speaking(f"{self.name}: taking the container from its network"):
            self._api.disconnect_container_from_network(self.id, self._site.network)

    def reconnect(self) -> None:
        """Bring it back to the network."""
        with speaking(f"{self.name}: bringing the container back to its network"):
            self._api.connect_container_to_network(self.id, self._site.network)

    def stop(self, within: float) -> None:
        """End it by the signal that its image names, mostly SIGTERM; it is killed `within` seconds later."""
        with speaking(f"{self.name}: stopping the container"):
            self._api.stop(self.id, timeout=int(within))

    def kill(self) -> None:
        """End all its processes at once; nothing happens where it does not run."""
        if self._inspect()["State"]["Paused"]:
            self.thaw()  # the engine kills no frozen one
        try:
            with speaking(f"{self.name}: ending the container"):
                self._api.kill(self.id)
        except ServerError as error:
            if "is not running" not in str(error):
                raise
        with speaking(f"{self.name}: waiting for the end of the container"):
            self._api.wait(self.id)

    def remove(self) -> None:
        """Remove it with its volumes, running or not; nothing happens where it is gone."""
        remove(self._api.remove_container, self.id, v=True, force=True)

    def log_position(self) -> int:
        """Return the present time in nanoseconds: the engine finds log lines by their time."""
        return time.time_ns()

    def log_since(self, position: int) -> str:
        """Return what was logged from `position` on."""
        with speaking(f"{self.name}: reading its log"):
            said = self._api.logs(self.id, since=position / SECOND or None)
        return str(said.decode(errors="replace"))

    def _last_lines(self, position: int) -> str:
        lines = self.log_since(position).splitlines()[-LOG_LINES_SHOWN:]
        return "".join(f"\n    {line}" for line in lines) or "; it logged nothing"

    def _inspect(self) -> Any:
        with speaking(f"{self.name}: looking at the container"):
            return self._api.inspect_container(self.id)
