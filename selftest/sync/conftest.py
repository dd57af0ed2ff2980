"""The servers that tests of `dcm.sync` use are those of `dcm.net`."""

from net.conftest import orthanc_program

__all__ = ["orthanc_program"]
