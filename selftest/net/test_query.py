"""`LocalEntity.query` and `queries`: any keys at any level, at real archives and a strict one."""

import asyncio
from datetime import date
from pathlib import Path

import pytest
from net.archive import Archive
from net.collection import entities, files
from net.peers import QUICK, US
from pydicom import Dataset

from dcm.data.dictionary import UnknownElement
from dcm.data.keys import BadKey, Query
from dcm.data.levels import Level
from dcm.data.match import Attributes
from dcm.data.query_result import QueryResult
from dcm.net import DcmNode, LocalEntity
from dcm.net.errors import KeyIgnored, NotAccepted
from dcm.net.uids import PATIENT_ROOT_FIND, STUDY_ROOT_FIND

ENTITY = LocalEntity(US, QUICK)
ROOT = "1.2.3.4.55"
BOTH = (PATIENT_ROOT_FIND, STUDY_ROOT_FIND)
FIRST = {"PatientID": f"{ROOT}-1"}


@pytest.fixture(scope="module", params=["orthanc_node", "dcmqrscp_node", "qrscp_node"])
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DcmNode:
    """A real archive with the collection."""
    node: DcmNode = request.getfixturevalue(request.param)
    paths = files(tmp_path_factory.mktemp("collection"), ROOT)
    report = asyncio.run(ENTITY.store(node, paths))
    assert report.complete, report.results
    return node


def strict() -> Archive:
    """An archive that refuses what hierarchical queries do not allow."""
    return Archive(entities(ROOT), BOTH)


def query(node: DcmNode, keys: "Query | None" = None, **more: object) -> QueryResult:
    """Run a query."""
    return asyncio.run(ENTITY.query(node, keys, **more))  # type: ignore[arg-type]


def uids(found: QueryResult) -> set[str]:
    """Return the unique keys of the members, without their common part."""
    return {path[-1].removeprefix(ROOT) for path in found.paths()}


def _series(*wanted: str) -> set[str]:
    return {f".{each}" for each in wanted}


@pytest.mark.parametrize(
    ("keys", "level", "expected"),
    [
        (FIRST, Level.PATIENT, {"-1"}),
        ({**FIRST, "Modality": "MR"}, Level.SERIES, _series("1.1.2", "1.2.2")),
        ({**FIRST, "SeriesNumber": "1"}, Level.SERIES, _series("1.1.1", "1.2.1")),
        ({**FIRST, "StudyDate": "20240102", "InstanceNumber": "2", "Modality": "CT"},
         Level.IMAGE, _series("1.2.1.2")),
        ({"SeriesInstanceUID": f"{ROOT}.2.1.2"}, Level.SERIES, _series("2.1.2")),
        ({"SOPInstanceUID": f"{ROOT}.1.1.1.1\\{ROOT}.2.2.2.2"}, Level.IMAGE,
         _series("1.1.1.1", "2.2.2.2")),
        ({**FIRST, "ModalitiesInStudy": "MR"}, Level.STUDY, _series("1.1", "1.2")),
        ({**FIRST, "ModalitiesInStudy": "US"}, Level.STUDY, set()),
        ({"PatientName": "Collection^*", "PatientID": f"{ROOT}-*"}, Level.PATIENT, {"-1", "-2"}),
    ],
)  # fmt: skip
def test_keys_find_what_they_say(
    keys: dict[str, str], level: Level, expected: set[str], archive: DcmNode
) -> None:
    """The level is that of the most detailed key, and each archive gives the same result."""
    found = query(archive, keys)
    assert found.level is level
    assert uids(found) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({**FIRST, "SeriesNumber": 1}, _series("1.1.1", "1.2.1")),
        ({**FIRST, "StudyDate": date(2024, 1, 2)}, _series("1.2")),
        ({"00100020": FIRST["PatientID"], "StudyDate": (None, date(2024, 1, 1))}, _series("1.1")),
        (Dataset.from_json({"00100020": {"vr": "LO", "Value": [FIRST["PatientID"]]},
                            "00080060": {"vr": "CS", "Value": ["MR"]},
                            "00200013": {"vr": "IS", "Value": [2]}}),
         _series("1.1.2.2", "1.2.2.2")),
    ],
    ids=["number", "date", "pair of dates", "data set"],
)  # fmt: skip
def test_any_value_is_a_key(keys: Query, expected: set[str], archive: DcmNode) -> None:
    """The level is that of the most detailed one, as with texts."""
    assert uids(query(archive, keys)) == expected


