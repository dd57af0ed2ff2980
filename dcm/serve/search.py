"""Searches for studies, series and instances (PS3.18 10.6), answered in catalogue order."""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, NamedTuple

from dcm.data.dictionary import UnknownElement, keyword_of, level_of, tag_of, vr_of
from dcm.data.json_model import write_object
from dcm.data.keys import BadKey, attributes_of
from dcm.data.levels import Level
from dcm.data.match import NEVER_MATCHED, Attributes, Value
from dcm.serve.archive import Archive, keys_of
from dcm.serve.body import Streamed
from dcm.serve.models import Models, wants_xml
from dcm.serve.refusal import Refusal
from dcm.store.catalogue import Catalogue
from dcm.store.index_schema import ATTRIBUTES

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_RETURNED: Final = {
    Level.STUDY: """
        StudyDate StudyTime AccessionNumber ModalitiesInStudy ReferringPhysicianName TimezoneOffsetFromUTC
        PatientName PatientID PatientBirthDate PatientSex StudyInstanceUID StudyID
        NumberOfStudyRelatedSeries NumberOfStudyRelatedInstances
        """,
    Level.SERIES: """
        Modality TimezoneOffsetFromUTC SeriesDescription SeriesInstanceUID SeriesNumber
        NumberOfSeriesRelatedInstances PerformedProcedureStepStartDate PerformedProcedureStepStartTime
        RequestAttributesSequence
        """,
    Level.IMAGE: """
        SOPClassUID SOPInstanceUID TimezoneOffsetFromUTC InstanceNumber Rows Columns BitsAllocated
        NumberOfFrames
        """,
}
RETURNED: Final = {level: tuple(names.split()) for level, names in _RETURNED.items()}
"""The attributes returned for each entity (Tables 10.6.3-3 to 10.6.3-5)."""
_OPTIONS: Final = frozenset(
    ("limit", "offset", "includefield", "fuzzymatching", "emptyvaluematching", "multiplevaluematching",
     "accept", "charset")
)  # fmt: skip
_AT_ONCE: Final = 500
"""The number of answers that are collected before any is sent."""
_UIDS: Final = re.compile(r"[0-9.\\]*")


class Search(NamedTuple):
    """A query of the catalogue, and the keywords to return. odd: what was not done as requested."""

    query: dict[str, Value]
    level: Level
    answered: tuple[str, ...]
    limit: int | None
    offset: int
    odd: str


async def search(archive: Archive, request: "Request", level: Level) -> "Response":
    """Respond with the matches at a level, always in the same order (`[]` if none)."""
    xml = wants_xml(request)
    asked = search_of(request, level)
    texts = _texts(archive.catalogue, asked, archive.base(request))
    first = await asyncio.to_thread(lambda: list(islice(texts, _AT_ONCE)))
    models = Models(first if len(first) < _AT_ONCE else chain(first, texts), xml=xml)
    headers = {"Content-Type": models.content_type}
    if asked.odd:
        headers["Warning"] = f'299 dcm "{asked.odd}"'
    if len(first) == _AT_ONCE:
        return Streamed(models.parts, headers)
    from starlette.responses import Response  # noqa: PLC0415 - an extra

    return Response(b"".join(models.parts), headers=headers)


def search_of(request: "Request", level: Level) -> Search:
    """Return the search that a request describes (8.3.4). Raises `Refusal` with 400."""
    from urllib.parse import parse_qsl  # noqa: PLC0415

    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    keys = keys_of(request)
    given: dict[str, Value] = {}
    included: list[str] = []
    options: dict[str, str] = {}
    for name, value in pairs:
        if name == "includefield":
            included += value.split(",")
        elif name in _OPTIONS:
            options[name] = value
        else:
            _add_key(given, name, value)
    for keyword in given.keys() & keys.keys():
        raise Refusal(400, f"{keyword} is already in the path, and cannot also be a parameter")
    try:
        query = attributes_of(given) | keys
    except (BadKey, UnknownElement) as error:
        raise Refusal(400, str(error)) from error
    # Elements that are not in a dictionary cannot be indexed, so nothing is known to match.
    answered = _answered(request, level, given, included)
    return Search(
        {**dict.fromkeys(answered, ""), **query}, level, answered,
        _number(options, "limit"), _number(options, "offset") or 0, _odd(options),
    )  # fmt: skip


