"""The SOP classes and transfer syntaxes of the dictionary, and a representative selection of them."""

from pydicom.uid import UID, UID_dictionary

_STORAGE = "1.2.840.10008.5.1.4.1.1."
# Classes below the same root that are not storage: queries, and the roots of commitment and of a
# directory.
_NO_STORAGE = ("200.4", "200.5", "200.6", "201.2", "201.3", "201.4", "201.5", "201.6")

SOP_CLASSES = [uid for uid, entry in UID_dictionary.items() if "SOP Class" in entry[1]]
STORAGE_CLASSES = [
    uid
    for uid in SOP_CLASSES
    if uid.startswith(_STORAGE) and uid.removeprefix(_STORAGE) not in _NO_STORAGE
]
TRANSFER_SYNTAXES = [
    uid
    for uid, entry in UID_dictionary.items()
    if entry[1] == "Transfer Syntax" and "SMPTE" not in entry[0]
]
"""Those that an association can have; SMPTE's are for streams."""
STORAGE_FAMILIES = tuple(
    _STORAGE + ending for ending in ("2", "4", "3.1", "7", "7.2", "77.1.4", "77.1.1.1", "104.1",
                                     "88.11", "88.59", "481.2", "9.1.1")
)  # fmt: skip
"""One class of each family: single and multi-frame, colour, video, documents, dose, waveforms."""


def uid_name(uid: str) -> str:
    """Return the name of a UID, or the UID if it has none."""
    return str(UID(uid).name).removesuffix(" SOP Class") or uid
