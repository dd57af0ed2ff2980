"""Lies about a server's users, jobs, searches, HTTP, modalities, peers, WebDAV and labels."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from support.lies import Group, SeededLie

from harness.relay.http import HttpRequest, HttpResponse
from harness.relay.lies import HttpLie

Change = Callable[[HttpResponse], HttpResponse]


def _lie(name: str, method: str, target: str, change: Change, *fails: str) -> SeededLie:
    """Lie in the answers to `method` requests whose target matches."""

    def matches(request: HttpRequest) -> bool:
        return request.method == method and re.fullmatch(target, request.target) is not None

    return SeededLie(name, "remote.rest", HttpLie(matches, change, early=True), frozenset(fails))


def _json(change: Callable[[Any], Any]) -> Change:
    """Change the JSON of a successful answer."""

    def changed(answer: HttpResponse) -> HttpResponse:
        if answer.status != 200:
            return answer
        return replace(answer, body=json.dumps(change(json.loads(answer.body))).encode())

    return changed


def _swap(old: bytes, new: bytes) -> Change:
    """Replace `old` by `new` in the body of an answer."""
    return lambda answer: replace(answer, body=answer.body.replace(old, new))


def _status(status: int) -> Change:
    """Answer with another status code."""
    return lambda answer: replace(answer, status=status, reason="Lie")


def _cut_first(found: list[Any]) -> list[Any]:
    return found[1:]


GROUP = Group(
    name="does",
    sample=(
        *("AUTH-005", "AUTH-006", "AUTH-008", "AUTH-012"),
        *("LUA-001", "LUA-002", "LUA-008", "LUA-101", "LUA-112"),
        *("JOB-001", "JOB-003", "JOB-012", "JOB-016", "JOB-017"),
        *("FOPT-001", "FOPT-003", "FOPT-015", "FOPT-021"),
        *("HTTP-001", "HTTP-003", "HTTP-008", "HTTP-011"),
        *("MODAL-001", "MODAL-005", "PEER-003", "PEER-004", "PEER-007"),
        *("DAV-001", "DAV-002", "DAV-004", "DAV-008", "DAV-012", "DAV-018"),
        *("BULK-001", "BULK-005", "BULK-006", "COMAPI-002", "COMAPI-004"),
    ),
    lies=(
        _lie("a challenge is no refusal", "GET", "/patients", lambda a: replace(
            a, status=200, body=b"[]", reason="Lie") if a.status == 401 else a,
            *(f"AUTH-008[{each}]" for each in (
                "Basic", "Basic ", "Basic !!!", "Basic {user_only}", "Bearer {right}", "{right}",
                "Basic{right}", "Digest username={user}"))),
        _lie("a script fails without saying why", "POST", "/tools/execute-script",
             _swap(b'"Details"', b'"Detail"'), "LUA-002[syntax]", "LUA-002[error]",
             "LUA-002[unknown-function]"),
        _lie("an unknown job is cancelled", "POST", "/jobs/no-such-job/cancel", _status(200),
             "JOB-003[POST-/cancel-400]"),
        _lie("a job has another code", "GET", "/jobs/[^/]+", _swap(b'"ErrorCode" : 37', b'"ErrorCode" : 38'),
             "JOB-012"),
        _lie("a job is not done to the end", "GET", "/jobs/[^/]+",
             _swap(b'"Progress" : 100', b'"Progress" : 99'), "JOB-001", "JOB-016"),
        _lie("what succeeded runs again", "POST", "/jobs/[^/]+/re(submit|sume)",
             lambda a: a if a.status == 200 else _status(200)(a),
             "JOB-003[POST-/resume-400]", "JOB-003[POST-/resubmit-400]",
             "JOB-017[resubmit]", "JOB-017[resume]"),
        _lie("another method is allowed", "PUT", "/studies",
             lambda a: replace(a, headers=tuple(
                 (name, "GET,PUT" if name.lower() == "allow" else value) for name, value in a.headers)),
             "HTTP-003[PUT-/studies-allowed3]"),
        _lie("an error has another code", "GET", "/no-such-path",
             _swap(b'"OrthancStatus" : 17', b'"OrthancStatus" : 18'),
             "HTTP-001[GET-/no-such-path-404-17-Unknown resource]"),
        _lie("a modality has another port", "GET", "/modalities/added/configuration",
             _swap(b"4242", b"4243"),
             *(f"MODAL-001[{each}]" for each in (
                 "list", "list-of-four", "object", "object-with-manufacturer"))),
        _lie("a removed modality can be called", "POST", "/modalities/added/echo", _status(200), "MODAL-005"),
        _lie("a removed peer is there", "GET", "/peers/added", _status(200), "PEER-003"),
        _lie("an object is not counted", "POST", "/peers/peer/store",
             _json(lambda a: a | {"InstancesCount": a["InstancesCount"] - 1}),
             *(f"PEER-004[{each}]" for each in ("patient", "study", "series", "instance"))),
        _lie("a peer says another thing", "POST", "/peers/peer/store-straight",
             _swap(b'"Success"', b'"AlreadyStored"'), "PEER-007"),
        _lie("a folder is missing", "PROPFIND", "/webdav/?", _swap(b"by-studies", b"by-study"),
             "DAV-002[/webdav]", "DAV-002[/webdav/]"),
        _lie("the first of many is left out", "POST", "/tools/bulk-content", _json(_cut_first),
             "BULK-001", "BULK-005"),
        _lie("a failure has another reason", "GET", "/storage-commitment/.*", _swap(b"274", b"281"),
             "COMAPI-002"),
    ),
    smoke=False,
)  # fmt: skip
