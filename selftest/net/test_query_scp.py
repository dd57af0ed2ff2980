"""C-FIND as SCP: dcmtk, pynetdicom and our own client find the requested entities."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from net.collection import files
from net.files import make
from net.peers import QUICK
from net.serving import TITLE, Many, answer, ask, associated, catalogue_of, run, serving
from pydicom import Dataset, dcmread
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from dcm.data.identifier import read_identifier
from dcm.data.levels import Level
from dcm.data.match import Attributes
from dcm.net import DcmNode, LocalEntity
from dcm.net.association import Association
from dcm.net.uids import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from dcm.store.index import Index
from dcm.wire import CCancelRQ, CFindRQ, CFindRSP, Command

ENTITY = LocalEntity("TOOLKIT", QUICK)
ROOT = "1.2.826.5"
EXPLICIT = "1.2.840.10008.1.2.1"
PATIENT = {"PatientID": f"{ROOT}-1"}
STUDY = {"StudyInstanceUID": f"{ROOT}.1.1"}
SERIES = {"SeriesInstanceUID": f"{ROOT}.1.1.2"}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Two patients, each with two studies of two series of two instances."""
    return catalogue_of(files(tmp_path_factory.mktemp("collection"), ROOT))


def find_request(model: str = STUDY_ROOT_FIND, message_id: int = 1) -> CFindRQ:
    """Return a C-FIND request."""
    return CFindRQ(message_id=message_id, affected_sop_class_uid=model)


async def found(
    association: Association, identifier: Attributes | bytes, model: str = STUDY_ROOT_FIND
) -> tuple[CFindRSP, list[dict[str, Any]], set[int]]:
    """Query, and return the last response, the answers and their statuses."""
    await ask(association, find_request(model), identifier)
    answers, statuses = [], set()
    while True:
        response, data = await answer(association)
        assert isinstance(response, CFindRSP)
        if not data:
            return response, answers, statuses
        statuses.add(response.status)
        answers.append(read_identifier(data, EXPLICIT))


def asked(
    catalogue: Any, identifier: Attributes | bytes, model: str = STUDY_ROOT_FIND
) -> tuple[CFindRSP, list[dict[str, Any]], set[int]]:
    """Query once, on an association that answers another query afterwards, whatever was sent."""

    async def scenario() -> tuple[CFindRSP, list[dict[str, Any]], set[int]]:
        async with serving(catalogue) as node, associated(node, model) as association:
            said = await found(association, identifier, model)
            usual, _, _ = await found(
                association, {"QueryRetrieveLevel": "STUDY", **PATIENT}, model
            )
            assert usual.message_id_being_responded_to == 1
            return said

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("level", "keys", "count"),
    [
        ("PATIENT", {}, 2),
        ("STUDY", PATIENT, 2),
        ("SERIES", {**PATIENT, **STUDY}, 2),
        ("IMAGE", {**PATIENT, **STUDY, **SERIES}, 2),
    ],
)
@pytest.mark.parametrize("model", [PATIENT_ROOT_FIND, STUDY_ROOT_FIND], ids=["patient", "study"])
def test_each_level_is_answered(
    collection: Index, model: str, level: str, keys: dict[str, str], count: int
) -> None:
    """In both models, down to instances, with exactly the requested attributes."""
    if model == STUDY_ROOT_FIND and level == "PATIENT":
        pytest.skip("that model has no such level")
    unique = Level[level].unique_key
    last, answers, statuses = asked(
        collection, {"QueryRetrieveLevel": level, unique: "", "PatientName": "", **keys}, model
    )
    assert (last.status, statuses) == (0, {0xFF00})
    assert len({each[unique] for each in answers}) == len(answers) == count
    returned = {"QueryRetrieveLevel", "RetrieveAETitle", "PatientName", unique, *keys}
    assert {frozenset(each) for each in answers} == {frozenset(returned)}
    assert {(each["QueryRetrieveLevel"], each["RetrieveAETitle"]) for each in answers} == {
        (level, TITLE)
    }


