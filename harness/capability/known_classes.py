"""The SOP classes and transfer syntaxes that the dictionary knows, and those that stand for the others."""

from functools import cache

from pydicom.uid import UID, UID_dictionary

NATIVE = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
VERIFICATION = "1.2.840.10008.1.1"
WORKLIST = "1.2.840.10008.5.1.4.31"
COMMITMENT = "1.2.840.10008.1.20.1"
ROOTS = {"patient": "1.2.840.10008.5.1.4.1.2.1.", "study": "1.2.840.10008.5.1.4.1.2.2."}
FIND = {root: f"{prefix}1" for root, prefix in ROOTS.items()}
MOVE = {root: f"{prefix}2" for root, prefix in ROOTS.items()}
GET = {root: f"{prefix}3" for root, prefix in ROOTS.items()}

_STORAGE = "1.2.840.10008.5.1.4.1.1."
# Storage classes that are nothing of the kind: query services below the same root, and the root of
# commitment and of a directory.
_NO_STORAGE = ("200.4", "200.5", "200.6", "201.2", "201.3", "201.4", "201.5", "201.6")

FAMILIES = tuple(
    _STORAGE + ending
    for ending in (
        *("2", "4", "3.1", "7", "7.2", "77.1.4", "77.1.1.1", "104.1", "88.11", "88.59", "481.2"),
        "9.1.1",
    )
)
"""One class of each family: images with one and many frames, colour, video, documents, dose, waveforms."""


@cache
def sop_classes() -> tuple[str, ...]:
    """Return all SOP classes, retired ones as well, and those that are groups of others."""
    kinds = ("SOP Class", "Meta SOP Class")
    return tuple(uid for uid, entry in UID_dictionary.items() if entry[1] in kinds)


@cache
def transfer_syntaxes() -> tuple[str, ...]:
    """Return all transfer syntaxes that an association can have: for files and streams there are others."""
    return tuple(
        uid
        for uid, entry in UID_dictionary.items()
        if entry[1] == "Transfer Syntax" and "SMPTE" not in entry[0]
    )


def is_storage(uid: str) -> bool:
    """Return whether a SOP class is one of the storage service."""
    return uid.startswith(_STORAGE) and uid.removeprefix(_STORAGE) not in _NO_STORAGE


def name_of(uid: str) -> str:
    """Return the name of a UID, or the UID where it has none."""
    return str(UID(uid).name).removesuffix(" SOP Class") or uid
