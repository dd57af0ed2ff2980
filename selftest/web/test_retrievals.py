"""Retrievals from web services that truncate, mix up and invent instances, and from real ones."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st
from pydicom import dcmread
from web.files import CT, study, uid_of
from web.scripted import Answer, Asked, found, given, reply, service
from web.services import remote

from dcm.data.header import scan
from dcm.data.match import Attributes
from dcm.net.store import store
from dcm.outcome import Outcome, Report
from dcm.sinks import Folder, Head, NotKept, Part, ReceivedInstance, file_meta
from dcm.store.web import WebPlace
from dcm.web.incoming import Damaged, IncomingParts
from dcm.web.multipart import PartBegun, PartData, PartEnded
from dcm.wire import CStoreRQ


class Held:
    """The content of a scripted service: the files of a study, by their UIDs."""

    def __init__(self, files: list[Path]) -> None:
        self.content = {uid_of(each): each.read_bytes() for each in files}
        self.uids = [*self.content]
        self.listed: list[Attributes] = [
            {
                "SOPInstanceUID": uid_of(each),
                **{name: scan(each).text(name) for name in _NAMES},
                "SOPClassUID": scan(each).sop_class_uid,
            }
            for each in files
        ]
        self.study = str(self.listed[0]["StudyInstanceUID"])

    def answer(self, retrieval: Callable[[Asked], bytes]) -> Answer:
        """Answer queries correctly, and everything else with `retrieval`."""

        def answer(asked: Asked) -> bytes:
            level = asked.path.rsplit("/", 1)[-1]
            key = {"studies": "StudyInstanceUID", "series": "SeriesInstanceUID"}.get(level)
            if level == "instances":
                return found(
                    [each for each in self.listed if str(each["SeriesInstanceUID"]) in asked.path]
                )
            if key is None:
                return retrieval(asked)
            return found([*{str(each[key]): each for each in self.listed}.values()])

        return answer

    def parts(self, *uids: str) -> list[bytes]:
        """Return the files of some instances."""
        return [self.content[uid] for uid in uids or self.uids]


_NAMES = (
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "SeriesNumber",
    "InstanceNumber",
)


@pytest.fixture
def held(tmp_path: Path) -> Held:
    """One study with one series of four instances."""
    return Held(study(tmp_path / "in", 1, 4))


def fetched(
    held: Held, folder: Path, retrieval: Callable[[Asked], bytes], **more: object
) -> Report:
    """Fetch the study; check that each instance has an outcome, and each file is unchanged."""
    folder.mkdir(exist_ok=True)

    async def run(url: str) -> Report:
        place = WebPlace(remote(url, **more))
        return await place.fetch({"StudyInstanceUID": held.study}, Folder(folder))

    with service(held.answer(retrieval)) as (url, _):
        report = asyncio.run(run(url))
    assert sorted(each.sop_instance_uid for each in report.results) == sorted(held.uids)
    for each in report.results:
        if each.stored:
            assert data_set(Path(each.path).read_bytes()) == data_set(
                held.content[each.sop_instance_uid]
            )
    kept = {each.name for each in folder.iterdir()}
    assert kept == {f"{each.sop_instance_uid}.dcm" for each in report.results if each.stored}
    return report


def data_set(content: bytes) -> bytes:
    """Return everything after the file meta information."""
    return content[144 + int.from_bytes(content[140:144], "little") :]


def single(asked: Asked) -> str:
    """Return the requested instance; empty if the request is for several."""
    return asked.path.rpartition("/instances/")[2] if "/instances/" in asked.path else ""


def test_study_comes_in_one_request(held: Held, tmp_path: Path) -> None:
    """As stored, in any transfer syntax."""
    asked: list[Asked] = []

    def retrieval(each: Asked) -> bytes:
        asked.append(each)
        return given(held.parts())

    assert fetched(held, tmp_path / "out", retrieval).complete
    assert [each.path for each in asked] == [f"/dicomweb/studies/{held.study}"]
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    assert asked[0].headers["accept"] == accept


@pytest.mark.parametrize("cut", [0, 60, 1500, 3000, 5000, 9000])
def test_what_came_before_a_cut_is_kept(held: Held, tmp_path: Path, cut: int) -> None:
    """The rest is requested one by one."""
    asked: list[str] = []

    def retrieval(each: Asked) -> bytes:
        asked.append(single(each))
        return given(held.parts(single(each))) if single(each) else given(held.parts(), cut=cut)

    assert fetched(held, tmp_path / "out", retrieval).complete
    whole = cut // (len(held.parts()[0]) + 120)
    assert sorted(asked) == sorted(["", *held.uids[whole:]])


def test_multipart_that_ends_too_early_is_a_cut(held: Held, tmp_path: Path) -> None:
    """Even if the length of the body is right."""

    def retrieval(asked: Asked) -> bytes:
        if single(asked):
            return given(held.parts(single(asked)))
        head, _, body = given(held.parts()).partition(b"\r\n\r\n")
        content_type = head.decode().partition("Content-Type: ")[2].partition("\r\n")[0]
        return reply(200, body[: len(body) // 2], content_type)

    assert fetched(held, tmp_path / "out", retrieval).complete


def test_refusal_of_everything_ends_it(held: Held, tmp_path: Path) -> None:
    """Without the right credentials, nothing is requested one by one."""
    asked: list[str] = []

    def retrieval(each: Asked) -> bytes:
        asked.append(each.path)
        return reply(401, b"who are you?")

    report = fetched(held, tmp_path / "out", retrieval)

    assert "401 Unauthorized: who are you?" in report.lost[0].words
    assert len(asked) == 1


def test_single_instance_that_is_cut_is_a_failure(held: Held, tmp_path: Path) -> None:
    """Without the closing boundary, it is not known to be complete."""

    def retrieval(asked: Asked) -> bytes:
        uid = single(asked) or held.uids[0]
        head, _, body = given(held.parts(uid)).partition(b"\r\n\r\n")
        content_type = head.decode().partition("Content-Type: ")[2].partition("\r\n")[0]
        return reply(200, body[:-6], content_type)

    report = fetched(held, tmp_path / "out", retrieval)

    assert len(report.lost) == 4
    assert "ends in the middle of part 1" in report.lost[0].words


def test_instance_that_breaks_each_connection_is_given_up(held: Held, tmp_path: Path) -> None:
    """The others are fetched."""
    bad, asked = held.uids[1], list[str]()

    def retrieval(each: Asked) -> bytes:
        asked.append(single(each))
        return given(held.parts(single(each))) if single(each) not in ("", bad) else b""

    report = fetched(held, tmp_path / "out", retrieval)

    assert [each.sop_instance_uid for each in report.lost] == [bad]
    assert "closed the connection" in report.lost[0].words
    assert asked.count(bad) == 3


def test_missing_instances_are_asked_for_singly(held: Held, tmp_path: Path) -> None:
    """If they are missing again, they fail with the service's message."""

    def retrieval(asked: Asked) -> bytes:
        if not single(asked):
            return given(held.parts(*held.uids[:2]))
        if single(asked) == held.uids[2]:
            return given(held.parts(held.uids[2]))
        return reply(404, b"it was moved", "text/plain")

    report = fetched(held, tmp_path / "out", retrieval)

    assert [each.sop_instance_uid for each in report.lost] == [held.uids[3]]
    assert "404 Not Found: it was moved" in report.lost[0].words


