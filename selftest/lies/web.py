"""Answers of a DICOMweb server, each broken in one way: the cases on PS3.18 notice."""

from typing import Any

from support.lies import Group
from support.web_lies import (
    asked,
    body,
    data_sets,
    elements,
    files,
    header,
    in_json,
    lie,
    objects,
    parts,
    path_of,
    retrieves,
    runs,
    searches,
    status,
    stores,
)

from harness.clients.dicomweb import DICOM
from harness.clients.multipart import Part
from harness.relay import HttpRequest, HttpResponse

OF_A_SERIES = ("00080060", "0008103E", "00081190", "00200011", "00201209", "00400244", "00400245")
OF_A_STUDY = (
    "StudyDate-20240115-20240116", "StudyTime-101112-101113", "AccessionNumber-ACC1-ACC2",
    "ReferringPhysicianName-Weber-Huber", "PatientName-Muller-Mulder", "StudyID-S1-S2",
)  # fmt: skip
KEYS_OF_A_SERIES = (
    "Modality-MR", "SeriesNumber-7",
    "PerformedProcedureStepStartDate-20240117", "PerformedProcedureStepStartTime-111213",
)  # fmt: skip
KINDS = ("t05", "t01-known-vr", "t06-nested-10", "h03-sr", "m01-native", "c11")
STORED, FAILED = "00081199", "00081198"


def without(tag: str) -> Any:
    """Remove an element from a data set."""
    return lambda each: {key: element for key, element in each.items() if key != tag}


def only(tag: str) -> Any:
    """Remove all other elements."""
    return lambda each: {key: element for key, element in each.items() if key == tag}


def shortened(tag: str) -> Any:
    """Remove the last item of a sequence in the response to a store request."""

    def changed(answer: dict[str, Any]) -> dict[str, Any]:
        sequence = answer.get(tag, {})
        return {**answer, tag: {**sequence, "Value": sequence.get("Value", [])[:-1]}}

    return changed


def other_reason(answer: dict[str, Any]) -> dict[str, Any]:
    """Use an undefined failure reason."""
    for item in answer[FAILED]["Value"]:
        item["00081197"]["Value"] = [1]
    return answer


def names_as_text(element: dict[str, Any]) -> dict[str, Any]:
    """Write names as plain text, as in a file."""
    if element["vr"] != "PN" or "Value" not in element:
        return element
    return {**element, "Value": [each.get("Alphabetic", "") for each in element["Value"]]}


def empty_groups(element: dict[str, Any]) -> dict[str, Any]:
    """Add an empty component group to each name."""
    if element["vr"] != "PN" or "Value" not in element:
        return element
    return {**element, "Value": [{**each, "Phonetic": ""} for each in element["Value"]]}


def nothing_for_null(element: dict[str, Any]) -> dict[str, Any]:
    """Omit null from the values."""
    if "Value" not in element:
        return element
    return {**element, "Value": [each for each in element["Value"] if each is not None]}


def item_in_an_empty_sequence(element: dict[str, Any]) -> dict[str, Any]:
    """Add an item to sequences without items."""
    empty = element["vr"] == "SQ" and not element.get("Value")
    return {**element, "Value": [{"00100020": {"vr": "LO", "Value": ["A"]}}]} if empty else element


def reversed_values(element: dict[str, Any]) -> dict[str, Any]:
    """Reverse the order of values."""
    return {**element, "Value": element["Value"][::-1]} if "Value" in element else element


def last_byte_changed(each: Part) -> Part:
    """Change the last byte of a part."""
    return Part(each.headers, each.content[:-1] + bytes([each.content[-1] ^ 1]))


def in_another_syntax(data: bytes) -> bytes:
    """Write another transfer syntax into the file meta information."""
    at = data.index(b"\x02\x00\x10\x00UI") + 6
    end = at + 2 + int.from_bytes(data[at : at + 2], "little")
    return (
        data[: at + 2]
        + b"1.2.840.10008.1.2.4.8"[: end - at - 2].ljust(end - at - 2, b"0")
        + data[end:]
    )


def accepts(part: str) -> Any:
    """Match requests that accept `part` among others."""

    def met(ask: HttpRequest) -> bool:
        return ask.method == "GET" and part in ask.header("Accept")

    return met


def unterminated(answer: HttpResponse) -> HttpResponse:
    """Truncate the last delimiter."""
    changed = parts(lambda found: found)(answer)
    return HttpResponse(
        changed.status, changed.reason, changed.headers, changed.body.removesuffix(b"--\r\n")
    )


def is_metadata(ask: HttpRequest) -> bool:
    """Whether the request is for metadata."""
    return path_of(ask).endswith("/metadata")


def is_put(ask: HttpRequest) -> bool:
    """Whether the method is PUT, which the resource does not support."""
    return ask.method == "PUT"


