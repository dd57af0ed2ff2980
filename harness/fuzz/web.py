"""Valid HTTP messages, as trees of parts: request lines, headers, bodies of all kinds."""

import gzip
import json
from collections.abc import Iterator
from typing import Final

from harness.fuzz import objects
from harness.fuzz.conversation import Conversation, Step
from harness.fuzz.objects import TOKENS, patient
from harness.fuzz.parts import Part
from harness.fuzz.playing import AUTHORIZATION

DICOM_JSON: Final = b"application/dicom+json"
LINE: Final = b"\r\n"
BOMB: Final = 24
"""Decompressed size of a body in megabytes: enough to be noticed, too little to do harm."""


def request(
    method: str, target: bytes, *headers: tuple[bytes, bytes], body: Part | bytes | None = None,
    chunked: bool = False,
) -> Part:  # fmt: skip
    """Return a request; its Content-Length is a length that can lie."""
    path, mark, search = target.partition(b"?")
    said: tuple[Part, ...] = (
        Part("method", method.encode(), tail=b" "),
        Part("path", path),
        *(
            Part("parameter", each, head=b"&" if number else mark)
            for number, each in enumerate(search.split(b"&"))
            if mark
        ),
        Part("version", b" HTTP/1.1", tail=LINE),
        Part("header", b"Host: server", tail=LINE),
        Part("authorization", AUTHORIZATION),
        *(Part("header", name + b": " + value, tail=LINE) for name, value in headers),
    )
    if body is None:
        return Part(method, (*said, Part("end", LINE)))
    content = (body,) if isinstance(body, Part) else (Part("body", body),)
    if chunked:
        said += (Part("header", b"Transfer-Encoding: chunked", tail=LINE), Part("end", LINE))
        chunks = tuple(
            Part("chunk", piece, b"", "hex", between=LINE, tail=LINE)
            for piece in _pieces(Part("", content).render())
        )
        return Part(method, (*said, *chunks, Part("last chunk", b"0\r\n\r\n")))
    counted = Part("counted", content, b"Content-Length: ", "decimal", between=LINE + LINE)
    return Part(method, (*said, counted))


def _pieces(data: bytes, size: int = 400) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def multipart(*files: Part, kind: bytes = b"application/dicom") -> Part:
    """Return a multipart body."""
    head = b"--B\r\nContent-Type: " + kind + LINE + LINE
    parts = tuple(Part("body part", (each,), head, tail=LINE) for each in files)
    return Part("multipart", (*parts, Part("last boundary", b"--B--" + LINE)))


def stow(root: str, *files: Part, kind: bytes = b"application/dicom") -> Part:
    """Return a STOW-RS request that stores objects."""
    quoted = b'multipart/related; type="' + kind + b'"; boundary=B'
    headers = ((b"Content-Type", quoted), (b"Accept", DICOM_JSON))
    target = f"{root}/studies".encode()
    return request("POST", target, *headers, body=multipart(*files, kind=kind))


def dicomweb(root: str) -> Iterator[tuple[str, Part]]:
    """Yield DICOMweb requests below a base URI."""
    accept = (b"Accept", DICOM_JSON)
    for token in TOKENS:
        sample = patient(token)
        study, series = sample.study_instance_uid, sample.series_instance_uid
        path = f"{root}/studies/{study}".encode()
        instance = f"/series/{series}/instances/{sample.sop_instance_uid}".encode()
        search = f"{root}/studies?PatientID={token}&limit=10&includefield=all".encode()
        yield "qido", request("GET", search, accept)
        yield "metadata", request("GET", path + b"/metadata", accept)
        wanted = (b"Accept", b'multipart/related; type="application/dicom"')
        yield "wado", request("GET", path, wanted)
        yield "frames", request("GET", path + instance + b"/frames/1", (b"Accept", b"*/*"))
        window = b"/rendered?viewport=8,8&window=40,400,linear&quality=50"
        yield "rendered", request("GET", path + instance + window, (b"Accept", b"image/jpeg"))
    for sample in objects.samples():
        yield f"stow {sample.id}", stow(root, objects.part10(sample))
    two = objects.part10(objects.tiny()), objects.part10(objects.samples()[1])
    yield "stow two", stow(root, *two)
    value = {
        "00080018": {"vr": "UI", "Value": ["2.25.9"]},
        "00100020": {"vr": "LO", "Value": ["X"]},
    }
    yield "stow json", stow(root, Part("json", json.dumps([value]).encode()), kind=DICOM_JSON)
    xml = (
        b"<?xml version='1.0'?><NativeDicomModel><DicomAttribute tag='00080018' vr='UI'>"
        b"<Value number='1'>2.25.9</Value></DicomAttribute></NativeDicomModel>"
    )
    yield "stow xml", stow(root, Part("xml", xml), kind=b"application/dicom+xml")


def orthanc() -> Iterator[tuple[str, Part]]:
    """Yield requests to Orthanc's own API, none of which makes it contact another host."""
    for sample in objects.samples():
        file = objects.part10(sample)
        yield f"upload {sample.id}", request("POST", b"/instances", body=file)
    plain = (b"Content-Type", b"application/json")
    for body in (
        {"Level": "Patient", "Query": {"PatientID": TOKENS[0]}, "Expand": True},
        {"Level": "Instance", "Query": {"PatientName": "*", "StudyDate": "20000101-"}, "Limit": 3},
    ):
        yield "tools find", request("POST", b"/tools/find", plain, body=json.dumps(body).encode())
    made = {
        "Tags": {"PatientID": "FZ-MADE", "Modality": "CT"},
        "Content": "data:text/plain;base64,QQ==",
    }
    yield "create", request("POST", b"/tools/create-dicom", plain, body=json.dumps(made).encode())
    for target in (
        b"/patients?since=0&limit=5&expand", b"/changes?since=0&limit=5", b"/statistics", b"/system",
        b"/instances?expand", b"/studies?requestedTags=0010,0010",
    ):  # fmt: skip
        yield "get", request("GET", target)


def bodies(target: bytes, kind: bytes) -> Iterator[tuple[str, Part]]:
    """Yield requests that send a body compressed, chunked, or after Expect: 100-continue."""
    content = objects.part10(objects.tiny())
    packed = gzip.compress(content.render(), mtime=0)
    said = (b"Content-Type", kind)
    encoded = (b"Content-Encoding", b"gzip")
    yield "gzip", request("POST", target, said, encoded, body=packed)
    zeros = gzip.compress(bytes(BOMB << 20), mtime=0)
    yield "gzip bomb", request("POST", target, said, encoded, body=zeros)
    yield "chunked", request("POST", target, said, body=content, chunked=True)
    asked = (b"Expect", b"100-continue")
    yield "continue", request("POST", target, said, asked, body=content)


def conversations(root: str | None, *, is_orthanc: bool) -> Iterator[Conversation]:
    """Yield the valid conversations from which others are made."""
    target = b"/instances" if is_orthanc else f"{root or ''}/studies".encode()
    kind = b"application/dicom"
    requests = [*bodies(target, kind), ("get", request("GET", b"/"))]
    if root is not None:
        requests += dicomweb(root)
    if is_orthanc:
        requests += orthanc()
    for name, each in requests:
        yield Conversation((Step(0, "http", each),), (name,))
