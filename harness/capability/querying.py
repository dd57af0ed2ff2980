"""C-FIND at each level of each root, with each key of a list: whether it is answered, and matched.

A key is matched where the right value finds what was stored, and another value does not. Both are asked
together with the unique keys of one study, so that a server without matching does not send all that it has.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydicom.datadict import dictionary_VR

from dcm.data.match import Value
from dcm.net.association import Association
from harness.capability import objects
from harness.capability.associations import Negotiated
from harness.capability.keys import KEYS, LEVELS, OTHER_VALUES, UNIQUE, Kind, Level
from harness.capability.known_classes import FIND, NATIVE, name_of
from harness.capability.notebook import Notebook
from harness.capability.peer import Found, Peer, find, text_of

Keys = dict[str, Value]


@dataclass
class _Place:
    """One level of one root, and what is known of the answers there."""

    root: str
    level: Level
    unique: Keys
    answered: Mapping[str, Value]
    pending: frozenset[int]
    right: bool
    """Whether all right values together find what was stored."""


async def keys(peer: Peer, notes: Notebook, found: Negotiated) -> None:
    """Try each key at each level of the roots whose C-FIND is accepted."""
    for root, model in FIND.items():
        if model not in found.classes:
            continue
        notes.progress(f"asking for each key in the {root} root")
        for level in LEVELS[root]:
            await _level(peer, notes, root, level)


async def levels(peer: Peer, notes: Notebook, found: Negotiated) -> None:
    """Ask at each level for what nobody has: all that can be tried where nothing of ours is stored."""
    for root, model in FIND.items():
        for level in LEVELS[root] if model in found.classes else ():
            key, doing = _declare(notes, root, level)
            unique = dict.fromkeys(_unique(root, level), OTHER_VALUES["UI"])
            with notes.noting(key, "PS3.4 C.4.1.3.1", _accepts(root)):
                async with peer.associate(doing, [(model, NATIVE)]) as association:
                    result = await find(association, model, {"QueryRetrieveLevel": level, **unique})
                words = "answered" if result.succeeded else result.words
                notes.probed(key, notes.findings[key].subject, words)
                if not result.succeeded:
                    does = f"it answers C-FIND at level {level} with {words}"
                    notes.contradiction(key, "PS3.4 C.4.1.3.1", _accepts(root), does)
            notes.probed(f"sop-class/{model}", name_of(model), notes.findings[key].probed)


def _declare(notes: Notebook, root: str, level: Level) -> tuple[str, str]:
    """Note that a level is there, as the accepted class says; give its id, and what is going to be done."""
    key = f"query/{root}/{level}"
    notes.declared(key, f"{root} root, level {level}", value=True)
    return key, f"C-FIND, {root} root, level {level}"


def _accepts(root: str) -> str:
    return f"accepts {name_of(FIND[root])} in negotiation"


async def _level(peer: Peer, notes: Notebook, root: str, level: Level) -> None:
    waiting = list(KEYS[root, level])
    place: _Place | None = None
    key, doing = _declare(notes, root, level)
    with notes.noting(key, "PS3.4 C.4.1.3.1", _accepts(root)):
        async with peer.associate(doing, [(FIND[root], NATIVE)]) as association:
            place = await _begin(association, notes, root, level)
    while place is not None and waiting:  # a key that breaks the association is not tried again
        with notes.noting():
            async with peer.associate(doing, [(FIND[root], NATIVE)]) as association:
                while waiting:
                    name = waiting.pop(0)
                    association.doing = f"{doing}, key {name}"
                    await _key(association, notes, place, name)
    if place is None:
        words = notes.findings[key].probed
        notes.probed(f"sop-class/{FIND[root]}", name_of(FIND[root]), words)
    else:
        _judge(notes, place)


async def _begin(
    association: Association, notes: Notebook, root: str, level: Level
) -> _Place | None:
    """Ask for all keys without a value; note whether the level is answered at all."""
    asked = KEYS[root, level]
    unique = _unique(root, level)
    identifier = {"QueryRetrieveLevel": level, **dict.fromkeys(asked, ""), **unique}
    result = await find(association, FIND[root], identifier)
    key, subject = f"query/{root}/{level}", f"{root} root, level {level}"
    notes.probed(
        f"sop-class/{FIND[root]}",
        name_of(FIND[root]),
        "answered" if result.succeeded else result.words,
    )
    if not result.succeeded or not result.matches:
        words = f"{len(result.matches)} matches for one, {result.words}"
        notes.probed(key, subject, words)
        notes.contradiction(
            key, "PS3.4 C.4.1.3.1", f"accepts {name_of(FIND[root])} in negotiation",
            f"at level {level}, it answers a query for the one thing that was stored with {words}",
        )  # fmt: skip
        return None
    notes.probed(key, subject, "answered")
    if len(result.matches) > 1:
        words = f"{len(result.matches)} times for one"
        notes.probed(key, subject, f"answered {words}")
        notes.contradiction(
            key, "PS3.4 C.4.1.3.1.1", f"accepts {name_of(FIND[root])}",
            f"at level {level} it gives its answer {words}",
        )  # fmt: skip
    right = {name: _stored(name) for name in asked}
    together = await find(
        association, FIND[root], {"QueryRetrieveLevel": level, **_plain(right), **unique}
    )
    return _Place(root, level, unique, result.matches[0], result.pending, bool(together.matches))


async def _key(association: Association, notes: Notebook, place: _Place, name: str) -> None:
    """Ask for another value than what is stored: nothing is to be found."""
    model, value = FIND[place.root], _stored(name)
    base: Keys = {"QueryRetrieveLevel": place.level, **place.unique}
    other = OTHER_VALUES[_vr(name)]
    result = await find(association, model, {**base, name: other})
    words = _answered(place.answered, name, value)
    if result.matches:
        words += ", not matched"
    elif not result.succeeded:
        words += f", refused with {result.words}"
    elif place.right or await _finds(association, model, {**base, name: value}):
        words += ", matched"
    else:
        words += ", matched with nothing, not even with what is stored"
    id_ = f"query/{place.root}/{place.level}/{name}"
    notes.declared(id_, name, _declared(place, name, result))
    notes.probed(id_, name, words)


def _declared(place: _Place, name: str, result: Found) -> str:
    """Say what the server owes: by the standard, and for optional keys by the status of its matches."""
    kind: Kind = KEYS[place.root, place.level][name]
    if kind != "optional":
        return kind
    if 0xFF00 in (result.pending or place.pending):
        return "optional, supported by its status FF00H"
    return "optional, not all supported by its status FF01H"


async def _finds(association: Association, model: str, identifier: Keys) -> bool:
    return bool((await find(association, model, identifier)).matches)


def _answered(answer: Mapping[str, Value], name: str, stored: str) -> str:
    value = text_of(answer, name)
    if value is None:
        return "not returned"
    if value == "":
        return "returned empty"
    return "returned" if _same(_vr(name), value, stored) else f"returned as {value!r}"


def _same(vr: str, one: str, other: str) -> bool:
    if vr == "TM":
        return one[:6] == other[:6]
    if vr in ("DS", "IS", "US"):
        return _number(one) == _number(other)
    return sorted(one.split("\\")) == sorted(other.split("\\"))


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _judge(notes: Notebook, place: _Place) -> None:
    """Say which keys are not treated as the server says that they are."""
    prefix = f"query/{place.root}/{place.level}/"
    here = [each for id_, each in notes.findings.items() if id_.startswith(prefix)]
    where = f"at level {place.level} of the {place.root} root"
    wrong = [
        each
        for each in here
        if each.declared in ("unique", "required") and each.probed != "returned, matched"
    ]
    if wrong:
        keys_ = "; ".join(f"{each.subject} is {each.probed}" for each in wrong)
        notes.contradiction(
            wrong[0].id, "PS3.4 C.2.2.1", f"accepts {name_of(FIND[place.root])}",
            f"{where}, of the unique and required keys, {keys_}",
        )  # fmt: skip
    lied = [
        each for each in here if "FF00H" in str(each.declared) and "not matched" in str(each.probed)
    ]
    if lied:
        names = ", ".join(each.subject for each in lied)
        notes.contradiction(
            f"query/{place.root}/{place.level}", "PS3.4 C.4.1.1.4",
            "says with status FF00H that optional keys are supported like required ones",
            f"{where}, it does not match {names}",
        )  # fmt: skip


def _unique(root: str, level: Level) -> Keys:
    """Return the unique keys of the level and of those above it."""
    levels = LEVELS[root]
    return {UNIQUE[each]: _stored(UNIQUE[each]) for each in levels[: levels.index(level) + 1]}


def _plain(right: Mapping[str, str]) -> Keys:
    """Leave out what is computed: not all servers match it, and that is a finding of its own."""
    return {name: value for name, value in right.items() if name not in _computed()}


def _stored(name: str) -> str:
    """Return the value that the first image of the probe's study has for a key."""
    computed = _computed()
    if name in computed:
        return computed[name]
    element = objects.study()[0].dataset()[name]
    if element.VM > 1:
        return "\\".join(str(each) for each in element.value)
    return str(element.value)


def _computed() -> dict[str, str]:
    study = objects.study()
    classes = dict.fromkeys(str(each.sop_class_uid) for each in study)
    return {
        "NumberOfPatientRelatedStudies": "1",
        "NumberOfPatientRelatedSeries": "2",
        "NumberOfPatientRelatedInstances": "3",
        "NumberOfStudyRelatedSeries": "2",
        "NumberOfStudyRelatedInstances": "3",
        "NumberOfSeriesRelatedInstances": "2",
        "ModalitiesInStudy": "CT\\MR",
        "SOPClassesInStudy": "\\".join(classes),
    }


def _vr(name: str) -> str:
    return str(dictionary_VR(name))