GROUP = Group(
    "web",
    crosswise=False,
    smoke=False,
    sample=(
        "CWEB-002*inner-type*", "CWEB-002*transfer-syntax*", "CWEB-003*rle*", "CWEB-004", "CWEB-005",
        "CWEB-006", "CWEB-007", "CWEB-008",
        "CWEB-101", *(f"CWEB-102*{each}*" for each in KEYS_OF_A_SERIES), "CWEB-103", "CWEB-104",
        *(f"CWEB-105*{each}*" for each in OF_A_SERIES), "CWEB-106", "CWEB-107", "CWEB-108",
        "CWEB-109*list*", "CWEB-109*repeated*", "CWEB-109*keywords*",
        "CWEB-202", "CWEB-203", "CWEB-204", "CWEB-205",
        "CWEB-301", "CWEB-302", "CWEB-303", "CWEB-304*empty-sequence*",
        "CWEB-305*h03-ko*", "CWEB-305*m01*", "CWEB-306", "CWEB-307*t01*", "CWEB-307*m07*",
        "CWEB-308*text*", "CWEB-308*numbers*",
        "CWEB-401", "CWEB-402*single*", "CWEB-402*words*", "CWEB-402*nothing*", "CWEB-402*negative*",
        "CWEB-403",
    ),
    lies=(
        lie("what is unknown is not passed over", runs("CWEB-002", "inner-type", "transfer-syntax"),
            accepts(", multipart"), status(200, 406)),
        lie("weights are not heard", {"CWEB-003[rle]"}, accepts(";q="), files(in_another_syntax)),
        lie("the type has no quotes", runs("CWEB-004", "study", "series", "instance"), retrieves,
            header("Content-Type", '"', "")),
        lie("the last delimiter does not end", runs("CWEB-004", "study", "series", "instance"), retrieves,
            unterminated),
        lie("a part says another transfer syntax",
            runs("CWEB-005", "native", "rle", "jpeg-ls", "decoded"), retrieves,
            parts(lambda found: [
                Part({"content-type": f"{DICOM}; transfer-syntax=1.2.840.10008.1.2.4.51"}, each.content)
                for each in found])),
        lie("frames come in another order", {"CWEB-006"}, asked("/frames/"),
            parts(lambda found: found[::-1])),
        lie("methods are not named", {"CWEB-007"}, is_put, header("Allow", "GET", "")),
        lie("an object is not converted", {"CWEB-008"}, retrieves, files(in_another_syntax)),
        lie("keys are not heard",
            {*runs("CWEB-101", *OF_A_STUDY), *runs("CWEB-102", *KEYS_OF_A_SERIES),
             *runs("CWEB-103", "SOPClassUID", "SOPInstanceUID", "InstanceNumber")},
            searches, in_json(lambda found: found * 2)),
        lie("the referring physician is left out", runs("CWEB-104", "filled", "empty"), searches,
            data_sets(without("00080090"))),
        lie("a series has nothing but its UID", runs("CWEB-105", *OF_A_SERIES), searches,
            data_sets(only("0020000E"))),
        lie("frames are not counted", {"CWEB-106"}, searches, data_sets(without("00280008"))),
        lie("nothing found is no list", {"CWEB-107"}, searches, body(b"{}")),
        lie("pages have an order of their own", {"CWEB-108"}, asked("limit="),
            in_json(lambda found: found[::-1])),
        lie("what was asked for is left out", runs("CWEB-109", "list", "repeated", "keywords"), searches,
            data_sets(without("00081030"))),
        lie("the reason is none", {"CWEB-202"}, stores, in_json(other_reason)),
        lie("an object is stored in silence", {"CWEB-203"}, stores, in_json(shortened(STORED))),
        lie("a name is changed in secret", runs("CWEB-204", "h01-ct-1-1", "h03-sr", "p12-jpeg-ls", "t05"),
            retrieves, objects(lambda ds: setattr(ds, "PatientName", "Another"))),
        lie("a failure is not told", {"CWEB-205"}, stores, in_json(shortened(FAILED))),
        lie("elements have names", runs("CWEB-301", *KINDS), is_metadata,
            elements(lambda each: {**each, "name": "Some"})),
        lie("elements stand in another order", runs("CWEB-302", *KINDS), is_metadata,
            data_sets(lambda each: dict(reversed(each.items())))),
        lie("what is empty has no place", {"CWEB-303"}, is_metadata, elements(nothing_for_null)),
        lie("an empty sequence has an item", {"CWEB-304[empty-sequence]"}, is_metadata,
            elements(item_in_an_empty_sequence)),
        lie("names are text", runs("CWEB-305", "h03-ko", "m01-native"), is_metadata, elements(names_as_text)),
        lie("a group without content is written", runs("CWEB-306", "japanese", "latin"), is_metadata,
            elements(empty_groups)),
        lie("bytes behind a URI are others", runs("CWEB-307", "t01-un", "m07"), asked("/bulk/"),
            parts(lambda found: [last_byte_changed(each) for each in found])),
        lie("values stand in another order", runs("CWEB-308", "text", "numbers"), is_metadata,
            elements(reversed_values)),
        lie("any quality will do", runs("CWEB-401", "zero", "beyond", "negative", "word", "nothing"),
            asked("quality="), status(400, 200)),
        lie("any viewport will do", runs("CWEB-402", "single", "words", "nothing", "negative"),
            asked("viewport="), status(400, 200)),
        lie("a JPEG is progressive", runs("CWEB-403", "p01", "p03", "p09-rle-gray"), asked("/rendered"),
            lambda answer: HttpResponse(answer.status, answer.reason, answer.headers,
                                        answer.body.replace(b"\xff\xc0", b"\xff\xc2"))),
    ),
)  # fmt: skip
