"""The settings of a running Orthanc that its REST API can change: read once, put back after a case."""

import json
from collections.abc import Iterable
from typing import Any

from harness.clients.rest import Rest
from harness.config.overrides import Override

LISTS = ("modalities", "peers")
VALUES = (
    "default-encoding",
    "unknown-sop-class-accepted",
    "accepted-transfer-syntaxes",
    "log-level",
    "log-level-generic",
    "log-level-dicom",
    "log-level-http",
    "log-level-jobs",
    "log-level-lua",
    "log-level-plugins",
    "log-level-sqlite",
    "metrics",
)

AT_RUN_TIME = {
    "DefaultEncoding": "default-encoding",
    "UnknownSopClassAccepted": "unknown-sop-class-accepted",
    "AcceptedTransferSyntaxes": "accepted-transfer-syntaxes",
}
"""Settings of the configuration that can be changed while it runs, with their paths below `/tools`."""


class Settings:
    """What an Orthanc was set to when it was first asked."""

    def __init__(self, client: Rest) -> None:
        self._client = client
        self._first = self._read()

    def change(self, settings: Iterable[Override]) -> None:
        """Change settings of AT_RUN_TIME."""
        for each in settings:
            text = each.value if isinstance(each.value, str) else json.dumps(each.value)
            self._client.put(f"/tools/{AT_RUN_TIME[each.path[0]]}", text)

    def put_back(self) -> None:
        """Set all that differs to what it was; what was not there is deleted."""
        now = self._read()
        for path in now.keys() - self._first.keys():
            self._client.delete(path)
        for path, value in self._first.items():
            if now.get(path) != value:
                self._client.put(path, value)

    def _read(self) -> dict[str, Any]:
        """Return every setting by its path; an older Orthanc does not have all."""
        found: dict[str, Any] = {}
        for each in LISTS:
            answer = self._client.get(f"/{each}?expand", expect=None)
            if answer.ok:
                found |= {f"/{each}/{name}": value for name, value in answer.json().items()}
        for each in VALUES:
            answer = self._client.get(f"/tools/{each}", expect=None)
            if answer.ok:
                text = answer.text
                found[f"/tools/{each}"] = json.loads(text) if text.startswith("[") else text
        return found
