"""Lies about dcmqrscp, told to the conformance cases on storage, query and retrieve.

There is one for each clause. dcmqrscp follows most of these clauses, so most cases pass honestly.
"""

import re
from typing import Any

from lies.dicom import result_of
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import CTImageStorage
from support.lies import Door, Group, SeededLie
from support.messages import (
    Change,
    Message,
    MessageLie,
    before,
    beside,
    command,
    data,
    each,
    final,
    left_out,
    of,
    pending,
    present,
    twice,
    where,
)

from dcm.wire import (
    CCancelRQ,
    CFindRQ,
    CFindRSP,
    CGetRQ,
    CGetRSP,
    CMoveRQ,
    CMoveRSP,
    CStoreRQ,
    CStoreRSP,
)
from harness.relay import DicomLie, Direction
from harness.relay.lies import PduChange

FIND, FOUND = CFindRQ.COMMAND_FIELD, CFindRSP.COMMAND_FIELD
GET, GOT = CGetRQ.COMMAND_FIELD, CGetRSP.COMMAND_FIELD
MOVE, MOVED = CMoveRQ.COMMAND_FIELD, CMoveRSP.COMMAND_FIELD
STORE, STORED = CStoreRQ.COMMAND_FIELD, CStoreRSP.COMMAND_FIELD
OTHER = "2.25.9"  # an unused UID


def _told(name: str, fails: set[str], change: Change) -> SeededLie:
    """Change what the server sends."""
    return SeededLie(name, "remote.dicom", MessageLie(change), frozenset(fails))


def _heard(name: str, fails: set[str], change: Change, door: Door = "remote.dicom") -> SeededLie:
    """Change what the server receives; at the local door, what it sends to a destination."""
    return SeededLie(name, door, MessageLie(change, Direction.TO_SERVER), frozenset(fails))


def _pdu(name: str, fails: set[str], change: PduChange, door: Door = "remote.dicom") -> SeededLie:
    return SeededLie(name, door, DicomLie(change), frozenset(fails))


def _cases(*names: str) -> set[str]:
    """Expand `CONRT-001[a b]` to the case with each of its parameters."""
    found = set()
    for name in names:
        case, _, parameters = name.rstrip("]").partition("[")
        found |= {f"{case}[{each}]" for each in parameters.split()} if parameters else {case}
    return found


# Parts of lies


def _asked(message: Message) -> bool:
    """Match the requests with an identifier."""
    return message.command.CommandField in {FIND, GET, MOVE}


def _first(_: str, value: Any) -> Any:
    return value[0] if isinstance(value, MultiValue) else value


def _on_the_way(message: Message) -> bool:
    """Match the pending responses of a retrieval."""
    return pending(MOVED)(message) or pending(GOT)(message)


def _warnings_completed(message: Message) -> None:
    """Count warnings as completed; the sum of all counts stays right."""
    counts = message.command
    counts.NumberOfCompletedSuboperations += counts.NumberOfWarningSuboperations
    counts.NumberOfWarningSuboperations = 0


def _cut_title(message: Message) -> None:
    """Truncate the destination to the length of an AE title."""
    message.command.MoveDestination = message.command.MoveDestination[:16].strip()


def _universal(_: str, value: Any) -> Any:
    return "" if isinstance(value, MultiValue) and "" in value else value


def _more_wild_cards(keyword: str, value: Any) -> Any:
    if keyword != "AccessionNumber":
        return value
    return re.sub(r"""\[.*\]|[_%.'"]""", "*", value)


def _no_wild_cards(_: str, value: Any) -> Any:
    return value if isinstance(value, MultiValue) else re.sub(r"[*?]", "#", str(value))


def _wild_uids(keyword: str, value: Any) -> Any:
    return "" if keyword == "StudyInstanceUID" and re.search(r"[*?]", value) else value


def _nobody_in_another_set(message: Message) -> None:
    if message.data_set is not None and "SpecificCharacterSet" in message.data_set:
        message.data_set.PatientName = "NOBODY"


def _spoil_the_last_pixel(message: Message) -> None:
    if message.data_set is not None:
        pixels = message.data_set.PixelData
        message.data_set.PixelData = pixels[:-1] + bytes([pixels[-1] ^ 1])


def _identifier(message: Message) -> None:
    """Add an identifier to a response."""
    message.data_set = Dataset()
    message.data_set.QueryRetrieveLevel = "STUDY"


def _match(message: Message) -> Message:
    """Invent a match."""
    invented = message.copy()
    invented.command.Status = 0xFF00
    invented.data_set = Dataset()
    invented.data_set.SOPInstanceUID = invented.data_set.SeriesInstanceUID = OTHER
    return invented


