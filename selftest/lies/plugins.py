"""Lies about plugins that come with Orthanc, about recycling, and about databases."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from support.lies import Group, SeededLie

from harness.relay import DicomLie, replace_in_pdata
from harness.relay.http import HttpRequest, HttpResponse
from harness.relay.lies import HttpLie

Change = Callable[[HttpResponse], HttpResponse]


def lie(name: str, method: str, target: str, change: Change, *fails: str) -> SeededLie:
    """Lie in the answers to `method` requests whose target matches."""

    def matches(request: HttpRequest) -> bool:
        return request.method == method and re.fullmatch(target, request.target) is not None

    return SeededLie(name, "remote.rest", HttpLie(matches, change, early=True), frozenset(fails))


def in_json(change: Callable[[Any], Any]) -> Change:
    """Change the JSON of a successful answer."""

    def changed(answer: HttpResponse) -> HttpResponse:
        if answer.status != 200:
            return answer
        return replace(answer, body=json.dumps(change(json.loads(answer.body))).encode())

    return changed


def swap(old: bytes, new: bytes) -> Change:
    """Replace `old` by `new` in the body of an answer."""
    return lambda answer: replace(answer, body=answer.body.replace(old, new))


def with_status(status: int) -> Change:
    """Answer with another status code."""
    return lambda answer: replace(answer, status=status, reason="Lie")


def with_header(name: str, value: str) -> Change:
    """Answer with another value of a header."""

    def changed(answer: HttpResponse) -> HttpResponse:
        headers = ((key, value if key == name else text) for key, text in answer.headers)
        return replace(answer, headers=tuple(headers))

    return changed


def found(content: bytes) -> Change:
    """Answer with a file where none exists."""
    return lambda answer: replace(answer, status=200, reason="OK", body=content)


LIES = (
    lie("the youngest patient went", "GET", r"/patients\?expand",
        in_json(lambda each: sorted(each, key=lambda one: str(one["MainDicomTags"]["PatientID"]))[:-1]),
        "RECY-001", "RECY-002", "RECY-003", "RECY-004", "RECY-005", "RECY-006"),
    lie("a patient has another identifier", "GET", r"/patients\?expand",
        swap(b'"PatientID" : "B"', b'"PatientID" : "A"'), "RECY-002", "RECY-004", "RECY-005"),
    lie("one too many is refused in silence", "POST", "/instances",
        lambda answer: replace(answer, status=200, reason="OK"), "RECY-006"),
    SeededLie("a step of another station comes", "remote.dicom",
              DicomLie(replace_in_pdata(b"Mine", b"Your")),
              frozenset({"WLSET-001", "WLSET-002"})),
    lie("a file has another byte", "GET", r"/served/.*\.html", swap(b"some", b"same"),
        "FOLD-001[page.html-text/html]"),
    lie("a file has another type", "GET", r"/served/.*\.css",
        with_header("Content-Type", "text/plain"), "FOLD-001[style.css-text/css]"),
    lie("a file that does not exist is there", "GET", "/served/nope.txt", found(b"x"), "FOLD-003"),
    lie("what lies outside is served", "GET", r"/served/.*/outside\.txt",
        found(b"what lies outside"), "FOLD-004[..]", "FOLD-004[%2e%2e]", "FOLD-004[%2E.]",
        "FOLD-004[..%2f]", "FOLD-004[below/../..]"),
    lie("a file may be kept", "GET", "/served/.*", with_header("Cache-Control", "max-age=60"), "FOLD-005"),
    lie("a file is deleted", "DELETE", "/served/.*", with_status(200), "FOLD-006[DELETE]"),
    lie("a picture is another", "GET", "/wado.*", with_status(400),
        "DWEBP-001[jpeg-10]", "DWEBP-001[png-2]"),
    lie("plugin that is off encodes", "GET", "/dicom-web/studies/.*",
        lambda answer: replace(answer, status=200, reason="OK"), "GDCM-003"),
    lie("a folder has another name", "PROPFIND", "/webdav/by-.*", swap(b"Doe^Jane", b"Doe^John"),
        "DAV-022[by-patients]", "DAV-022[by-studies]", "DAV-022[by-dates]"),
    lie("JSON names another study", "GET", r".*/study\.json", swap(b"StudyInstanceUID", b"StudyInstanceID"),
        "DAV-023"),
    lie("a description can be deleted", "GET", r".*/series\.json",
        lambda answer: replace(answer, body=b""), "DAV-024"),
    lie("a tree can be deleted", "DELETE", "/webdav/.*", with_status(204),
        "DAV-025[nope]", "DAV-025[by-uids]"),
)  # fmt: skip

GROUP = Group(
    "plugins",
    sample=tuple(sorted({case.partition("[")[0] for each in LIES for case in each.fails})),
    lies=LIES,
    crosswise=False,
    smoke=False,
)
