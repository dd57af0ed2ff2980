"""Shared by the tests of routes."""

from net.conftest import orthanc_node, orthanc_program

__all__ = ["orthanc_node", "orthanc_program"]
