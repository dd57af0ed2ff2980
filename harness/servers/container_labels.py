"""The ownership of containers and networks: labels to find what a lost run left behind."""

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import ServerError
from harness.servers.container_engine import (
    Engine,
    engine_address,
    is_not_found,
    own_container,
    speaking,
)
from harness.servers.guard import birth

RUN = "dicom-harness.run"
PROCESS = "dicom-harness.process"
"""Id and start time of the process that created it, and the namespace in which the id is valid."""
BOOT = "dicom-harness.boot"
CONTAINER = "dicom-harness.container"
"""The container in which that process runs, if it is in one."""


def new_labels(engine: Engine) -> dict[str, str]:
    """Return the labels for what this process is going to start; they identify a new run."""
    own = own_container(engine)
    labels = {RUN: uuid.uuid4().hex[:12], PROCESS: _process(os.getpid()), BOOT: _boot()}
    return labels if own is None else {**labels, CONTAINER: own}


def filter_of(labels: Mapping[str, str]) -> str:
    """Return the filter with which the engine finds what has these labels."""
    return f"{RUN}={labels[RUN]}"


def remove_run(engine: Engine, labels: Mapping[str, str]) -> None:
    """Remove the containers and networks of one run."""
    chosen = {"label": filter_of(labels)}
    with speaking("removing the containers of a run"):
        for each in engine.api.containers(all=True, filters=chosen):
            remove(engine.api.remove_container, each["Id"], v=True, force=True)
        for each in engine.api.networks(filters=chosen):
            remove(engine.api.remove_network, each["Id"])


def remove_orphans(engine: Engine) -> None:
    """Remove what was left behind by runs whose process has ended, and nothing else."""
    chosen = {"label": [RUN, PROCESS]}
    with speaking("looking for what earlier runs left behind"):
        found = engine.api.containers(all=True, filters=chosen)
        found += engine.api.networks(filters=chosen)
    for run in {each["Labels"][RUN]: each["Labels"] for each in found}.values():
        if _is_over(engine, run):
            remove_run(engine, run)


def _is_over(engine: Engine, labels: Mapping[str, str]) -> bool:
    """Return whether the process of `labels` has certainly ended; an unseen one may be alive."""
    if CONTAINER in labels and labels[CONTAINER] != own_container(engine):
        return not _runs(engine, labels[CONTAINER])
    if labels.get(BOOT) != _boot():
        # An engine with a Unix socket is on this computer, which has been restarted since.
        return engine_address().startswith("unix:")
    pid, _, namespace = labels[PROCESS].split()
    return namespace == _namespace() and labels[PROCESS] != _process(int(pid))


def _runs(engine: Engine, container: str) -> bool:
    try:
        with speaking("looking for the container of an earlier run"):
            return bool(engine.api.inspect_container(container)["State"]["Running"])
    except ServerError as error:
        if is_not_found(error):
            return False
        raise


def remove(remover: Any, name: str, **options: bool) -> None:
    """Remove something that another process, such as a guard, may be removing at this moment."""
    try:
        with speaking(f"removing {name[:12]}"):
            remover(name, **options)
    except ServerError as error:
        if not (is_not_found(error) or "already in progress" in str(error)):
            raise


def _process(pid: int) -> str:
    return f"{pid} {birth(pid)} {_namespace()}"


def _namespace() -> str:
    return str(Path("/proc/self/ns/pid").readlink())


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
