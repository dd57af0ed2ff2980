"""Listeners end at once."""

import time

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from harness.clients.commitment import CommitmentScu
from harness.clients.storage_scp import StorageScp
from harness.model import AETitle


def test_listeners_close_at_once() -> None:
    """To close a listener takes no half second, in which pynetdicom would look whether it is to end."""
    begin = time.monotonic()
    for _ in range(4):
        with (
            StorageScp([CTImageStorage], [ExplicitVRLittleEndian], time_limit=1.0),
            CommitmentScu(AETitle("SCU"), time_limit=1.0),
        ):
            pass

    assert time.monotonic() - begin < 2.0  # 8 listeners take 4 s without a wake-up
