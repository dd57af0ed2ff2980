"""Checks of instances as they arrive: a validator knows what was requested, and reports errors.

def no_secondary_captures(expected):
    return lambda instance: "a capture" if instance.kind[0] == SECONDARY_CAPTURE else ""

await sync("mypacs", "folder/", validators=[make_basic_validator(), no_secondary_captures])
"""

from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Final, TypeAlias

from dcm.data.dictionary import vr_of
from dcm.data.encoding import DEFLATED, EXPLICIT, NATIVE, MalformedData, Reader, TruncatedData
from dcm.data.levels import Level
from dcm.data.query_result import QueryResult
from dcm.data.source import MemorySource, Source, inflated
from dcm.instances import Instance, UnusableInstance, data_of

Check: TypeAlias = Callable[[Instance], str]
"""Returns what is wrong with an instance, or empty if nothing is."""

Validator: TypeAlias = Callable[[QueryResult], Check]
"""Returns the check for a transfer, given what was requested."""

_CHARACTER_SET: Final = 0x00080005
_TAGS: Final = (0x00100020, 0x0020000D, 0x0020000E, 0x00080018)
"""Patient ID, Study, Series and SOP Instance UID."""
_WANTED: Final = frozenset((*_TAGS, _CHARACTER_SET))
_INFLATED: Final = 1 << 30
_NOTHING: Final = (b"", b"")


def make_basic_validator(*, patient: bool = True) -> Validator:
    """Return a validator that requires each instance to belong to the requested entities.

    It compares Patient ID, Study, Series and SOP Instance UID with the answers of the source, down
    to the level of the query. patient: whether to compare the Patient ID; it is ignored if empty on
    either side.
    """

    def validator(expected: QueryResult) -> Check:
        known: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        for patient_id, *uids in expected.paths():
            known[tuple(uids)].append(patient_id.strip())
        levels = expected.level

        def check(instance: Instance) -> str:
            patient_id, *uids = _identity(instance)
            asked = known.get(tuple(uids[:levels]))
            if asked is None:
                return _words(uids, known.keys(), levels)
            if patient and patient_id and "" not in asked and patient_id.strip() not in asked:
                listed = " or ".join(map(repr, asked))
                return f"its Patient ID is {patient_id!r}, but {listed} was requested"
            return ""

        return check

    return validator


def _words(uids: list[str], known: Collection[tuple[str, ...]], level: Level) -> str:
    """Describe which of its UIDs were not requested, from the study down."""
    for depth in range(1, level + 1):
        if not any(path[:depth] == tuple(uids[:depth]) for path in known):
            name, uid = Level(depth).unique_key, uids[depth - 1]
            return f"its {name} is {uid or 'missing'}, which was not requested"
    return "it was not requested"


def _identity(instance: Instance) -> list[str]:
    """Return Patient ID, Study, Series and SOP Instance UID. Raises `UnusableInstance` and `OSError`."""
    from dcm.data.text import value_text  # noqa: PLC0415 - slow, and only if something arrives
    from dcm.filt.instance import opened  # noqa: PLC0415

    syntax = instance.kind[1]
    encoding = NATIVE.get(syntax, EXPLICIT)

    def read(source: Source, at: int) -> list[str]:
        found, _ = Reader(source).collect(at, encoding, _WANTED, max(_TAGS))
        character_set = found.get(_CHARACTER_SET, _NOTHING)[1]
        values = [(tag, *found.get(tag, _NOTHING)) for tag in _TAGS]
        return [
            value_text(
                value, vr.decode() if vr not in (b"", b"UN") else vr_of(tag),
                character_set=character_set, little_endian=encoding.little_endian,
            )
            for tag, vr, value in values
        ]  # fmt: skip

    try:
        if syntax in DEFLATED:
            return read(MemorySource(inflated(data_of(instance), _INFLATED)), 0)
        with opened(instance) as (source, at, _):
            return read(source, at)
    except (MalformedData, TruncatedData, ValueError) as error:
        raise UnusableInstance(f"its data set cannot be read: {error}") from error
