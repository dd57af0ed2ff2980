"""Lies about REST: at least three for each suite of tests/rest."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from support.lies import Group, SeededLie

from harness.relay.http import HttpRequest, HttpResponse
from harness.relay.lies import HttpLie

ID = r"[0-9a-f-]{44}"


def _lie(
    name: str,
    method: str,
    target: str,
    change: Callable[[HttpResponse], HttpResponse],
    *fails: str,
    asked: bytes = b"",
) -> SeededLie:
    """Lie in the answers to `method` requests with a matching target and `asked` in the body."""

    def matches(request: HttpRequest) -> bool:
        return (
            request.method == method
            and re.fullmatch(target, request.target) is not None
            and asked in request.body
        )

    return SeededLie(
        name, "remote.rest", HttpLie(matches, change, early=not asked), frozenset(fails)
    )


def _json(change: Callable[[Any], Any]) -> Callable[[HttpResponse], HttpResponse]:
    """Change the JSON of an answer."""

    def changed(response: HttpResponse) -> HttpResponse:
        return replace(response, body=json.dumps(change(json.loads(response.body))).encode())

    return changed


def _body(change: Callable[[bytes], bytes]) -> Callable[[HttpResponse], HttpResponse]:
    """Change the bytes of an answer."""
    return lambda response: replace(response, body=change(response.body))


def _status(status: int) -> Callable[[HttpResponse], HttpResponse]:
    """Answer with another status code."""
    return lambda response: replace(response, status=status, reason="Lie")


def _header(name: str, change: Callable[[str], str]) -> Callable[[HttpResponse], HttpResponse]:
    """Change the value of one header."""

    def changed(response: HttpResponse) -> HttpResponse:
        headers = ((key, change(text) if key == name else text) for key, text in response.headers)
        return replace(response, headers=tuple(headers))

    return changed


def _without_header(name: str) -> Callable[[HttpResponse], HttpResponse]:
    """Remove one header."""
    return lambda response: replace(
        response, headers=tuple(pair for pair in response.headers if pair[0] != name)
    )


def _list(change: Callable[[list[Any]], list[Any]], key: str) -> Callable[[Any], Any]:
    """Change the list under `key` of an object."""
    return lambda answer: answer | {key: change(answer[key])}


GROUP = Group(
    name="rest",
    sample=(
        *("RSYS-001", "RSYS-003", "RSYS-006", "RSYS-017", "RSYS-018", "RSYS-019"),
        *("RUPL-001", "RUPL-003", "RUPL-005"),
        *("RHIE-001", "RHIE-005", "RHIE-010", "RHIE-020"),
        *("RFND-007", "RFND-008", "RFND-012", "RFND-016"),
        *("RCHG-002", "RCHG-006", "RCHG-009", "RCHG-015"),
        *("RMET-002", "RMET-010", "RMET-011", "RMET-014"),
        *("RATT-002", "RATT-004", "RATT-005", "RATT-011", "RATT-016", "RATT-017", "RATT-018"),
    ),
    lies=(
        _lie("other-title", "GET", "/system", _json(lambda s: s | {"DicomAet": "X"}), "RSYS-001"),
        _lie(
            "one-series-more",
            "GET",
            "/statistics",
            _json(lambda s: s | {"CountSeries": s["CountSeries"] + 1}),
            "RSYS-003",
        ),
        _lie("no-allow", "PUT", "/system", _without_header("Allow"), "RSYS-006"),
        _lie(
            "no-challenge",
            "GET",
            "/patients",
            _without_header("WWW-Authenticate"),
            "RSYS-017[GET]",
        ),
        _lie(
            "anybody-may-look",
            "GET",
            "/patients",
            _status(200),
            "RSYS-017[GET]",
            "RSYS-018[known]",
            "RSYS-018[unknown]",
        ),
        _lie("anybody-may-upload", "POST", "/instances", _status(200), "RSYS-019"),
        _lie(
            "no-parent-study",
            "POST",
            "/instances",
            _json(lambda a: a | {"ParentStudy": a["ParentSeries"]}),
            "RUPL-001",
        ),
        _lie(
            "listed-twice",
            "GET",
            "/instances",
            _json(lambda a: a * 2),
            "RUPL-003",
            "RHIE-001",
            "RHIE-005",
        ),
        _lie("file-cut", "GET", f"/instances/{ID}/file", _body(lambda b: b[:-1]), "RUPL-005"),
        _lie("series-lost", "GET", "/series", _json(lambda a: a[1:]), "RHIE-001", "RHIE-005"),
        _lie(
            "nothing-remains",
            "DELETE",
            f"/instances/{ID}",
            _json(lambda a: a | {"RemainingAncestor": {"Type": "Study", "ID": ""}}),
            "RHIE-005",
        ),
        _lie("no-padding", "GET", f"/instances/{ID}/content/.*", _body(bytes.strip), "RHIE-010"),
        _lie(
            "slices-reversed",
            "GET",
            f"/series/{ID}/ordered-slices",
            _json(_list(lambda a: a[::-1], "SlicesShort")),
            "RHIE-020",
        ),
        _lie(
            "series-not-found",
            "POST",
            "/tools/find",
            _json(lambda a: a[1:]),
            "RFND-007",
            asked=b'"Series"',
        ),
        _lie(
            "study-without-patient",
            "POST",
            "/tools/find",
            _json(lambda a: [{**each, "PatientMainDicomTags": {"PatientName": ""}} for each in a]),
            "RFND-008",
            "RFND-012",
            asked=b'"Expand": true',
        ),
        _lie(
            "one-patient-more",
            "POST",
            "/tools/find",
            _json(lambda a: a * 2),
            "RFND-012",
            asked=b'"Patient"',
        ),
        _lie("lookup-empty", "POST", "/tools/lookup", _json(lambda _: []), "RFND-016"),
        _lie(
            "changes-reversed",
            "GET",
            "/changes",
            _json(_list(lambda a: a[::-1], "Changes")),
            "RCHG-002",
        ),
        _lie(
            "last-is-first",
            "GET",
            r"/changes\?last",
            _json(lambda a: a | {"Last": 1}),
            "RCHG-006",
        ),
        _lie(
            "never-completed",
            "GET",
            "/changes",
            _json(
                _list(lambda a: [e for e in a if e["ChangeType"] != "CompletedSeries"], "Changes")
            ),
            "RCHG-009",
        ),
        _lie(
            "exports-done",
            "GET",
            r"/exports\?since=.*",
            _json(lambda a: a | {"Done": True}),
            "RCHG-015",
        ),
        _lie(
            "no-user",
            "GET",
            rf"/instances/{ID}/metadata\?expand",
            _json(lambda a: a | {"HttpUsername": ""}),
            "RMET-002",
        ),
        _lie(
            "revision-1",
            "PUT",
            f"/instances/{ID}/metadata/1024",
            _header("ETag", lambda tag: tag.replace('"0-', '"1-')),
            "RMET-010",
            "RMET-014",
        ),
        _lie(
            "modified",
            "GET",
            f"/instances/{ID}/metadata/1024",
            _status(200),
            "RMET-011",
            "RMET-014",
        ),
        _lie("deletes-again", "DELETE", f"/instances/{ID}/metadata/1024", _status(200), "RMET-014"),
        _lie(
            "other-md5",
            "GET",
            f"/instances/{ID}/attachments/dicom/md5",
            _body(bytes.upper),
            "RATT-002",
            "RATT-016",
        ),
        _lie(
            "other-compressed-md5",
            "GET",
            f"/instances/{ID}/attachments/dicom/compressed-md5",
            _body(bytes.upper),
            "RATT-017",
        ),
        _lie(
            "damaged-on-the-disk",
            "POST",
            f"/instances/{ID}/attachments/dicom/verify-md5",
            _status(500),
            "RATT-018[compress]",
            "RATT-018[uncompress]",
        ),
        _lie(
            "never-compressed",
            "GET",
            f"/instances/{ID}/attachments/dicom/is-compressed",
            _body(lambda _: b"0"),
            "RATT-004",
        ),
        _lie(
            "always-compressed",
            "GET",
            f"/instances/{ID}/attachments/dicom/is-compressed",
            _body(lambda _: b"1"),
            "RATT-005",
        ),
        _lie(
            "old-attachment",
            "GET",
            f"/instances/{ID}/attachments/1024/data",
            _body(lambda _: b"old"),
            "RATT-011",
        ),
    ),
)
