"""De-identification by the profiles of PS3.15 Annex E, as a filter and for files.

    from dcm.deidentify import make_deidentify_filter
    filter = make_deidentify_filter("modified-dates,clean-descriptors", key=read_key("secret.key"))

Exported names are imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dcm.deidentify.account import Account
    from dcm.deidentify.filter import DeidentifyFilter, make_deidentify_filter
    from dcm.deidentify.inspection import CannotDeidentify
    from dcm.deidentify.options import OPTIONS, BadOption, Options
    from dcm.deidentify.regions import BadRegion, Region, RegionRule, read_region, read_rules
    from dcm.deidentify.writing import DeidentifiedFile, FileDeidentifier

_EXPORTS = {
    "dcm.deidentify.account": ("Account",),
    "dcm.deidentify.filter": ("DeidentifyFilter", "make_deidentify_filter"),
    "dcm.deidentify.inspection": ("CannotDeidentify",),
    "dcm.deidentify.options": ("OPTIONS", "BadOption", "Options"),
    "dcm.deidentify.regions": ("BadRegion", "Region", "RegionRule", "read_region", "read_rules"),
    "dcm.deidentify.writing": ("DeidentifiedFile", "FileDeidentifier"),
}  # fmt: skip
_MODULES = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = [
    "OPTIONS", "Account", "BadOption", "BadRegion", "CannotDeidentify", "DeidentifiedFile",
    "DeidentifyFilter", "FileDeidentifier", "Options", "Region", "RegionRule", "make_deidentify_filter",
    "read_region", "read_rules",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Import an exported name on first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return found
