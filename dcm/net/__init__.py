"""DICOM networking on asyncio.

local = LocalEntity(DcmNode("0.0.0.0", "LOCALAE", 11112))
asyncio.run(local.echo(DcmNode.parse("mypacs.org:MYPACS:11112")))
"""

from dcm.net.entity import LocalEntity
from dcm.net.limits import TimeLimits
from dcm.net.node import DcmNode
from dcm.net.tls import Tls

__all__ = ["DcmNode", "LocalEntity", "TimeLimits", "Tls"]