def test_findscu_is_answered(collection: Index) -> None:
    """With computed attributes, and with a list of UIDs."""

    async def scenario() -> tuple[int, str]:
        async with serving(collection) as node:
            keys = ("QueryRetrieveLevel=STUDY", "PatientName", "NumberOfStudyRelatedInstances",
                    "ModalitiesInStudy", rf"StudyInstanceUID={ROOT}.1.1\{ROOT}.2.2")  # fmt: skip
            words = [word for key in keys for word in ("-k", key)]
            return await run("findscu", "-S", "-aec", TITLE, *words, node.host, node.port)

    status, said = asyncio.run(scenario())
    assert status == 0
    assert said.count("Find Response") == 2
    assert said.count(r"[CT\MR") == 2
    assert said.count("[4 ]") == 2


def test_our_own_client_finds_everything(collection: Index) -> None:
    """A query down to instances, which takes several C-FINDs."""

    async def scenario() -> int:
        async with serving(collection) as node:
            result = await ENTITY.query(node, {"PatientName": "Coll*"}, level=Level.IMAGE)
            return (
                len([*result.answers(Level.IMAGE)]) if hasattr(result, "answers") else len(result)
            )

    assert asyncio.run(scenario()) == 16


@pytest.mark.parametrize(
    ("identifier", "status", "words"),
    [
        ({"StudyInstanceUID": ""}, 0xA900, "Query/Retrieve Level is missing"),
        ({"QueryRetrieveLevel": "FRAME"}, 0xA900, "FRAME"),
        ({"QueryRetrieveLevel": "PATIENT"}, 0xA900, "PATIENT"),
        ({"QueryRetrieveLevel": "SERIES"}, 0xA900, "StudyInstanceUID is missing"),
        ({"QueryRetrieveLevel": "IMAGE", **STUDY}, 0xA900, "SeriesInstanceUID is missing"),
        ({"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": r"1.2\1.3"}, 0xA900, "single value"),
        ({"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": "*"}, 0xA900, "single value"),
    ],
)
def test_wrong_identifier_is_refused_in_words(
    collection: Index, identifier: Attributes, status: int, words: str
) -> None:
    """A violation of the rules for hierarchical queries gives a failure that names the rule."""
    last, answers, _ = asked(collection, identifier)
    assert (last.status, answers) == (status, [])
    assert words in (last.error_comment or "")


NESTED = b"".join(
    b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" for _ in range(5000)
)


@pytest.mark.parametrize(
    "data",
    [
        b"\x08\x00",
        b"\x08\x00\x52\x00CS\xff\xffSTUDY ",
        bytes(range(256)),
        b"\xff" * 100_000,
        NESTED,
        b"\x08\x00\x52\x00CS\x06\0STUDY " * 100_000,
    ],
    ids=["two-bytes", "cut", "noise", "ones", "nested", "repeated"],
)
def test_hostile_identifier_is_answered(collection: Index, data: bytes) -> None:
    """Bytes that are not an identifier get a response, and the association continues."""
    last, _, _ = asked(collection, data)
    assert last.status == 0 or last.status >> 12 == 0xC or last.status == 0xA900


