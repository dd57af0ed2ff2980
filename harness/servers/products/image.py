"""An Orthanc in a container, from an image."""

import contextlib
import functools

from harness.servers.container_engine import connect
from harness.servers.container_image import CONFIGURATION, find_image
from harness.servers.orthanc import Orthanc
from harness.servers.product import Build, Product, Spec


def find(asked: Spec) -> Build:
    """Find the image, or pull it, and look into it."""
    plugins = None if asked.plugins is None else [str(path) for path in asked.plugins]
    with contextlib.closing(connect()) as engine:
        image = find_image(engine, asked.argument or "", plugins)
    make = functools.partial(
        Orthanc,
        command=image.command,
        plugins=image.plugins,
        overrides=asked.overrides,
        configuration=f"{CONFIGURATION}/orthanc.json",
    )
    return Build(
        "Orthanc", image.version, make, rest=True, image=image.name, image_id=image.id,
        covered=(CONFIGURATION,), limits=asked.limits, notes=asked.notes,
    )  # fmt: skip


PRODUCT = Product(
    "Orthanc in a container of this image",
    find,
    argument=":NAME",
    heeds=frozenset({"--plugins", "--with", "--memory", "tls"}),
)
