"""The Python plugin: a script in the server that answers requests and is notified of events."""

from pathlib import Path
from typing import Any

import pytest

from harness.cases import Rest, Stored, Suite, configured, orthanc_ids, wait_until

suite = Suite(level="product", needs="rest", ref="Orthanc Book: Python plugin")
SCRIPT = Path(__file__).with_name("script_for_python.py")
pytestmark = configured(plugins="python", PythonScript=str(SCRIPT))


@pytest.fixture(autouse=True)
def _forgotten(rest: Rest) -> None:
    """Clear the events that the script recorded in earlier cases."""
    rest.get("/python/noted")


def noted(rest: Rest, what: str, count: int) -> list[str]:
    """Wait until the script has recorded `count` events, and return them."""
    found: list[str] = []

    def enough() -> bool:
        found.extend(rest.json("/python/noted")[what])
        return len(found) >= count

    wait_until(enough, what=f"{count} {what} in the script")
    return found


# Requests


@suite.case("PYTH-001")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_script_gets_the_request(rest: Rest, method: str) -> None:
    """The script gets path, method, the groups of its pattern, a header, arguments and the body."""
    body = b"\x00body\xff" if method in ("POST", "PUT") else b""
    arguments = {"name": "value"} if method == "GET" else {}

    told: dict[str, Any] = rest.request(
        method,
        "/python/echo/some/where",
        data=body,
        params=arguments,
        headers={"X-Harness": "here"},
    ).json()

    assert told == {
        "uri": "/python/echo/some/where",
        "method": method,
        "groups": ["some/where"],
        "arguments": arguments,
        "header": "here",
        "body": body.decode("latin-1"),
    }


@suite.case("PYTH-002")
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_script_refuses_a_method(rest: Rest, method: str) -> None:
    """The script rejects a method with 405, and the answer lists the allowed ones."""
    assert rest.json("/python/only-get") == "got"

    answer = rest.request(method, "/python/only-get", expect=405)

    assert answer.headers["Allow"] == "GET"


@suite.case("PYTH-003")
def test_error_in_the_script(rest: Rest) -> None:
    """An error in the script affects only this request, and the server keeps running."""
    rest.get("/python/broken", expect=500)

    assert rest.json("/python/only-get") == "got"


@suite.case("PYTH-004")
def test_script_asks_the_server(rest: Rest, stored: Stored) -> None:
    """The script can call the REST API of its own server."""
    stored.study(instances=3)

    assert rest.json("/python/count") == 3


@suite.case("PYTH-005")
def test_script_refuses_a_path(rest: Rest) -> None:
    """A filter in the script rejects a path with 403, and accepts others."""
    rest.get("/python/forbidden", expect=403)

    assert rest.json("/python/count") == 0


# Events


@suite.case("PYTH-006")
def test_script_hears_of_stored_instances(rest: Rest, stored: Stored) -> None:
    """The script is notified of each stored instance once, and can read it."""
    samples = [*stored.study(PatientID="A", instances=2), stored.instance(PatientID="B")]

    found = noted(rest, "stored", len(samples))

    expected = [f"{orthanc_ids(each).instance} {each.dataset().PatientID}" for each in samples]
    assert sorted(found) == sorted(expected)


@suite.case("PYTH-007")
def test_script_hears_of_changes(rest: Rest, stored: Stored) -> None:
    """The script is notified of each new and each deleted resource."""
    ids = orthanc_ids(stored.instance())

    created = noted(rest, "changes", 4)
    rest.delete(ids.path("patient"))
    deleted = noted(rest, "changes", 4)

    resources = (ids.patient, ids.study, ids.series, ids.instance)
    kinds = ("NEW_PATIENT", "NEW_STUDY", "NEW_SERIES", "NEW_INSTANCE")
    assert sorted(created) == sorted(map(" ".join, zip(kinds, resources, strict=True)))
    assert sorted(deleted) == sorted(f"DELETED {each}" for each in resources)
