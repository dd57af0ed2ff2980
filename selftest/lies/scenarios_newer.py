"""Faults of features of Orthanc 1.11 and later: read-only, extra main tags, labels."""

from lies.plugins import lie, swap, with_status
from lies.scenarios import more
from support.lies import Group, SeededLie
from support.server_faults import NextLife, WrongSetup

from harness.relay import DicomLie, change_status, replace_in_pdata

LEVELS = ("patient", "study", "series", "instance")
LIES = (
    # Read-only
    NextLife(lie("an upload is accepted", "POST", "/instances", with_status(200),
                 "RONLY-001[upload-files]")),
    NextLife(lie("a deletion is accepted", "DELETE", "/studies/.*", with_status(200),
                 "RONLY-001[delete-study-files]")),
    NextLife(SeededLie("a C-STORE is accepted", "remote.dicom",
                       DicomLie(change_status(0xA700, 0x0000)), frozenset({"RONLY-002[files]"}))),
    NextLife(lie("more is counted than there is", "GET", "/statistics", more("CountInstances"),
                 "RONLY-003[files]")),
    NextLife(SeededLie("a description is another", "remote.dicom",
                       DicomLie(replace_in_pdata(b"Kept", b"Lost")), frozenset({"RONLY-005[files]"}))),
    # Extra main tags
    WrongSetup("no tag is added",
               tuple(f"ExtraMainDicomTags.{level.capitalize()}=[]" for level in LEVELS),
               frozenset(f"{case}[{level}]" for case in ("XTAGS-001", "XTAGS-003") for level in LEVELS)),
    lie("a tag has another value", "GET", "/(patients|studies|series|instances)/[^/]*",
        swap(b"Reader^Rita", b"Reader^Rosa"), "XTAGS-001[study]", "XTAGS-003[study]", "XTAGS-005[study]"),
    lie("a sequence has another item", "GET", "/(series|instances)/[^/]*", swap(b"RP1", b"RP2"),
        "XTAGS-002[series]", "XTAGS-002[instance]"),
    WrongSetup("files are read", tuple(f"ExtraMainDicomTags.{each.capitalize()}=[]" for each in LEVELS),
               frozenset(f"XTAGS-006[{level}]" for level in LEVELS)),
    # What survives a restart
    NextLife(lie("a label is lost", "GET", ".*/labels", swap(b"kept", b"lost"), "LIVES-001[labels]"),
             ends=2),
)  # fmt: skip

GROUP = Group(
    "scenarios_newer",
    sample=(
        *("RONLY-001*-upload-files*", "RONLY-001*-delete-study-files*", "RONLY-002*-files*"),
        *("RONLY-003*-files*", "RONLY-005*-files*", "LIVES-001*-labels*"),
        *("XTAGS-001", "XTAGS-002", "XTAGS-003", "XTAGS-005", "XTAGS-006"),
    ),
    lies=LIES,
    crosswise=False,
    smoke=False,
    since="1.12.5",
)
