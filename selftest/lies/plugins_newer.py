"""Faults of plugins that came with Orthanc 1.11 and 1.12: multitenant, housekeeper, delayed deletion."""

import json

from lies.plugins import in_json, lie, swap, with_status
from lies.scenarios import OPTIONS, replaced
from support.lies import Group, SeededLie
from support.server_faults import NextLife, WrongSetup

from harness.relay import DicomLie, change_status

HOUSEKEEPER = "/plugins/housekeeper/status"
DELETION = "/plugins/delayed-deletion/status"


def tenant(name: str, fails: frozenset[str], **settings: object) -> WrongSetup:
    """Return a fault of the tenant's server settings: no relay is in front of that server."""
    usual = {
        "AET": "TENANT", "Port": "{port}", "Labels": ["a", "b"], "LabelsConstraint": "Any",
        "LabelsStoreLevels": ["Study"],
    }  # fmt: skip
    return WrongSetup(name, (f"MultitenantDicom.Servers={json.dumps([usual | settings])}",), fails)


LIES = (
    # Multitenant DICOM
    tenant("labels are put on the series, too", frozenset({"TENANT-001"}),
           LabelsStoreLevels=["Study", "Series"]),
    tenant("a label is not put", frozenset({"TENANT-001"}), Labels=["a"]),
    tenant("everything is seen", frozenset({"TENANT-002[all]", "TENANT-002[any]", "TENANT-002[none]",
                                            "TENANT-003", "TENANT-004"}), Labels=[],
           LabelsConstraint="None"),
    tenant("only what has no label of the tenant is seen", frozenset({"TENANT-003", "TENANT-004"}),
           LabelsConstraint="None"),
    SeededLie("the server itself does not answer a C-ECHO any more", "remote.dicom",
              DicomLie(change_status(0x0000, 0x0110)), frozenset({"TENANT-005"})),
    # Housekeeper
    lie("the housekeeper is at work for ever", "GET", HOUSEKEEPER,
        in_json(lambda found: found | {"CurrentlyProcessingConfiguration": {}}), "HOUSE-001"),
    lie("the housekeeper has brought things to another version", "GET", HOUSEKEEPER,
        swap(b'"OrthancVersion" : "1.', b'"OrthancVersion" : "0.'), "HOUSE-001"),
    lie("the housekeeper has changed a file", "GET", "/instances/.*/file", swap(b"DICM", b"DICX"),
        "HOUSE-001"),
    lie("a housekeeper that is off has a status", "GET", HOUSEKEEPER, with_status(200), "HOUSE-002"),
    NextLife(lie("the housekeeper has not compressed", "GET", ".*/compressed-size",
                 replaced(b"999999"), "HKEEP-001[compression]", "HKEEP-001[transcoding]"), ends=2),
    NextLife(lie("the housekeeper has added no tag", "GET", "/series/[^/]*",
                 swap(b"ScanOptions", b"ScanOptionX"),
                 "HKEEP-001[compression]", "HKEEP-001[transcoding]"), ends=2),
    NextLife(lie("the housekeeper has written another origin", "GET", ".*/metadata/Origin",
                 replaced(b"Unknown"),
                 "HKEEP-001[compression]", "HKEEP-001[transcoding]"), ends=2),
    # Delayed deletion
    WrongSetup("files go far too late", ("DelayedDeletion.ThrottleDelayMs=60000",),
               frozenset({"DELDEL-001"})),
    lie("what was kept is another", "GET", "/instances/.*/file", swap(b"DICM", b"DICX"),
        "DELDEL-001", "DELAY-001"),
    WrongSetup("the plugin is on", ("DelayedDeletion.Enable=true",), frozenset({"DELDEL-002"})),
    lie("a deletion is not listed", "GET", DELETION,
        swap(b'"FilesPendingDeletion"', b'"FilesPendingX"'), "DELAY-002"),
    NextLife(lie("the queue does not run empty in the next life", "GET", DELETION,
                 in_json(lambda found: found | {"FilesPendingDeletion": 1}), "DELAY-001"), ends=2),
)  # fmt: skip

GROUP = Group(
    "plugins_newer",
    sample=tuple(sorted({case.partition("[")[0] for each in LIES for case in each.fails})),
    lies=LIES,
    crosswise=False,
    smoke=False,
    options=OPTIONS,
    plugins=("multitenant-dicom", "housekeeper", "delayed-deletion"),
)
