"""Deleting everything that an Orthanc holds, between two cases: half of all requests of a run are these.

They do not pass a relay. `requests` would take a millisecond of processor time for each; urllib3, on which it
stands, takes a third of that.
"""

import json
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from harness.certificates import TlsClient
from harness.clients.rest import NoAnswer, UnexpectedStatus
from harness.model import Credentials

OK = 200
CLOSED_WHILE_IDLE = urllib3.Retry(total=1, connect=0, read=1, redirect=0, allowed_methods=None)
"""A server may close the connection just as we ask; all that is asked here can be asked twice."""


class Emptier:
    """One connection to the Orthanc at a URL, kept open."""

    def __init__(
        self, url: str, credentials: Credentials | None, time_limit: float, tls: TlsClient | None
    ) -> None:
        user = None if credentials is None else f"{credentials.username}:{credentials.password}"
        headers = urllib3.make_headers(basic_auth=user)
        options: dict[str, Any] = {"timeout": time_limit, "headers": headers}
        if tls is not None:
            options |= {"ssl_context": tls.context, "assert_hostname": False}
        self._pool = urllib3.connection_from_url(url, **options)

    def empty(self) -> None:
        """Delete all patients, exports and changes.

        Raises NoAnswer or UnexpectedStatus where the server does not do that.
        """
        patients = self._ask("GET", "/patients")
        if patients:
            resources = json.dumps({"Resources": patients})
            if self._ask("POST", "/tools/bulk-delete", resources, may_fail=True) is None:
                for patient in patients:  # Orthanc before 1.9.4
                    self._ask("DELETE", f"/patients/{patient}", may_fail=True)
        self._ask("DELETE", "/exports")
        self._ask("DELETE", "/changes")

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()

    def _ask(
        self, method: str, path: str, body: str | None = None, *, may_fail: bool = False
    ) -> Any:
        """Return the JSON of the answer; None for a request that may fail and does."""
        try:
            answer = self._pool.request(method, path, body=body, retries=CLOSED_WHILE_IDLE)
        except HTTPError as error:
            raise NoAnswer(f"{method} {path}: no answer: {error}") from error
        if answer.status == OK:
            return answer.json() if answer.data else {}
        if may_fail:
            return None
        raise UnexpectedStatus(f"{method} {path}: expected status {OK}, received {answer.status}")
