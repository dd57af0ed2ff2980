"""Query modality worklists as SCU (PS3.4 Annex K)."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from dcm.data.account import Account
from dcm.data.fit import differing
from dcm.data.identifier import BadIdentifier
from dcm.data.keys import Query, attributes_of
from dcm.data.match import WORKLIST, Attributes, Value, limiting
from dcm.net.find import Answer, find
from dcm.net.pool import Pool
from dcm.net.query_plan import REQUIRED
from dcm.net.uids import WORKLIST_FIND

_LOG: Final = logging.getLogger(__name__)
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
    pool: Pool,
    query: "Query | None" = None,
    *,
    account: Account | None = None,
) -> AsyncGenerator[dict[str, Value], None]:
    """Yield the matching worklist items as they arrive.

    Keys of the step are in a sequence: `{"ScheduledProcedureStepSequence": {"Modality": "CT"}}`. The usual
    attributes of a patient and a step are always requested (K.6.1.2.2). account: records what happens to the
    answers; dropped answers are also logged.
    Raises `NetworkError`, `BadKey` and `dcm.data.dictionary.UnknownElement`.
    """
    account = Account() if account is None else account
    keys = attributes_of(query)
    steps = keys.get(_STEP) or [{}]
    step = steps[0] if not isinstance(steps, str) else {}
    identifier: Attributes = {
        **dict.fromkeys(_RETURNED, ""),
        **keys,
        _STEP: [{**dict.fromkeys(_OF_STEP, ""), **step}],
    }
    wanted = limiting(keys)
    async with aclosing(find(pool, identifier, WORKLIST_FIND)) as answers:
        async for answer in answers:
            found = _used(answer, wanted, account)
            if found is not None:
                yield found
    for words in [*account.problems(), *account.notes()]:
        _LOG.warning("%s: %s", pool.remote, words)


def _used(answer: Answer, wanted: Attributes, account: Account) -> dict[str, Value] | None:
    """Return a matching item, as far as the answer shows."""
    try:
        found = {**answer.attributes}
    except BadIdentifier as error:
        account.unusable[str(error)] += 1
        return None
    found.pop("SpecificCharacterSet", None)  # the texts are already decoded
    trusted = None if answer.heeds_all_keys else REQUIRED | {_STEP}
    if not account.keep(differing(wanted, found, WORKLIST), trusted):
        return None
    account.used += 1
    return found
