"""Queries of web services that page, repeat, truncate and break their answers, and of real ones."""

import asyncio
from pathlib import Path

import pytest
from pydicom import dcmread
from web.files import study
from web.scripted import DICOM_JSON, Answer, Asked, found, reply, service
from web.services import remote

from dcm.data.account import Account
from dcm.data.levels import Level
from dcm.data.match import Attributes
from dcm.errors import DcmError
from dcm.net.errors import KeyIgnored, NotAllFound
from dcm.net.store import store
from dcm.store.web import WebPlace
from dcm.web.errors import RequestFailed
from dcm.web.pages import Pages
from dcm.web.qido import request_for


def studies(count: int) -> list[Attributes]:
    """Make studies, each of another patient."""
    return [
        {"StudyInstanceUID": f"1.2.{number}", "PatientID": f"P{number}", "PatientName": "A"}
        for number in range(count)
    ]


def ask(
    answer: Answer, keys: Attributes | None = None, *, level: Level | None = None
) -> tuple[int, Account, list[Asked]]:
    """Query a scripted service; return the number of entities, the account, and the requests."""
    account = Account()

    async def run(url: str) -> int:
        place = WebPlace(remote(url))
        pieces = place.queries(keys or {}, level=level, account=account)
        return sum([len(piece) async for piece in pieces])

    with service(answer) as (url, requests):
        return asyncio.run(run(url)), account, requests


def paged(
    all_of_them: list[Attributes], *, cap: int = 1 << 30, offset: bool = True, limit: bool = True
) -> Answer:
    """Answer page by page; cap: the longest page. offset, limit: whether they are honoured."""

    def answer(asked: Asked) -> bytes:
        wanted, start = asked.page
        start = start if offset else 0
        return found(all_of_them[start : start + min(cap, wanted if limit else cap)])

    return answer


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 25, 60, 999, 1001, 2500])
@pytest.mark.parametrize(
    "heeds",
    [{}, {"cap": 25}, {"offset": False}, {"limit": False}, {"offset": False, "limit": False}],
    ids=str,
)
def test_all_answers_are_found(count: int, heeds: dict[str, bool]) -> None:
    """In spite of any use of limit and offset, if the service sends all answers at all."""
    number, account, _ = ask(paged(studies(count), **heeds))  # type: ignore[arg-type]

    assert number == count
    assert account.complete
    assert not account.repeated


def test_service_that_gives_only_its_first_answers_is_seen() -> None:
    """It ignores offset and sends a limited number; one with exactly that many looks the same."""
    with pytest.raises(NotAllFound, match="ignores offset, and returns no more than 1000"):
        ask(paged(studies(1200), cap=1000, offset=False))


def test_service_that_changes_the_order_is_seen() -> None:
    """An answer that comes twice shows that another may be missing."""
    answers = studies(60)

    def answer(asked: Asked) -> bytes:
        start = asked.page[1]
        return found(answers[max(0, start - 5) : start + 20])

    with pytest.raises(NotAllFound, match="order changes"):
        ask(answer)


def test_warning_of_more_answers_is_heeded() -> None:
    """Even after a page of two answers (PS3.18 8.3.4.4)."""
    answers = studies(5)

    def answer(asked: Asked) -> bytes:
        start = asked.page[1]
        warning = '299 dicomweb: "There are 3 additional results that can be requested"'
        more = {"Warning": warning} if start + 2 < len(answers) else {}
        return found(answers[start : start + 2], **more)

    number, account, _ = ask(answer)

    assert (number, account.complete) == (5, True)


