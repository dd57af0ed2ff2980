"""These are suites: cases for servers, which the plugin of the harness runs.

The DICOM suites share a storage SCP of our own in the place of the local server.
"""

from collections.abc import Iterator

import pytest
from pydicom.uid import ExplicitVRLittleEndian

import harness.plugin  # first: it makes pytest rewrite the assertions of what is imported next
from harness.cases import Party, StorageScp, catalogue

# Not in pytest.ini: pytest takes `FILE` of `--config FILE` for a test file when it looks for its ini file,
# and may find another one.
pytest_plugins = [harness.plugin.__name__]


@pytest.fixture(scope="session")
def storage_scp() -> Iterator[StorageScp]:
    """Listen as a storage SCP for all that the corpus has, as long as the worker runs."""
    known = [entry["properties"] for entry in catalogue().values()]
    sop_classes = {each["sop_class"] for each in known if "sop_class" in each}
    transfer_syntaxes = {each["transfer_syntax"] for each in known}
    # Of what is offered the first is chosen: implicit VR would lose the types of private elements.
    preferred = sorted(transfer_syntaxes, key=lambda each: (each != ExplicitVRLittleEndian, each))
    with StorageScp(sorted(sop_classes), preferred, time_limit=10.0) as scp:
        yield scp


@pytest.fixture
def destination(storage_scp: StorageScp, local: Party) -> Iterator[StorageScp]:
    """Receive what the remote sends to the local server, in its place."""
    storage_scp.expect(local.ae_title)
    local.dicom_relay.target = storage_scp.endpoint
    yield storage_scp
    local.aim_relays()
