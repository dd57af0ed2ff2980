"""Data sets: reading headers, matching queries, and the results of queries.

    from dcm.data import QueryResult, attributes_of, scan

Names exported here are imported on first use, and pydicom only when it is really needed, so programs start
fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dcm.data.chosen import Choice
    from dcm.data.content import Content, Entry, data_set, opened
    from dcm.data.dictionary import UnknownElement, keyword_of, tag_of, vr_of
    from dcm.data.difference import Difference, differences
    from dcm.data.difference_rules import DifferenceRules, Ignored
    from dcm.data.dump import Style, lines
    from dcm.data.element_path import ElementPath
    from dcm.data.header import COMMON, Header, NotDicom, scan, scan_bytes
    from dcm.data.identifier import BadIdentifier, read_identifier, write_identifier
    from dcm.data.keys import BadKey, Query, attributes_of
    from dcm.data.levels import Level
    from dcm.data.match import QUERY_RETRIEVE, WORKLIST, Attributes, Rules, Value, matches
    from dcm.data.node import Node
    from dcm.data.query_result import MissingUniqueKey, QueryResult

_EXPORTS = {
    "chosen": ("Choice",),
    "content": ("Content", "Entry", "data_set", "opened"),
    "dictionary": ("UnknownElement", "keyword_of", "tag_of", "vr_of"),
    "difference": ("Difference", "differences"),
    "difference_rules": ("DifferenceRules", "Ignored"),
    "dump": ("Style", "lines"),
    "element_path": ("ElementPath",),
    "header": ("COMMON", "Header", "NotDicom", "scan", "scan_bytes"),
    "identifier": ("BadIdentifier", "read_identifier", "write_identifier"),
    "keys": ("BadKey", "Query", "attributes_of"),
    "levels": ("Level",),
    "match": ("QUERY_RETRIEVE", "WORKLIST", "Attributes", "Rules", "Value", "matches"),
    "node": ("Node",),
    "query_result": ("MissingUniqueKey", "QueryResult"),
}
_MODULES = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = [
    "COMMON", "QUERY_RETRIEVE", "WORKLIST", "Attributes", "BadIdentifier", "BadKey", "Choice", "Content",
    "Difference", "DifferenceRules", "ElementPath", "Entry", "Header", "Ignored", "Level",
    "MissingUniqueKey", "Node", "NotDicom", "Query", "QueryResult", "Rules", "Style", "UnknownElement",
    "Value", "attributes_of", "data_set", "differences", "keyword_of", "lines", "matches", "opened",
    "read_identifier", "scan", "scan_bytes", "tag_of", "vr_of", "write_identifier",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Import an exported name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return found
