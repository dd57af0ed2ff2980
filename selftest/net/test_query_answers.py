"""Archives that answer queries in their own ways: each answer is used, or dropped with a note."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from net.archive import Archive, Identifier
from net.collection import entities
from net.files import make
from net.peers import QUICK, US

from dcm.data.account import Account
from dcm.data.header import scan
from dcm.data.identifier import BadIdentifier, read_identifier
from dcm.data.keys import BadKey
from dcm.data.levels import Level
from dcm.data.match import Attributes
from dcm.data.query_result import QueryResult
from dcm.net import LocalEntity
from dcm.net.errors import NotAllFound, OperationFailed
from dcm.net.uids import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from dcm.outcome import Outcome, Report

ENTITY = LocalEntity(US, QUICK)
ROOT = "1.2.3.4.77"


def study(uid: str = "1.2.9", patient: str = "A", **more: str) -> Identifier:
    """Make an answer of level STUDY."""
    return {
        "QueryRetrieveLevel": "STUDY",
        "PatientID": patient,
        "PatientName": "Doe^Jane",
        "StudyInstanceUID": uid,
        "StudyDate": "20240101",
        **more,
    }


def answering(*answers: Identifier) -> Archive:
    """Make an archive that returns these studies for any query, and nothing below them."""
    archive = Archive([], (STUDY_ROOT_FIND,))
    archive.answers = lambda asked: answers if asked["QueryRetrieveLevel"] == "STUDY" else ()
    return archive


async def _ask(
    archive: Archive, keys: Attributes, level: Level | None, within: QueryResult | None
) -> tuple[QueryResult, Account, Exception | None]:
    found = QueryResult(level or Level.STUDY)
    account = Account()
    failure = None
    async with archive:
        pieces = ENTITY.queries(archive.node, keys, level=level, within=within, account=account)
        try:
            async for piece in pieces:
                found |= piece
        except NotAllFound as error:
            failure = error
    return found, account, failure


def ask(
    archive: Archive,
    keys: Attributes,
    level: Level | None = None,
    within: QueryResult | None = None,
) -> tuple[QueryResult, Account, Exception | None]:
    """Query; return the result, the account of the answers, and the final error."""
    return asyncio.run(_ask(archive, keys, level, within))


@pytest.mark.parametrize("key", ["Muller*", "Mueller^Anna", "Anna*"])
def test_a_name_that_the_archive_matched_in_its_own_way_is_kept(key: str) -> None:
    """If it matches in no known way, there is a note."""
    found, account, _ = ask(
        answering(study(PatientName="Müller^Anna")), {"PatientName": key}, Level.STUDY
    )
    assert len(found) == 1
    assert (account.used, bool(account.doubtful)) == (1, key == "Mueller^Anna")


def test_an_optional_name_is_matched_here_if_the_archive_says_that_it_was_not() -> None:
    """Status FF01H: some optional keys are not supported (PS3.4 C.4.1.1.4)."""
    answers = [
        study(uid, ReferringPhysicianName=name) for uid, name in (("1", "Who"), ("2", "Foo"))
    ]
    archive = answering(*answers)
    found, account, _ = ask(archive, {"ReferringPhysicianName": "Who"})
    assert (len(found), account.doubtful) == (2, {"ReferringPhysicianName": 1})
    archive = answering(*answers)
    archive.pending = 0xFF01
    found, account, _ = ask(archive, {"ReferringPhysicianName": "Who"})
    assert (len(found), account.filtered) == (1, {"ReferringPhysicianName": 1})


@pytest.mark.parametrize("answered", ["CT\\SR", "*", "CT,SR", "CT/SR", "CT SR"])
def test_modalities_in_study_with_any_delimiter(answered: str) -> None:
    """A study that the archive matched is kept."""
    found, _, _ = ask(answering(study(ModalitiesInStudy=answered)), {"ModalitiesInStudy": "CT"})
    assert len(found) == 1


def test_what_is_left_out_is_counted() -> None:
    """By the key that was ignored or not returned."""
    dates = [study(str(n), StudyDate=date) for n, date in enumerate(("20240101", "20230101", ""))]
    found, account, failure = ask(answering(*dates), {"StudyDate": "20240101"})
    assert len(found) == 1
    assert (account.filtered, account.silent) == ({"StudyDate": 1}, {"StudyDate": 1})
    assert list(account.notes()) == [
        "1 answer left out because the archive ignored StudyDate",
        "1 answer left out because StudyDate was not returned",
    ]
    assert failure is None


def test_one_study_with_two_patients_is_two_answers() -> None:
    """Merge errors leave such studies: both are found, at each level, and one can be selected."""
    archive = answering(study(patient="A"), study(patient="B"), study(patient="B"))
    found, account, _ = ask(archive, {"StudyDate": "20240101"})
    assert {patient.uid for patient in found.patients} == {"A", "B"}
    assert (account.used, account.repeated) == (2, 1)
    assert list(account.remarks) == [
        "StudyInstanceUID 1.2.9 has 2 patients, A and B: its contents are listed for each"
    ]
    only = QueryResult(Level.STUDY, [study(patient="B")])
    archive = answering(study(patient="A"), study(patient="B"))
    found, _, _ = ask(archive, {"AccessionNumber": ""}, within=only)
    assert {patient.uid for patient in found.patients} == {"B"}


def test_a_study_that_was_not_asked_for_is_counted() -> None:
    """An earlier result limits the query to one, but the archive ignores its UID."""
    earlier = QueryResult(Level.STUDY, [{"PatientID": "A", "StudyInstanceUID": "1.2.9"}])
    archive = answering(study(), study("1.2.10"))
    found, account, _ = ask(archive, {"StudyDate": "20240101"}, within=earlier)
    assert found.paths() == {("A", "1.2.9")}
    assert account.filtered == {"StudyInstanceUID": 1}


def _nothing(_: Identifier) -> Sequence[Identifier]:
    return ()


@pytest.mark.parametrize("final", [0xA700, 0xFE00, 0xB001, 0x0001, 0xC000])
def test_an_archive_that_limits_its_answers(final: int) -> None:
    """Its answers are kept with an error that they are incomplete; with none, only the error."""
    archive = answering(*(study(f"1.2.{number}") for number in range(3)))
    archive.final = final
    found, account, failure = ask(archive, {"StudyDate": "20240101"})
    assert len(found) == 3
    assert f"{final:04X}H" in str(failure)
    assert not account.complete
    archive.answers = _nothing
    with pytest.raises(OperationFailed, match=f"{final:04X}H"):
        ask(archive, {"StudyDate": "20240101"})


def test_what_was_found_stays_with_the_error() -> None:
    """`query` returns no result that could be taken for complete."""
    archive = answering(study())
    archive.final = 0xB001

    async def scenario() -> None:
        async with archive:
            await ENTITY.query(archive.node, {"StudyDate": "20240101"})

    with pytest.raises(NotAllFound, match="limit of responses") as caught:
        asyncio.run(scenario())
    assert caught.value.found is not None
    assert len(caught.value.found) == 1
    assert "limit of responses" in caught.value.found.incomplete


@pytest.mark.parametrize("announced", [{}, study("1.2.10")], ids=["does not come", "comes"])
def test_a_data_set_announced_with_the_final_response(announced: Identifier) -> None:
    """PS3.7 9.1.2.1 allows none: it is not waited for, not used, and the next queries run."""
    below = {
        "QueryRetrieveLevel": "SERIES",
        "StudyInstanceUID": "1.2.9",
        "SeriesInstanceUID": "1.2.9.1",
    }
    archive = answering(study())
    archive.answers = lambda asked: [study() if asked["QueryRetrieveLevel"] == "STUDY" else below]
    archive.announced = announced
    found, _, failure = ask(archive, {"StudyDate": "20240101"}, Level.SERIES)
    assert found.paths() == {("A", "1.2.9", "1.2.9.1")}
    assert failure is None


@pytest.mark.parametrize(
    ("keys", "hint"),
    [
        ({"StudyTime": "2200-0200"}, "cannot cross midnight"),
        ({"StudyDate": "20240201-20240101"}, "swap them"),
        ({"AcquisitionDateTime": "20240201-20240101"}, "swap them"),
        ({"RequestAttributesSequence": [{"ScheduledProcedureStepStartDate": "20240201-20240101"}]}, "swap"),
    ],
)  # fmt: skip
def test_a_range_that_ends_before_it_begins_is_refused(keys: Attributes, hint: str) -> None:
    """Archives answer in different ways (PS3.4 C.2.2.2.5), so nothing is sent."""
    with pytest.raises(BadKey, match=f"ends before it begins.*{hint}"):
        ask(answering(study()), keys)


def test_an_answer_without_its_uid_is_unusable() -> None:
    """It is counted, the others are used, and the result is marked as incomplete."""
    archive = answering(study(), study(""), study(" "))
    found, account, failure = ask(archive, {"StudyDate": "20240101"})
    assert len(found) == 1
    assert account.unusable == {"no StudyInstanceUID": 2}
    assert "2 answers left out: no StudyInstanceUID" in str(failure)


def test_an_answer_that_cannot_be_read_is_unusable(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not end the query either."""

    def reading(data: bytes, syntax: str) -> object:
        if b"1.2.666" in data:
            raise BadIdentifier("this is not a data set")
        return read_identifier(data, syntax)

    monkeypatch.setattr("dcm.net.find.read_identifier", reading)
    found, account, failure = ask(answering(study("1.2.666"), study()), {"StudyDate": "20240101"})
    assert len(found) == 1
    assert account.unusable == {"this is not a data set": 1}
    assert failure is not None


