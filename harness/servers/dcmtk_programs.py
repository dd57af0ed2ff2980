"""The programs of dcmtk that are servers: found like those that are clients, past others of the same name."""

from collections.abc import Callable

from harness.errors import ServerNotFound
from harness.model import Version
from harness.programs import find_tool, version_of
from harness.servers.adapter import Adapter
from harness.servers.product import Build, Role


def find_program(name: str, make: Callable[[Role, Build], Adapter]) -> Build:
    """Find a program of dcmtk. Raises ServerNotFound where it is missing."""
    program = find_tool(name)
    if program is None:
        raise ServerNotFound(
            f"--remote {name}: dcmtk is not installed, which {name} is a part of: apt-get install dcmtk"
        )
    return Build(name, version_of(program) or Version("unknown"), make, executable=program)
