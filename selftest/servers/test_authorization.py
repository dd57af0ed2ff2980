"""The authorization service: its users and tokens, over real HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from harness.servers.authorization import AuthorizationService, Profile


@pytest.fixture
def service() -> Iterator[AuthorizationService]:
    """Return a running service."""
    running = AuthorizationService()
    yield running
    running.close()


def ask(service: AuthorizationService, route: str, **body: Any) -> Any:
    """Return the JSON of an answer."""
    answer = requests.post(service.url + route, json=body, timeout=5)
    answer.raise_for_status()
    return answer.json()


def test_profile_of_a_user(service: AuthorizationService) -> None:
    """A known token has its profile; another one has no permissions."""
    service.users["t"] = Profile("jane", ("view",), ("a",))

    known = ask(service, "user/get-profile", **{"token-key": "k", "token-value": "t"})
    other = ask(service, "user/get-profile", **{"token-key": "k", "token-value": "x"})

    assert known == {
        "name": "jane",
        "permissions": ["view"],
        "authorized-labels": ["a"],
        "validity": 0,
    }
    assert (other["permissions"], other["authorized-labels"]) == ([], [])


@pytest.mark.parametrize(("study", "granted"), [("one", True), ("two", False)])
def test_token_opens_its_studies(service: AuthorizationService, study: str, granted: bool) -> None:
    """A resource token gives access to its studies."""
    service.share("t", ["one"])

    answer = ask(service, "tokens/validate", **{"token-value": "t", "orthanc-id": study})

    assert answer["granted"] is granted
    resources = ask(service, "tokens/decode", **{"token-value": "t"})["resources"]
    assert [each["orthanc-id"] for each in resources] == ["one"]


def test_what_was_asked_is_kept(service: AuthorizationService) -> None:
    """A case can inspect the plugin's requests."""
    ask(service, "tokens/decode", **{"token-value": "t"})

    assert service.asked == [("/tokens/decode", {"token-value": "t"})]


def test_closed_service_answers_nobody(service: AuthorizationService) -> None:
    """A closed service does not listen any more."""
    service.close()

    with pytest.raises(requests.ConnectionError):
        ask(service, "tokens/decode")
