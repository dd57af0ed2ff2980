"""Runs a server in a container of an image."""

import contextlib
import shlex
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import ServerError
from harness.model import Endpoint, Port, Version
from harness.servers.backtrace import in_log
from harness.servers.container import Container
from harness.servers.container_engine import Engine, own_container, speaking
from harness.servers.launcher import DATA, FAREWELL, Launch, Seat
from harness.servers.libraries import libraries_in
from harness.servers.product import Build, Role

PORTS = {"dicom": Port(4242), "http": Port(8042)}  # always free in its own container
PLACE = Path("/harness")
TO_CONNECT = 2.0
"""Seconds to connect to a server in a container on this computer."""
SCRIPT = PLACE / "launch"
"""The script that a container runs; each start rewrites it, as a container's command is fixed."""


class ContainerLauncher:
    """Runs a server in one container, which is restarted after it ended."""

    ours = True
    pid: int | None = None
    folder: Path | None = None

    def __init__(self, build: Build, role: Role, *, with_worklists: bool) -> None:
        """Prepare it. Raises ServerError if `role` has no network for containers."""
        if role.site is None:
            raise ServerError(f"no network for starting {build.image}")
        self.name = f"{role.name} {build.product}"
        self._site, self._limits = role.site, build.limits
        self.worklists: Path | None = None
        self._shared: list[Any] = []
        if with_worklists:
            folder = Path(tempfile.mkdtemp(prefix="harness-worklists-"))
            role.guard.watch_folder(folder)
            mount = _shared(self._site.engine, folder)
            if mount is not None:  # else the engine cannot see it
                self._shared, self.worklists = [mount], folder
        self._container: Container | None = None
        self._before: list[Container] = []
        """Ended containers of other images; the first of them created the data volume."""
        self._starts = 0
        self.change(build)

    def change(self, build: Build) -> None:
        """Run another image from the next start on, with the same folder."""
        if build.image_id is None:
            raise ServerError(f"{self.name}: a process cannot use the data of a container")
        if self._container is not None:
            self._before.append(self._container)
            self._container = None
        self._image, self._program = build.image_id, build.process or build.product
        covers = [_mount(path, None, type="volume", no_copy=True) for path in build.covered]
        self._mounts = [*covers, *self._shared]

    def seat(self, doors: Sequence[str], *, keep: bool) -> Seat:
        """Choose another folder in the container for each start that must be empty."""
        if not keep:
            self._starts += 1
            for file in self.worklists.iterdir() if self.worklists else ():
                file.unlink()
        ports = {door: PORTS[door] for door in doors}
        return Seat(PLACE / str(self._starts), ports, self.worklists, kept=keep)

    def start(self, launch: Launch, *, ready: Callable[[], bool]) -> None:
        """Write the files into the container, start it, and wait until the server is ready."""
        here = PLACE / str(self._starts)
        files = {str(here / name): content for name, content in launch.files.items()}
        entry = None
        if launch.argv is not None:
            files[str(SCRIPT)] = f"cd {here} && exec {shlex.join(launch.argv)}\n".encode()
            entry = ("/bin/sh", str(SCRIPT))
        if self._container is None:
            data = _data(self._before)
            if self._before:
                self._open(data)
            self._container = Container(
                self.name, self._site, self._image, entry=entry,
                environment=launch.environment, limits=self._limits,
                mounts=[data, *self._mounts],
            )  # fmt: skip
        self._container.put(files, folders=[str(each) for each in (PLACE, here, here / DATA)])
        self._container.start(ready=ready)

    def _open(self, data: Any) -> None:
        """Make the data of the earlier servers writable for all: each image has its own user."""
        entry = ("/bin/chmod", "-R", "a+rwX", str(PLACE))
        name = f"{self.name}: giving another image access to the data"
        helper = Container(name, self._site, self._image, entry=entry, mounts=[data], user="0")
        try:
            helper.run()
        finally:
            helper.remove()

    def endpoints(self, ports: Mapping[str, Port]) -> Mapping[str, Endpoint] | None:
        """Return its ports at the address from the engine, which may change with each start."""
        address = None if self._container is None else self._container.address
        if address is None:
            return None
        return {door: Endpoint(address, port) for door, port in ports.items()}

    def listens(self, ports: Mapping[str, Port]) -> bool:
        """Return whether all ports accept connections: in a container only the server has them."""
        doors = self.endpoints(ports)
        if doors is None:
            return False
        with contextlib.suppress(OSError):
            for each in doors.values():
                socket.create_connection((each.host, each.port), timeout=TO_CONNECT).close()
            return True
        return False

    def ended(self) -> str | None:
        """Describe how the container ended; None while it runs."""
        return "is not running" if self._container is None else self._container.ended()

    def stop(self) -> None:
        """Stop the container."""
        self.container.stop(FAREWELL)

    def kill(self) -> None:
        """Kill all its processes."""
        if self._container is not None:
            self._container.kill()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the server inside."""
        self.container.send_signal(number, self._program)

    def freeze(self) -> None:
        """Suspend the container until `thaw`."""
        self.container.freeze()

    def thaw(self) -> None:
        """Resume the container."""
        self.container.thaw()

    @property
    def container(self) -> Container:
        """The container itself. Raises ServerError before the first start."""
        if self._container is None:
            raise ServerError(f"{self.name} has not been started")
        return self._container

    def backtrace(self) -> str:
        """Return what a sanitizer printed about a crash; a container's core is out of reach."""
        return in_log(self.log_since(0))

    def libraries(self) -> Mapping[str, Version]:
        """Return the libraries that the server has loaded."""
        return libraries_in(self.container.maps(self._program))

    def log_position(self) -> int:
        """Return the position in the log at which the next line will be written."""
        return self.container.log_position()

    def log_since(self, position: int) -> str:
        """Return the log from `position` on."""
        return self.container.log_since(position)

    def close(self) -> None:
        """Remove the container with everything in it, and the worklist folder."""
        for each in (self._container, *reversed(self._before)):
            if each is not None:
                each.remove()
        if self.worklists is not None:
            shutil.rmtree(self.worklists, ignore_errors=True)


def _mount(target: Path | str, source: Path | str | None, **options: Any) -> Any:
    from docker.types import Mount  # noqa: PLC0415 - an optional dependency

    return Mount(str(target), None if source is None else str(source), **options)


def _data(before: Sequence[Container]) -> Any:
    """Return the mount for the data: the volume of the earlier containers, or a new unnamed one."""
    return _mount(PLACE, before[0].volume(str(PLACE)) if before else None, type="volume")


def _shared(engine: Engine, folder: Path) -> Any:
    """Mount a folder of ours at the same path in a container; None if the engine cannot see it.

    If we run in a container, the engine sees only what was mounted into that one.
    """
    folder.chmod(0o755)  # the server may run as any user
    own = own_container(engine)
    if own is None:
        return _mount(folder, folder, type="bind", read_only=True)
    with speaking("looking at our own mounts"):
        mounts = engine.api.inspect_container(own)["Mounts"]
    for each in sorted(mounts, key=lambda one: -len(one["Destination"])):
        if not folder.is_relative_to(each["Destination"]):
            continue
        if each["Type"] == "bind":
            source = Path(each["Source"]) / folder.relative_to(each["Destination"])
            return _mount(folder, source, type="bind", read_only=True)
        if each["Type"] == "volume":
            return _mount(each["Destination"], each["Name"], type="volume", read_only=True)
    return None
