"""DICOMweb (PS3.18): what the capabilities document says, and what each resource answers."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET  # what could make it huge is not read, see _paths

from pydicom.datadict import dictionary_VR, tag_for_keyword

from harness.capability import objects
from harness.capability.keys import OTHER_VALUES
from harness.capability.notebook import Notebook
from harness.capability.web import Http
from harness.clients import multipart
from harness.clients.dicomweb import DICOM, DICOM_JSON, instance_path, series_path, study_path

_JSON = {"Accept": DICOM_JSON}
_WADL = {"Accept": "application/vnd.sun.wadl+xml"}
_RELATED = 'multipart/related; type="{}"'
# PS3.18 10.6.1.2.3, Table 10.6.1-5: the keys that a search must match.
_KEYS = {
    "studies": (
        *("StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy"),
        *("ReferringPhysicianName", "PatientName", "PatientID", "StudyInstanceUID", "StudyID"),
    ),
    "series": (
        *("Modality", "SeriesInstanceUID", "SeriesNumber"),
        *("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime"),
    ),
    "instances": ("SOPClassUID", "SOPInstanceUID", "InstanceNumber"),
}
_SERVICES = {
    "search": "Search (QIDO-RS)",
    "retrieve": "Retrieve (WADO-RS)",
    "store": "Store (STOW-RS)",
    "worklist": "Worklist (UPS-RS)",
}


async def dicomweb(http: Http, notes: Notebook, *, declared: bool | None, stored: bool) -> None:
    """Probe all services. `declared`: whether the server says elsewhere that it has them."""
    notes.progress("asking over DICOMweb")
    document = await _document(http, notes)
    for service in ("search", "retrieve", "store"):
        if declared is not None:
            notes.declared(f"dicomweb/{service}", _SERVICES[service], declared)
    for service, said in document.items():
        notes.declared(f"dicomweb/{service}", _SERVICES[service], said)
    with notes.noting():
        await _search(http, notes, stored=stored)
    if stored:
        with notes.noting():
            await _retrieve(http, notes)
        with notes.noting():
            await _store(http, notes)
    with notes.noting():
        status = await http.status("GET", "/workitems", headers=_JSON)
        notes.probed("dicomweb/worklist", _SERVICES["worklist"], _answered(status))
    _judge(notes)


def without(notes: Notebook) -> None:
    """Note that the server says of itself that it has none of it."""
    for service in ("search", "retrieve", "store"):
        notes.declared(f"dicomweb/{service}", _SERVICES[service], value=False)


async def _document(http: Http, notes: Notebook) -> dict[str, bool]:
    """Read the capabilities document (PS3.18 8.9), if there is one."""
    found: dict[str, bool] = {}
    with notes.noting():
        answer = await http.ask("OPTIONS", "/", headers=_WADL)
        paths = _paths(answer.content) if answer.status_code == 200 else []
        if paths:
            found["search"] = any("studies" in path for path in paths)
            found["worklist"] = any("workitems" in path for path in paths)
        words = "answered" if found else f"none, status {answer.status_code}"
        notes.probed("dicomweb/capabilities", "Capabilities document", words)
    return found


def _paths(document: bytes) -> list[str]:
    """Return the paths that a WADL document names; with a declaration it could grow huge, and is not read."""
    if b"<!" in document:
        return []
    try:
        elements = ET.fromstring(document).iter()  # noqa: S314 - see above
    except ET.ParseError:
        return []
    return [each.get("path", "") for each in elements if each.tag.endswith("resource")]


async def _search(http: Http, notes: Notebook, *, stored: bool) -> None:
    """Search at each level, with each key that must be matched."""
    first = objects.study()[0]
    status = await http.status("GET", "/studies?limit=1", headers=_JSON)
    notes.probed("dicomweb/search", _SERVICES["search"], _answered(status))
    if not stored or status not in (200, 204):
        return
    above = {"studies": "", "series": study_path(first), "instances": series_path(first)}
    for level, keys in _KEYS.items():
        for key in keys:
            tag = f"{tag_for_keyword(key):08X}"
            mine = {} if level != "studies" else {"StudyInstanceUID": first.study_instance_uid}
            answers = {}
            for what, value in (
                ("right", _value(key)),
                ("other", OTHER_VALUES[dictionary_VR(key)]),
            ):
                answer = await http.ask(
                    "GET", f"{above[level]}/{level}", params={**mine, key: value}, headers=_JSON
                )
                answers[what] = _matches(answer)
            right, other = answers["right"], answers["other"]
            words = "matched" if right and not other else "not matched"
            if not right:
                words = f"not matched: {_sent(key)} finds nothing"
            elif tag not in right[0]:
                words += ", not returned"
            notes.declared(f"dicomweb/search/{level}/{key}", f"{key} of {level}", "required")
            notes.probed(f"dicomweb/search/{level}/{key}", f"{key} of {level}", words)
            if "not matched" in words:
                notes.contradiction(
                    f"dicomweb/search/{level}/{key}", "PS3.18 10.6.1.2.3",
                    f"offers search for {level}", f"the key {key} is {words}",
                )  # fmt: skip
    await _search_options(http, notes)


async def _search_options(http: Http, notes: Notebook) -> None:
    """Ask for what a search may be told besides keys (PS3.18 8.3.4)."""
    path = f"{study_path(objects.study()[0])}/instances"
    for name, query, wanted in (
        ("limit", "limit=1", 1),
        ("offset", "offset=2", 1),
        ("fuzzymatching", "fuzzymatching=true", 3),
    ):
        answer = await http.ask("GET", f"{path}?{query}", headers=_JSON)
        matches = _matches(answer)
        words = "heeded" if len(matches) == wanted else f"{len(matches)} matches, not {wanted}"
        if answer.status_code not in (200, 204):
            words = f"status {answer.status_code}"
        if name == "fuzzymatching":
            words = "accepted" if matches else _answered(answer.status_code)
            warned = answer.headers.get("Warning", "")
            words += ", not supported by its Warning header" if "299" in warned else ""
        notes.probed(f"dicomweb/search/{name}", f"Parameter {name}", words)
    answer = await http.ask("GET", f"{path}?includefield=BitsAllocated", headers=_JSON)
    matches = _matches(answer)
    heeded = bool(matches) and "00280100" in matches[0]
    notes.probed(
        "dicomweb/search/includefield", "Parameter includefield", "heeded" if heeded else "ignored"
    )


async def _retrieve(http: Http, notes: Notebook) -> None:
    """Retrieve each kind of resource (PS3.18 10.4)."""
    first = objects.study()[0]
    instance = instance_path(first)
    dicom = _RELATED.format(DICOM)
    for key, subject, path, accept in (
        ("study", "A study", study_path(first), dicom),
        ("series", "A series", series_path(first), dicom),
        ("instance", "An instance", instance, dicom),
        ("instance/single", "An instance, as one part", instance, DICOM),
        ("metadata", "Metadata as JSON", f"{instance}/metadata", DICOM_JSON),
        ("metadata-xml", "Metadata as XML", f"{instance}/metadata",
         _RELATED.format("application/dicom+xml")),
        ("frames", "A frame", f"{instance}/frames/1", _RELATED.format("application/octet-stream")),
        ("rendered-jpeg", "Rendered as JPEG", f"{instance}/rendered", "image/jpeg"),
        ("rendered-png", "Rendered as PNG", f"{instance}/rendered", "image/png"),
        ("thumbnail", "A thumbnail", f"{instance}/thumbnail", "image/jpeg"),
        ("bulkdata", "Bulk data by its tag", f"{instance}/bulkdata/7FE00010",
         _RELATED.format("application/octet-stream")),
    ):  # fmt: skip
        answer = await http.ask("GET", path, headers={"Accept": accept})
        words = _answered(answer.status_code)
        type_ = answer.headers.get("Content-Type", "").partition(";")[0]
        if answer.status_code == 200 and type_ != accept.partition(";")[0]:
            words = f"answered as {type_ or 'no type'}"
            notes.contradiction(
                f"dicomweb/retrieve/{key}", "PS3.18 8.7.8", f"answers {subject.lower()} with status 200",
                f"it gives {type_ or 'no type'} where only {accept.partition(';')[0]} was accepted",
            )  # fmt: skip
        notes.probed(f"dicomweb/retrieve/{key}", subject, words)
        if key == "instance":
            notes.probed("dicomweb/retrieve", _SERVICES["retrieve"], words)


async def _store(http: Http, notes: Notebook) -> None:
    """Store an object that is there already: nothing new is left behind."""
    answer = await http.ask(
        "POST",
        "/studies",
        data=multipart.build([objects.study()[0].data], DICOM),
        headers={
            "Content-Type": f'multipart/related; type="{DICOM}"; boundary={multipart.BOUNDARY}',
            **_JSON,
        },
    )
    notes.probed("dicomweb/store", _SERVICES["store"], _answered(answer.status_code))


def _judge(notes: Notebook) -> None:
    """Say which services are declared and not answered."""
    for service, name in _SERVICES.items():
        finding = notes.findings.get(f"dicomweb/{service}")
        if finding is None or finding.declared is not True or finding.probed is None:
            continue
        if not str(finding.probed).startswith("answered"):
            notes.contradiction(
                finding.id, "PS3.18 8.9", f"declares {name}", f"it answers with {finding.probed}"
            )


def _answered(status: int) -> str:
    return "answered" if status in (200, 204) else f"status {status}"


def _matches(answer: Any) -> list[Mapping[str, Any]]:
    if answer.status_code != 200:
        return []
    try:
        found = answer.json()
    except ValueError:
        return []
    return found if isinstance(found, list) else []


def _sent(key: str) -> str:
    """Say what was asked for: servers that do not decode what stands for ^ are a known kind."""
    return f"its own value{', sent as ' + quote(_value(key)) + ',' if '^' in _value(key) else ''}"


def _value(key: str) -> str:
    if key == "ModalitiesInStudy":
        return "MR"
    return str(objects.study()[0].dataset()[key].value)
