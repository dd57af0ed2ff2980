"""Features of containers only: limits, a separate network, labels for finding leftovers."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from harness.servers.container import ContainerLimits
from harness.servers.container_labels import new_labels, remove_orphans, remove_run
from harness.servers.container_site import ContainerSite
from harness.servers.guard import Guard
from harness.servers.product import Build
from harness.waiting import wait_until

from .conftest import rest_of, start_container

if TYPE_CHECKING:
    from harness.servers.container_engine import Engine

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_limits_are_kept_and_a_death_for_want_of_memory_is_told(
    engine: "Engine", image: Build, site: ContainerSite, guard: Guard
) -> None:
    """A server that the kernel killed for its memory use is not reported as a plain crash."""
    server = start_container(image, site, guard, ContainerLimits(memory="128m", cpus=0.5))
    try:
        limits = engine.api.inspect_container(server.launcher.container.id)["HostConfig"]
        with rest_of(server) as client, suppress(AssertionError):
            client.post("/tools/execute-script", "big = string.rep('x', 256 * 1024 * 1024)")

        died = wait_until(server.died, what="its end")
    finally:
        server.close()
    assert died == "died of SIGKILL because it ran out of memory: it reached the limit of 128 MB"
    assert limits["NanoCpus"] == 500_000_000


def test_a_server_that_is_cut_off_is_alive_and_out_of_reach(
    image: Build, site: ContainerSite, guard: Guard
) -> None:
    """Disconnected from the network it does not answer; reconnected it does."""
    server = start_container(image, site, guard)
    container = server.launcher.container
    try:
        container.cut_off()
        assert server.died() is None
        assert server.trouble() == "no longer answers"
        container.reconnect()
        assert server.find_again()
        wait_until(lambda: server.trouble() is None, what="it to answer again")
    finally:
        server.close()


def test_nothing_is_left(engine: "Engine", image: Build, guard: Guard) -> None:
    """Container, volume and network go with the site, even if the server was not closed."""
    with ContainerSite(guard) as site:
        start_container(image, site, guard)
        assert len(_of(engine, site.labels, "containers")) == 1
        volumes = _volumes(engine, site)
        assert volumes

    assert _of(engine, site.labels, "containers") == _of(engine, site.labels, "networks") == []
    assert volumes & {each["Name"] for each in engine.api.volumes()["Volumes"] or []} == set()


def test_the_guard_removes_what_a_lost_process_left(engine: "Engine", image: Build) -> None:
    """When the pipe to the guard closes, containers and networks are removed at once."""
    guard = Guard()
    with ContainerSite(guard) as site:
        start_container(image, site, guard)
        guard.close()

        assert _of(engine, site.labels, "containers") == _of(engine, site.labels, "networks") == []


@pytest.fixture
def lost(engine: "Engine", image: Build) -> Iterator[dict[str, str]]:
    """The labels of a container and a network whose process ended without cleaning up."""
    code = """
from harness.servers.container_engine import connect
from harness.servers.container_labels import new_labels
import sys, json
engine = connect()
labels = new_labels(engine)
engine.api.create_network("dicom-harness-selftest", labels=labels)
engine.api.create_container(sys.argv[1], ["Orthanc"], labels=labels)
print(json.dumps(labels))
engine.close()
"""
    argv = [sys.executable, "-c", code, image.image_id]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    labels: dict[str, str] = json.loads(said.stdout)
    yield labels
    remove_run(engine, labels)


def test_a_later_start_removes_what_is_over_and_nothing_else(
    engine: "Engine", image: Build, lost: dict[str, str]
) -> None:
    """Owners are a dead process, a live one, an invisible one, another container, and none."""
    ours = new_labels(engine)
    unseen = {**ours, "dicom-harness.run": "unseen", "dicom-harness.process": "1 2 pid:[3]"}
    boxed = {**unseen, "dicom-harness.run": "boxed", "dicom-harness.container": "0" * 64}
    foreign = {"dicom-harness.run": "foreign"}  # not made by us: it names no process
    with ExitStack() as stack:
        for labels in (ours, unseen, boxed, foreign):
            made = engine.api.create_container(image.image_id, ["Orthanc"], labels=labels)["Id"]
            stack.callback(_remove_if_there, engine, made)
        remove_orphans(engine)

        left = {each["dicom-harness.run"] for each in _labels(engine)}
        runs = {each["dicom-harness.run"] for each in (ours, unseen, foreign)}
    assert runs <= left
    assert not {lost["dicom-harness.run"], "boxed"} & left


@as_root
def test_containers_out_of_reach_are_told(image: Build) -> None:
    """An engine whose networks are not on this computer, as in a virtual machine, is reported."""
    code = """
from harness.errors import ServerError
from harness.servers.container_site import ContainerSite
from harness.servers.guard import Guard
with Guard() as guard:
    try:
        ContainerSite(guard).__enter__()
    except ServerError as error:
        print(error)
"""
    alone = 'ip link set lo up && exec "$0" -c "$1"'
    argv = ["unshare", "--net", "sh", "-c", alone, sys.executable, code]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)

    assert (
        "its containers cannot be reached from here: run the harness in a container" in done.stdout
    )


def test_a_daemon_that_goes_away_is_told(image: Build, site: ContainerSite, guard: Guard) -> None:
    """A server whose engine no longer answers is lost, and the engine is named as the reason."""
    server = start_container(image, site, guard)
    api, address = site.engine.api, site.engine.api.base_url
    try:
        api.base_url = "http+docker://localhost.invalid/nowhere"
        died = server.died()
    finally:
        api.base_url = address
        server.close()

    assert died is not None
    assert died.startswith("is lost (remote Orthanc: looking at the container: ")


def _of(engine: "Engine", labels: dict[str, str], kind: str) -> list[str]:
    options = {"all": True} if kind == "containers" else {}
    chosen = {"label": f"dicom-harness.run={labels['dicom-harness.run']}"}
    return [each["Id"] for each in getattr(engine.api, kind)(filters=chosen, **options)]


def _labels(engine: "Engine") -> list[dict[str, str]]:
    chosen = {"label": "dicom-harness.run"}
    return [each["Labels"] for each in engine.api.containers(all=True, filters=chosen)] + [
        each["Labels"] for each in engine.api.networks(filters=chosen)
    ]


def _volumes(engine: "Engine", site: ContainerSite) -> set[str]:
    (made,) = _of(engine, site.labels, "containers")
    mounts = engine.api.inspect_container(made)["Mounts"]
    return {each["Name"] for each in mounts if each["Type"] == "volume"}


def _remove_if_there(engine: "Engine", container: str) -> None:
    import docker  # noqa: PLC0415

    with suppress(docker.errors.NotFound):
        engine.api.remove_container(container, force=True)