def _listing(*levels: Level, reported: str) -> Archive:
    """Make an archive that reports instances and lists only these levels."""
    archive = Archive(entities(ROOT), (STUDY_ROOT_FIND, PATIENT_ROOT_FIND))
    lists = archive._found

    def answers(asked: Identifier) -> Sequence[Identifier]:
        level = Level.named(asked["QueryRetrieveLevel"])
        found = list(lists(asked)) if level in levels else []
        if level is Level.SERIES:
            found = [{**each, "NumberOfSeriesRelatedInstances": reported} for each in found]
        return found

    archive.answers = answers
    return archive


@pytest.mark.parametrize("reported", ["2", ""])
def test_a_level_that_is_not_listed_is_no_success(reported: str) -> None:
    """The archive reports instances of the series, but C-FIND at the IMAGE level returns none."""
    archive = _listing(Level.STUDY, Level.SERIES, reported=reported)
    found, account, failure = ask(archive, {"StudyInstanceUID": f"{ROOT}.1.1"}, Level.IMAGE)
    assert len(found) == 0
    assert [(each.path[-1], each.found) for each in account.unlisted] == [
        (f"{ROOT}.1.1.1", 0),
        (f"{ROOT}.1.1.2", 0),
    ]
    assert f"of SeriesInstanceUID {ROOT}.1.1.1, but lists none (and 1 more)" in str(failure)


