"""dcmtk's archive, `dcmqrscp`: the strictest of the small ones about query levels and titles."""

import functools
from collections.abc import Sequence

from pydicom.uid import AllTransferSyntaxes
from pynetdicom import StoragePresentationContexts
from pynetdicom.sop_class import Verification

from harness.clients.dimse import FIND, GET, MOVE, NATIVE
from harness.servers.adapter import ENVIRONMENT, Adapter
from harness.servers.capabilities import COMPRESSED, DIMSE_ARCHIVE
from harness.servers.dcmtk_programs import find_program
from harness.servers.launcher import DATA, Launch, Seat
from harness.servers.product import IN_IMAGE, Product

CONFIGURATION = """\
NetworkTCPPort = {port}
MaxPDUSize = 131072
MaxAssociations = 64
HostTable BEGIN
{hosts}
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
{title} {folder} RW (500, 1024mb) ANY
AETable END
"""

# By default it negotiates no compressed syntax: those to accept and to propose must be listed.
PROFILES = """\
[[TransferSyntaxes]]
[Any]
{syntaxes}
[Native]
TransferSyntax1 = 1.2.840.10008.1.2.1
TransferSyntax2 = 1.2.840.10008.1.2.2
TransferSyntax3 = 1.2.840.10008.1.2
[[PresentationContexts]]
[Accepted]
{accepted}
[Proposed]
{proposed}
[[SCPSCURoleSelection]]
[Roles]
{roles}
[[Profiles]]
[In]
PresentationContexts = Accepted
SCPSCURoleSelection = Roles
[Out]
PresentationContexts = Proposed
"""
MOST_PROPOSED = 128  # contexts of one association (PS3.8 9.3.2.2)


class Dcmqrscp(Adapter):
    """A dcmqrscp that accepts everything; it starts a process for each association."""

    can = DIMSE_ARCHIVE | {COMPRESSED}

    def launch(self, seat: Seat) -> Launch:
        """Return the command, and its configuration."""
        hosts = (
            f"{title} = ({title}, {endpoint.host}, {endpoint.port})"
            for title, endpoint in self.role.destinations.items()
        )
        configuration = CONFIGURATION.format(
            port=seat.ports["dicom"], hosts="\n".join(hosts), title=self.ae_title, folder=DATA
        )
        files = {"dcmqrscp.cfg": configuration.encode(), "profiles.cfg": _profiles().encode()}
        # Connections that a peer leaves open are closed after 5 s instead of 30 (the ARTIM timer,
        # PS3.8 9.1.5).
        options = ("--verbose", "-dhl", "-ta", "5")
        read = ("-c", "dcmqrscp.cfg", "-xf", "profiles.cfg", "In", "Out")
        return Launch((self.program, *options, *read), files, ENVIRONMENT)


def _profiles() -> str:
    """Return what to accept (storage in any syntax, and the services), and what C-MOVE proposes."""
    syntaxes = (*NATIVE, *(each for each in AllTransferSyntaxes if each not in NATIVE))
    storage = [str(each.abstract_syntax) for each in StoragePresentationContexts]
    services = [
        str(Verification),
        *(str(each) for model in (FIND, MOVE, GET) for each in model.values()),
    ]
    return PROFILES.format(
        syntaxes=_numbered("TransferSyntax", syntaxes),
        accepted=_numbered(
            "PresentationContext",
            [*(f"{each}\\Native" for each in services), *(f"{each}\\Any" for each in storage)],
        ),
        proposed=_numbered(
            "PresentationContext", [f"{each}\\Native" for each in storage[:MOST_PROPOSED]]
        ),
        roles=_numbered("Role", [f"{each}\\Both" for each in storage]),
    )


def _numbered(name: str, values: Sequence[str]) -> str:
    return "\n".join(f"{name}{number} = {value}" for number, value in enumerate(values, start=1))


PRODUCT = Product(
    "dcmtk's archive: DICOM only",
    functools.partial(find_program, "dcmqrscp", Dcmqrscp),
    heeds=IN_IMAGE,
)
