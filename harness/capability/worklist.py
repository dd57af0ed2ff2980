"""The modality worklist (PS3.4 K): is it answered, and which of its required keys are matched."""

from typing import Any

from dcm.data.match import Value
from dcm.net.association import Association
from harness.capability.associations import Negotiated
from harness.capability.keys import OTHER_VALUES, WORKLIST, WORKLIST_STEP
from harness.capability.known_classes import NATIVE, name_of
from harness.capability.known_classes import WORKLIST as MODEL
from harness.capability.notebook import Notebook
from harness.capability.objects import SCOPE
from harness.capability.peer import Found, Peer, find
from harness.corpus import Maker

_ITEM: dict[str, Any] = {
    "PatientName": "Probe^Worklist",
    "PatientID": f"{SCOPE}-W",
    "Modality": "CT",
    "ScheduledStationAETitle": "PROBESTATION",
    "ScheduledProcedureStepStartDate": "20240115",
    "ScheduledProcedureStepStartTime": "101500",
    "ScheduledPerformingPhysicianName": "Performing^Physician",
}
_VRS = {
    "PatientName": "PN",
    "PatientID": "LO",
    "Modality": "CS",
    "ScheduledStationAETitle": "AE",
    "ScheduledProcedureStepStartDate": "DA",
    "ScheduledProcedureStepStartTime": "TM",
    "ScheduledPerformingPhysicianName": "PN",
}


async def worklist(peer: Peer, notes: Notebook, found: Negotiated) -> None:
    """Ask for the worklist; where its folder is within reach, with an item of our own in it."""
    if MODEL not in found.classes:
        return
    notes.progress("asking for the worklist")
    folder = None if peer.target.read_only else peer.target.worklists
    file = None if folder is None else folder / "harness-probe.wl"
    if file is not None:
        file.write_bytes(Maker(SCOPE).worklist_item(**_ITEM))
    try:
        with notes.noting("worklist/answered", "PS3.4 K.4.1.3", f"accepts {name_of(MODEL)}"):
            async with peer.associate("C-FIND of the worklist", [(MODEL, NATIVE)]) as association:
                await _keys(association, notes, with_item=file is not None)
    finally:
        if file is not None:
            file.unlink(missing_ok=True)


async def _keys(association: Association, notes: Notebook, *, with_item: bool) -> None:
    name = name_of(MODEL)
    nobody = await _ask(association, "PatientID", "HARNESS-NOBODY")
    notes.declared("worklist/answered", "A worklist query", value=True)
    words = "answered" if nobody.succeeded else nobody.words
    notes.probed("worklist/answered", "A worklist query", words)
    notes.probed(f"sop-class/{MODEL}", name, words)
    if not nobody.succeeded:
        notes.contradiction(
            "worklist/answered", "PS3.4 K.4.1.3", f"accepts {name}", f"it answers with {words}"
        )
    if not with_item or not nobody.succeeded:
        return
    for key in (*WORKLIST, *WORKLIST_STEP):
        right = await _ask(association, key, _ITEM[key])
        other = await _ask(association, key, OTHER_VALUES[_VRS[key]])
        words = "matched" if right.matches and not other.matches else "not matched"
        if not right.matches:
            words = f"not matched: its own value does not find the item, {right.words}"
        notes.declared(f"worklist/{key}", key, "required")
        notes.probed(f"worklist/{key}", key, words)
        if words != "matched":
            notes.contradiction(
                f"worklist/{key}", "PS3.4 K.6.1.2.2", f"accepts {name}",
                f"the required key {key} is {words}",
            )  # fmt: skip


async def _ask(association: Association, key: str, value: str) -> Found:
    step: dict[str, Value] = dict.fromkeys(WORKLIST_STEP, "")
    identifier: dict[str, Value] = dict.fromkeys(WORKLIST, "")
    (step if key in step else identifier)[key] = value
    if key != "PatientID":
        identifier["PatientID"] = _ITEM["PatientID"]
    return await find(association, MODEL, {**identifier, "ScheduledProcedureStepSequence": [step]})