@pytest.mark.parametrize("relational", [True, False])
def test_relational_query_has_to_be_negotiated(collection: Index, relational: bool) -> None:
    """A patient's instances are found without the levels between only if this was negotiated."""
    asking = Dataset()
    asking.QueryRetrieveLevel, asking.PatientID, asking.SOPInstanceUID = "IMAGE", f"{ROOT}-1", ""

    def ask_it(node: DcmNode) -> tuple[list[int], bytes | None]:
        us = AE("TOOLKIT")
        us.add_requested_context(STUDY_ROOT_FIND)
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid, item.service_class_application_information = STUDY_ROOT_FIND, b"\1\1\1"
        extended = [item] if relational else []
        association = us.associate(node.host, node.port, ae_title=TITLE, ext_neg=extended)
        try:
            answers = [each[0].Status for each in association.send_c_find(asking, STUDY_ROOT_FIND)]
            agreed = association.acceptor.sop_class_extended
        finally:
            association.release()
        return answers, agreed.get(STUDY_ROOT_FIND)

    async def scenario() -> tuple[list[int], bytes | None]:
        async with serving(collection) as node:
            return await asyncio.to_thread(ask_it, node)

    answers, agreed = asyncio.run(scenario())
    assert answers == ([0xFF00] * 8 + [0] if relational else [0xA900])
    assert agreed == (b"\1\0\0" if relational else None)


def test_thousand_answers_come_in_order() -> None:
    """Each once, in the order of the catalogue."""
    last, answers, _ = asked(Many(1000), {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""})
    assert last.status == 0
    assert [each["StudyInstanceUID"] for each in answers] == [f"1.2.{n}" for n in range(1000)]


def test_cancel_ends_a_query() -> None:
    """The last response is FE00, and comes before all matches are sent."""
    catalogue = Many(10_000_000)

    async def scenario() -> int:
        async with serving(catalogue) as node, associated(node, STUDY_ROOT_FIND) as association:
            await ask(association, find_request(), {"QueryRetrieveLevel": "STUDY"})
            await answer(association)
            await association.send(Command(1, CCancelRQ(message_id_being_responded_to=1)))
            while True:
                response, data = await answer(association)
                assert isinstance(response, CFindRSP)
                if not data:
                    return response.status

    assert asyncio.run(scenario()) == 0xFE00
    assert catalogue.taken < 1_000_000


