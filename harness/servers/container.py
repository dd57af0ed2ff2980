"""A server in a container: created, started, inspected, disturbed, ended; the engine logs it."""

import contextlib
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
from harness.servers.launcher import await_ready
from harness.waiting import WaitTimeout, wait_until

SECOND = 1_000_000_000  # nanoseconds
KILLED = 128 + signal.SIGKILL
"""The exit code of a container whose process died of SIGKILL."""
# The init forwards only some signals, and an entry point may be between it and the server.
SEND = """
for folder in /proc/[0-9]*; do
  read -r name < "$folder/comm" && [ "$name" = "$1" ] && kill -"$2" "${folder#/proc/}" && sent=yes
done
[ "$sent" = yes ]
"""
# The files that a process has loaded, read with the shell alone.
MAPS = """
for folder in /proc/[0-9]*; do
  read -r name < "$folder/comm" && [ "$name" = "$1" ] || continue
  while read -r line; do echo "$line"; done < "$folder/maps" && exit
done
"""


@dataclass(frozen=True)
class ContainerLimits:
    """Resource limits of a container; None means no limit."""

    memory: str | None = None
    """Bytes, or a number with one of the suffixes b, k, m, g. The limit includes swap."""
    cpus: float | None = None


class Container:
    """One container, which can be restarted after it ended; its log and limits persist."""

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
        """Create it. `entry` and `user` override the program and the user of the image."""
        self.name = name
        self._site = site
        self._api = site.engine.api
        with speaking(f"{name}: creating a container from {image}"):
            host = self._api.create_host_config(
                init=True,  # a process with id 1 would not die of a signal such as SIGSEGV
                mounts=list(mounts),
                mem_limit=limits.memory,
                memswap_limit=limits.memory,
                nano_cpus=None if limits.cpus is None else int(limits.cpus * SECOND),
                network_mode=site.network,
                log_config={"Type": "json-file"},  # whatever the engine's default is
            )
            self.id: str = self._api.create_container(
                image,
                entrypoint=None if entry is None else list(entry),
                environment=dict(environment or {}),
                user=user,
                labels=site.labels,
                host_config=host,
            )["Id"]

    def start(self, *, ready: Callable[[], bool]) -> None:
        """Start it and wait until it is alive and `ready()` returns true.

        Raises ServerNotReady with the last lines of the log if it ends, or is not ready in time.
        """
        begin = self.log_position()
        try:
            self._ask("starting the container", self._api.start)
        except ServerError as error:
            raise ServerNotReady(str(error)) from error
        await_ready(self, ready, begin=begin)

    def run(self) -> None:
        """Start it and wait for its end. Raises ServerError if the exit code is not 0."""
        begin = self.log_position()
        self._ask("running a container to its end", self._api.start)
        code = self._ask("waiting for the end of the container", self._api.wait)["StatusCode"]
        if code:
            said = self.log_since(begin).strip()
            raise ServerError(f"{self.name} ended with exit code {code}: {said or 'no output'}")

    @property
    def address(self) -> str | None:
        """Its address in the network of the site, which may change with each start.

        None if it is not running, or is cut off.
        """
        networks = self._inspect()["NetworkSettings"]["Networks"].values()
        found = (each["IPAddress"] for each in networks if each["NetworkID"] == self._site.network)
        return next(found, None) or None

    def volume(self, path: str) -> str:
        """Return the name of the volume that is mounted at `path`."""
        mounts = self._inspect()["Mounts"]
        return next(str(each["Name"]) for each in mounts if each["Destination"] == path)

    def ended(self) -> str | None:
        """Describe how it ended; None while it runs."""
        try:
            inspected = self._inspect()
        except ServerError as error:
            return f"is lost ({error})"
        state = inspected["State"]
        if state["Running"]:
            return None
        if state["Status"] == "created":
            return "is not running"
        limit = inspected["HostConfig"]["Memory"]
        if limit and state["ExitCode"] == KILLED and not state["OOMKilled"]:
            # The engine may learn slightly later that the kernel killed it for its memory.
            with contextlib.suppress(WaitTimeout):
                wait_until(
                    lambda: self._inspect()["State"]["OOMKilled"], what="the cause", within=0.5
                )
                state["OOMKilled"] = True
        if state["OOMKilled"]:
            allowed = f" of {limit / 2**20:g} MB" if limit else " of the computer"
            return f"died of SIGKILL because it ran out of memory: it reached the limit{allowed}"
        code = state["ExitCode"]
        if code - 128 in set(signal.Signals):
            return f"died of {signal.Signals(code - 128).name}"
        return f"ended with exit code {code}"

    def put(self, files: Mapping[str, bytes], folders: Sequence[str] = ()) -> None:
        """Write files, and create folders that any user may write to, whether it runs or not.

        They go through the engine, which need not see our file system.
        """
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for folder in folders:
                entry = tarfile.TarInfo(folder.lstrip("/"))
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
                tar.addfile(entry)
            for path, content in files.items():
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size, entry.mode = len(content), 0o444  # readable by any user
                tar.addfile(entry, io.BytesIO(content))
        content = archive.getvalue()
        self._ask("writing files into the container", self._api.put_archive, "/", content)

    def send_signal(self, number: signal.Signals, process: str) -> None:
        """Send a signal to the processes of this name; the container needs a shell for that."""
        name = number.name.removeprefix("SIG")
        doing = f"sending {number.name} to {process}"
        said, code = self._shell(doing, SEND, process, name, user="0")
        if code:
            raise ServerError(
                f"{self.name}: {number.name} could not be sent to {process} (exit code {code}): "
                f"{said.strip() or 'no such process'}"
            )

    def maps(self, process: str) -> list[str]:
        """Return the lines of `/proc/PID/maps` of the process of this name, [] if unreadable.

        They are read inside: the process ids on the engine's computer may differ from ours.
        """
        with contextlib.suppress(ServerError):
            said, _ = self._shell(f"looking at the libraries of {process}", MAPS, process)
            return said.splitlines()
        return []

    def freeze(self) -> None:
        """Suspend it until `thaw`; its connections stay open."""
        wait_until(self._frozen, what=f"{self.name} to freeze")

    def _frozen(self) -> bool:
        # runc gives up after some attempts on a busy computer, and advises to try again.
        return self._ask_unless("unable to freeze", "freezing the container", self._api.pause)

    def thaw(self) -> None:
        """Resume it."""
        self._ask("thawing the container", self._api.unpause)

    def cut_off(self) -> None:
        """Disconnect it from the network: it keeps running, but is unreachable."""
        leave = self._api.disconnect_container_from_network
        self._ask("taking the container from its network", leave, self._site.network)

    def reconnect(self) -> None:
        """Reconnect it to the network."""
        join = self._api.connect_container_to_network
        self._ask("bringing the container back to its network", join, self._site.network)

    def stop(self, within: float) -> None:
        """End it with its image's stop signal, usually SIGTERM; kill it `within` seconds later."""
        self._ask("stopping the container", self._api.stop, timeout=int(within))

    def kill(self) -> None:
        """Kill all its processes; do nothing if it is not running."""
        if self._inspect()["State"]["Paused"]:
            self.thaw()  # the engine cannot kill a frozen container
        self._ask_unless("is not running", "ending the container", self._api.kill)
        self._ask("waiting for the end of the container", self._api.wait)

    def remove(self) -> None:
        """Remove it with its volumes, running or not; do nothing if it is gone."""
        remove(self._api.remove_container, self.id, v=True, force=True)

    def log_position(self) -> int:
        """Return the current time in nanoseconds: the engine selects log lines by time."""
        return time.time_ns()

    def log_since(self, position: int) -> str:
        """Return the log from `position` on."""
        said = self._ask("reading its log", self._api.logs, since=position / SECOND or None)
        return str(said.decode(errors="replace"))

    def _inspect(self) -> Any:
        return self._ask("looking at the container", self._api.inspect_container)

    def _shell(self, doing: str, script: str, *words: str, **options: str) -> tuple[str, int]:
        """Run a shell script in it; return its output and its exit code."""
        argv = ["/bin/sh", "-c", script, "sh", *words]
        made = self._ask(doing, self._api.exec_create, argv, **options)["Id"]
        with speaking(f"{self.name}: {doing}"):
            said = self._api.exec_start(made).decode(errors="replace")
            return said, self._api.exec_inspect(made)["ExitCode"]

    def _ask(self, doing: str, request: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Make a request about this container to the engine. Raises ServerError if it fails."""
        with speaking(f"{self.name}: {doing}"):
            return request(self.id, *args, **options)

    def _ask_unless(self, refusal: str, doing: str, request: Callable[..., Any]) -> bool:
        """Make a request; return False if it is refused with this text."""
        try:
            self._ask(doing, request)
        except ServerError as error:
            if refusal not in str(error):
                raise
            return False
        return True