def test_instances_that_were_not_asked_for_are_refused(held: Held, tmp_path: Path) -> None:
    """So are repeated ones; there are notes."""
    [other] = study(tmp_path / "other", 1, 1)

    report = fetched(
        held,
        tmp_path / "out",
        lambda _: given([other.read_bytes(), *held.parts(), held.parts()[0]]),
    )

    assert report.complete
    assert report.remarks == [
        f"{uid_of(other)} received without being requested",
        f"{held.uids[0]} received twice",
    ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(200, b"<p>Log in", "text/html"), "received text/html: Log in"),
        (reply(200, b"[]", "application/dicom+json"), r"received application/dicom\+json"),
        (reply(200, b"x", "multipart/related; type=application/dicom"), "boundary"),
        (reply(200, b"x"), "received no media type"),
        (reply(204), "did not send it"),
        (reply(406, b"no such syntax"), "406 Not Acceptable: no such syntax"),
        (reply(403, b"not for you"), "403 Forbidden: not for you"),
        (reply(200, b"--b--", "multipart/related; boundary=b"), "did not send it"),
        (reply(200, b"x", "multipart/related; boundary=b"), "no boundary"),
    ],
)
def test_what_is_no_answer_is_a_failure(
    held: Held, tmp_path: Path, answer: bytes, words: str
) -> None:
    """For each instance, with the answer."""
    report = fetched(held, tmp_path / "out", lambda _: answer)

    assert report.counts() == {Outcome.FAILED: 4}
    for each in report.results:
        assert re.search(words, each.words), each.words


def test_damaged_and_foreign_parts_are_asked_for_again(held: Held, tmp_path: Path) -> None:
    """A part shorter than declared, one that is not DICOM, and one of another media type."""
    first, second, third, _ = held.parts()

    def retrieval(asked: Asked) -> bytes:
        if single(asked):
            return given(held.parts(single(asked)))
        length = {"Content-Length": str(len(first))}
        return given([first[:-10], second, b"no DICOM" * 30, third[:140]], headers=length)

    report = fetched(held, tmp_path / "out", retrieval)

    assert report.complete
    assert [each.partition(": ")[2] for each in report.remarks] == [
        "it is not a Part 10 file: the prefix DICM is missing",
        "it has only 140 bytes",
    ]


