"""Storage in web services that refuse, lose and invent instances, and in real ones."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from net.files import make
from pydicom import dcmread
from pydicom.uid import RLELossless
from web.files import study, uid_of
from web.scripted import DICOM_JSON, Asked, found, reply, service, stored
from web.services import remote

from dcm.data.header import scan_bytes
from dcm.errors import AnswerError
from dcm.instances import Instance, Slices, instance_of
from dcm.net.store import store
from dcm.outcome import InstanceResult, Outcome, Report
from dcm.store.web import WebPlace
from dcm.web.stored import read_stored


def uids(asked: Asked) -> list[str]:
    """Return the instances of a Store request."""
    return [scan_bytes(each, ()).sop_instance_uid for each in asked.parts]


def stow(
    files: list[Path], answer: Callable[[Asked], bytes], **more: object
) -> tuple[Report, list[Asked]]:
    """Store files in a scripted service; return the outcomes, and the Store requests."""

    async def run(url: str) -> Report:
        async with WebPlace(remote(url, **more)).writer() as writer:
            return await store(writer, files)

    with service(answer) as (url, requests):
        report = asyncio.run(run(url))
    assert [each.path for each in report.results] == [str(each) for each in files]
    return report, [each for each in requests if each.method == "POST"]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Five instances."""
    return study(tmp_path / "in", 1, 5)


def test_files_are_sent_byte_for_byte(files: list[Path]) -> None:
    """A few are sent as Part 10 files in one request."""
    report, requests = stow(files, lambda asked: stored(uids(asked)))

    assert report.counts() == {Outcome.STORED: 5}
    sent = [each for asked in requests for each in asked.parts]
    assert len(requests) == 1
    for file, part in zip(files, sent, strict=True):
        assert (
            part[scan_bytes(part, ()).data_set_offset :]
            == file.read_bytes()[scan_bytes(file.read_bytes(), ()).data_set_offset :]
        )
        assert scan_bytes(part, ()).remarks == ()
    assert requests[0].path == "/dicomweb/studies"
    assert (
        requests[0]
        .headers["content-type"]
        .startswith('multipart/related; type="application/dicom"; boundary=')
    )


@pytest.mark.parametrize("answer", [reply(200), reply(200, b"{}", DICOM_JSON), reply(200, b"OK")])
def test_success_without_a_word_of_the_instances_is_a_failure(
    files: list[Path], answer: bytes
) -> None:
    """Unless the service lists them afterwards, which the outcome says."""
    listed = uid_of(files[0])

    def said(asked: Asked) -> bytes:
        return answer if asked.method == "POST" else found([{"SOPInstanceUID": listed}])

    report, _ = stow(files, said)

    assert [each.outcome for each in report.results] == [Outcome.WARNING, *[Outcome.FAILED] * 4]
    assert "it answered 200 OK without mentioning it" in report.results[0].words
    assert report.results[0].words.endswith("but lists it")
    assert report.results[1].words.endswith("and does not list it")


def test_what_fails_in_a_batch_is_sent_again_alone(files: list[Path]) -> None:
    """It has failed only if it fails alone as well."""
    shy, bad = uid_of(files[1]), uid_of(files[3])

    def answer(asked: Asked) -> bytes:
        failed = {bad: 0xA900} | ({shy: 0x0110} if len(uids(asked)) > 1 else {})
        failed = {uid: reason for uid, reason in failed.items() if uid in uids(asked)}
        rest = [uid for uid in uids(asked) if uid not in failed]
        return stored(rest, failed, 202 if rest else 409)

    report, requests = stow(files, answer)

    assert [each.sop_instance_uid for each in report.lost] == [bad]
    assert report.lost[0].status == 0xA900
    assert "does not match the SOP class" in report.lost[0].words
    assert [len(each.parts) for each in requests] == [5, 1, 1]


def test_duplicate_is_already_there(files: list[Path]) -> None:
    """Failure reason 0111H (Annex I)."""
    report, _ = stow(files, lambda asked: stored([], dict.fromkeys(uids(asked), 0x0111), 409))

    assert report.counts() == {Outcome.ALREADY_THERE: 5}


def test_answer_about_other_instances_is_told(files: list[Path]) -> None:
    """It is ignored otherwise."""

    def answer(asked: Asked) -> bytes:
        return stored(["1.2.999"]) if asked.method == "POST" else reply(204)

    report, _ = stow(files[:1], answer)

    assert report.counts() == {Outcome.FAILED: 1}
    assert "1.2.999" in report.remarks[0]


