"""Inputs found by a fuzzer, read again: only the intended errors, and little memory."""

import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from wire.hostile import READERS, drive

FOUND = Path(__file__).with_name("hostile.zip")
MOST = 4 << 20
"""Bytes that an input of a few hundred may use, without imports."""


def inputs(reader: Callable[[bytes], None]) -> dict[str, bytes]:
    """Return the inputs of one reader by name."""
    with zipfile.ZipFile(FOUND) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    return {name: data for name, data in found.items() if READERS[data[0] % len(READERS)] is reader}


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__.strip("_"))
def test_what_was_found_is_survived(reader: Callable[[bytes], None]) -> None:
    """`wire.hostile` checks the invariants."""
    assert pydicom  # the header scan falls back to it, and its import is not to be counted
    found = inputs(reader)
    assert len(found) > 10
    costs = {}
    tracemalloc.start()
    try:
        for name, data in found.items():
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            try:
                drive(data)
            except Exception as error:
                error.add_note(f"the input is {name} of {FOUND.name}")
                raise
            costs[name] = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert {name: cost for name, cost in costs.items() if cost > MOST} == {}
