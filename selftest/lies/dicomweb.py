"""Lies told to the DICOMweb suites."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from PIL import Image
from support.lies import Group, SeededLie

from harness.relay import HttpLie, HttpRequest, HttpResponse

Change = Callable[[HttpResponse], HttpResponse]


def _lie(
    name: str, fails: set[str], matches: Callable[[HttpRequest], bool], change: Change
) -> SeededLie:
    return SeededLie(name, "remote.rest", HttpLie(matches, change), frozenset(fails))


def _search(ask: HttpRequest) -> bool:
    path = ask.target.partition("?")[0]
    return ask.method == "GET" and path.endswith(("/studies", "/series", "/instances"))


def _store(ask: HttpRequest) -> bool:
    return ask.method == "POST" and ask.target.startswith("/dicom-web/studies")


def _asked(part: str) -> Callable[[HttpRequest], bool]:
    return lambda ask: part in ask.target and ask.method == "GET"


def _retrieves_study(ask: HttpRequest) -> bool:
    return (
        ask.method == "GET"
        and ask.target.startswith("/dicom-web/studies/")
        and (ask.target.count("/") == 3)
    )


def _status(old: int, new: int) -> Change:
    return lambda answer: replace(answer, status=new) if answer.status == old else answer


def _json(change: Callable[[Any], Any]) -> Change:
    def changed(answer: HttpResponse) -> HttpResponse:
        if answer.status != 200 or not answer.body:
            return answer  # a refusal, or nothing found
        return replace(answer, body=json.dumps(change(json.loads(answer.body))).encode())

    return changed


def _elements(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    """Change each element of each data set of an answer in the DICOM JSON model."""
    return _json(
        lambda datasets: [{tag: change(each) for tag, each in one.items()} for one in datasets]
    )


def _null_for_nothing(element: dict[str, Any]) -> dict[str, Any]:
    return element if element.keys() & {"Value", "BulkDataURI"} else {**element, "Value": [None]}


def _numbers_as_text(element: dict[str, Any]) -> dict[str, Any]:
    if element["vr"] not in ("US", "SL", "FL", "FD"):
        return element
    return {**element, "Value": [str(each) for each in element["Value"]]}


def _one_more(element: dict[str, Any]) -> dict[str, Any]:
    if element["vr"] != "IS":
        return element
    return {**element, "Value": [int(each) + 1 for each in element["Value"]]}


def _one_unnamed(answer: dict[str, Any]) -> dict[str, Any]:
    """Omit the last stored object, if there are several."""
    stored = answer["00081199"].get("Value", [])
    return {**answer, "00081199": {"vr": "SQ", "Value": stored[:-1]}} if stored[1:] else answer


def _without_one_part(answer: HttpResponse) -> HttpResponse:
    delimiter = answer.body.partition(b"\r\n")[0]
    _, _, *rest = answer.body.split(delimiter)
    return replace(answer, body=delimiter + delimiter.join(rest))


def _last_byte_flipped(answer: HttpResponse) -> HttpResponse:
    """Flip a bit of the last byte; in a multipart body, of the last part."""
    at = answer.body.rfind(b"\r\n--") if "multipart" in answer.header("Content-Type") else 0
    return replace(answer, body=answer.body[: at - 1] + bytes([answer.body[at - 1] ^ 1])
                   + (answer.body[at:] if at else b""))  # fmt: skip


def _header(name: str, value: str) -> Change:
    return lambda answer: replace(
        answer,
        headers=tuple((key, value if key == name else each) for key, each in answer.headers),
    )


def _another_picture(answer: HttpResponse) -> HttpResponse:
    file = io.BytesIO()
    Image.new("RGB", (32, 32)).save(file, "PNG")
    return replace(answer, body=file.getvalue())


GROUP = Group(
    "dicomweb",
    sample=(
        "QIDO-004", "QIDO-012", "QIDO-020", "QIDO-025", "QIDO-030",
        "STOW-003", "STOW-005", "STOW-009", "STOW-012", "STOW-020",
        "WADO-001", "WADO-009", "WADO-012",
        "WADO-103", "WADO-105", "WADO-111",
        "WADO-202", "WADO-206", "WADO-207", "WADO-301", "WADO-304",
        "DWEB-001", "DWEB-004", "DWEB-006",
    ),
    lies=(
        _lie("a key is not heard", {"QIDO-004[tag]"},
             lambda ask: _search(ask) and "00100020=" in ask.target, _json(lambda found: found * 2)),
        _lie("the limit is not heard", {"QIDO-020"},
             lambda ask: _search(ask) and "limit=" in ask.target, _json(lambda found: found * 2)),
        _lie("an empty value is null", {"QIDO-025"}, _search, _elements(_null_for_nothing)),
        _lie("counts are wrong", {"QIDO-012"}, _search, _elements(_one_more)),
        _lie("a UID has wildcards", {"QIDO-030[star]", "QIDO-030[question-mark]"},
             lambda ask: "StudyInstanceUID=" in ask.target and ask.target.endswith(("*", "?")),
             lambda answer: replace(answer, status=200, body=b"[{}]")),
        _lie("an object is stored and not named", {"STOW-003"}, _store, _json(_one_unnamed)),
        _lie("a conflict is a success", {"STOW-009"}, _store, _status(409, 200)),
        _lie("junk is a success", {"STOW-012[text]", "STOW-012[nothing]"}, _store, _status(400, 200)),
        _lie("the class is another", {"STOW-005", "STOW-020"}, _store,
             lambda answer: replace(answer, body=answer.body.replace(b'.1.1.2"', b'.1.1.4"'))),
        _lie("an object of the study is missing", {"WADO-001[study-4]"},
             _retrieves_study,
             lambda answer: _without_one_part(answer) if answer.status == 200 else answer),
        _lie("what is unknown is found", {"WADO-009[study]", "WADO-009[series]", "DWEB-006"},
             _asked("/dicom-web/"), _status(404, 200)),
        _lie("a pixel differs", {"WADO-012"}, _asked("/frames/2,5,12"), _last_byte_flipped),
        _lie("tags are in lower case", {"WADO-103"},
             lambda ask: ask.target.endswith("/metadata"),
             _json(lambda found: [{tag.lower(): each for tag, each in one.items()} for one in found])),
        _lie("numbers are text", {f"WADO-105[{vr}]" for vr in ("US", "SL", "FL", "FD")},
             _asked("/metadata"), _elements(_numbers_as_text)),
        _lie("bulk data is damaged", {"WADO-111"}, _asked("/bulk/"), _last_byte_flipped),
        _lie("a JPEG is called PNG", {"WADO-202[none]", "WADO-202[any]"},
             _asked("/rendered"), _header("Content-Type", "image/png")),
        _lie("the viewport is not heard", {"WADO-206"}, _asked("viewport="), _another_picture),
        _lie("another frame is rendered", {"WADO-207"}, _asked("/frames/12/"), _another_picture),
        _lie("a file is damaged", {"WADO-301"}, _asked("/wado?"), _last_byte_flipped),
        _lie("an object is found in any place",
             {"WADO-304[studyUID]", "WADO-304[seriesUID]", "WADO-304[objectUID]"},
             _asked("/wado?"), _status(404, 200)),
        _lie("anything is allowed", {"DWEB-001[PUT]", "DWEB-001[DELETE]"},
             lambda ask: ask.target == "/dicom-web/studies", _header("Allow", "GET,POST,PUT,DELETE")),
        _lie("a password is shown", {"DWEB-004"}, _asked("/servers?expand"),
             _json(lambda servers: {name: {**each, "Password": "secret"} for name, each in servers.items()})),
    ),
)  # fmt: skip
