"""An Orthanc that the harness did not start: settings changed by REST are restored after a case."""

import json
from collections.abc import Iterable
from typing import Any

from harness.config.overrides import Override
from harness.servers.capabilities import Capabilities, Identity
from harness.servers.launcher import Launch, Seat
from harness.servers.orthanc import Orthanc

LISTS = ("modalities", "peers")
AT_RUN_TIME = {
    "DefaultEncoding": "default-encoding",
    "UnknownSopClassAccepted": "unknown-sop-class-accepted",
    "AcceptedTransferSyntaxes": "accepted-transfer-syntaxes",
}
"""Settings that can be changed while it runs, with their paths below `/tools`."""
LOGS = ("generic", "dicom", "http", "jobs", "lua", "plugins", "sqlite")
VALUES = (*AT_RUN_TIME.values(), "metrics", "log-level", *(f"log-level-{each}" for each in LOGS))


class AttachedOrthanc(Orthanc):
    """An Orthanc that was configured and started by the user."""

    changeable = frozenset(AT_RUN_TIME)
    _first: dict[str, Any]
    """Its settings when it was first asked."""

    def launch(self, seat: Seat) -> Launch:  # noqa: ARG002 - as its base has it
        """Return nothing to start."""
        return Launch(None)

    def describe(self) -> tuple[Identity, Capabilities]:
        """Return its identity and capabilities, and read the settings that a case may change."""
        self._first = self._read()
        return super().describe()

    def change(self, settings: Iterable[Override]) -> None:
        """Change settings by requests."""
        for each in settings:
            text = each.value if isinstance(each.value, str) else json.dumps(each.value)
            self.client.put(f"/tools/{AT_RUN_TIME[each.path[0]]}", text)

    def put_back(self) -> None:
        """Restore all settings that differ; those that were absent are deleted.

        A script that a case started keeps running: only a restart ends it.
        """
        now = self._read()
        for path in now.keys() - self._first.keys():
            self.client.delete(path)
        for path, value in self._first.items():
            if now.get(path) != value:
                self.client.put(path, value)

    def _read(self) -> dict[str, Any]:
        """Return every setting by its path; an older Orthanc lacks some."""
        found: dict[str, Any] = {}
        for each in LISTS:
            answer = self.client.get(f"/{each}?expand", expect=None)
            if answer.ok:
                found |= {f"/{each}/{name}": value for name, value in answer.json().items()}
        for each in VALUES:
            answer = self.client.get(f"/tools/{each}", expect=None)
            if answer.ok:
                text = answer.text
                found[f"/tools/{each}"] = json.loads(text) if text.startswith("[") else text
        return found
