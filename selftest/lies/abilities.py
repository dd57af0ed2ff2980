"""Lies about dcmqrscp, told to the cases that show a server's abilities."""

from collections.abc import Callable

from lies.services_dcmqrscp import FIND, FOUND, STORED
from support.bending import Items, bent_items
from support.lies import Group, SeededLie
from support.messages import MessageLie, command, of, pending, present, where

from dcm.wire import AssociateAC
from harness.relay import DicomLie, Direction

CONTEXT, USER = 0x21, 0x50
LITTLE_ENDIAN, BIG_ENDIAN = b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.2"


def _answer(name: str, fails: set[str], change: Callable[[Items], Items]) -> SeededLie:
    """Change the items of an A-ASSOCIATE-AC."""
    bend = bent_items(change, AssociateAC.TYPE)
    lie = DicomLie(lambda pdu, direction: bend(pdu) if direction is Direction.TO_CLIENT else pdu)
    return SeededLie(name, "remote.dicom", lie, frozenset(fails))


def _last_left_out(items: Items) -> Items:
    last = max((body[0] for kind, body in items if kind == CONTEXT), default=0)
    return [each for each in items if each[0] != CONTEXT or each[1][0] != last or last == 1]


def _another_syntax(items: Items) -> Items:
    return [
        (kind, body[:4] + b"\x40\0" + len(BIG_ENDIAN).to_bytes(2, "big") + BIG_ENDIAN)
        if kind == CONTEXT and body[0] > 1 and body[2] == 0
        else (kind, body)
        for kind, body in items
    ]


def _unasked_role(items: Items) -> Items:
    uid = b"1.2.840.10008.1.1"
    role = (
        b"\x54\0" + (len(uid) + 4).to_bytes(2, "big") + len(uid).to_bytes(2, "big") + uid + b"\1\1"
    )
    return [(kind, body + role if kind == USER else body) for kind, body in items]


LEVELS = ("patient-patient", "patient-study", "patient-series", "patient-image", "study-study",
          "study-series", "study-image")  # fmt: skip
KEYS = {f"ABIL-020[{each}]" for each in ("patient-patient", "patient-study", "study-study")}
LIES = (
    _answer("a context is not answered", {"ABIL-001", "ABIL-002"}, _last_left_out),
    _answer("another transfer syntax is chosen", {"ABIL-002"}, _another_syntax),
    _answer("a role comes unasked", {"ABIL-003"}, _unasked_role),
    SeededLie("everything is refused for want of room", "remote.dicom",
              MessageLie(where(of(STORED), command(Status=0xA700))),
              frozenset({"ABIL-010", "ABIL-011", *(f"ABIL-020[{each}]" for each in LEVELS)})),
    SeededLie("a name is another", "remote.dicom",
              MessageLie(where(pending(FOUND), present(PatientName="Other^Name"))),
              frozenset({"ABIL-020[patient-patient]",
                         "ABIL-020[study-study]"})),
    SeededLie("a required key is not looked at", "remote.dicom",
              MessageLie(where(of(FIND), present(PatientName="", StudyDate="")), Direction.TO_SERVER),
              frozenset(KEYS)),
)  # fmt: skip

GROUP = Group(
    "abilities",
    sample=("ABIL-001", "ABIL-002", "ABIL-003", "ABIL-010", "ABIL-011",
            "ABIL-020*"),
    lies=LIES,
    crosswise=False,
    options=("--remote", "dcmqrscp"),
    smoke=False,
)  # fmt: skip
