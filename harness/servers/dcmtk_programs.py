"""The programs of dcmtk that are servers: found like those that are clients, past others of the same name."""

from collections.abc import Callable

from harness.errors import ServerNotFound
from harness.model import Version
from harness.programs import find_tool, version_of
from harness.servers.adapter import Adapter
from harness.servers.container_image import find_program_in
from harness.servers.product import Build, Role, Spec


def find_program(name: str, make: Callable[[Role, Build], Adapter], asked: Spec) -> Build:
    """Find a program of dcmtk, here or in an image. Raises ServerNotFound where it is missing."""
    if asked.image is not None:
        found = find_program_in(asked.image, name, (name, "--version"), r"\bv(\d+(?:\.\d+)+)")
        return Build(name, make=make, limits=asked.limits, **found)
    program = find_tool(name)
    if program is None:
        raise ServerNotFound(
            f"--remote {name}: dcmtk is not installed, which {name} is a part of: apt-get install dcmtk"
        )
    return Build(name, version_of(program) or Version("unknown"), make, executable=program)
