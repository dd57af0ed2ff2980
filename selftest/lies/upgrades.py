"""Faults of a release that replaces the previous one: the cases about upgrades notice."""

from lies.plugins import lie, swap, with_status
from lies.scenarios import OPTIONS, more, numbered_anew, one_less
from support.lies import Group, SeededLie
from support.server_faults import LostFiles, NextLife

from harness.relay import DicomLie, replace_in_pdata

LIES = (
    NextLife(lie("an object is not taken over", "GET", "/instances", one_less,
                 "UPGR-001", "UPGR-005", "UPGR-007", "UPGR-008")),
    NextLife(SeededLie("a name is not taken over", "remote.dicom",
                       DicomLie(replace_in_pdata(b"Before^Anna", b"Beyond^Anna")),
                       frozenset({"UPGR-002"}))),
    NextLife(lie("a value is not taken over", "GET", ".*/metadata/1024", swap(b"before", b"beyond"),
                 "UPGR-003")),
    NextLife(lie("an attachment is not taken over", "GET", ".*/attachments/1025/data",
                 with_status(404), "UPGR-003")),
    NextLife(lie("changes are numbered anew", "GET", "/changes.*", numbered_anew, "UPGR-004")),
    NextLife(lie("something is left", "GET", "/statistics", more("TotalDiskSize"),
                 "UPGR-006", "UPGR-007")),
    NextLife(lie("a compressed file is given out as it is", "GET", "/instances/.*/file",
                 with_status(500), "UPGR-009"), ends=2),
    LostFiles(frozenset({"UPGR-008", "UPGR-009"})),
)  # fmt: skip

GROUP = Group(
    "upgrades",
    sample=tuple(sorted({case for each in LIES for case in each.fails})),
    lies=LIES,
    crosswise=False,
    smoke=False,
    options=OPTIONS,
)