class Slow(Many):
    """A slow catalogue; `asked`: the peak number of threads that wait for it."""

    def __init__(self) -> None:
        super().__init__(1)
        self.go_on = threading.Event()
        self.asked = 0

    def find(
        self,
        query: Attributes,
        level: Level,
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> Iterator[Attributes]:
        """Wait, and yield a study."""
        self.asked += 1
        assert self.go_on.wait(30)
        yield from super().find(query, level, limit=limit, offset=offset)


def test_cancelled_queries_do_not_pile_up() -> None:
    """Each is answered at once while its thread continues; the number of threads is limited."""
    catalogue = Slow()

    async def scenario() -> tuple[list[int], int, int]:
        async with serving(catalogue) as node, associated(node, STUDY_ROOT_FIND) as association:
            statuses = []
            for number in range(1, 31):
                request = find_request(message_id=number)
                await ask(association, request, {"QueryRetrieveLevel": "STUDY"})
                cancel = CCancelRQ(message_id_being_responded_to=number)
                await association.send(Command(1, cancel))
                response, _ = await answer(association)
                assert isinstance(response, CFindRSP)
                statuses.append(response.status)
            asked = catalogue.asked
            catalogue.go_on.set()
            last, _, _ = await found(association, {"QueryRetrieveLevel": "STUDY"})
            return statuses, asked, last.status

    statuses, asked, last = asyncio.run(scenario())
    assert statuses == [0xFE00] * 30
    assert asked <= 16
    assert last == 0


def test_late_cancel_is_ignored(collection: Index) -> None:
    """A C-CANCEL that crosses the last response is harmless."""

    async def scenario() -> list[int]:
        async with serving(collection) as node, associated(node, STUDY_ROOT_FIND) as association:
            statuses = []
            for _ in range(2):
                last, _, _ = await found(association, {"QueryRetrieveLevel": "STUDY", **STUDY})
                statuses.append(last.status)
                await association.send(Command(1, CCancelRQ(message_id_being_responded_to=1)))
            return statuses

    assert asyncio.run(scenario()) == [0, 0]


def test_catalogue_waits_for_a_peer_that_does_not_read() -> None:
    """Only what fits into the connection is read from the catalogue (back-pressure)."""
    catalogue = Many(10_000_000)

    async def scenario() -> list[int]:
        async with serving(catalogue) as node:
            async with associated(node, STUDY_ROOT_FIND) as association:
                await ask(association, find_request(), {"QueryRetrieveLevel": "STUDY"})
                taken = [-1]
                while len(taken) < 3 or taken[-1] != taken[-3]:
                    await asyncio.sleep(0.1)
                    taken.append(catalogue.taken)
                await association.abort()
            return taken

    assert 0 < asyncio.run(scenario())[-1] < 1_000_000


def test_peer_that_goes_ends_its_query() -> None:
    """The catalogue is not read any further."""
    catalogue = Many(10_000_000)

    async def scenario() -> None:
        async with serving(catalogue) as node:
            async with aclosing(_stream(node)) as answers:
                async for _ in answers:
                    break
            before = catalogue.taken
            assert await ENTITY.echo(node) < 5
            await asyncio.sleep(0.1)
            assert catalogue.taken - before < 10_000

    asyncio.run(scenario())


async def _stream(node: DcmNode) -> Any:
    async with ENTITY.find(node, {"QueryRetrieveLevel": "STUDY"}) as answers:
        async for each in answers:
            yield each


@pytest.mark.parametrize("after", [0, 500])
def test_failure_of_the_catalogue_is_answered(after: int) -> None:
    """A query that cannot be completed does not end with success, and others work."""
    catalogue = Many(1000, broken_after=after)

    async def scenario() -> list[int]:
        async with serving(catalogue) as node, associated(node, STUDY_ROOT_FIND) as association:
            return [
                (await found(association, {"QueryRetrieveLevel": "STUDY"}))[0].status for _ in "12"
            ]

    assert asyncio.run(scenario()) == [0xC000, 0xC000]


@pytest.fixture
def named(tmp_path: Path) -> Index:
    """Two studies with non-ASCII names, from two countries."""
    paths = []
    for number, (name, names) in enumerate(
        {"Größe^Jörg": "ISO_IR 100", "Иванов": "ISO_IR 144"}.items()
    ):
        path = make(tmp_path, number, size=2000, study=f"1.2.3.{number}")
        image = dcmread(path)
        image.SpecificCharacterSet, image.PatientName = names, name
        image.save_as(path)
        paths.append(path)
    return catalogue_of(paths)


@pytest.mark.parametrize(
    ("given", "sets"),
    [
        ("", {"ISO_IR 192"}),
        ("ISO_IR 100", {"ISO_IR 100", "ISO_IR 192"}),
        ("ISO_IR 144", {"ISO_IR 144", "ISO_IR 192"}),
    ],
)
def test_names_are_whole_in_a_set_that_has_them(named: Index, given: str, sets: set[str]) -> None:
    """An answer uses the character set of the query if it suffices, else UTF-8."""
    identifier = {"QueryRetrieveLevel": "STUDY", "PatientName": "", "SpecificCharacterSet": given}
    _, answers, _ = asked(named, identifier)
    assert {each["PatientName"] for each in answers} == {"Größe^Jörg", "Иванов"}
    assert {each["SpecificCharacterSet"] for each in answers} == sets


def test_value_that_its_vr_does_not_allow_is_left_out(tmp_path: Path) -> None:
    """The answer is still sent, with everything else."""
    path = make(tmp_path, 1, size=2000)
    written = path.read_bytes()
    path.write_bytes(written.replace(b"CS\2\0CT", b"CS\2\0C\xc4"))
    catalogue = catalogue_of([path])
    keys = {"StudyInstanceUID": "1.2.3.4.1", "SeriesInstanceUID": ""}
    last, [found_one], _ = asked(
        catalogue, {"QueryRetrieveLevel": "SERIES", "Modality": "", **keys}
    )
    assert last.status == 0
    assert (found_one["Modality"], found_one["SeriesInstanceUID"]) == ("", "1.2.3.4.2")