@pytest.mark.parametrize("status", [400, 413, 500])
def test_refused_batch_is_sent_again_one_by_one(files: list[Path], status: int) -> None:
    """One instance may be the cause, or the length of the request."""
    bad = uid_of(files[2])

    def answer(asked: Asked) -> bytes:
        if len(uids(asked)) > 1 or bad in uids(asked):
            return reply(status, b"<b>too much", "text/html")
        return stored(uids(asked))

    report, requests = stow(files, answer)

    assert [each.sop_instance_uid for each in report.lost] == [bad]
    assert f"it answered {status} " in report.lost[0].words
    assert "too much" in report.lost[0].words
    assert sorted(len(each.parts) for each in requests)[-2:] == [1, 5]


@pytest.mark.parametrize("status", [401, 403, 404, 301])
def test_refusal_of_everything_ends_it(files: list[Path], status: int) -> None:
    """Credentials and URLs are the same for all."""
    report, requests = stow(files, lambda _: reply(status, b"no", Location="/elsewhere"))

    assert report.counts() == {Outcome.FAILED: 5}
    assert len(requests) == 1
    assert f"it answered {status} " in report.results[0].words


def test_broken_connections_are_made_again(files: list[Path]) -> None:
    """Nothing is lost."""
    answers = [b"", b"", None]

    def answer(asked: Asked) -> bytes:
        broken = answers.pop(0) if answers else None
        return stored(uids(asked)) if broken is None else broken

    assert stow(files, answer)[0].counts() == {Outcome.STORED: 5}


def test_instance_that_breaks_each_connection_is_given_up(files: list[Path]) -> None:
    """The others are stored."""
    bad = uid_of(files[2])

    report, _ = stow(files, lambda asked: b"" if bad in uids(asked) else stored(uids(asked)))

    assert [each.sop_instance_uid for each in report.lost] == [bad]
    assert "closed the connection" in report.lost[0].words


def test_service_that_is_gone_is_given_up(files: list[Path]) -> None:
    """After a few attempts; the instances were not tried."""

    async def run() -> tuple[Report, Exception | None]:
        async with WebPlace(remote(url)).writer() as writer:
            return await store(writer, files), writer.given_up

    with service(lambda _: b"") as (url, _):
        pass
    report, given_up = asyncio.run(run())

    assert len(report.lost) == 5
    assert "refused" in str(given_up)


def test_busy_service_is_sent_the_batch_again(files: list[Path]) -> None:
    """After the requested delay."""
    answers = [reply(429, Retry_After="0"), reply(503, Retry_After="0")]

    report, requests = stow(files, lambda asked: answers.pop(0) if answers else stored(uids(asked)))

    assert report.counts() == {Outcome.STORED: 5}
    assert [len(each.parts) for each in requests] == [5, 5, 5]


class _Shrinking:
    """An instance whose file shrinks while it is sent."""

    path = ""

    def __init__(self, whole: Instance) -> None:
        self.kind, self.sop_instance_uid = whole.kind, whole.sop_instance_uid

    def slices(self, memory: bytearray, remarks: list[str]) -> Slices:  # noqa: ARG002
        yield memoryview(bytes(100)), False
        raise OSError(5, "Input/output error")


def test_instance_that_cannot_be_read_to_its_end_fails_alone(files: list[Path]) -> None:
    """The request is aborted, and the others are sent again."""
    whole = instance_of(files[2])

    async def run(url: str) -> Report:
        async with WebPlace(remote(url)).writer() as writer:
            for each in files[:2]:
                writer.add(instance_of(each))
            writer.add(_Shrinking(whole))
            for each in files[3:]:
                writer.add(instance_of(each))
            return await writer.finish()

    with service(lambda asked: stored(uids(asked))) as (url, _):
        report = asyncio.run(run(url))

    outcomes = [each.outcome for each in report.results]
    assert outcomes == [Outcome.STORED] * 2 + [Outcome.FAILED] + [Outcome.STORED] * 2
    assert report.results[2].words == "Input/output error"


def test_what_is_not_supported_is_converted(tmp_path: Path) -> None:
    """Once, and the outcome says so."""
    [file] = study(tmp_path, 1, 1)
    data_set = dcmread(file)
    data_set.compress(RLELossless)
    data_set.save_as(file)

    def answer(asked: Asked) -> bytes:
        [uid], syntax = uids(asked), scan_bytes(asked.parts[0], ()).transfer_syntax_uid
        return stored([], {uid: 0xC122}, 409) if syntax == RLELossless else stored([uid])

    report, requests = stow([file], answer)

    assert report.counts() == {Outcome.WARNING: 1}
    assert "transfer syntax is not supported; converted from RLE" in report.results[0].words
    assert len(requests) == 3


