"""Storing instances (PS3.18 10.5): each part of a request is written to the sink as it arrives.

An instance is acknowledged only when the sink has stored it. Parts that are not instances, or not
of the study in the path, are rejected individually, and the others are stored.
"""

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from dcm.serve.accept import DICOM, JSON
from dcm.serve.archive import Archive
from dcm.serve.incoming_part import IncomingPart, NotStored, Stored
from dcm.serve.models import wants_xml
from dcm.serve.native_xml import XML, native_xml
from dcm.serve.refusal import Refusal
from dcm.web.media import MediaType
from dcm.web.multipart import MalformedMultipart, Parser, PartBegun, PartData

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

LOG: Final = logging.getLogger(__name__)


class _Outcome(NamedTuple):
    stored: list[Stored]
    refused: list[NotStored]
    cut: str


async def store(archive: Archive, request: "Request") -> "Response":
    """Store all parts of a request, and respond with the outcome of each (10.5.3, Annex I)."""
    if archive.sink is None:
        raise Refusal(403, "this service is read-only")
    xml = wants_xml(request)
    parser = _parser(request)
    study = request.path_params.get("study", "")
    outcome = await _received(archive, request, parser, study)
    if outcome.cut and not outcome.stored:
        raise Refusal(400, f"the request is incomplete: {outcome.cut}")
    return _answer(archive.base(request), study, outcome, xml=xml)


def _parser(request: "Request") -> Parser:
    """Return the parser of a request. Raises `Refusal`: 415, or 400 if there is no boundary."""
    text = request.headers.get("content-type", "")
    try:
        media = MediaType.parse(text)
        kind = MediaType.parse(media.parameters.get("type", DICOM)).name
    except ValueError as error:
        raise Refusal(415, f"Content-Type: {error}") from error
    if media.name != "multipart/related" or kind != DICOM:
        raise Refusal(415, f'{text[:200]} is not supported; use multipart/related; type="{DICOM}"')
    try:
        return Parser.of(text)
    except MalformedMultipart as error:
        raise Refusal(400, f"Content-Type: {error}") from error


async def _received(archive: Archive, request: "Request", parser: Parser, study: str) -> _Outcome:
    from starlette.requests import ClientDisconnect  # noqa: PLC0415 - an extra

    outcome = _Outcome([], [], "")
    part: IncomingPart | None = None
    assert archive.sink is not None
    remote = request.client.host if request.client else ""
    try:
        async for chunk in request.stream():
            for event in parser.feed(chunk):
                if isinstance(event, PartBegun):
                    part = IncomingPart(archive.sink, event.headers, study, remote)
                elif isinstance(event, PartData):
                    assert part is not None
                    part.write(event.data)
                else:
                    assert part is not None
                    result = await part.finish(event.length, event.stated)
                    part = None
                    _note(outcome, result)
        parser.close()
    except (MalformedMultipart, ClientDisconnect) as error:
        words = str(error) or "the client has disconnected"
        LOG.warning("a request to store ended early, after %d parts: %s", parser.parts, words)
        return outcome._replace(cut=words)
    finally:
        if part is not None:
            part.discard()
    if not outcome.stored and not outcome.refused:
        raise Refusal(400, "the request has no parts")
    return outcome


def _note(outcome: _Outcome, result: Stored | NotStored) -> None:
    if isinstance(result, Stored):
        outcome.stored.append(result)
        return
    LOG.warning("an instance was not stored: %s: %s", result.sop_instance_uid, result.words)
    outcome.refused.append(result)


def _answer(base: str, study: str, outcome: _Outcome, *, xml: bool) -> "Response":
    """Return the Store Instances Response Module (Annex I), and the overall status."""
    import json  # noqa: PLC0415

    from starlette.responses import Response  # noqa: PLC0415 - an extra

    stored, refused, cut = outcome
    module: dict[str, object] = {}
    studies = {study} if study else {each.study for each in stored}
    if stored and len(studies) == 1:
        url = f"{base}/studies/{studies.pop()}"
        module["00081190"] = {"vr": "UR", "Value": [url]}
    if refused:
        module["00081198"] = {"vr": "SQ", "Value": [_failed(each) for each in refused]}
    if stored:
        module["00081199"] = {"vr": "SQ", "Value": [_referenced(base, each) for each in stored]}
    status = 200
    if refused or cut:
        status = 202 if stored else 409
        if not stored and all(each.bad_request for each in refused):
            status = 400
    words = [each.words for each in refused] + (
        [f"the request is incomplete: {cut}"] if cut else []
    )
    headers = {"Content-Type": XML if xml else JSON}
    if words:
        text = "; ".join(words[:3]).replace('"', "'")[:500].encode("ascii", "replace").decode()
        headers["Warning"] = f'299 dcm "{" ".join(text.split())}"'
    return Response(native_xml(module) if xml else json.dumps(module), status, headers)


def _referenced(base: str, each: Stored) -> dict[str, object]:
    url = f"{base}/studies/{each.study}/series/{each.series}/instances/{each.sop_instance_uid}"
    return {
        "00081150": {"vr": "UI", "Value": [each.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [each.sop_instance_uid]},
        "00081190": {"vr": "UR", "Value": [url]},
    }


def _failed(each: NotStored) -> dict[str, object]:
    found: dict[str, object] = {"00081197": {"vr": "US", "Value": [each.reason]}}
    if each.sop_class_uid:
        found["00081150"] = {"vr": "UI", "Value": [each.sop_class_uid]}
    if each.sop_instance_uid:
        found["00081155"] = {"vr": "UI", "Value": [each.sop_instance_uid]}
    return dict(sorted(found.items()))
