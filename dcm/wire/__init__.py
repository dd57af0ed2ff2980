"""The DICOM protocol without I/O: bytes in, events out; events in, bytes out.

No socket, thread, clock, file or logging. `Connection` is one association seen from one side. `build` and
`parse` are for single PDUs, `build_message` and `parse_message` for single command sets. `Framer` splits a
recorded stream into PDUs. `dcm.wire.raw` builds what the standard forbids.

All public names of these modules can be imported from here.
"""

from dcm.wire.codec import *
from dcm.wire.connection import *
from dcm.wire.dimse import *
from dcm.wire.dimse_codec import *
from dcm.wire.events import *
from dcm.wire.framing import *
from dcm.wire.items import *
from dcm.wire.limits import *
from dcm.wire.message_writer import *
from dcm.wire.negotiation import *
from dcm.wire.pdu import *
from dcm.wire.state import *
from dcm.wire.status import *
from dcm.wire.user_items import *
from dcm.wire.values import *
