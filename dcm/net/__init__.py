"""DICOM networking on asyncio.

local = LocalEntity("WORKSTATION")
asyncio.run(local.echo("mypacs.org:MYPACS:11112"))
"""

from dcm.net.entity import LocalEntity, Stream
from dcm.net.limits import TimeLimits
from dcm.net.node import DcmNode
from dcm.net.remote import Listen, Remote
from dcm.net.tls import Tls

__all__ = ["DcmNode", "Listen", "LocalEntity", "Remote", "Stream", "TimeLimits", "Tls"]
