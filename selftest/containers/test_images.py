"""Images of every form in which Orthanc is published, and an error for each unusable one."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.errors import ConfigError, ServerError, ServerNotReady
from harness.orthanc_plugins import Choice
from harness.servers.container_engine import connect
from harness.servers.container_site import ContainerSite
from harness.servers.guard import Guard
from harness.servers.product import Spec
from harness.servers.products.image import find as find_image

from .conftest import start_container
from .images import Images

if TYPE_CHECKING:
    from harness.servers.container_engine import Engine
    from harness.servers.locate import OrthancInstallation


@pytest.mark.parametrize("shape", ["plain", "orthanc_plugins", "orthancteam"])
def test_every_shape_is_started_with_our_configuration(
    engine: "Engine",
    images: Images,
    *,
    site: ContainerSite,
    guard: Guard,
    installation: "OrthancInstallation",
    shape: str,
) -> None:
    """The image's own files do not interfere, and the version is known before the start."""
    found = find_image(Spec(getattr(images, shape)()))
    server = start_container(found, site, guard)
    try:
        identity = server.identity
    finally:
        server.close()

    assert found.version == identity.version == installation.version
    assert found.plugins == ("/usr/share/orthanc/plugins",)
    assert (identity.ae_title, identity.image) == ("BOXED", found.image)


def test_an_image_that_is_deaf_to_configuration_is_told(
    engine: "Engine", images: Images, site: ContainerSite, guard: Guard
) -> None:
    """An entry point that reads other files would start a server other than the intended one."""
    with pytest.raises(ServerNotReady, match=r"without our configuration: .* in /etc/orthanc"):
        start_container(find_image(Spec(images.deaf())), site, guard)


def test_an_image_that_does_not_start_shows_its_last_words(
    engine: "Engine", images: Images, site: ContainerSite, guard: Guard
) -> None:
    """The end of the log is shown."""
    with pytest.raises(ServerNotReady, match=r"ended with exit code 3 .*\n    no licence found"):
        start_container(find_image(Spec(images.grumpy())), site, guard)


def test_an_image_without_orthanc_is_told(engine: "Engine", images: Images) -> None:
    """The error names an image that has it."""
    with pytest.raises(ConfigError, match=r"the image has no Orthanc .* orthancteam/orthanc"):
        find_image(Spec(images.without_orthanc()))


def test_an_image_that_cannot_be_pulled_is_told(engine: "Engine") -> None:
    """The registry's error is shown, with two ways to continue."""
    with pytest.raises(
        ConfigError, match=r"it is not available.*error.*docker images.*docker load"
    ):
        find_image(Spec("localhost:1/nothing:1"))


def test_a_name_that_is_none_is_told(engine: "Engine") -> None:
    """The engine's error is shown."""
    with pytest.raises(ConfigError, match=r"--image Not A Name.*invalid reference"):
        find_image(Spec("Not A Name"))


def test_plugins_are_looked_for_in_the_image(engine: "Engine", images: Images) -> None:
    """Paths are those of the image."""
    folder = "/usr/share/orthanc/plugins"
    assert find_image(Spec(images.plain(), Choice((Path(folder),)))).plugins == (folder,)
    with pytest.raises(ConfigError, match=r"--plugins /none: .*in the image dicom-harness"):
        find_image(Spec(images.plain(), Choice((Path("/none"),))))


def test_without_the_sdk_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK is only needed to run containers."""
    monkeypatch.setitem(sys.modules, "docker", None)
    with pytest.raises(ConfigError, match=r"pip install 'dicom-harness\[docker\]'"):
        connect()


def test_a_folder_called_docker_is_not_the_sdk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout has such a folder, and Python would take it for a package."""
    for name in [each for each in sys.modules if each.partition(".")[0] == "docker"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "__init__.py").touch()  # precedes the installed library
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ConfigError, match=r"dicom-harness\[docker\]"):
        connect()
    monkeypatch.delitem(sys.modules, "docker")


def test_a_daemon_that_is_down_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error has the address that was tried, and how to start the daemon."""
    pytest.importorskip("docker")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(
        ServerError, match=r"no Docker engine answers at unix://.*none\.sock .*: .*start it"
    ):
        connect()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_no_permission_is_told(engine: "Engine") -> None:
    """The error names the group that owns the socket."""
    code = """
import os
import docker.api.client
from harness.errors import ServerError
from harness.servers.container_engine import connect
os.setgroups([])
os.setuid(65534)
try:
    connect()
except ServerError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.startswith("no permission to use the Docker engine at unix://")
    assert "usermod -aG docker" in done.stdout
