"""The UIDs of the standard (PS3.6 Annex A) and their names, from pydicom's dictionary.

Importing it takes longer than a whole query, so import this module only to show names.
"""

from functools import lru_cache
from typing import Final

from pydicom.uid import UID_dictionary

_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"


@lru_cache(maxsize=1024)
def name_of(uid: str) -> str:
    """Return the name of a UID, or the UID itself if it has none."""
    known = UID_dictionary.get(uid)
    return str(known[0]) if known else uid


def sop_classes() -> tuple[str, ...]:
    """Return the UIDs of all SOP classes, retired ones too."""
    return _of_kind("SOP Class", "Meta SOP Class")


def transfer_syntaxes() -> tuple[str, ...]:
    """Return the UIDs of the transfer syntaxes in use: those that are not retired, and big endian."""
    uids = _of_kind("Transfer Syntax")
    return tuple(uid for uid in uids if uid == _BIG_ENDIAN or not UID_dictionary[uid][3])


def _of_kind(*kinds: str) -> tuple[str, ...]:
    return tuple(uid for uid, entry in UID_dictionary.items() if entry[1] in kinds)