def test_a_list_that_is_shorter_than_reported_is_no_success() -> None:
    """As if an archive limits its answers and ends with success; with a key, fewer are normal."""
    every = (Level.STUDY, Level.SERIES, Level.IMAGE)
    found, _, failure = ask(_listing(*every, reported="3"), {"StudyDate": "20240101"}, Level.IMAGE)
    assert len(found) == 8
    assert "it reports 3 instances" in str(failure)
    archive = _listing(*every, reported="3")
    keys = {"StudyDate": "20240101", "InstanceNumber": "1"}
    found, _, failure = ask(archive, keys, Level.IMAGE)
    assert (len(found), failure) == (4, None)


def test_stopping_early_cancels_and_releases() -> None:
    """The query has ended cleanly on the archive's side: there is no abort."""
    archive = answering(study(), study("2"))
    archive.endless = True

    async def scenario() -> None:
        async with archive:
            found = ENTITY.find(archive.node, {"QueryRetrieveLevel": "STUDY", "StudyDate": ""})
            await anext(found)
            await found.aclose()

    asyncio.run(scenario())
    assert (archive.cancelled, archive.released) == (1, 1)


def test_what_exists_is_asked_for_on_one_association(tmp_path: Path) -> None:
    """For any number of series."""
    paths = [make(tmp_path, number, study=f"1.2.3.9{number}") for number in range(4)]
    listed = [{"SOPInstanceUID": scan(path).sop_instance_uid} for path in paths]
    archive = Archive([], (STUDY_ROOT_FIND,))
    archive.answers = lambda _: listed

    async def scenario() -> Report:
        async with archive:
            return await ENTITY.store(archive.node, paths, skip_existing=True)

    report = asyncio.run(scenario())
    assert report.counts() == {Outcome.ALREADY_THERE: 4}
    assert len(archive.asked) == 4
    assert archive.associations == 1
