"""The suites: cases for servers, run by the plugin of the harness.

The DICOM suites share a storage SCP of our own, which takes the place of the local server.
"""

from collections.abc import Iterator

import pytest
from pydicom.uid import ExplicitVRLittleEndian

import harness.plugin  # first, so that pytest rewrites the assertions of modules imported next
from harness.cases import Party, StorageScp, catalogue

# Not in pytest.ini: when pytest looks for its ini file, it takes `FILE` of `--config FILE` for a
# test file, and may find another ini file.
pytest_plugins = [harness.plugin.__name__]


@pytest.fixture(scope="session")
def storage_scp() -> Iterator[StorageScp]:
    """Listen as a storage SCP for everything in the corpus until the worker ends."""
    known = [entry["properties"] for entry in catalogue().values()]
    sop_classes = {each["sop_class"] for each in known if "sop_class" in each}
    transfer_syntaxes = {each["transfer_syntax"] for each in known}
    # The first syntax proposed is chosen: implicit VR would lose the types of private elements.
    preferred = sorted(transfer_syntaxes, key=lambda each: (each != ExplicitVRLittleEndian, each))
    with StorageScp(sorted(sop_classes), preferred, time_limit=10.0) as scp:
        yield scp


@pytest.fixture
def destination(storage_scp: StorageScp, local: Party) -> Iterator[StorageScp]:
    """Receive objects from the remote in place of the local server."""
    storage_scp.expect(local.ae_title)
    local.dicom_relay.target = storage_scp.endpoint
    yield storage_scp
    local.aim_relays()
