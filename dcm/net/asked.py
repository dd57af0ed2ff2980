"""Read and check what a C-FIND, C-MOVE or C-GET request asks for (PS3.4 Annex C).

asked = await take(association, command)
asked.level, asked.keys
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from dcm.data.dictionary import UnknownElement, tag_of
from dcm.data.identifier import BadIdentifier, read_identifier
from dcm.data.levels import Level
from dcm.data.match import Attributes, Value
from dcm.errors import DcmError
from dcm.net.association import Association
from dcm.net.suboperations import (
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)
from dcm.net.uids import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from dcm.wire import CFindRQ, CGetRQ, CMoveRQ, Command, SOPClassExtendedNegotiation

FIND_MODELS: Final = {PATIENT_ROOT_FIND: Level.PATIENT, STUDY_ROOT_FIND: Level.STUDY}
"""The information models of C-FIND, each with its highest level (PS3.4 C.6)."""
MOVE_MODELS: Final = {PATIENT_ROOT_MOVE: Level.PATIENT, STUDY_ROOT_MOVE: Level.STUDY}
GET_MODELS: Final = {PATIENT_ROOT_GET: Level.PATIENT, STUDY_ROOT_GET: Level.STUDY}
_MODELS: Final = {CFindRQ: FIND_MODELS, CMoveRQ: MOVE_MODELS, CGetRQ: GET_MODELS}

WRONG_IDENTIFIER: Final = 0xA900
UNABLE: Final = 0xC000
_WRONG_CLASS: Final = 0x0122
_FIRST_GROUP: Final = 0x0008
"""The first group of data sets; lower ones are for commands, file meta and directories (PS3.5 7.1)."""
_WILD: Final = frozenset("*?")


class Unanswerable(DcmError):  # noqa: N818 - reads as the sentence it is
    """A request to be answered with the failure `status`; the message says why."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Asked(NamedTuple):
    """A valid request: its level, its keys, and separately its Specific Character Set."""

    level: Level
    keys: dict[str, Value]
    character_set: str
    transfer_syntax_uid: str


async def take(association: Association, command: Command) -> Asked:
    """Receive the identifier of a request, and check it. Raises `Unanswerable`."""
    request = command.message
    assert isinstance(request, CFindRQ | CMoveRQ | CGetRQ)
    data = await association.data_set() if request.has_data_set else b""
    context = association.context_by_id(command.context_id)
    model = request.affected_sop_class_uid
    top = _MODELS[type(request)].get(model)
    if top is None or context.abstract_syntax != model:
        raise Unanswerable(_WRONG_CLASS, "the SOP class does not match the context or the request")
    if not request.has_data_set:
        raise Unanswerable(WRONG_IDENTIFIER, "the identifier is missing")
    try:
        found = read_identifier(data, context.transfer_syntax)
    except (BadIdentifier, UnknownElement) as error:
        raise Unanswerable(UNABLE, f"the identifier cannot be read: {error}") from error
    level = _level(found.pop("QueryRetrieveLevel", ""), top)
    character_set = found.pop("SpecificCharacterSet", "")
    if not _is_relational(association, model):
        _require_path(found, top, level)
    if not isinstance(request, CFindRQ):
        found = _to_retrieve(found, level)
    for name in [each for each in found if tag_of(each) >> 16 < _FIRST_GROUP]:
        del found[name]
    names = character_set if isinstance(character_set, str) else ""
    return Asked(level, found, names, context.transfer_syntax)


def _level(value: Value, top: Level) -> Level:
    name = value.strip() if isinstance(value, str) else ""
    if not name:
        raise Unanswerable(WRONG_IDENTIFIER, "Query/Retrieve Level is missing")
    if name not in Level.__members__ or Level[name] < top:
        raise Unanswerable(WRONG_IDENTIFIER, f"invalid Query/Retrieve Level for this model: {name}")
    return Level[name]


def _is_relational(association: Association, model: str) -> bool:
    """Return whether both sides agreed on relational queries or retrieval (PS3.4 C.5.1, C.5.2)."""
    return any(
        item.sop_class_uid == model and item.service_class_application_information[:1] == b"\1"
        for item in association.answer_pdu.items(SOPClassExtendedNegotiation)
    )


def _require_path(found: Attributes, top: Level, level: Level) -> None:
    """Require a single value for the unique key of each level above (PS3.4 C.4.1.2.1, C.4.2.2.1)."""
    for upper in _levels(top, level):
        value = _unique(found, upper)
        if not value:
            words = f"{upper.unique_key} is missing, which is above {level.name}"
        elif "\\" in value or not _WILD.isdisjoint(value):
            words = f"{upper.unique_key} is not a single value above {level.name}"
        else:
            continue
        raise Unanswerable(WRONG_IDENTIFIER, words)


def _to_retrieve(found: Attributes, level: Level) -> dict[str, Value]:
    """Return the unique keys, which alone determine what is retrieved (PS3.4 C.4.2.2.1, C.4.3.2.1).

    Other keys are ignored, except that a unique key of a lower level would be misunderstood.
    """
    wanted = _unique(found, level)
    if not wanted or not _WILD.isdisjoint(wanted):
        words = "is missing" if not wanted else "is not a value"
        raise Unanswerable(
            WRONG_IDENTIFIER, f"{level.unique_key} {words}, but is needed to select what to send"
        )
    for lower in list(Level)[level + 1 :]:
        if _unique(found, lower):
            words = f"{lower.unique_key} is a key below {level.name}"
            raise Unanswerable(WRONG_IDENTIFIER, words)
    keys = {each.unique_key: _unique(found, each) for each in _levels(Level.PATIENT, level)}
    return {**{name: value for name, value in keys.items() if value}, level.unique_key: wanted}


def _levels(top: Level, below: Level) -> Iterator[Level]:
    return (each for each in Level if top <= each < below)


def _unique(found: Attributes, level: Level) -> str:
    value = found.get(level.unique_key, "")
    return value.strip() if isinstance(value, str) else ""
