"""The server programs of dcmtk: found like its clients, skipping others of the same name."""

from harness.errors import ServerNotFound
from harness.model import Version
from harness.programs import find_tool, version_of
from harness.servers.adapter import Adapter
from harness.servers.container_image import find_program_in
from harness.servers.product import Build, Spec


def find_program(name: str, make: type[Adapter], asked: Spec) -> Build:
    """Find a program of dcmtk, here or in an image. Raises ServerNotFound if it is missing."""
    if asked.image is not None:
        pattern = r"\bv(\d+(?:\.\d+)+)"
        return find_program_in(asked, name, make, (name, "--version"), pattern=pattern)
    program = find_tool(name)
    if program is None:
        raise ServerNotFound(
            f"--remote {name}: dcmtk, which contains {name}, is not installed: apt-get install dcmtk"
        )
    return Build(name, version_of(program) or Version("unknown"), make, executable=program)
