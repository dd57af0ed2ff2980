"""Lies at a server's web door: about status codes, JSON, multipart bodies and the files in them."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydicom import dcmread
from pydicom.dataset import FileDataset

from harness.clients import multipart
from harness.relay import HttpLie, HttpRequest, HttpResponse
from support.lies import SeededLie

Change = Callable[[HttpResponse], HttpResponse]
Asked = Callable[[HttpRequest], bool]


def lie(name: str, fails: set[str], asked: Asked, change: Change) -> SeededLie:
    """Return a lie at the web door of the remote."""
    return SeededLie(name, "remote.rest", HttpLie(asked, change), frozenset(fails))


def runs(case: str, *parameters: str) -> set[str]:
    """Return the ids of the runs of a case with these parameters."""
    return {f"{case}[{each}]" for each in parameters}


# Requests


def path_of(ask: HttpRequest) -> str:
    """Return the path without the query."""
    return ask.target.partition("?")[0]


def searches(ask: HttpRequest) -> bool:
    """Whether the request is a search."""
    return ask.method == "GET" and path_of(ask).endswith(("/studies", "/series", "/instances"))


def stores(ask: HttpRequest) -> bool:
    """Whether the request is a store."""
    return ask.method == "POST" and "/studies" in ask.target


def retrieves(ask: HttpRequest) -> bool:
    """Whether the request retrieves the files of an instance, or all files of a study or series."""
    return (
        ask.method == "GET"
        and "/studies/" in ask.target
        and path_of(ask).split("/")[-2] in ("studies", "series", "instances")
    )


def asked(part: str) -> Asked:
    """Match requests with `part` in their target."""
    return lambda ask: part in ask.target and ask.method == "GET"


# Responses


def status(old: int, new: int) -> Change:
    """Answer with another status code."""
    return lambda answer: replace(answer, status=new) if answer.status == old else answer


def body(content: bytes) -> Change:
    """Answer 200 with another body."""
    return lambda answer: replace(answer, status=200, body=content)


def header(name: str, old: str, new: str) -> Change:
    """Change a text within a header."""
    return lambda answer: replace(
        answer,
        headers=tuple(
            (key, value.replace(old, new) if key.lower() == name.lower() else value)
            for key, value in answer.headers
        ),
    )


def in_json(change: Callable[[Any], Any]) -> Change:
    """Change the content of a JSON body."""

    def changed(answer: HttpResponse) -> HttpResponse:
        return replace(answer, body=json.dumps(change(json.loads(answer.body))).encode())

    return changed


def data_sets(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    """Change each data set of an answer in the DICOM JSON model."""
    return in_json(lambda found: [change(each) for each in found])


def elements(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    """Change each element of each data set of an answer in the DICOM JSON model."""
    return data_sets(lambda each: {tag: change(element) for tag, element in each.items()})


def parts(change: Callable[[list[multipart.Part]], list[multipart.Part]]) -> Change:
    """Change the parts of a multipart body; other answers pass."""

    def changed(answer: HttpResponse) -> HttpResponse:
        content_type = answer.header("Content-Type")
        if answer.status != 200 or not content_type.lower().startswith("multipart/related"):
            return answer
        boundary = multipart.media_type(content_type)[1]["boundary"]
        found = change(multipart.parse(content_type, answer.body))
        pieces = [multipart.build([each.content], each.content_type, boundary) for each in found]
        end = f"--{boundary}--\r\n".encode()
        return replace(answer, body=b"".join(each.removesuffix(end) for each in pieces) + end)

    return changed


def files(change: Callable[[bytes], bytes]) -> Change:
    """Change each file of a multipart body."""
    return parts(lambda found: [replace(each, content=change(each.content)) for each in found])


def objects(change: Callable[[FileDataset], object]) -> Change:
    """Change the data set of each file of a multipart body, and encode it again."""

    def changed(content: bytes) -> bytes:
        ds = dcmread(io.BytesIO(content))
        change(ds)
        file = io.BytesIO()
        ds.save_as(file)
        return file.getvalue()

    return files(changed)