def _without_role(pdu: bytes, _: Direction) -> bytes:
    """Remove the SCP role from an A-ASSOCIATE-AC (PS3.7 D.3.3.4.2)."""
    role = b"\x54\0\0\x1d\0\x19" + CTImageStorage.encode() + b"\0"
    return pdu.replace(role + b"\1", role + b"\0") if pdu[0] == 2 else pdu


def without_default_syntax(pdu: bytes, _: Direction) -> bytes:
    """Remove Implicit VR Little Endian from all proposals."""
    item = b"\x40\0\0\x11"
    old, new = (item + uid for uid in (b"1.2.840.10008.1.2", b"1.2.840.10008.1.9"))
    return pdu.replace(old, new) if pdu[0] == 1 else pdu


def _without_abort(pdu: bytes, direction: Direction) -> bytes:
    return b"" if pdu[0] == 7 and direction is Direction.TO_CLIENT else pdu


ENDS = "some-refused all-refused a-warning each"
LEVELS = "PATIENT STUDY SERIES IMAGE"

LIES = (
    # Storage.
    _heard("what was stored is gone", _cases("CONST-001", "CONST-002", "CONST-010"),
           where(of(GET), data(StudyInstanceUID=OTHER))),
    _told("a status that storage does not have", _cases("CONST-003[class instance no-identifiers]"),
          where(of(STORED), command(Status=0x0300))),
    _told("what was refused is called stored", _cases("CONST-004[class instance no-identifiers]"),
          where(of(STORED), command(Status=0x0000))),
    _pdu("silence for what cannot be read", _cases("CONST-009"), _without_abort),
    _told("an attribute is lost",
          _cases("CONST-005[sr ko us]",
                 "CONST-007[PatientName-Other^Name PatientID-OTHER StudyDate-19991231]"),
          where(of(STORE), data(Manufacturer=None))),
    _told("a pixel is another", _cases("CONST-006"), where(of(STORE), _spoil_the_last_pixel)),
    _told("what was empty is filled",
          _cases("CONST-008[PatientID PatientName StudyDate AccessionNumber StudyID]"),
          where(of(STORE), data(PatientID="X", PatientName="X", StudyDate="20200101",
                                AccessionNumber="X", StudyID="X"))),
    # The responses to a query.
    _told("a key has another value",
          _cases("CONQR-001[patient-patient patient-study study-study study-series patient-series "
                 "study-image patient-image]"),
          where(pending(FOUND), present(PatientName="X", StudyTime="000000", Modality="XX",
                                        InstanceNumber="99"))),
    _told("higher unique keys are left out",
          _cases("CONQR-002[study-series study-image patient-study patient-series patient-image]"),
          where(pending(FOUND), data(PatientID=None, StudyInstanceUID=None))),
    _told("an attribute comes unasked",
          _cases("CONQR-003[patient-patient study-study study-series study-image]"),
          where(pending(FOUND), data(InstitutionName="X"))),
    _told("the level is left out",
          _cases("CONQR-004[patient-patient patient-study patient-series patient-image "
                 "study-study study-series study-image]"),
          where(pending(FOUND), data(QueryRetrieveLevel=None))),
    _told("somebody else is named", _cases("CONQR-005[patient-study study-study study-series study-image]"),
          where(pending(FOUND), data(RetrieveAETitle="OTHER"))),
    _told("each answer comes twice",
          _cases("CONQR-006[patient-patient patient-study study-study study-series]"),
          twice(pending(FOUND))),
    _told("another branch is answered", _cases("CONQR-007[patient-study study-series study-image]"),
          beside(pending(FOUND), present(StudyInstanceUID=OTHER, SeriesInstanceUID=OTHER,
                                         SOPInstanceUID=OTHER))),
    _told("a level is searched without the keys above", _cases("CONQR-008[SERIES IMAGE]"),
          before(final(FOUND), _match)),
    _told("an identifier comes at the end", _cases("CONQR-009[success failure]"),
          where(final(FOUND), _identifier)),
    _told("an unknown level is no fault",
          _cases("CONQR-010[study-PATIENT study-FRAME patient-FRAME]"),
          where(final(FOUND), command(Status=0x0000))),
    _heard("a C-CANCEL is not heard", _cases("CONQR-012", "CONRT-020"),
           left_out(of(CCancelRQ.COMMAND_FIELD))),
    # What a query matches.
    _heard("there are more wild cards",
           _cases("CONQM-001[underscore percent dot brackets quote double-quote]",
                  "CONQM-002[underscore percent dot brackets]"),
           where(of(FIND), each(_more_wild_cards))),
    _heard("a hyphen makes a range", _cases("CONQM-003"),
           where(of(FIND), present(AccessionNumber="A?"))),
    _heard("trailing spaces count",
           _cases("CONQM-004[AccessionNumber-A1 StudyID-S1 PatientID-P1]"),
           where(of(FIND), present(AccessionNumber="A1#", StudyID="S1#", PatientID="P1#"))),
    _heard("a key is not looked at", _cases("CONQM-005"),
           where(of(FIND), data(StudyDate=""))),
    _heard("a list of UIDs is its first",
           _cases("CONQM-007[SERIES IMAGE]", "CONQM-018", "CONRT-003[STUDY IMAGE]",
                  "CONRT-004[STUDY SERIES IMAGE]"),
           where(_asked, each(_first))),
    _heard("an empty UID in a list is universal", _cases("CONQM-019"),
           where(of(FIND), each(_universal))),
    _heard("there are no wild cards",
           _cases("CONQM-006", "CONQM-008[LO SH-first SH-middle]", "CONQM-009",
                  "CONQM-010[AccessionNumber PatientName]"),
           where(of(FIND), each(_no_wild_cards))),
    _heard("there are wild cards in UIDs", _cases("CONQM-011[end alone question-mark]"),
           where(of(FIND), each(_wild_uids))),
    _heard("date and time are one", _cases("CONQM-013"), where(of(FIND), data(StudyTime=""))),
    _heard("a range begins late", _cases("CONQM-014[101500 101500.5 101500.123456]"),
           where(of(FIND), data(StudyTime="101501-101501"))),
    _heard("a character set is a key", _cases("CONQM-015[cyrillic utf-8]"),
           where(of(FIND), _nobody_in_another_set)),
    # What a retrieval selects.
    _heard("another instance is sent", _cases(f"CONRT-001[{LEVELS}]", "CONRT-031"),
           where(of(STORE), data(SOPInstanceUID=OTHER)), "local.dicom"),
    _told("another instance comes", _cases(f"CONRT-002[{LEVELS}]"),
          where(of(STORE), data(SOPInstanceUID=OTHER))),
    # How it reports its sub-operations.
    _told("a C-MOVE is always a success", _cases(f"CONRT-010[{ENDS}]", "CONRT-013", "CONRT-031"),
          where(final(MOVED), command(Status=0x0000))),
    _told("a C-GET is always a success", _cases(f"CONRT-011[{ENDS}]", "CONRT-030", "CONRT-037"),
          where(final(GOT), command(Status=0x0000))),
    _told("a destination is unable, not unknown", _cases("CONRT-012"),
          where(final(MOVED), command(Status=0xA702))),
    _told("a C-MOVE lists another as failed", _cases("CONRT-014"),
          where(final(MOVED), data(FailedSOPInstanceUIDList=OTHER))),
    _told("a C-GET lists another as failed", _cases("CONRT-015"),
          where(final(GOT), data(FailedSOPInstanceUIDList=OTHER))),
    _told("a C-MOVE lists without failure", _cases("CONRT-016"), where(final(MOVED), _identifier)),
    _told("a C-GET lists without failure", _cases("CONRT-017"), where(final(GOT), _identifier)),
    _told("a warning counts as completed on the way", _cases("CONRT-018", "CONRT-019"),
          where(_on_the_way, _warnings_completed)),
    _told("a C-MOVE tells nothing on the way", _cases("CONRT-022"), left_out(pending(MOVED))),
    _told("a C-GET tells nothing on the way", _cases("CONRT-023"), left_out(pending(GOT))),
    _heard("a long title is cut", _cases("CONRT-024"), where(of(MOVE), _cut_title)),
    _told("a C-MOVE does not count down", _cases("CONRT-018", "CONRT-022"),
          where(pending(MOVED), command(NumberOfRemainingSuboperations=7))),
    _told("a C-GET does not count down", _cases("CONRT-019", "CONRT-023"),
          where(pending(GOT), command(NumberOfRemainingSuboperations=7))),
    _told("a C-GET has an originator", _cases("CONRT-021"),
          where(of(STORE), command(MoveOriginatorApplicationEntityTitle="X", MoveOriginatorMessageID=1))),
    # Its presentation contexts.
    _pdu("a role is refused", _cases("CONRT-032"), _without_role),
    _pdu("the last context is not used", _cases("CONRT-037"), result_of(255, 0, 3)),
    _pdu("the default syntax is not offered", _cases("CONRT-034[implicit explicit big-endian]"),
         without_default_syntax, "local.dicom"),
    _heard("only one C-GET is served", _cases("CONRT-035"),
           where(of(GET, MessageID=12), data(StudyInstanceUID=OTHER))),
)  # fmt: skip

GROUP = Group(
    "services_dcmqrscp",
    sample=tuple(sorted({case.partition("[")[0] for lie in LIES for case in lie.fails})),
    lies=LIES,
    crosswise=False,
    options=("--remote", "dcmqrscp"),
    smoke=False,
)
