"""The kinds of matching of PS3.4 C.2.2.2, at the study level: one query that is to find, one that is not."""

from dataclasses import dataclass

from dcm.data.match import Value
from dcm.net.association import Association
from dcm.wire import SOPClassExtendedNegotiation
from harness.capability import objects
from harness.capability.associations import Negotiated
from harness.capability.known_classes import FIND, NATIVE
from harness.capability.notebook import Notebook, listed
from harness.capability.peer import Found, Peer, find
from harness.corpus import Sample

_MODEL = FIND["study"]
_COMBINED = {"StudyDate": "20240114-20240116", "StudyTime": "120000-130000"}
"""Together from the 14th, 12:00, to the 16th, 13:00; each for itself, the time of the study is not in it."""


@dataclass(frozen=True)
class Matching:
    """A kind of matching: keys that find the probe's study, and keys that do not, where it is supported."""

    id: str
    subject: str
    clause: str
    finds: dict[str, Value]
    leaves: dict[str, Value]
    required: bool = True


def _matchings() -> tuple[Matching, ...]:
    uid, other = (
        str(each.study_instance_uid) for each in (objects.study()[0], objects.other_study())
    )
    wild, ranges = "PS3.4 C.2.2.2.4", "PS3.4 C.2.2.2.5"
    return (
        Matching("single", "A single value", "PS3.4 C.2.2.2.1",
                 {"AccessionNumber": "PROBEACC1"}, {"AccessionNumber": "PROBEACC2"}),
        Matching("star", "Any characters (*) in a person name", wild,
                 {"PatientName": "Prob*"}, {"PatientName": "Prab*"}),
        Matching("question", "One character (?) in a person name", wild,
                 {"PatientName": "Probe^Ann?"}, {"PatientName": "Probe^Anna?"}),
        Matching("star-text", "Any characters (*) in a text", wild,
                 {"AccessionNumber": "PROBE*1"}, {"AccessionNumber": "PROBE*2"}),
        Matching("date", "A range of dates", ranges,
                 {"StudyDate": "20240101-20240131"}, {"StudyDate": "20240201-20240229"}),
        Matching("date-from", "Dates from one on", ranges,
                 {"StudyDate": "20240115-"}, {"StudyDate": "20240116-"}),
        Matching("date-to", "Dates up to one", ranges,
                 {"StudyDate": "-20240115"}, {"StudyDate": "-20240114"}),
        Matching("time", "A range of times", ranges,
                 {"StudyTime": "100000-110000"}, {"StudyTime": "110000-120000"}),
        Matching("uids", "A list of UIDs", "PS3.4 C.2.2.2.2",
                 {"StudyInstanceUID": f"1.2.3.4\\{uid}"}, {"StudyInstanceUID": "1.2.3.4\\1.2.3.5"}),
        Matching("uids-all", "Each UID of a list", "PS3.4 C.2.2.2.2",
                 {"StudyInstanceUID": f"{other}\\{uid}"}, {"StudyInstanceUID": "1.2.3.4\\1.2.3.5"}),
        Matching("sequence", "A sequence", "PS3.4 C.2.2.2.6",
                 {"ProcedureCodeSequence": [{"CodeValue": "PROBE"}]},
                 {"ProcedureCodeSequence": [{"CodeValue": "ELSE"}]}, required=False),
    )  # fmt: skip


async def matching(peer: Peer, notes: Notebook, found: Negotiated) -> None:
    """Try each kind of matching, on an association without extended negotiation."""
    if _MODEL not in found.classes:
        return
    notes.progress("trying each kind of matching")
    for kind in _matchings():
        with notes.noting():
            async with peer.associate(kind.subject, [(_MODEL, NATIVE)]) as association:
                await _one(association, notes, kind)
    with notes.noting():
        async with peer.associate("matching of names", [(_MODEL, NATIVE)]) as association:
            await _case(association, notes)
    for step in (_levels, _relational, _date_time):
        with notes.noting():
            await step(peer, notes, found)


async def _one(association: Association, notes: Notebook, kind: Matching) -> None:
    finds, leaves = await _study(association, kind.finds), await _study(association, kind.leaves)
    wanted = 2 if kind.id == "uids-all" else 1
    if leaves.matches:
        words = "ignored: it finds what it should leave out"
    elif (came := finds.distinct("StudyInstanceUID")) == wanted:
        words = "supported"
    else:
        trouble = "" if finds.succeeded else f", {finds.words}"
        words = f"not supported: it finds {came} of {wanted}{trouble}"
    key = f"matching/{kind.id}"
    notes.declared(key, kind.subject, "required" if kind.required else "optional")
    notes.probed(key, kind.subject, words)
    if kind.required and words != "supported":
        notes.contradiction(
            key, kind.clause, "accepts C-FIND in the study root",
            f"matching of {kind.subject[0].lower()}{kind.subject[1:]} is {words}",
        )  # fmt: skip


async def _study(association: Association, keys: dict[str, Value]) -> Found:
    """Ask at the study level, never for anything but the probe's own studies."""
    scope = {"StudyInstanceUID": str(objects.study()[0].study_instance_uid)}
    return await find(association, _MODEL, {"QueryRetrieveLevel": "STUDY", **scope, **keys})