def test_any_value_chooses_what_is_fetched(archive: DcmNode, tmp_path: Path) -> None:
    """An archive fetches what the same keys find in a query."""
    keys = {**FIRST, "SeriesNumber": 1, "StudyDate": date(2024, 1, 1)}
    report = asyncio.run(ENTITY.download(archive, keys, tmp_path, method="get"))
    assert report.complete
    assert {each.sop_instance_uid.removeprefix(ROOT) for each in report.results} == _series(
        "1.1.1.1", "1.1.1.2"
    )


def test_any_value_is_found(archive: DcmNode) -> None:
    """`find` sends the same identifier for each form."""
    keys = Dataset()
    keys.QueryRetrieveLevel = "STUDY"
    keys.PatientID = FIRST["PatientID"]
    keys.StudyDate = date(2024, 1, 2)
    keys.StudyInstanceUID = None

    async def scenario() -> set[object]:
        found = ENTITY.find(archive, keys)
        return {answer.attributes["StudyInstanceUID"] async for answer in found}

    assert asyncio.run(scenario()) == {f"{ROOT}.1.2"}


def test_what_cannot_be_a_key_is_refused(tmp_path: Path) -> None:
    """The error is raised before anything is sent, by every method that takes keys."""
    node, keys = DcmNode("127.0.0.1", "NOBODY", 1), {"SeriesNumber": 1.5}
    for operation in (
        ENTITY.query(node, keys),
        ENTITY.download(node, keys, tmp_path),
        ENTITY.move(node, keys, "ELSEWHERE"),
        anext(ENTITY.queries(node, keys)),
        anext(ENTITY.retrieve(node, keys)),
        anext(ENTITY.find(node, keys)),
        anext(ENTITY.worklist(node, keys)),
    ):
        with pytest.raises(BadKey, match=r"SeriesNumber cannot be 1\.5"):
            asyncio.run(operation)  # type: ignore[arg-type]


def test_a_tree_is_filled_from_all_levels(archive: DcmNode) -> None:
    """Names and dates are also queried at the levels above."""
    tree = query(archive, {**FIRST, "SeriesNumber": "1"}).to_tree()
    assert "Collection^1" in tree
    assert "20240101" in tree
    assert "Modality: CT" in tree


def test_keys_below_the_level_lead_back_up(archive: DcmNode) -> None:
    """Which patients have MR? Each is returned once."""
    keys = {"PatientID": f"{ROOT}-*", "Modality": "MR", "InstanceNumber": "1"}
    assert uids(query(archive, keys, level=Level.PATIENT)) == {"-1", "-2"}
    assert uids(query(archive, keys, level=Level.STUDY)) == _series("1.1", "1.2", "2.1", "2.2")


def test_a_result_narrows_the_next_query(archive: DcmNode) -> None:
    """An earlier result limits the next query, at any level."""
    first = query(archive, {**FIRST, "StudyDate": "20240101"})
    series = query(archive, {"Modality": "CT"}, within=first)
    assert uids(series) == _series("1.1.1")
    images = query(archive, level=Level.IMAGE, within=series)
    assert uids(images) == _series("1.1.1.1", "1.1.1.2")
    assert uids(query(archive, {"InstanceNumber": "2"}, within=images)) == _series("1.1.1.2")
    assert uids(query(archive, within=first, level=Level.STUDY)) == _series("1.1")
    patient = query(archive, FIRST, level=Level.PATIENT)
    assert uids(query(archive, level=Level.STUDY, within=patient)) == _series("1.1", "1.2")
    assert not query(archive, level=Level.IMAGE, within=QueryResult(Level.STUDY))


def test_pieces_make_the_whole(archive: DcmNode) -> None:
    """There is one for each parent, and together they are the result."""

    async def scenario() -> None:
        pieces = [piece async for piece in ENTITY.queries(archive, FIRST, level=Level.SERIES)]
        assert [len(piece) for piece in pieces] == [2, 2]
        assert pieces[0] | pieces[1] == await ENTITY.query(archive, FIRST, level=Level.SERIES)

    asyncio.run(scenario())


@pytest.mark.parametrize("archive", ["dcmqrscp_node"], indirect=True)
def test_a_key_without_effect_is_an_error(archive: DcmNode) -> None:
    """It would match everything, so there is no result."""
    with pytest.raises(KeyIgnored, match=r"does not return BodyPartExamined.*leave"):
        query(archive, {**FIRST, "BodyPartExamined": "HEAD"})


def test_an_unknown_keyword_is_an_error_before_anybody_is_asked() -> None:
    """The error suggests a keyword."""
    with pytest.raises(UnknownElement, match="did you mean PatientName"):
        query(DcmNode("127.0.0.1", "NOBODY", 1), {"PatientNme": "X"})


