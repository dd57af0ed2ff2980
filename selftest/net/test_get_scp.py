"""C-GET as SCP: files are sent unchanged, and instances that are not sent are counted and named."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from net.collection import CT, files
from net.files import data_set, data_sets, make
from net.peers import QUICK
from net.serving import TITLE, Many, answer, ask, associated, catalogue_of, run, serving
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, RLELossless
from pynetdicom import AE, build_role, evt

from dcm.data.identifier import read_identifier
from dcm.data.match import Attributes
from dcm.net import DcmNode, Listen, LocalEntity, Remote
from dcm.net.association import Association
from dcm.net.suboperations import STUDY_ROOT_GET
from dcm.outcome import Report
from dcm.sinks import Folder
from dcm.wire import (
    CCancelRQ,
    CGetRQ,
    CGetRSP,
    Command,
    CStoreRQ,
    Message,
    PresentationContextRQ,
    RoleSelection,
    store_response,
)

ENTITY = LocalEntity("TOOLKIT", QUICK)
ROOT = "1.2.826.6"
STUDY = "1.2.3.4.1"
THIS_STUDY = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": STUDY}
COUNTS = ("completed", "failed", "warning", "remaining")


@pytest.fixture
def source(tmp_path: Path) -> list[Path]:
    """Five instances of one study, of different sizes."""
    folder = tmp_path / "source"
    folder.mkdir()
    return [make(folder, number, size=2_000 + number * 300_000) for number in range(5)]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder for received files."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def counts(response: CGetRSP) -> dict[str, int | None]:
    """Return the numbers of a response."""
    return {each: getattr(response, f"number_of_{each}_suboperations") for each in COUNTS}


def test_our_own_client_gets_everything(tmp_path: Path, target: Path) -> None:
    """Four studies on several associations, byte for byte."""
    source = files(tmp_path, ROOT)

    async def scenario() -> Report:
        async with serving(catalogue_of(source)) as node:
            return await ENTITY.download(node, {"PatientName": "Coll*"}, target, method="get")

    assert asyncio.run(scenario()).complete
    assert data_sets(target) == {data_uid(path): data_set(path) for path in source}


def data_uid(path: Path) -> str:
    """Return the SOP Instance UID of a file."""
    return str(dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)


def test_getscu_gets_what_is_there(source: list[Path], target: Path) -> None:
    """All of it, byte for byte."""

    async def scenario() -> tuple[int, str]:
        async with serving(catalogue_of(source)) as node:
            return await run(
                "getscu", "-S", "-aec", TITLE, "-od", target, "+B", "-k", "QueryRetrieveLevel=STUDY",
                "-k", f"StudyInstanceUID={STUDY}", node.host, node.port,
            )  # fmt: skip

    status, said = asyncio.run(scenario())
    assert status == 0, said
    assert data_sets(target) == {data_uid(path): data_set(path) for path in source}


def pynetdicom_gets(
    node: DcmNode, statuses: list[int], syntaxes: list[str]
) -> tuple[list[tuple[Dataset, Dataset | None]], list[Dataset]]:
    """Get the study with pynetdicom, which responds to each instance with the next status."""
    came = []

    def store(event: evt.Event) -> int:
        came.append(event.dataset)
        return statuses[len(came) - 1] if len(came) <= len(statuses) else 0

    us = AE("TOOLKIT")
    us.add_requested_context(STUDY_ROOT_GET)
    us.add_requested_context(CT, syntaxes)
    asking = Dataset()
    asking.QueryRetrieveLevel, asking.StudyInstanceUID = "STUDY", STUDY
    association = us.associate(
        node.host, node.port, ae_title=TITLE, evt_handlers=[(evt.EVT_C_STORE, store)],
        ext_neg=[build_role(CT, scp_role=True)],
    )  # fmt: skip
    try:
        return list(association.send_c_get(asking, STUDY_ROOT_GET)), came
    finally:
        association.release()


def pynetdicom(
    source: list[Path],
    statuses: list[int],
    syntax: str = ExplicitVRLittleEndian,
) -> tuple[list[tuple[Dataset, Dataset | None]], list[Dataset]]:
    """Serve files to pynetdicom."""

    async def scenario() -> tuple[list[tuple[Dataset, Dataset | None]], list[Dataset]]:
        async with serving(catalogue_of(source)) as node:
            return await asyncio.to_thread(pynetdicom_gets, node, statuses, [syntax])

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("statuses", "status", "expected"),
    [
        ([], 0x0000, (5, 0, 0)),
        ([0, 0xA700], 0xB000, (4, 1, 0)),
        ([0xA700] * 5, 0xA702, (0, 5, 0)),
        ([0xB000, 0, 0xC000], 0xB000, (3, 1, 1)),
    ],
    ids=["all", "one-refused", "all-refused", "a-warning"],
)
def test_sub_operations_are_counted(
    source: list[Path], statuses: list[int], status: int, expected: tuple[int, int, int]
) -> None:
    """With the status of Table C.4-3, the numbers, and the list of failed instances."""
    responses, came = pynetdicom(source, statuses)
    last, failures = responses[-1]
    numbers = tuple(
        last[f"NumberOf{each}Suboperations"].value for each in ("Completed", "Failed", "Warning")
    )
    assert (last.Status, numbers) == (status, expected)
    refused = [
        each.SOPInstanceUID
        for each, code in zip(came, statuses, strict=False)
        if code >= 0xC000 or code == 0xA700
    ]
    listed = failures.FailedSOPInstanceUIDList if failures else []
    assert [*([listed] if isinstance(listed, str) else listed)] == refused
    left = [each.NumberOfRemainingSuboperations for each, _ in responses[:-1]]
    assert left == sorted(left, reverse=True)
    assert {each.Status for each, _ in responses[:-1]} == {0xFF00}


def test_compressed_instance_is_decompressed_where_it_must_be(tmp_path: Path) -> None:
    """A peer that accepts only native transfer syntaxes still gets the pixels."""
    path = make(tmp_path, 1, size=2_000)
    image = dcmread(path)
    pixels = image.PixelData
    image.compress(RLELossless, generate_instance_uid=False)
    image.save_as(path)
    assert image.PixelData != pixels
    responses, [came] = pynetdicom([path], [])
    assert responses[-1][0].Status == 0
    assert came.PixelData == pixels


CT_SCP = (RoleSelection(CT, scu=False, scp=True),)


async def getting(
    node: DcmNode, identifier: Attributes, roles: Sequence[RoleSelection] = CT_SCP
) -> tuple[Association, Command]:
    """Begin a C-GET of CT images."""
    contexts = [
        PresentationContextRQ(1, STUDY_ROOT_GET, (ExplicitVRLittleEndian,)),
        PresentationContextRQ(3, CT, (ExplicitVRLittleEndian,)),
    ]
    us = Listen("127.0.0.1", "TOOLKIT", 0)
    association = await Association.request(us, Remote(node, QUICK), contexts, roles)
    request = CGetRQ(message_id=7, affected_sop_class_uid=STUDY_ROOT_GET)
    await ask(association, request, identifier)
    return association, Command(1, request)


@pytest.mark.parametrize("writable", [True, False])
def test_nothing_is_sent_without_the_role(source: list[Path], target: Path, writable: bool) -> None:
    """If a peer is not the SCP of a class, all its instances fail (PS3.4 C.5.3).

    A writable archive accepts the context nevertheless, for instances that the peer sends.
    """

    async def scenario() -> Message:
        sink = Folder(target) if writable else None
        async with serving(catalogue_of(source), sink=sink) as node:
            association, _ = await getting(node, THIS_STUDY, roles=())
            async with association:
                return (await answer(association))[0]

    first = asyncio.run(scenario())
    assert isinstance(first, CGetRSP)
    assert (first.status, counts(first)["failed"]) == (0xA702, 5)


@pytest.mark.parametrize("early", [True, False], ids=["before-the-answer", "after-it"])
def test_cancel_ends_a_retrieval(source: list[Path], early: bool) -> None:
    """The last response is FE00 with the remaining number; nothing more is sent."""

    async def scenario() -> tuple[CGetRSP, int]:
        async with serving(catalogue_of(source)) as node:
            association, _ = await getting(node, THIS_STUDY)
            cancel, came = Command(1, CCancelRQ(message_id_being_responded_to=7)), 0
            async with association:
                while True:
                    command = await association.command()
                    assert command is not None
                    message = command.message
                    if message.has_data_set:
                        await association.data_set()
                    if isinstance(message, CStoreRQ):
                        came += 1
                        said = Command(3, store_response(message))
                        await association.send(*([cancel, said] if early else [said, cancel]))
                    elif isinstance(message, CGetRSP) and message.status != 0xFF00:
                        return message, came

    last, came = asyncio.run(scenario())
    assert last.status == 0xFE00
    assert came <= (1 if early else 2)
    assert counts(last) == {"completed": came, "failed": 0, "warning": 0, "remaining": 5 - came}


def test_file_that_is_gone_has_failed(source: list[Path], target: Path) -> None:
    """The others are sent, and the last response names it."""
    catalogue = catalogue_of(source)
    gone = data_uid(source[2])
    source[2].unlink()

    async def scenario() -> tuple[CGetRSP, bytes]:
        async with serving(catalogue) as node:
            association, _ = await getting(node, THIS_STUDY)
            async with association:
                while True:
                    message, data = await answer(association)
                    if isinstance(message, CStoreRQ):
                        await association.send(Command(3, store_response(message)))
                    elif isinstance(message, CGetRSP) and message.status != 0xFF00:
                        return message, data

    last, data = asyncio.run(scenario())
    assert (last.status, counts(last)["failed"]) == (0xB000, 1)
    assert read_identifier(data, ExplicitVRLittleEndian) == {"FailedSOPInstanceUIDList": gone}


@pytest.mark.parametrize(
    ("identifier", "words"),
    [
        ({"QueryRetrieveLevel": "STUDY"}, "StudyInstanceUID is missing"),
        ({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2*"}, "not a value"),
        (
            {"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": "1.2"},
            "StudyInstanceUID is missing",
        ),
        ({**THIS_STUDY, "SOPInstanceUID": "1.2"}, "SOPInstanceUID is a key below"),
        ({}, "Query/Retrieve Level is missing"),
    ],
)
def test_wrong_identifier_is_refused_in_words(
    source: list[Path], identifier: Attributes, words: str
) -> None:
    """Without valid unique keys nothing is sent."""

    async def scenario() -> CGetRSP:
        async with serving(catalogue_of(source)) as node:
            association, _ = await getting(node, identifier)
            async with association:
                message, _ = await answer(association)
                assert isinstance(message, CGetRSP)
                return message

    last = asyncio.run(scenario())
    assert last.status == 0xA900
    assert words in (last.error_comment or "")


def test_failure_of_the_catalogue_is_answered() -> None:
    """A retrieval whose instances cannot be listed does not end with success."""

    async def scenario() -> CGetRSP:
        async with serving(Many(3)) as node:
            association, _ = await getting(node, THIS_STUDY)
            async with association:
                message, _ = await answer(association)
                assert isinstance(message, CGetRSP)
                return message

    assert asyncio.run(scenario()).status == 0xC000


@pytest.mark.parametrize("writable", [True, False])
def test_storage_is_accepted_only_where_something_is_stored(
    source: list[Path], target: Path, writable: bool
) -> None:
    """A read-only archive accepts no context to store; one of a C-GET may only receive."""

    async def scenario() -> tuple[Report, set[tuple[bool, bool]]]:
        sink = Folder(target) if writable else None
        async with serving(catalogue_of(source), sink=sink) as node:
            report = await ENTITY.store(node, source)
            contexts = [PresentationContextRQ(1, CT, (ExplicitVRLittleEndian,))]
            roles = [RoleSelection(CT, scu=True, scp=True)]
            us = Listen("127.0.0.1", "TOOLKIT", 0)
            async with await Association.request(us, Remote(node, QUICK), contexts, roles) as both:
                return report, {(each.scu, each.scp) for each in both.accepted_contexts()}

    report, roles = asyncio.run(scenario())
    assert report.complete is writable
    assert len(data_sets(target)) == (5 if writable else 0)
    assert roles == {(writable, True)}


def test_association_is_not_harmed(source: list[Path]) -> None:
    """Two retrievals one after the other."""

    async def scenario() -> list[int]:
        async with (
            serving(catalogue_of(source)) as node,
            associated(node, STUDY_ROOT_GET) as asking,
        ):
            statuses = []
            for number in (1, 2):
                request = CGetRQ(message_id=number, affected_sop_class_uid=STUDY_ROOT_GET)
                await ask(asking, request, {**THIS_STUDY, "StudyInstanceUID": "1.2.404"})
                message, _ = await answer(asking)
                assert isinstance(message, CGetRSP)
                statuses.append(message.status)
            return statuses

    assert asyncio.run(scenario()) == [0, 0]