def test_single_instance_without_multipart_is_kept(held: Held, tmp_path: Path) -> None:
    """This media type was not requested, so there is a note."""

    def retrieval(asked: Asked) -> bytes:
        if single(asked):
            return reply(200, held.parts(single(asked))[0], "application/dicom")
        return reply(406)

    report = fetched(held, tmp_path / "out", retrieval)

    assert report.complete
    assert len([each for each in report.remarks if "which was not requested" in each]) == 4


def test_count_that_is_not_the_list_is_trouble(held: Held, tmp_path: Path) -> None:
    """The series is fetched as a whole; it has fewer instances than it reports."""
    for each in held.listed:
        each["NumberOfSeriesRelatedInstances"] = "5"  # type: ignore[index]

    async def run(url: str) -> Report:
        place = WebPlace(remote(url))
        return await place.fetch({"StudyInstanceUID": held.study}, Folder(tmp_path))

    with service(held.answer(lambda _: given(held.parts()))) as (url, _):
        report = asyncio.run(run(url))

    assert report.counts() == {Outcome.STORED: 4}
    assert "reports 5 instances" in report.trouble


def test_busy_service_is_asked_again(held: Held, tmp_path: Path) -> None:
    """After 429 and 503, with the requested delay."""
    statuses = [429, 503]

    def retrieval(_: Asked) -> bytes:
        return reply(statuses.pop(0), Retry_After="0") if statuses else given(held.parts())

    assert fetched(held, tmp_path / "out", retrieval).complete


def test_full_disk_is_a_failure_of_each(held: Held, tmp_path: Path) -> None:
    """It is not requested again."""
    asked: list[str] = []

    async def run(url: str) -> Report:
        place = WebPlace(remote(url))
        return await place.fetch({}, Folder(tmp_path, max_instance=100))

    def retrieval(each: Asked) -> bytes:
        asked.append(each.path)
        return given(held.parts())

    with service(held.answer(retrieval)) as (url, _):
        report = asyncio.run(run(url))

    assert report.counts() == {Outcome.FAILED: 4}
    assert "limit of 100 bytes" in report.lost[0].words
    assert len(asked) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["in"]


class _Taken:
    """A sink in memory."""

    def __init__(self) -> None:
        self.data = b""
        self.path = ""

    def begin(self, head: Head) -> Part:
        self.head = head
        return self

    def write(self, buffers: object) -> None:
        self.data += b"".join(map(bytes, buffers))  # type: ignore[call-overload]

    async def commit(self) -> ReceivedInstance:
        return ReceivedInstance("", "", self.head.request.affected_sop_instance_uid, "", "")

    def discard(self) -> None:
        pass


@examples(st.lists(st.integers(1, 700), max_size=30), st.booleans())
def test_parts_are_taken_in_pieces_of_any_size(sizes: list[int], wrong_length: bool) -> None:
    """No byte is lost between the file meta information and the data set."""
    meta = bytearray(
        file_meta(
            Head(
                CStoreRQ(
                    message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2.3.4"
                ),
                "1.2.840.10008.1.2.1",
                "",
                "",
                "",
            )
        )
    )
    if wrong_length:
        meta[140:144] = b"\1\0\0\0"
    content = bytes(meta) + bytes(range(8, 255)) * 20
    sink, told = _Taken(), list[ReceivedInstance | NotKept | Damaged]()

    async def run() -> None:
        parts, at = IncomingParts(sink, "", told.append, []), 0
        await parts.take(PartBegun({}))
        for size in (*sizes, len(content)):
            if piece := content[at : at + size]:
                await parts.take(PartData(memoryview(piece)))
            at += size
        await parts.take(PartEnded(len(content), None))

    asyncio.run(run())
    assert sink.data == content[len(meta) :]
    assert [each.sop_instance_uid for each in told] == ["1.2.3.4"]


def test_real_services_give_what_they_were_given(service_url: str, tmp_path: Path) -> None:
    """The data sets are equal byte for byte; existing ones are not fetched again."""
    files = study(tmp_path / "in", 3, 4, PatientID=tmp_path.name)
    folder = Folder(tmp_path)

    async def run() -> tuple[Report, Report, Report]:
        async with WebPlace(remote(service_url)) as place:
            async with place.writer() as writer:
                assert (await store(writer, files)).complete
            keys = {"PatientID": tmp_path.name}
            one = await place.fetch({**keys, "SeriesNumber": "1"}, folder)
            every = await place.fetch(keys, folder)
            return one, every, await place.fetch({**keys, "InstanceNumber": "1"}, folder)

    one, every, again = asyncio.run(run())

    assert one.counts() == {Outcome.STORED: 4}
    assert every.counts() == {Outcome.STORED: 8, Outcome.ALREADY_THERE: 4}
    assert again.counts() == {Outcome.ALREADY_THERE: 3}
    for file in files:
        assert dcmread(folder.place(uid_of(file))) == dcmread(file)
