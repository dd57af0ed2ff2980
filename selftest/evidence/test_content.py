"""The content of a case is what a server sent, without the parts that vary from run to run."""

import gzip
import json
import random
import time
from collections.abc import Callable, Sequence
from io import BytesIO

import pytest
import requests
from evidence.conftest import Stand
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as StudyRootFind

from harness.evidence.content import Content, ContentReader
from harness.evidence.outline import outline
from harness.evidence.redact import Redactor
from harness.relay import Direction, Tape

ASK, ANSWER = Direction.TO_SERVER, Direction.TO_CLIENT


def read(tape: Tape) -> dict[str, list[str]]:
    """Return the content, by kind of message."""
    content = ContentReader(str).read(tape)
    return {head: content.lines[digest] for head, digest in content.digests.items()}


def answer(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    """Make an HTTP response."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers])
    return head.encode() + b"\r\n\r\n" + body


def talk(*exchanges: tuple[str, bytes], relay: str = "remote.rest", asked: str = "") -> Tape:
    """Put exchanges on a tape, all on one connection."""
    tape = Tape("T-001")
    track = tape.add_track(relay, "http", "peer", "target", tape.started)
    for request, response in exchanges:
        tape.add(track, ASK, f"{request} HTTP/1.1\r\nHost: x\r\n{asked}\r\n".encode())
        tape.add(track, ANSWER, response)
    return tape


ID = "11a5e37c-7a2c8ef8-4a4bb9d2-6e4a4b1c-8f1f2f3f"
JSON = "Content-Type: application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"GET /instances/{ID}/tags", f"GET /instances/{ID[::-1]}/tags"),
        ("GET /studies/1.2.840.1.2.3/series", "GET /studies/2.25.77/series"),
        ("GET /changes?since=3&limit=1", "GET /changes?limit=2&since=17"),
        ("GET /jobs/8a8e5c5c-5a1f-4b36-9c0e-6f2d9f1d4f11", "GET /jobs/0a8e5c5c-5a1f-4b36-9c0e-6f2d9f1d4f11"),
    ],
)  # fmt: skip
def test_ids_of_a_run_are_no_content(one: str, other: str) -> None:
    """Paths that differ only in an id count as the same request."""
    assert read(talk((one, answer()))) == read(talk((other, answer())))


def test_values_of_a_run_are_no_content() -> None:
    """Dates, lengths, ETags, boundaries and ids in a body: only the values differ."""
    told = [
        answer(
            json.dumps({"ID": id_, "Size": size}).encode(), JSON, f"Date: {date}", f"ETag: {tag}"
        )
        for id_, size, date, tag in ((ID, 7, "Mon", "1"), (ID[::-1], 8000, "Tue", "2"))
    ]
    boundary = [
        answer(
            f"--{name}\r\nContent-Type: image/png\r\n\r\nx\r\n--{name}--".encode(),
            f'Content-Type: multipart/related; type="image/png"; boundary={name}',
        )
        for name in ("abc", "xyz")
    ]
    first, second = (talk(("GET /a", told[each]), ("GET /b", boundary[each])) for each in (0, 1))
    assert read(first) == read(second)


def test_neither_order_nor_number_is_content() -> None:
    """A client that polls asks once in one run and ten times in another."""
    exchanges = [("GET /a", answer()), ("GET /b", answer(b"{}", JSON)), ("GET /c", answer())]
    shuffled = exchanges * 3
    random.Random(7).shuffle(shuffled)

    assert read(talk(*exchanges)) == read(talk(*shuffled))


def test_of_what_is_asked_until_it_is_ready_the_last_answer_counts() -> None:
    """A job may be seen running or only at its end; a job that is not found is content."""
    begun = answer(b'{"State": "Running", "EstimatedTimeOfArrival": "soon"}', JSON)
    ended = answer(b'{"State": "Success"}', JSON)
    unknown = answer(status="404 Not Found")

    slow = talk(("GET /jobs/1", begun), ("GET /jobs/1", begun), ("GET /jobs/1", ended))
    assert read(slow) == read(talk(("GET /jobs/1", ended)))
    assert read(slow) != read(talk(("GET /jobs/1", unknown), ("GET /jobs/1", ended)))


@pytest.mark.parametrize(
    "other",
    [
        answer(b'{"a": "1"}', JSON),
        answer(b'{"b": 1}', JSON),
        answer(b'{"a": 1, "c": []}', JSON),
        answer(b'{"a": 1}', "Content-Type: text/plain"),
        answer(b'{"a": 1}', JSON, "Connection: close"),
        answer(b'{"a": 1}', JSON, "ETag: 1"),
        answer(b'{"a": 1}', JSON, status="201 Created"),
    ],
    ids=["type", "member", "member more", "content type", "header value", "header", "status"],
)
def test_what_a_server_says_otherwise_is_content(other: bytes) -> None:
    """Status, headers, and members of a body with their types."""
    plain = answer(b'{"a": 1}', JSON)
    assert read(talk(("GET /a", plain))) != read(talk(("GET /a", other)))


def test_json_and_dicom_in_it_are_named_by_member() -> None:
    """The text has members, types, and attributes with their VR."""
    study = {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]},
        "00080050": {"vr": "SH"},
        "0040A730": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["1"]}}]},
    }
    tape = talk(
        ("GET /studies", answer(json.dumps([study]).encode(), "Content-Type: application/dicom+json")),
        ("GET /system", answer(b'{"Name": "O", "Plugins": [], "Limits": {"Of": null}}', JSON)),
    )  # fmt: skip

    assert read(tape)["GET /studies: 200"] == [
        "[]",
        "[].00080050 SH empty",
        "[].00100010 PN",
        "[].0040A730 SQ",
        "[].0040A730[]",
        "[].0040A730[].00080100 SH",
        "content-length",
        "content-type: application/dicom+json",
    ]
    assert set(read(tape)["GET /system: 200"]) >= {"Limits.Of null", "Name text", "Plugins[]"}


@pytest.mark.parametrize("body", [b"[]", b'{"a": [%s1]}' % (b"1," * 2000)], ids=["short", "long"])
def test_compression_is_one_line_of_content(body: bytes) -> None:
    """The body is compared after decompression."""
    plain = read(talk(("GET /a", answer(body, JSON))))["GET /a: 200"]
    packed = answer(gzip.compress(body), JSON, "Content-Encoding: gzip")

    (lines,) = read(talk(("GET /a", packed))).values()
    assert set(lines) - set(plain) == {"content-encoding: gzip"}
    assert set(plain) <= set(lines)


def test_what_the_server_asks_the_local_one_is_content() -> None:
    """Its own requests count, those of the cases, which have a User-Agent, do not."""
    sent = talk(("POST /instances", answer()), relay="local.rest", asked="X-Own: 1\r\n")
    asked = talk(("GET /patients", answer()), relay="local.rest", asked="User-Agent: us\r\n")

    assert read(sent) == {"to the local server: POST /instances": ["host", "x-own"]}
    assert read(asked) == {}


def test_secrets_are_no_content() -> None:
    """A password that a server repeats as a name is not recorded."""
    tape = talk(("GET /a", answer(b'{"s3cret": 1}', JSON)))
    content: Content = ContentReader(Redactor(["s3cret"]).text).read(tape)

    assert "s3cret" not in str(content)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 300,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[",
        b"\x02\x00\x00\x00\x00\x06ab",
    ],
)
@pytest.mark.parametrize("protocol", ["http", "dicom"])
def test_garbage_raises_nothing(protocol: str, garbage: bytes) -> None:
    """Bytes of no protocol add at most one line."""
    tape = Tape("T-001")
    track = tape.add_track("remote.x", protocol, "peer", "target", tape.started)
    tape.add(track, ASK, garbage)
    tape.add(track, ANSWER, garbage)

    assert len(read(tape)) <= 1


def _identifier(name: str, accession: str) -> bytes:
    made = Dataset()
    made.PatientName, made.AccessionNumber = name, accession
    item = Dataset()
    item.Modality = "CT"
    made.ScheduledProcedureStepSequence = [item]
    file = BytesIO()
    dcmwrite(file, made, implicit_vr=True, little_endian=True)
    return file.getvalue()


def test_an_outline_names_elements_and_those_that_are_empty() -> None:
    """Values are left out; elements in sequences follow their sequence."""
    data = _identifier("Muller^Anna", "")
    assert outline(data, len(data), ImplicitVRLittleEndian) == {
        "00080050 empty",
        "00100010",
        "00400100",
        "00400100.00080060",
    }


def _query(stand: Stand, image: bytes, *keys: str) -> Callable[[], Tape]:
    def run() -> Tape:
        tape = stand.loop.start_tape("CT-001")
        posted = requests.post(f"{stand.url}/instances", data=image, auth=stand.auth, timeout=10)
        assert posted.status_code == 200
        ae = AE("WITNESS")
        ae.add_requested_context(StudyRootFind)
        endpoint = stand.dicom.endpoint
        association = ae.associate(endpoint.host, endpoint.port, ae_title="ORTHANC")
        identifier = Dataset()
        identifier.QueryRetrieveLevel = "STUDY"
        for key in keys:
            setattr(identifier, key, "")
        statuses = [each.Status for each, _ in association.send_c_find(identifier, StudyRootFind)]
        association.release()
        assert statuses == [0xFF00, 0x0000]
        return tape

    return run


def test_what_orthanc_says_over_both_protocols(stand: Stand, image: bytes) -> None:
    """Negotiation, statuses and elements of a query, the answer to an upload; the same twice."""
    run = _query(stand, image, "PatientName")
    first, second = read(run()), read(run())

    assert first == second
    by = {head.partition(":")[0]: lines for head, lines in first.items()}
    assert "maximum length 16384" in by["A-ASSOCIATE-AC"]
    assert any("accepted: 1.2.840.10008.1.2" in line for line in by["A-ASSOCIATE-AC"])
    assert "00100010" in by["C-FIND-RSP Study Root FIND FF00H pending"]
    assert "00100020" not in by["C-FIND-RSP Study Root FIND FF00H pending"]
    assert "00000900" in by["C-FIND-RSP Study Root FIND 0000H success"]
    assert {"ID text", "connection: keep-alive"} <= {*by["POST /instances"]}


def test_an_element_more_in_an_answer_is_content(stand: Stand, image: bytes) -> None:
    """The lines that differ name it."""
    plain = read(_query(stand, image, "PatientName")())
    more = read(_query(stand, image, "PatientName", "PatientID")())

    changed = [head for head in plain if plain[head] != more[head]]
    (head,) = changed
    assert set(more[head]) - set(plain[head]) == {"00100020"}


def _seconds(tapes: Sequence[Tape], reader: ContentReader) -> float:
    begin = time.thread_time()
    for tape in tapes:
        reader.read(tape)
    return (time.thread_time() - begin) / len(tapes)


def test_content_costs_little(stand: Stand, image: bytes) -> None:
    """A typical case with a query and an upload, and one with a body of megabytes, not parsed."""
    run = _query(stand, image, "PatientName")
    tapes = [run() for _ in range(5)]
    large = talk(("GET /a", answer(b"[%s0]" % (b"0," * 2**22), JSON)))
    reader = ContentReader(Redactor(["secret"]).text)
    reader.read(tapes[0])

    assert _seconds(tapes, reader) < 0.020  # 2 ms or less on an idle machine
    assert _seconds([large], reader) < 0.250
