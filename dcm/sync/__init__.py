"""Copies what is missing at destinations, between archives, folders and web services.

    report = await sync("mypacs", "archive/", query={"StudyDate": "20240101-"})
    assert report.complete, report.failures

The names exported here are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dcm.sync.check import Check, Validator, make_basic_validator
    from dcm.sync.compare import Comparison
    from dcm.sync.identity import SamePlace
    from dcm.sync.journal import Journal, UnusableJournal
    from dcm.sync.manager import CannotSync, Method, SyncManager
    from dcm.sync.pace import BadHours, Hours, Pace
    from dcm.sync.report import Copied, Notes, SyncReport, Transfer
    from dcm.sync.simple import Named, sync, sync_data

_EXPORTS = {
    "dcm.sync.check": ("Check", "Validator", "make_basic_validator"),
    "dcm.sync.compare": ("Comparison",),
    "dcm.sync.identity": ("SamePlace",),
    "dcm.sync.journal": ("Journal", "UnusableJournal"),
    "dcm.sync.manager": ("CannotSync", "Method", "SyncManager"),
    "dcm.sync.pace": ("BadHours", "Hours", "Pace"),
    "dcm.sync.report": ("Copied", "Notes", "SyncReport", "Transfer"),
    "dcm.sync.simple": ("Named", "sync", "sync_data"),
}
_MODULES = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = [
    "BadHours", "CannotSync", "Check", "Comparison", "Copied", "Hours", "Journal", "Method", "Named", "Notes",
    "Pace", "SamePlace", "SyncManager", "SyncReport", "Transfer", "UnusableJournal", "Validator",
    "make_basic_validator", "sync", "sync_data",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Import an exported name on first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return found
