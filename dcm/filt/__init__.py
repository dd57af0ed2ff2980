"""Filters and selectors: edit instances, replace UIDs, and reject instances.

    from dcm.filt import MultiFilter, UidFilter, make_edit_filter, make_reject_filter

Exported names are imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dcm.data.plan import DELETE, KEEP, CannotEdit, Change, Met, Plan
    from dcm.data.target import BadTarget, Target
    from dcm.filt.base import Filter, MultiFilter, Rejected
    from dcm.filt.edits import EditFilter, make_edit_filter, read_edits
    from dcm.filt.instance import EditedInstance, edited
    from dcm.filt.reject import RejectFilter, make_reject_filter
    from dcm.filt.selector_text import BadSelector, read_selector
    from dcm.filt.selectors import Combination, Comparison, Selector, selected
    from dcm.filt.transform import DataTransform
    from dcm.filt.uid_map import MemoryUids, SqliteUids, UidMap
    from dcm.filt.uids import UidFilter, read_key

_EXPORTS = {
    "dcm.data.plan": ("DELETE", "KEEP", "CannotEdit", "Change", "Met", "Plan"),
    "dcm.data.target": ("BadTarget", "Target"),
    "dcm.filt.base": ("Filter", "MultiFilter", "Rejected"),
    "dcm.filt.edits": ("EditFilter", "make_edit_filter", "read_edits"),
    "dcm.filt.instance": ("EditedInstance", "edited"),
    "dcm.filt.selector_text": ("BadSelector", "read_selector"),
    "dcm.filt.reject": ("RejectFilter", "make_reject_filter"),
    "dcm.filt.selectors": ("Combination", "Comparison", "Selector", "selected"),
    "dcm.filt.transform": ("DataTransform",),
    "dcm.filt.uid_map": ("MemoryUids", "SqliteUids", "UidMap"),
    "dcm.filt.uids": ("UidFilter", "read_key"),
}  # fmt: skip
_MODULES = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = [
    "DELETE", "KEEP", "BadSelector", "BadTarget", "CannotEdit", "Change", "Combination", "Comparison",
    "DataTransform", "EditFilter", "EditedInstance", "Filter", "MemoryUids", "Met", "MultiFilter", "Plan",
    "RejectFilter", "Rejected", "Selector", "SqliteUids", "Target", "UidFilter", "UidMap", "edited",
    "make_edit_filter", "make_reject_filter", "read_edits", "read_key", "read_selector", "selected",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Import an exported name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return found
