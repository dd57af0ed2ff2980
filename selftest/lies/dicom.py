"""Lies told to the DICOM suites."""

from dataclasses import replace
from typing import Any

from pydicom.multival import MultiValue
from support.lies import Door, Group, SeededLie
from support.messages import Change, MessageLie, command, data, each, final, of, where

from dcm.wire import CFindRQ, CGetRSP, CMoveRSP, CStoreRQ
from harness.relay import DicomLie, Direction, HttpLie, HttpRequest
from harness.relay.lies import PduChange, change_status, replace_in_pdata

A_ASSOCIATE_AC = 2
FIND, GOT, MOVED = CFindRQ.COMMAND_FIELD, CGetRSP.COMMAND_FIELD, CMoveRSP.COMMAND_FIELD
STORE = CStoreRQ.COMMAND_FIELD


def _lie(name: str, fails: set[str], change: PduChange, door: Door = "remote.dicom") -> SeededLie:
    return SeededLie(name, door, DicomLie(change), frozenset(fails))


def _rest(name: str, fails: set[str], path: str, old: bytes, new: bytes) -> SeededLie:
    """Replace `old` by `new` in the answers to requests for `path`."""

    def asked(ask: HttpRequest) -> bool:
        return path in ask.target

    lie = HttpLie(asked, lambda answer: replace(answer, body=answer.body.replace(old, new)))
    return SeededLie(name, "remote.rest", lie, frozenset(fails))


def _heard(old: bytes, new: bytes) -> PduChange:
    """Let the server receive `new` where the client sent `old`."""
    return replace_in_pdata(old, new, Direction.TO_SERVER)


def _command(element: int, old: int, new: int) -> PduChange:
    """Change a number of 16 bits in the command set of a response (PS3.7 E.1)."""
    header = b"\0\0" + element.to_bytes(2, "little") + b"\2\0\0\0"
    return replace_in_pdata(header + old.to_bytes(2, "little"), header + new.to_bytes(2, "little"))


def _message(
    name: str,
    fails: set[str],
    change: Change,
    towards: Direction = Direction.TO_CLIENT,
    door: Door = "remote.dicom",
) -> SeededLie:
    return SeededLie(name, door, MessageLie(change, towards), frozenset(fails))


def _cut(_: str, value: Any) -> Any:
    """Remove everything after the third value of a list."""
    return value[:3] if isinstance(value, MultiValue) else value


def result_of(context_id: int, old: int, new: int) -> PduChange:
    """Change the result of one presentation context (PS3.8 9.3.3.2)."""

    def change(pdu: bytes, _: Direction) -> bytes:
        if pdu[0] != A_ASSOCIATE_AC:
            return pdu
        changed, at = bytearray(pdu), 74
        while at < len(pdu):
            if (pdu[at], pdu[at + 4], pdu[at + 6]) == (0x21, context_id, old):
                changed[at + 6] = new
            at += 4 + int.from_bytes(pdu[at + 2 : at + 4], "big")
        return bytes(changed)

    return change


def _calling(old: bytes, new: bytes) -> PduChange:
    """Change the AE title in association requests."""
    return lambda pdu, _: pdu.replace(old, new) if pdu[0] == 1 else pdu


