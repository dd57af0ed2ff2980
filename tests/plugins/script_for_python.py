"""A script that the Python plugin loads in the server: it answers requests, and records events."""

import json
from typing import Any

import orthanc  # type: ignore[import-not-found]

noted: dict[str, list[str]] = {"stored": [], "changes": []}
CHANGES = {
    getattr(orthanc.ChangeType, name): name
    for name in ("NEW_PATIENT", "NEW_STUDY", "NEW_SERIES", "NEW_INSTANCE", "DELETED")
}


def answer(output: Any, value: object) -> None:
    """Answer a request with JSON."""
    output.AnswerBuffer(json.dumps(value), "application/json")


def echo(output: Any, uri: str, **request: Any) -> None:
    """Answer with the request itself."""
    body = request.get("body") or b""
    answer(
        output,
        {
            "uri": uri,
            "method": request["method"],
            "groups": list(request["groups"]),
            "arguments": dict(request["get"]) if "get" in request else {},
            "header": request["headers"].get("x-harness"),
            "body": (body if isinstance(body, bytes) else body.encode()).decode("latin-1"),
        },
    )


def only_get(output: Any, _uri: str, **request: Any) -> None:
    """Answer GET, and reject every other method."""
    if request["method"] == "GET":
        answer(output, "got")
    else:
        output.SendMethodNotAllowed("GET")


def broken(_output: Any, _uri: str, **_request: Any) -> None:
    """Raise an error."""
    raise ValueError("raised on purpose")


def count(output: Any, _uri: str, **_request: Any) -> None:
    """Call the REST API from inside the server."""
    answer(output, json.loads(orthanc.RestApiGet("/statistics"))["CountInstances"])


def tell(output: Any, _uri: str, **_request: Any) -> None:
    """Answer with the recorded events, and clear them."""
    answer(output, noted)
    for each in noted.values():
        each.clear()


def on_stored(dicom: Any, instance: str) -> None:
    """Record an instance, with the patient in its file."""
    tags = json.loads(dicom.GetInstanceSimplifiedJson())
    noted["stored"].append(f"{instance} {tags['PatientID']}")


def on_change(change: Any, _level: Any, resource: str) -> None:
    """Record a change."""
    if change in CHANGES:
        noted["changes"].append(f"{CHANGES[change]} {resource}")


def let_in(uri: str, **_request: Any) -> bool:
    """Reject one path."""
    return not uri.startswith("/python/forbidden")


orthanc.RegisterRestCallback("/python/echo/(.*)", echo)
orthanc.RegisterRestCallback("/python/only-get", only_get)
orthanc.RegisterRestCallback("/python/broken", broken)
orthanc.RegisterRestCallback("/python/count", count)
orthanc.RegisterRestCallback("/python/forbidden", count)
orthanc.RegisterRestCallback("/python/noted", tell)
orthanc.RegisterOnStoredInstanceCallback(on_stored)
orthanc.RegisterOnChangeCallback(on_change)
orthanc.RegisterIncomingHttpRequestFilter(let_in)