# At a strict archive.


def ask(
    archive: Archive, keys: Attributes | None = None, **more: object
) -> tuple[QueryResult, list[str]]:
    """Run a query, and return the levels of its requests."""

    async def scenario() -> QueryResult:
        async with archive:
            return await ENTITY.query(archive.node, keys, **more)  # type: ignore[arg-type]

    found = asyncio.run(scenario())
    return found, [asked["QueryRetrieveLevel"] for _, asked in archive.asked]


def test_each_parent_is_asked_once_and_all_on_one_association() -> None:
    """Keys are sent at their own level only, or the strict archive would refuse them."""
    archive = strict()
    found, levels = ask(archive, {"StudyDate": "20240101", "Modality": "MR", "InstanceNumber": "2"})
    assert uids(found) == _series("1.1.2.2", "2.1.2.2")
    assert levels == ["STUDY", "SERIES", "IMAGE", "SERIES", "IMAGE"]
    assert archive.associations == 1


def test_what_is_known_is_not_asked_again() -> None:
    """From a result that has the entities of its level, the next level is queried at once."""
    archive = strict()
    studies, _ = ask(archive, {"StudyDate": "20240101"})
    archive.asked.clear()
    _, levels = ask(archive, level=Level.SERIES, within=studies)
    assert levels == ["SERIES", "SERIES"]


@pytest.mark.parametrize("model", BOTH)
@pytest.mark.parametrize("level", list(Level))
def test_one_model_is_enough(model: str, level: Level) -> None:
    """With either model, all levels can be queried."""
    found, _ = ask(Archive(entities(ROOT), [model]), {"PatientName": "*1"}, level=level)
    assert (
        uids(found)
        == {
            Level.PATIENT: {"-1"},
            Level.STUDY: _series("1.1", "1.2"),
            Level.SERIES: _series("1.1.1", "1.1.2", "1.2.1", "1.2.2"),
            Level.IMAGE: {f".1.{a}.{b}.{c}" for a in (1, 2) for b in (1, 2) for c in (1, 2)},
        }[level]
    )
    assert {patient.text("PatientName") for patient in found.patients} == {"Collection^1"}


def test_no_model_is_told() -> None:
    """The archive accepts no context for queries."""
    with pytest.raises(NotAccepted, match="C-FIND"):
        ask(Archive(entities(ROOT), ()))


def test_lists_of_uids_that_are_refused_are_asked_one_at_a_time() -> None:
    """Some archives do not support lists."""
    archive = strict()
    archive.lists_are_understood = False
    both = f"{ROOT}.1.1\\{ROOT}.2.2"
    assert uids(ask(archive, {"StudyInstanceUID": both})[0]) == _series("1.1", "2.2")


@pytest.mark.parametrize("unheeded", ["StudyDate", "SeriesNumber", "SeriesInstanceUID"])
def test_what_comes_though_it_does_not_match_is_left_out(unheeded: str) -> None:
    """If the archive returns a key, it is matched here, too."""
    archive = strict()
    archive.unheeded = (unheeded,)
    keys = {"StudyDate": "20240102", "SeriesNumber": "1", "InstanceNumber": "2"}
    assert uids(ask(archive, keys)[0]) == _series("1.2.1.2", "2.2.1.2")


def test_a_key_of_which_an_archive_says_nothing_is_looked_up_below() -> None:
    """If a lower level has the same attribute."""
    archive = strict()
    archive.forgets = ("ModalitiesInStudy",)
    found, levels = ask(archive, {"ModalitiesInStudy": "MR", "StudyDate": "20240102"})
    assert uids(found) == _series("1.2", "2.2")
    assert levels == ["STUDY", "STUDY", "SERIES", "SERIES"]


def test_an_association_that_ended_between_two_queries_is_asked_for_again() -> None:
    """Many archives close silent connections."""
    archive = strict()
    archive.closes_after_each = True
    found, _ = ask(archive, level=Level.SERIES)
    assert len(found) == 8
    assert archive.associations == 5


def test_who_stops_early_cancels() -> None:
    """Closing the generator, or cancelling the waiting task, sends C-CANCEL to the archive."""
    archive = strict()
    archive.endless = True

    async def scenario() -> None:
        async with archive:
            pieces = ENTITY.find(archive.node, {"QueryRetrieveLevel": "STUDY", "StudyDate": ""})
            await anext(pieces)
            await pieces.aclose()
            assert archive.cancelled == 1
            archive.heard.clear()
            waiting = asyncio.create_task(ENTITY.query(archive.node))
            await archive.heard.wait()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert archive.cancelled == 2

    asyncio.run(scenario())
