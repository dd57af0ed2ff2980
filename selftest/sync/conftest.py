"""The tests of `dcm.sync` use the servers of `dcm.net`."""

from net.conftest import orthanc_program

__all__ = ["orthanc_program"]