GROUP = Group(
    "dicom",
    sample=(
        "CECHO-002", "CECHO-003",
        "CSTORE-008", "CSTORE-009", "CSTORE-011",
        "CFIND-009", "CFIND-010", "CFIND-021",
        "CFIND-016", "CFIND-017", "CFIND-018",
        "CFIND-029", "CFIND-031", "CFIND-032",
        "CMOVE-003", "CMOVE-007", "CMOVE-008", "CMOVE-009", "CMOVE-011", "CMOVE-015",
        "CGET-006", "CGET-007", "CGET-009", "CGET-010",
        "SSTORE-002", "SSTORE-006", "SSTORE-010", "SSTORE-012", "SSTORE-013",
        "SFIND-003", "SFIND-005", "SMOVE-004",
    ),
    lies=(
        _lie("an answer names another request", {"CECHO-003"}, _command(0x0120, 7, 8)),
        _lie("the wrong reason for a class", {"CSTORE-011[refused]"}, result_of(1, 3, 4)),
        _lie("the second request is not answered", {"CECHO-002", "SMOVE-004"},
             _command(0x0120, 2, 3)),
        _lie("the greatest message id is answered with another", {"CECHO-003", "CSTORE-008"},
             _command(0x0120, 65535, 65534)),
        _rest("the origin is another", {"CSTORE-009"}, "/metadata", b"MODALITY7", b"MODALITY8"),
        _lie("an unknown class is accepted", {"CSTORE-011[refused]"}, result_of(1, 3, 0)),
        _lie("a patient is found for nobody", {"CFIND-009"}, _heard(b"NOBODY", b"*     ")),
        _lie("an identifier without level is right", {"CFIND-010"}, change_status(0xC000, 0)),
        _lie("a star is a question mark", {"CFIND-016"}, _heard(b"*Muller*", b"?Muller?")),
        _lie("a question mark is a star", {"CFIND-017"}, _heard(b"A1? ", b"A1* ")),
        _lie("case is not regarded", {"CFIND-018"}, _heard(b"ABC ", b"??? ")),
        _lie("a modality is another", {"CFIND-029"}, replace_in_pdata(b"CT\\MR", b"CT\\US")),
        _lie("a key is not matched", {"CFIND-031"}, _heard(b"4711", b"471?")),
        _lie("a number is another", {"CFIND-032"},
             replace_in_pdata(b"\x28\0\x10\0US\2\0\x10\0", b"\x28\0\x10\0US\2\0\x11\0")),
        _lie("a series is a study", {"CMOVE-003"}, _heard(b"SERIES", b"STUDY ")),
        _lie("the originator is another", {"CMOVE-007"}, _heard(b"MODALITY7", b"MODALITY8"),
             "local.dicom"),
        _message("a list of UIDs is cut", {"CFIND-021"}, where(of(FIND), each(_cut)),
                 Direction.TO_SERVER),
        _message("a C-MOVE ends with what remains", {"CMOVE-009"},
                 where(final(MOVED), command(NumberOfRemainingSuboperations=0))),
        _message("a C-GET ends with what remains", {"CGET-009"},
                 where(of(GOT, Status=0), command(NumberOfRemainingSuboperations=0))),
        _lie("an unknown study is a warning", {"CMOVE-011", "CFIND-010"},
             change_status(0xC000, 0xB000)),
        _message("another instance is sent", {"CMOVE-003", "CMOVE-015", "SSTORE-002"},
                 where(of(STORE), data(SOPInstanceUID="2.25.9")), Direction.TO_SERVER, "local.dicom"),
        _rest("an export went elsewhere",
              {f"SSTORE-012[{each}]" for each in ("patients", "studies", "series", "instances")},
              "/exports", b"orthanctest", b"orthanctesu"),
        _lie("the server has another title", {"SSTORE-013"},
             _calling(b"ORTHANC ", b"ORTHANX "), "local.dicom"),
        _lie("an instance is not counted", {"CMOVE-008"}, _command(0x1021, 4, 3)),
        _lie("nothing was retrieved, but some", {"CGET-006"}, change_status(0xA702, 0xB000)),
        _lie("a warning is not counted", {"CGET-007"}, _command(0x1023, 1, 0)),
        _lie("a cancelled C-GET is a success", {"CGET-010"}, change_status(0xFE00, 0)),
        _rest("a sent instance is not told", {"SSTORE-002"}, "/store", b": 5", b": 4"),
        _lie("the caller is another", {"SSTORE-006"}, _calling(b"OTHER ", b"OTHEN "), "local.dicom"),
        _rest("a job has not succeeded", {"SSTORE-010"}, "/jobs/", b'"Success"', b'"Failure"'),
        _rest("a query has another level", {"SFIND-003"}, "/level", b"Series", b"Study"),
        _lie("a counter is left out", {"SFIND-005[Patient-counts0]"},
             replace_in_pdata(b"\x20\0\0\x12", b"\x20\0\x01\x12"), "local.dicom"),
        _lie("patient B is another", {"SMOVE-004", "SSTORE-002"},
             _heard(b"\x10\0\x20\0LO\2\0B ", b"\x10\0\x20\0LO\2\0X "), "local.dicom"),
    ),
)  # fmt: skip