async def _case(association: Association, notes: Notebook) -> None:
    """Ask in other letters: what is no name is matched with regard to case (PS3.4 C.2.2.2.1)."""
    for id_, subject, keys in (
        ("case-name", "Upper and lower case in a person name", {"PatientName": "PROBE^ANNA"}),
        ("case-text", "Upper and lower case in a text", {"StudyDescription": "PROBE STUDY"}),
    ):
        result = await _study(association, dict(keys))
        words = "makes no difference" if result.matches else "makes a difference"
        notes.probed(f"matching/{id_}", subject, words if result.succeeded else result.words)


async def _levels(peer: Peer, notes: Notebook, _: Negotiated) -> None:
    """Ask for a level that the study root does not have (PS3.4 C.6.2)."""
    async with peer.associate("a level that is not there", [(_MODEL, NATIVE)]) as association:
        keys = {"QueryRetrieveLevel": "PATIENT", "PatientID": objects.ANNA["PatientID"]}
        result = await find(association, _MODEL, keys)
    words = f"{len(result.matches)} matches" if result.succeeded else result.words
    notes.probed("matching/level", "Level PATIENT, which the study root does not have", words)


async def _relational(peer: Peer, notes: Notebook, found: Negotiated) -> None:
    """Ask for a series without its study, with and without negotiation (PS3.4 C.4.1.2.2, C.5.1.1)."""
    series = str(objects.study()[0].series_instance_uid)
    keys: dict[str, Value] = {"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": series}
    await _negotiable(
        peer,
        notes,
        found,
        place=0,
        name="relational",
        subject="A series without its study",
        keys=keys,
    )


async def _date_time(peer: Peer, notes: Notebook, found: Negotiated) -> None:
    """Ask for a range of dates and one of times, which are one range where that is negotiated."""
    scope = str(objects.study()[0].study_instance_uid)
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": scope, **_COMBINED}
    subject = "Ranges of date and time as one range"
    await _negotiable(
        peer, notes, found, place=1, name="date-time", subject=subject, keys=dict(keys)
    )
    plain = notes.findings.get("matching/date-time")
    if plain is not None and plain.probed == "found":
        notes.contradiction(
            "matching/date-time", "PS3.4 C.2.2.2.5.4",
            "did not agree to combined date and time matching",
            "it matches ranges of date and time as one range all the same",
        )  # fmt: skip


async def _negotiable(
    peer: Peer,
    notes: Notebook,
    found: Negotiated,
    *,
    place: int,
    name: str,
    subject: str,
    keys: dict[str, Value],
) -> None:
    granted = found.grants(_MODEL, place)
    bits = bytes(int(at == place) for at in range(5))
    items = (SOPClassExtendedNegotiation(_MODEL, bits),)
    for suffix, information in (("", ()), *((("-negotiated", items),) if granted else ())):
        async with peer.associate(subject, [(_MODEL, NATIVE)], *information) as association:
            result = await find(association, _MODEL, keys)
        words = ("found" if result.matches else "not found") if result.succeeded else result.words
        key, more = f"matching/{name}{suffix}", ", as negotiated" if suffix else ""
        notes.declared(key, subject + more, bool(suffix))
        notes.probed(key, subject + more, words)
        if suffix and words != "found":
            notes.contradiction(
                key, "PS3.4 C.5.1.1", f"grants it in extended negotiation: {subject.lower()}",
                f"a query that needs it gives: {words}",
            )  # fmt: skip


async def character_sets(
    peer: Peer, notes: Notebook, found: Negotiated, stored: dict[str, Sample]
) -> None:
    """Ask for names that were stored in each character set: whether they come back, and are found."""
    if _MODEL not in found.classes or not stored:
        return
    notes.progress("asking for a name in each character set")
    wrong: dict[str, str] = {}
    for term, sample in stored.items():
        with notes.noting():
            async with peer.associate(f"a name in {term}", [(_MODEL, NATIVE)]) as association:
                await _name(association, notes, term, sample, wrong)
    if wrong:
        first = next(iter(wrong))
        notes.contradiction(
            f"character-set/{first}", "PS3.4 C.4.1.1.3.2", f"stores names in {listed(wrong)}",
            f"it does not give them back as they were: {wrong[first]}",
        )  # fmt: skip


async def _name(
    association: Association, notes: Notebook, term: str, sample: Sample, wrong: dict[str, str]
) -> None:
    name = str(sample.properties["patient_name"])
    base: dict[str, Value] = {
        "QueryRetrieveLevel": "STUDY",
        "StudyInstanceUID": str(sample.study_instance_uid),
    }
    key = f"character-set/{term}"
    result = await find(association, _MODEL, {**base, "PatientName": ""})
    if not result.matches:
        notes.probed(key, term, f"not found again, {result.words}")
        return
    came, answered = (
        str(result.matches[0].get(each, "")) for each in ("PatientName", "SpecificCharacterSet")
    )
    kept = came.rstrip("=") == name.rstrip(
        "="
    )  # empty groups at the end mean nothing (PS3.5 6.2.1.1)
    asked = await find(association, _MODEL, {**base, "PatientName": came if kept else name})
    matched = "found by it" if asked.matches else "not found by it in UTF-8"
    words = "name returned" if kept else f"name returned as {came!r}"
    notes.probed(key, term, f"{words} in {answered or 'the default repertoire'}, {matched}")
    if not kept:
        wrong[term] = f"{came!r} for {name!r}"
