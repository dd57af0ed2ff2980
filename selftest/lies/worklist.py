"""Lies told to the worklist suite."""

from support.lies import Group, SeededLie

from harness.relay import DicomLie, Direction, change_status, replace_in_pdata
from harness.relay.lies import PduChange

MODALITY = b"\x08\x00\x60\x00"
MODALITIES_IN_STUDY = b"\x08\x00\x61\x00"
STATION_AE_TITLE = b"\x40\x00\x01\x00"
STATION_NAME = b"\x40\x00\x10\x00"
PATIENT_ID = b"\x10\x00\x20\x00"
ISSUER_OF_PATIENT_ID = b"\x10\x00\x21\x00"


def _lie(name: str, fails: set[str], change: PduChange) -> SeededLie:
    return SeededLie(name, "remote.dicom", DicomLie(change), frozenset(fails))


STATIONS = {"WLIST-004[ONE-names0]", "WLIST-004[TWO-names1]"}
JAPANESE = {"WLIST-016[Yamada*]", "WLIST-016[*]"}

GROUP = Group(
    "worklist",
    sample=("WLIST-001", "WLIST-002", "WLIST-004", "WLIST-010", "WLIST-016", "WLIST-019"),
    lies=(
        _lie(
            "the station is not heard",
            {*STATIONS, "WLIST-019"},
            replace_in_pdata(STATION_AE_TITLE, STATION_NAME, Direction.TO_SERVER),
        ),
        _lie(
            "the modality is not heard",
            {"WLIST-010", "WLIST-019"},
            replace_in_pdata(MODALITY, MODALITIES_IN_STUDY, Direction.TO_SERVER),
        ),
        _lie(
            "something unasked comes",
            {"WLIST-010"},
            replace_in_pdata(PATIENT_ID, ISSUER_OF_PATIENT_ID),
        ),
        _lie(
            "the character set is another",
            JAPANESE,
            replace_in_pdata(b"ISO_IR 192", b"ISO_IR 100"),
        ),
        _lie(
            "a name is misspelt",
            {"WLIST-001", "WLIST-004[ONE-names0]"},
            replace_in_pdata(b"^One", b"^one"),
        ),
        _lie(
            "a success is called a failure",  # findscu exits with 0 all the same
            {"WLIST-001", "WLIST-002", "WLIST-004[SIX-names2]", "WLIST-010", *STATIONS, *JAPANESE},
            change_status(0x0000, 0xC000),
        ),
    ),
)
