"""Rules for each attribute: Table E.1-1 with options, and rules for attributes that are not in the table.

Some actions depend on the type of the attribute in the IOD, such as X/Z/D: removed if it is optional, empty
if that is allowed (type 2), else a dummy value. The types are known here for the images of the older IODs. In
all others, and in sequences, the last letter is used: a dummy value is valid for any type.

Of the attributes that are not in the table, UIDs, names and dates are treated as if they were. Attributes
that are not in the dictionary, URLs and encrypted attributes are removed. All others are kept (PS3.15 E.1.1).
"""

from typing import Final, NamedTuple

from dcm.data.dictionary import vr_of
from dcm.deidentify.options import Options
from dcm.deidentify.table import CURVES, OVERLAYS, Row, table
from dcm.deidentify.values import DOCUMENT_LENGTH
from dcm.filt.uids import keeps_its_uids

KEEP_IT, REMOVE, EMPTY, DUMMY, NEW_UID, SHIFT, CLEAN, ZERO = (
    "kept", "removed", "emptied", "replaced", "new UID", "date moved", "cleaned", "zeroed",
)  # fmt: skip
_ACTIONS: Final = {"X": REMOVE, "Z": EMPTY, "D": DUMMY, "U": NEW_UID, "U*": NEW_UID}

ENCRYPTED, MAC_PARAMETERS, PRIVATE_CHARACTERISTICS = 0x04000500, 0x4FFE0001, 0x00080300
TEXT_VALUE, GRAPHIC_DATA, CODE_MEANING = 0x0040A160, 0x00700022, 0x00080104
PATIENT_NAME, PATIENT_ID = 0x00100010, 0x00100020
_USELESS: Final = frozenset((ENCRYPTED, MAC_PARAMETERS, PRIVATE_CHARACTERISTICS))
"""Attributes that describe removed elements."""
_REFERENCES: Final = frozenset((0x00081111,))
"""Sequences of references, in which only the UIDs are replaced."""
_HARMLESS_URLS: Final = frozenset((0x0008010E, 0x00080120))  # of coding schemes, and coded values
_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_PET, _NM = f"{_STORAGE}128", f"{_STORAGE}20"
_OLDER: Final = frozenset(
    _STORAGE + each for each in ("1", "2", "3.1", "4", "6.1", "7", "12.1", "12.2", "20", "128")
)
"""CR, CT, US multi-frame, MR, US, SC, XA, XRF, NM and PET Image Storage."""
_TYPES: Final = {
    (_PET, 0x00080021): "D", (_PET, 0x00080031): "D", (_PET, 0x00080022): "Z", (_PET, 0x00080032): "Z",
    (_NM, 0x00080022): "Z", (_NM, 0x00080032): "Z",
}  # fmt: skip
"""Attributes that are not optional in one of these: Series Date and Time, Acquisition Date and Time."""
_DATES: Final = ("DA", "DT", "TM")
_FIRST_GROUP: Final = 8


class Rule(NamedTuple):
    """The rule for an attribute.

    fallback: the action if its value does not allow `action`. option: whether the rule comes from an option.
    sequence: whether it must be a sequence according to the dictionary; it is removed if its VR is another.
    """

    action: str
    fallback: str = REMOVE
    option: bool = False
    sequence: bool = False


_KEPT: Final = Rule(KEEP_IT)
_KEPT_SEQUENCE: Final = Rule(KEEP_IT, sequence=True)
_REMOVED: Final = Rule(REMOVE)


class Profile:
    """The basic profile with options. May be used from several threads."""

    def __init__(self, options: Options) -> None:
        self.options: Final = options
        self._columns: Final = options.columns
        self._rules: Final[dict[str, dict[int, Rule]]] = {}

    def rules(self, sop_class: str) -> dict[int, Rule]:
        """Return the rules found so far for a SOP class; an empty text is for attributes in sequences."""
        return self._rules.setdefault(sop_class if sop_class in _OLDER else "", {})

    def rule(self, tag: int, sop_class: str) -> Rule:
        """Return the rule for an attribute of the standard."""
        group = tag >> 16
        if not tag & 0xFFFF or group < _FIRST_GROUP or group & 0xFF00 in (CURVES, OVERLAYS):
            return _REMOVED
        row = table().get(tag)
        return self._other(tag) if row is None else self._listed(tag, row, sop_class)

    def _listed(self, tag: int, row: Row, sop_class: str) -> Rule:
        basic = _resolved(tag, row.basic, sop_class)
        sequence = vr_of(tag) == "SQ"
        asked = {column: row.options[column] for column in self._columns & row.options.keys()}
        if "full-dates" in asked:
            return Rule(KEEP_IT, basic, option=True)
        if "modified-dates" in asked:
            return Rule(SHIFT, basic, option=True)
        if asked:
            kept = sequence or "K" in asked.values()
            return Rule(KEEP_IT if kept else CLEAN, basic, option=True, sequence=sequence)
        return Rule(basic, basic)

    def _other(self, tag: int) -> Rule:
        """Return the rule for an attribute that is not in the table."""
        vr, names = vr_of(tag), self.options.names
        found = _KEPT_SEQUENCE if vr == "SQ" else _KEPT
        if tag in _USELESS or vr == "UN":
            found = _REMOVED
        elif tag == TEXT_VALUE and "clean-structured" in names:
            found = Rule(CLEAN, DUMMY, option=True)
        elif tag == CODE_MEANING and "clean-descriptors" in names:
            found = Rule(CLEAN, DUMMY, option=True)  # only in sequences that are cleaned
        elif tag == GRAPHIC_DATA and not names & {"clean-graphics", "clean-structured"}:
            found = Rule(ZERO)
        elif vr == "UI" and not (keeps_its_uids(tag) or "retain-uids" in names):
            found = Rule(NEW_UID)
        elif vr in _DATES and "full-dates" not in names:
            found = Rule(SHIFT if "modified-dates" in names else DUMMY, DUMMY)
        elif vr == "PN" or tag == DOCUMENT_LENGTH:
            found = Rule(DUMMY)
        elif vr == "UR" and tag not in _HARMLESS_URLS:
            found = _REMOVED
        return found


def _resolved(tag: int, code: str, sop_class: str) -> str:
    """Return the single action for a code of the basic profile, such as X/Z/D."""
    letters = code.split("/")
    if tag in _REFERENCES:
        return NEW_UID
    if letters[0] == "X" and letters[-1] == "U*":
        return NEW_UID
    if sop_class in _OLDER:
        return _ACTIONS[_TYPES.get((sop_class, tag), letters[0])]
    return _ACTIONS[letters[-1]]
