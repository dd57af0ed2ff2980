"""Modality worklists as SCU (PS3.4 Annex K): what is scheduled."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

from dcm.data.dictionary import keyword_of, tag_of
from dcm.data.match import WORKLIST, Attributes, Value, matches
from dcm.net.find import WORKLIST_FIND, find
from dcm.net.limits import TimeLimits
from dcm.net.node import DcmNode

_STEP: Final = "ScheduledProcedureStepSequence"
_OF_STEP: Final = (
    "ScheduledStationAETitle", "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime",
    "Modality", "ScheduledPerformingPhysicianName", "ScheduledProcedureStepDescription",
    "ScheduledProcedureStepID", "ScheduledStationName", "ScheduledProcedureStepLocation",
)  # fmt: skip
_RETURNED: Final = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyInstanceUID",
    "RequestedProcedureID", "RequestedProcedureDescription", "RequestedProcedurePriority",
    "ReferringPhysicianName", "RequestingPhysician", "AdmissionID",
)  # fmt: skip


async def worklist(
    local: DcmNode, remote: DcmNode, limits: TimeLimits, query: Mapping[str, object] | None = None
) -> AsyncGenerator[dict[str, Value], None]:
    """Give the worklist items that match, as they come.

    A sequence among the keys is one mapping or a list of them, as in
    `{"ScheduledProcedureStepSequence": {"Modality": "CT"}}`. What a patient and a step usually have is always
    asked for (K.6.1.2.2). Raises `NetworkError`, and `dcm.data.dictionary.UnknownElement`.
    """
    keys = _keys(query or {})
    steps = keys.get(_STEP) or [{}]
    step = steps[0] if not isinstance(steps, str) else {}
    identifier: Attributes = {
        **dict.fromkeys(_RETURNED, ""),
        **keys,
        _STEP: [{**dict.fromkeys(_OF_STEP, ""), **step}],
    }
    async with aclosing(find(local, remote, identifier, limits, WORKLIST_FIND)) as answers:
        async for answer in answers:
            found = {**answer.attributes}
            found.pop("SpecificCharacterSet", None)  # the texts are decoded
            if matches(keys, found, WORKLIST):
                yield found


def _keys(query: Mapping[str, object]) -> dict[str, Value]:
    """Name keys as the dictionary does, and let a lone item stand for a sequence of one."""
    return {keyword_of(tag_of(name)): _value(value) for name, value in query.items()}


def _value(value: object) -> Value:
    if isinstance(value, Mapping):
        return [_keys(value)]
    if isinstance(value, list | tuple):
        return [_keys(item) for item in value]
    return str(value)
