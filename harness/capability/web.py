"""HTTP of the probed server, off the event loop: a client for Orthanc's REST interface, one for DICOMweb."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import requests

from harness.capability.notebook import Gone, Trouble
from harness.capability.target import Target
from harness.clients.rest import NoAnswer, Rest
from harness.errors import ConfigError
from harness.model import Endpoint

_SILENT = 2  # requests in a row without an answer: the next ones would wait in vain as well


class Http:
    """Requests to one base URL. Raises `Trouble` where nothing is answered, `Gone` where nobody listens."""

    def __init__(self, rest: Rest, root: str = "") -> None:
        self.rest = rest
        self.root = root.rstrip("/")
        self._silent = 0

    async def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request to a path below the root, and return the answer, whatever its status."""
        doing = f"{method} {self.root}{path}"
        try:
            answer = await asyncio.to_thread(
                self.rest.request, method, self.root + path, expect=None, **options
            )
        except NoAnswer as error:
            self._silent += 1
            words = str(error).rpartition("no answer: ")[2]
            if "refused" in words or self._silent == _SILENT:
                raise Gone(f"it stopped answering during {doing}: {words}") from error
            raise Trouble(f"{doing}: no answer: {words}") from error
        self._silent = 0
        return answer

    async def status(self, method: str, path: str, **options: Any) -> int:
        """Send a request, and return the status only."""
        return (await self.ask(method, path, **options)).status_code


@contextlib.contextmanager
def rest_of(target: Target) -> Iterator[Http | None]:
    """Return a client for Orthanc's REST interface, if there is one."""
    if target.rest is None:
        yield None
        return
    with Rest(target.rest, target.credentials, target.limits.exchange) as rest:
        yield Http(rest)


@contextlib.contextmanager
def web_of(target: Target) -> Iterator[Http | None]:
    """Return a client for DICOMweb, if there is one."""
    if target.web is None:
        yield None
        return
    url = urlsplit(target.web)
    if url.scheme != "http" or not url.hostname:
        raise ConfigError(
            f"--web {target.web}: a URL such as http://localhost:8042/dicom-web is needed"
        )
    with Rest(
        Endpoint(url.hostname, url.port or 80), target.credentials, target.limits.exchange
    ) as rest:
        yield Http(rest, url.path)
