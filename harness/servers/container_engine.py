"""Connects to the Docker engine, and reports its errors in sentences.

The SDK is imported on first use, so it is needed only to run containers.
"""

import contextlib
import os
import re
import socket
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests

from harness.errors import ConfigError, ServerError

SOCKET = "/var/run/docker.sock"
OWN_FILES = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
"""Files that Docker mounts into each container, from a folder named after its id."""
TIME_LIMIT = 60.0  # seconds for one request; pulling an image reports progress

Engine = Any
"""A `docker.DockerClient`; the SDK has no types."""


def connect() -> Engine:
    """Connect to the engine named by DOCKER_HOST, else to the one on this computer.

    Raises ConfigError if the SDK is missing, ServerError if no engine is accessible.
    """
    try:
        # Not `docker` alone: in a checkout a folder of that name would be imported.
        import docker.errors  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise ConfigError(
            "servers in containers need the Docker SDK for Python: pip install 'dicom-harness[docker]'"
        ) from error
    address = engine_address()
    try:
        if address.startswith("unix://"):
            # The SDK hides in a text why it could not connect.
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(TIME_LIMIT)
                probe.connect(address.removeprefix("unix://"))
        return docker.from_env(timeout=TIME_LIMIT)
    except PermissionError as error:
        raise ServerError(
            f"no permission to use the Docker engine at {address}: an administrator can add you to the "
            "group that owns the socket (mostly `usermod -aG docker USER`, then log in again)"
        ) from error
    except OSError as error:
        raise ServerError(
            f"no Docker engine answers at {address} ({error.strerror}): install Docker or start it "
            "(`systemctl start docker`), or set DOCKER_HOST to its address"
        ) from error
    except docker.errors.DockerException as error:
        raise ServerError(f"the Docker engine at {address} cannot be used: {error}") from error


def engine_address() -> str:
    """Return the address of the engine: DOCKER_HOST, or the usual socket."""
    return os.environ.get("DOCKER_HOST") or f"unix://{SOCKET}"


def own_container(engine: Engine) -> str | None:
    """Return the id of the container that we run in, or None if `engine` does not know it.

    A container has files from a folder named after its id, for example its host name.
    """
    for found in own_ids(Path("/proc/self/mountinfo").read_text()):
        try:
            with speaking("looking for our own container"):
                return str(engine.api.inspect_container(found)["Id"])
        except ServerError as error:
            if not is_not_found(error):
                raise
    return None


def own_ids(mounts: str) -> Iterable[str]:
    """Return the ids in the folder names of our own `/etc/hostname` and similar files.

    `mounts` is /proc/self/mountinfo, whose fourth and fifth field are root and mount point
    (proc(5)). While files are copied into another container, Docker 20.10 mounts that container's
    files too, below the folder of its file system, where every process of the host sees them.
    """
    fields = [line.split() for line in mounts.splitlines()]
    roots = [each[3] for each in fields if each[4] in OWN_FILES]
    found = (re.search(r"/containers/([0-9a-f]{64})/", root) for root in roots)
    return dict.fromkeys(each[1] for each in found if each is not None)


@contextlib.contextmanager
def speaking(doing: str) -> Iterator[None]:
    """Turn an error from the engine, or its silence, into a ServerError naming the operation."""
    import docker  # noqa: PLC0415

    try:
        yield
    except docker.errors.APIError as error:
        raise ServerError(f"{doing}: error from the Docker engine: {_said(error)}") from error
    except docker.errors.DockerException as error:
        raise ServerError(f"{doing}: {error}") from error
    except requests.RequestException as error:
        raise ServerError(
            f"{doing}: the Docker engine at {engine_address()} no longer answers ({error})"
        ) from error


def is_not_found(error: ServerError) -> bool:
    """Return whether the engine refused because the object does not exist."""
    return getattr(error.__cause__, "status_code", None) == HTTPStatus.NOT_FOUND


def _said(error: Any) -> str:
    text = str(error.explanation or error).strip()
    if "no space left on device" in text:
        text += "; free some space, for instance with `docker system prune`"
    return text