def test_refused_transfer_syntax_is_a_failure_if_conversion_is(tmp_path: Path) -> None:
    """With the service's reason: these pixels cannot be decoded."""
    file = make(tmp_path, 1, RLELossless)

    report, requests = stow([file], lambda asked: stored([], {uids(asked)[0]: 0xC122}, 409))

    assert report.counts() == {Outcome.FAILED: 1}
    assert "transfer syntax is not supported" in report.lost[0].words
    assert len(requests) == 2


def test_copies_are_sent_once(files: list[Path], tmp_path: Path) -> None:
    """Another object with the same UID is not sent."""
    copy, other = tmp_path / "copy.dcm", tmp_path / "other.dcm"
    copy.write_bytes(files[0].read_bytes())
    changed = dcmread(files[0])
    changed.PatientName = "Other"
    changed.save_as(other)

    report, requests = stow([files[0], copy, other], lambda asked: stored(uids(asked)))

    outcomes = [each.outcome for each in report.results]
    assert outcomes == [Outcome.STORED, Outcome.ALREADY_THERE, Outcome.NOT_TRIED]
    assert [len(each.parts) for each in requests] == [1]


XML = """<?xml version="1.0"?><NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">
<DicomAttribute tag="00081198" vr="SQ" keyword="FailedSOPSequence"><Item number="1">
<DicomAttribute tag="00081155" vr="UI"><Value number="1">1.2</Value></DicomAttribute>
<DicomAttribute tag="00081197" vr="US"><Value number="1">49152</Value></DicomAttribute>
</Item></DicomAttribute>
<DicomAttribute tag="00081199" vr="SQ"><Item number="1">
<DicomAttribute tag="00081155" vr="UI"><Value number="1">1.3</Value></DicomAttribute>
<DicomAttribute tag="00081196" vr="US"><Value number="1">45056</Value></DicomAttribute>
</Item></DicomAttribute></NativeDicomModel>"""


@pytest.mark.parametrize("content_type", ["application/dicom+xml", "text/xml; charset=utf-8"])
def test_answer_in_xml_is_read(content_type: str) -> None:
    """The native DICOM model (PS3.19 A.1)."""
    said = read_stored(XML.encode(), content_type)

    assert said["1.2"].outcome is Outcome.FAILED
    assert said["1.2"].words == "C000H: it cannot be understood"
    assert said["1.3"].outcome is Outcome.WARNING
    assert said["1.3"].words == "B000H: elements were coerced"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html>", "text/html"),
        (b"<a>", "application/dicom+xml"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a/>', "text/xml"),
        (b"<a>" + b"<DicomAttribute tag='00081199'><Item>" * 50, "text/xml"),
        (b"OK", "text/plain"),
        (b"[", "application/dicom+json"),
    ],
)
def test_other_answers_are_an_error(body: bytes, content_type: str) -> None:
    """They have no information about any instance."""
    with pytest.raises(AnswerError):
        read_stored(body, content_type)


# Real services.


def test_real_services_store_what_they_are_given(service_url: str, tmp_path: Path) -> None:
    """More than a batch, on several connections; `holds` finds them."""
    files = study(tmp_path / "in", 2, 60, PatientID=tmp_path.name)
    results: list[InstanceResult] = []

    async def run() -> tuple[Report, Report, set[str]]:
        async with WebPlace(remote(service_url)) as place:
            async with place.writer(results.append) as writer:
                first = await store(writer, files)
            async with place.writer() as writer:
                again = await store(writer, files, place.holds)
            return first, again, await place.holds([instance_of(each) for each in files])

    first, again, there = asyncio.run(run())

    assert first.counts() == {Outcome.STORED: 120}
    assert len(results) == 120
    assert again.counts() == {Outcome.ALREADY_THERE: 120}
    assert there == {uid_of(each) for each in files}


def test_file_that_orthanc_refuses_is_a_failure(orthanc_url: str, tmp_path: Path) -> None:
    """Only that file fails: without a Study Instance UID it cannot be indexed."""
    files = study(tmp_path / "in", 1, 3, PatientID=tmp_path.name)
    bad = dcmread(files[1])
    del bad.StudyInstanceUID
    bad.save_as(files[1])

    async def run() -> Report:
        async with WebPlace(remote(orthanc_url)).writer() as writer:
            return await store(writer, files)

    report = asyncio.run(run())

    assert [each.path for each in report.lost] == [str(files[1])]