def _add_key(given: dict[str, Value], name: str, value: str) -> None:
    """Add a key, or a path into a sequence: RequestAttributesSequence.RequestedProcedureID."""
    first, *inner = name.split(".")
    keyword = _keyword(first)
    if inner:
        if vr_of(keyword) != "SQ":
            raise Refusal(400, f"{name}: {keyword} is not a sequence")
        items = given.setdefault(keyword, [{}])
        assert not isinstance(items, str)
        item = dict(items[0])
        _add_key(item, ".".join(inner), value)
        given[keyword] = [item]
        return
    if keyword in given:
        raise Refusal(400, f"{keyword} is given twice")
    if vr_of(keyword) == "SQ" and value:
        raise Refusal(
            400, f"{keyword} is a sequence: name the element in it, as in {keyword}.CodeValue"
        )
    if vr_of(keyword) == "UI":
        value = value.replace(",", "\\")
        if not _UIDS.fullmatch(value):
            raise Refusal(400, f"{keyword}={value} is neither a UID nor a list of UIDs")
    given[keyword] = value


def _keyword(name: str) -> str:
    try:
        keyword = keyword_of(tag_of(name))
    except UnknownElement as error:
        raise Refusal(400, str(error)) from error
    if keyword[:1].isdigit() or keyword in NEVER_MATCHED:
        raise Refusal(400, f"{name} cannot be searched for, since it is not in the index")
    return keyword


def _answered(
    request: "Request", level: Level, given: Mapping[str, Value], included: Iterable[str]
) -> tuple[str, ...]:
    """Return the keywords of all attributes to return, except those of lower levels (10.6.3.3)."""
    path = request.path_params
    levels = [Level.STUDY, Level.SERIES, Level.IMAGE][:level]
    # Attributes above are repeated only if the path does not name them (10.6.3.3.2, 10.6.3.3.3).
    if "series" in path:
        levels = levels[2:]
    elif "study" in path:
        levels = levels[1:]
    names = dict.fromkeys(name for each in levels for name in RETURNED[each])
    names |= dict.fromkeys(("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")[:level])
    names |= dict.fromkeys(given)
    for field in included:
        if field.strip() == "all":
            names |= dict.fromkeys(name for each in levels for name in ATTRIBUTES[each])
        elif field.strip():
            try:
                names[keyword_of(tag_of(field.strip().partition(".")[0]))] = None
            except UnknownElement as error:
                raise Refusal(400, f"includefield: {error}") from error
    return tuple(name for name in names if (level_of(name) or Level.PATIENT) <= level)


def _number(options: Mapping[str, str], name: str) -> int | None:
    text = options.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Refusal(400, f"{name}={text[:40]} is not a whole number")
    return int(text)


def _odd(options: Mapping[str, str]) -> str:
    """Describe which parts of the request are not supported (8.3.4.2)."""
    for name in ("fuzzymatching", "emptyvaluematching", "multiplevaluematching"):
        value = options.get(name, "false")
        if value not in ("true", "false"):
            raise Refusal(400, f"{name}={value[:40]} is neither true nor false")
    if options.get("fuzzymatching") == "true":
        return "The fuzzymatching parameter is not supported. Only literal matching has been performed."
    if options.get("emptyvaluematching") == "true":
        return "The emptyvaluematching parameter is not supported."
    return ""


def _texts(catalogue: Catalogue, asked: Search, base: str) -> Iterator[str]:
    """Yield the JSON of each answer."""
    answers = catalogue.find(asked.query, asked.level, limit=asked.limit, offset=asked.offset)
    for answer in answers:
        wanted: dict[str, Value] = {name: answer.get(name, "") for name in asked.answered}
        wanted["InstanceAvailability"] = "ONLINE"
        wanted["RetrieveURL"] = _url(base, answer, asked.level)
        yield json.dumps(write_object(wanted), ensure_ascii=False, separators=(",", ":"))


def _url(base: str, answer: Attributes, level: Level) -> str:
    url = f"{base}/studies/{answer['StudyInstanceUID']}"
    if level >= Level.SERIES:
        url += f"/series/{answer['SeriesInstanceUID']}"
    return f"{url}/instances/{answer['SOPInstanceUID']}" if level == Level.IMAGE else url
