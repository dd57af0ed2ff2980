"""Starts a build in a role, by the launcher that suits it."""

from harness.errors import ServerError
from harness.servers.container_launcher import ContainerLauncher
from harness.servers.deployment import Deployment
from harness.servers.launcher import Launcher
from harness.servers.process import ProcessLauncher
from harness.servers.product import Build, Role


def deploy(build: Build, role: Role) -> Deployment:
    """Start it, empty. Raises ServerNotReady with what it said if it does not come up."""
    adapter = build.make(role, build)
    return Deployment(adapter, _launcher(build, role, with_worklists=adapter.has_worklists))


def _launcher(build: Build, role: Role, *, with_worklists: bool) -> Launcher:
    if build.image_id is None:
        return ProcessLauncher(
            role.name, build.product, role.guard, root=build.root, with_worklists=with_worklists
        )
    if role.site is None:
        raise ServerError(f"there is no network to start {build.image} in")
    return ContainerLauncher(
        role.name,
        build.product,
        role.site,
        build.image_id,
        role.guard,
        process=build.process or build.product,
        covered=build.covered,
        with_worklists=with_worklists,
        limits=build.limits,
    )
