"""An Orthanc in a container, from an image."""

import contextlib
import tempfile
from pathlib import Path

from harness.errors import ServerError
from harness.servers.container_engine import connect
from harness.servers.container_image import find_image
from harness.servers.container_orthanc import OrthancContainer
from harness.servers.orthanc_setup import configure_for
from harness.servers.product import Asked, Found, Product, Role


def find(asked: Asked) -> Found:
    """Find the image, or pull it, and look into it."""
    plugins = None if asked.plugins is None else [str(path) for path in asked.plugins]
    with contextlib.closing(connect()) as engine:
        image = find_image(engine, asked.argument or "", plugins)

    def make(role: Role, _: Found) -> OrthancContainer:
        if role.site is None:
            raise ServerError(f"there is no network to start {image.name} in")
        return OrthancContainer(
            role.name,
            image,
            configure_for(role, image.plugins, asked.overrides),
            site=role.site,
            ae_title=role.ae_title,
            credentials=role.itself.credentials,
            worklists=_worklists(role),
            limits=asked.limits,
        )

    return Found("Orthanc", image.version, make, rest=True, image=image.name, notes=asked.notes)


def _worklists(role: Role) -> Path | None:
    """Make a folder that the container can look into; the guard removes it."""
    if role.name != "remote":
        return None
    folder = Path(tempfile.mkdtemp(prefix="harness-worklists-"))
    role.guard.watch_folder(folder)
    return folder


PRODUCT = Product(
    "Orthanc in a container of this image",
    find,
    argument=":NAME",
    heeds=frozenset({"--plugins", "--with", "--memory"}),
)
