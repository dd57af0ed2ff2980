"""The programs of dcmtk that are servers: found like those that are clients, past others of the same name."""

from collections.abc import Callable

from harness.errors import ServerNotFound
from harness.model import Version
from harness.programs import find_tool, version_of
from harness.servers.base import Server
from harness.servers.product import Found, Role


def find_program(name: str, make: Callable[[Role, Found], Server]) -> Found:
    """Find a program of dcmtk. Raises ServerNotFound where it is missing."""
    program = find_tool(name)
    if program is None:
        raise ServerNotFound(
            f"--remote {name}: dcmtk is not installed, which {name} is a part of: apt-get install dcmtk"
        )
    return Found(name, version_of(program) or Version("unknown"), make, executable=program)
