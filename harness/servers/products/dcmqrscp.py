"""dcmtk's archive, `dcmqrscp`: the strictest of the small ones about query levels and titles."""

from collections.abc import Sequence
from pathlib import Path

from pydicom.uid import AllTransferSyntaxes
from pynetdicom import StoragePresentationContexts
from pynetdicom.sop_class import Verification

from harness.clients.dimse import FIND, GET, MOVE, NATIVE
from harness.servers.capabilities import COMPRESSED, DIMSE_QUERY_RETRIEVE, DIMSE_STORAGE
from harness.servers.dcmtk_programs import find_program
from harness.servers.dicom_process import DATA, DicomProcess
from harness.servers.product import Asked, Found, Product

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

# As it comes, it negotiates no compressed syntax: what it is to accept and to propose must be listed.
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


class Dcmqrscp(DicomProcess):
    """A dcmqrscp that takes whatever comes; it makes a process for each association."""

    can = DIMSE_STORAGE | DIMSE_QUERY_RETRIEVE | {COMPRESSED}

    def command(self) -> Sequence[str | Path]:
        """Write the configuration, and return the command."""
        hosts = (
            f"{title} = ({title}, {endpoint.host}, {endpoint.port})"
            for title, endpoint in self.role.destinations.items()
        )
        file = self.folder / "dcmqrscp.cfg"
        file.write_text(
            CONFIGURATION.format(
                port=self.dicom.port,
                hosts="\n".join(hosts),
                title=self.identity.ae_title,
                folder=DATA,
            )
        )
        profiles = self.folder / "profiles.cfg"
        profiles.write_text(_profiles())
        # What a peer leaves open is closed after 5 s instead of 30 (the ARTIM timer, PS3.8 9.1.5).
        words = ("--verbose", "-dhl", "-ta", "5", "-c", file, "-xf", profiles, "In", "Out")
        return str(self.identity.executable), *words


def _profiles() -> str:
    """Write what is accepted (storage in any syntax, and the services), and what C-MOVE proposes."""
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


def find(asked: Asked) -> Found:  # noqa: ARG001 - nothing can be asked of it
    """Find it in dcmtk's package."""
    return find_program("dcmqrscp", Dcmqrscp)


PRODUCT = Product("dcmtk's archive: DICOM only", find)
