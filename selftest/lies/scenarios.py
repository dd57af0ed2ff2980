"""Faults of a server across restarts, limits and interruptions: the scenarios notice."""

from collections.abc import Callable
from dataclasses import replace

from lies.plugins import in_json, lie, swap, with_status
from support.lies import Group, SeededLie
from support.server_faults import LostFiles, NextLife, WrongSetup

from harness.relay import DicomLie, change_status
from harness.relay.http import HttpResponse

Change = Callable[[HttpResponse], HttpResponse]
OPTIONS = ("--previous=orthanc",)
"""Options of groups about servers that start and stop: a run of their own, and an older release."""
STUDY = "/studies/[^/]*"


def replaced(body: bytes) -> Change:
    """Answer with another body if there is one."""
    return lambda answer: replace(answer, body=body) if answer.status == 200 else answer


def more(key: str) -> Change:
    """Add one to a number of an object; the number may be text."""
    return in_json(lambda found: found | {key: type(found[key])(int(found[key]) + 1)})


one_less = in_json(lambda found: found[:-1])
_without_the_youngest = in_json(
    lambda found: sorted(found, key=lambda one: str(one["MainDicomTags"]["PatientID"]))[:-1]
)
_without_the_first_change = in_json(lambda found: found | {"Changes": found["Changes"][1:]})
numbered_anew = in_json(
    lambda found: (
        found
        | {"Changes": [each | {"Seq": at} for at, each in enumerate(found["Changes"], start=1)]}
    )
)


def _without_room(answer: HttpResponse) -> HttpResponse:
    return with_status(200)(answer) if answer.status >= 500 else answer


def _for_another_reason(answer: HttpResponse) -> HttpResponse:
    for right, wrong in ((14, 15), (37, 38)):
        answer = swap(b'"ErrorCode" : %d' % right, b'"ErrorCode" : %d' % wrong)(answer)
    return answer


def _kept(name: str, target: str, change: Change, *fails: str, ends: int = 2) -> NextLife:
    """Lie about what was kept: most of these cases restart the server once to set it up."""
    return NextLife(lie(name, "GET", target, change, *fails), ends)


LIES = (
    # What is stored
    lie("a file is compressed", "GET", ".*/compressed-size", replaced(b"1"),
        "COMPR-001[on-then-off]", "COMPR-001[off-then-on]"),
    lie("a file is told to be in another syntax", "GET", ".*/metadata/TransferSyntax",
        replaced(b"1.2.840.10008.1.2.2"), "INGST-001", "INGST-006"),
    WrongSetup("nothing is transcoded", ("IngestTranscoding=null",), frozenset({"INGST-001"})),
    WrongSetup("every kind is transcoded",
               ("IngestTranscodingOfUncompressed=true", "IngestTranscodingOfCompressed=true"),
               frozenset({"INGST-007[uncompressed]", "INGST-007[compressed]"})),
    # Many clients
    lie("an instance too many is counted", "GET", "/statistics", more("CountInstances"),
        "CONC-001[files]", "CONC-005[files]", "DURA-002[rest]"),
    lie("a byte too many is counted", "GET", "/statistics", more("TotalDiskSize"),
        "CONC-003", "DURA-003", "LIMIT-007"),
    lie("a study cannot be retrieved", "GET", "/dicom-web/studies/.*", with_status(404),
        "CONC-008[one]"),
    # Downloads
    lie("a job does not end", "GET", r"/jobs\?expand", swap(b'"Failure"', b'"Running"'), "INTR-001"),
    lie("a job fails for another reason", "GET", "/jobs.*", _for_another_reason,
        "INTR-003[stream]", "INTR-003[file]", "INTR-004[stream]"),
    lie("no thread is left for an archive", "GET", f"{STUDY}/archive", with_status(503), "INTR-002"),
    # Durability
    LostFiles(frozenset({"DURA-001[rest]", "DURA-002[rest]", "DURA-003", "DURA-004", "INGST-006",
                        "LIVES-001[objects]", "LIVES-001[deletions]", "LIVES-001[attachments]"})),
    SeededLie("what had no room is acknowledged over DICOM", "remote.dicom",
              DicomLie(change_status(0xA700, 0x0000)), frozenset({"DURA-006"})),
    lie("what had no room is acknowledged over REST", "POST", "/instances", _without_room,
        "DURA-005[rest]", "DURA-007"),
    # What survives a restart
    _kept("an instance is forgotten", "/instances", one_less,
          "LIVES-001[objects]", "LIVES-001[deletions]"),
    _kept("a value is another", f"{STUDY}/metadata.*", swap(b"a value", b"no value"),
          "LIVES-001[metadata]"),
    _kept("an attachment is another", ".*/attachments/1025/data", swap(b"some", b"same"),
          "LIVES-001[attachments]"),
    _kept("a patient is not protected", ".*/protected", swap(b"1", b"0"), "LIVES-001[protection]"),
    _kept("a change is forgotten", "/changes.*", _without_the_first_change, "LIVES-001[changes]"),
    _kept("a modality is forgotten", "/modalities.*", swap(b"KEPT", b"LOST"),
          "LIVES-001[modalities]"),
    _kept("changes are numbered anew", "/changes.*", numbered_anew, "LIVES-004", ends=1),
    _kept("what was set over REST is there", "/modalities", in_json(lambda found: [*found, "gone"]),
          "LIVES-003", ends=1),
    # Limits
    lie("the youngest patient went", "GET", r"/patients\?expand", _without_the_youngest,
        "LIMIT-006[files]", "LIMIT-008", "LIMIT-010", "LIMIT-011"),
    WrongSetup("patients are not limited", ("MaximumPatientCount=0",),
               frozenset({"LIMIT-008", "LIMIT-010"})),
    WrongSetup("the size is not limited", ("MaximumStorageSize=0",), frozenset({"LIMIT-006[files]"})),
)  # fmt: skip

SOME = {
    "CONC-001*-files*", "CONC-005*-files*", "CONC-008*-one*", "DURA-001*-rest*-1", "DURA-002*-rest*",
    "DURA-005*-rest*", "LIMIT-006*-files*", "LIVES-001*-objects*", "LIVES-001*-deletions*",
    "LIVES-001*-metadata*", "LIVES-001*-attachments*", "LIVES-001*-protection*", "LIVES-001*-changes*",
    "LIVES-001*-modalities*",
}  # fmt: skip
"""The cases used of those with many parameters: none with a database, none that fails at times."""
GROUP = Group(
    "scenarios",
    sample=(
        *sorted(SOME),
        *("COMPR-001", "CONC-003", "DURA-003", "DURA-004", "DURA-006", "DURA-007"),
        *("INGST-001", "INGST-006", "INGST-007", "INTR-001", "INTR-002", "INTR-003", "INTR-004"),
        *("LIMIT-007", "LIMIT-008", "LIMIT-010", "LIMIT-011", "LIVES-003", "LIVES-004"),
    ),
    lies=LIES,
    crosswise=False,
    smoke=False,
    options=OPTIONS,
)