@pytest.mark.parametrize(
    "answer",
    [reply(204), reply(200, b"[]", DICOM_JSON), reply(200), reply(200, b" ", DICOM_JSON)],
    ids=["204", "empty list", "nothing", "space"],
)
def test_no_answers(answer: bytes) -> None:
    """There are several forms of an empty answer."""
    number, account, requests = ask(lambda _: answer)

    assert (number, account.complete, len(requests)) == (0, True, 1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(200, b"<html><title>x</title>Log <b>in</b>", "text/html"), r"received text/html: Log in"),
        (reply(200, b"--b", "multipart/related; boundary=b"), "multipart/related"),
        (reply(200, b"[{", DICOM_JSON), "not JSON"),
        (reply(200, b'"x"', DICOM_JSON), "not an array"),
        (reply(200, b"\xff[]", DICOM_JSON), "invalid response"),
        (reply(200, b"[]", DICOM_JSON + "; charset=unheard-of"), "invalid response"),
        (reply(200, b"[]"), "without Content-Type"),
        (reply(200, b"[]", DICOM_JSON, Content_Encoding="gzip"), "Content-Encoding"),
        (reply(404, b"<p>no such page", "text/html"), r"404 Not Found: no such page.*base of DICOMweb"),
        (reply(500), "500 Internal Server Error"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "does not begin like HTTP"),
        (reply(200, b"[", DICOM_JSON, length=9), "closed the connection in the middle"),
        (b"", "closed the connection without a response"),
        (reply(200, b"[]", DICOM_JSON, Transfer_Encoding="gzip"), "Transfer-Encoding"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_an_error(answer: bytes, words: str) -> None:
    """The error has the request and the answer; it is never taken for an empty answer."""
    with pytest.raises(DcmError, match=f"GET http.*/studies.*{words}"):
        ask(lambda _: answer)


def test_other_character_set_is_read() -> None:
    """If the media type names it."""
    body = '[{"0020000D":{"vr":"UI","Value":["1"]},"00100010":{"vr":"PN","Value":["Ü"]}}]'
    answer = reply(200, body.encode("latin-1"), DICOM_JSON + "; charset=ISO-8859-1")

    number, account, _ = ask(lambda _: answer, {"PatientName": "ü"})

    assert (number, account.complete) == (1, True)


def test_answers_that_cannot_be_used_are_counted() -> None:
    """The others are used."""
    body = b'[{"0020000D":{"vr":"UI","Value":["1.2"]}}, 5, {"00100020":{"vr":"LO"}}]'

    with pytest.raises(NotAllFound, match="not a DICOM JSON object") as failure:
        ask(lambda _: reply(200, body, DICOM_JSON))
    assert len(failure.value.problems) == 2


def test_ignored_keys_are_checked_here() -> None:
    """For a service that returns everything, and one that omits the key from its answers."""
    number, account, _ = ask(lambda _: found(studies(30)), {"PatientID": "P1*"})
    assert number == 11
    assert account.filtered == {"PatientID": 19}

    with pytest.raises(KeyIgnored, match="StudyDescription"):
        ask(lambda _: found(studies(3)), {"StudyDescription": "Head"})


def test_answers_below_another_parent_are_left_out() -> None:
    """A service may answer with series of other studies."""
    series = [
        {"StudyInstanceUID": study_uid, "SeriesInstanceUID": f"{study_uid}.1", "Modality": "CT"}
        for study_uid in ("1.2.0", "1.2.9")
    ]

    def answer(asked: Asked) -> bytes:
        return found(series if asked.path.endswith("series") else studies(1))

    number, account, _ = ask(answer, level=Level.SERIES)

    assert number == 1
    assert account.filtered == {"StudyInstanceUID": 1}


def test_count_that_is_not_the_list_is_seen() -> None:
    """A study that reports three series, and lists one."""
    series = {"StudyInstanceUID": "1.2.0", "SeriesInstanceUID": "1.2.0.1", "Modality": "CT"}

    def answer(asked: Asked) -> bytes:
        if asked.path.endswith("series"):
            return found([series])
        return found([{**studies(1)[0], "NumberOfStudyRelatedSeries": "3"}])

    with pytest.raises(NotAllFound, match=r"reports 3 series .* lists 1"):
        ask(answer, level=Level.SERIES)


def test_service_without_includefield_is_asked_without() -> None:
    """There is a note."""

    def answer(asked: Asked) -> bytes:
        if "includefield" in asked.target:
            return reply(400, b"unknown parameter includefield")
        return found(studies(12)[asked.page[1] :])

    number, account, requests = ask(answer)

    assert number == 12
    assert "does not support includefield" in account.remarks[0]
    assert ["includefield" in each.target for each in requests] == [True, False, False]


def test_busy_service_is_asked_again() -> None:
    """After the requested delay, unless that is too long."""
    statuses = [503, 429, 200]

    def answer(asked: Asked) -> bytes:
        status = statuses.pop(0)
        return found(studies(2)) if status == 200 else reply(status, Retry_After="0")

    assert (ask(answer))[0] == 2
    with pytest.raises(RequestFailed, match="503") as failure:
        ask(lambda _: reply(503, Retry_After="3600"))
    assert failure.value.retry_after == 3600
    with pytest.raises(RequestFailed, match="429"):
        ask(lambda _: reply(429, Retry_After="0"))


def test_broken_connection_is_made_again() -> None:
    """A truncated page is requested once more."""
    answers = [b"", reply(200, b"[{", DICOM_JSON, length=100), found(studies(3))]

    assert (ask(lambda _: answers.pop(0)))[0] == 3


def test_requests_of_each_level() -> None:
    """Resources, keys and attributes (10.6.1, 8.3.4)."""
    keys = {"QueryRetrieveLevel": "STUDY", "PatientName": "A*", "StudyDate": ""}
    studies_of = ("studies", [("PatientName", "A*")], ["StudyDate"])
    assert request_for(keys, Level.STUDY) == studies_of
    keys = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3\\1.4", "Modality": "CT\\MR"}
    assert request_for(keys, Level.SERIES) == (
        "studies/1.2/series", [("SeriesInstanceUID", "1.3,1.4"), ("Modality", "CT\\MR")], []
    )  # fmt: skip
    assert request_for({"StudyInstanceUID": "1", "SeriesInstanceUID": "2"}, Level.IMAGE)[0] == (
        "studies/1/series/2/instances"
    )
    item = {
        "RequestAttributesSequence": [{"ScheduledProcedureStepID": "7", "RequestedProcedureID": ""}]
    }
    assert request_for(item, Level.SERIES) == (
        "series",
        [("RequestAttributesSequence.ScheduledProcedureStepID", "7")],
        ["RequestAttributesSequence"],
    )
    assert request_for({"StudyInstanceUID": "../x"}, Level.SERIES)[0] == "studies/..%2Fx/series"


def test_pages_hold_no_answers() -> None:
    """Only their identities are kept."""
    pages = Pages(lambda each: each, page=3)

    assert [*pages.take([1, 2, 2], more=False)] == [1, 2, 2]
    assert pages.next() is None


# Real services.


async def _count(place: WebPlace, keys: Attributes, level: Level | None = None) -> int:
    return sum([len(piece) async for piece in place.queries(keys, level=level)])


def test_real_services_are_queried(service_url: str, tmp_path: Path) -> None:
    """Studies, series, instances and patients, by keys of several levels."""
    files = study(tmp_path, 2, 3, PatientID=tmp_path.name)
    one, patient = dcmread(files[0]), {"PatientID": tmp_path.name}
    uids = "\\".join(str(dcmread(each).SOPInstanceUID) for each in files[:2])

    async def run() -> None:
        async with WebPlace(remote(service_url)) as place:
            async with place.writer() as writer:
                assert (await store(writer, files)).complete
            assert await place.echo() < 5
            for level, count in (
                (None, 1), (Level.SERIES, 2), (Level.IMAGE, 6), (Level.PATIENT, 1),
            ):  # fmt: skip
                assert await _count(place, patient, level) == count
            keys = {**patient, "SeriesNumber": "2", "Modality": "CT"}
            [piece] = [piece async for piece in place.queries(keys)]
            assert [node.text("SeriesNumber") for node in piece.members()] == ["2"]
            assert await _count(place, {**patient, "StudyDate": "19990101"}) == 0
            within = {"StudyInstanceUID": str(one.StudyInstanceUID), "SOPInstanceUID": uids}
            assert await _count(place, within) == 2

    asyncio.run(run())


def test_encoded_keys_match_in_orthanc(orthanc_url: str, tmp_path: Path) -> None:
    """Orthanc 1.10.1 does not decode URLs: the keys are relaxed, and matched here."""
    name, description, patient = "Müller^Anna Maria", "Head & neck", tmp_path.name
    files = study(
        tmp_path, 1, 1, PatientID=patient, SpecificCharacterSet="ISO_IR 192",
        PatientName=name, StudyDescription=description,
    )  # fmt: skip

    async def run() -> list[int]:
        async with WebPlace(remote(orthanc_url)) as place:
            async with place.writer() as writer:
                assert (await store(writer, files)).complete
            return [
                await _count(place, {"PatientID": patient, **keys})
                for keys in (
                    {"PatientName": name, "StudyDescription": description},
                    {"PatientName": "Möller^Anna Maria"},
                    {"PatientName": "Müller*Maria"},
                )
            ]

    assert asyncio.run(run()) == [1, 0, 1]


def test_wrong_base_is_an_error(orthanc_url: str) -> None:
    """Orthanc's own REST interface also has /studies, but not in DICOM JSON."""
    with pytest.raises(DcmError, match="GET http"):
        asyncio.run(WebPlace(remote(orthanc_url.removesuffix("/dicom-web"))).echo())
