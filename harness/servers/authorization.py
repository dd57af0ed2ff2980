"""The web service that Orthanc's authorization plugin asks for permissions: small, over real HTTP.

Its three routes are those of the plugin's documentation: `/user/get-profile`, `/tokens/validate`
and `/tokens/decode`. The case defines the users; anyone else is denied everything.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import ServerError
from harness.waiting import wait_until

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

EVERYTHING = "*"
"""As a label: every label, and studies without one."""
VALIDITY = 0
"""Seconds for which the plugin may cache an answer: a change by the case takes effect at once."""


@dataclass(frozen=True)
class Profile:
    """A user: the permissions, and the labels of the resources they apply to."""

    name: str
    permissions: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


NOBODY = Profile("anonymous")


def answer(content: object) -> "Response":
    """Return a response with JSON."""
    from starlette.responses import JSONResponse  # noqa: PLC0415

    return JSONResponse(content)


class AuthorizationService:
    """Answers the plugin from its own thread, until it is closed."""

    def __init__(self) -> None:
        self.users: dict[str, Profile] = {}
        """The profiles by the value of their token."""
        self.shared: dict[str, frozenset[str]] = {}
        """The studies that a resource token gives access to, by their identifiers in Orthanc."""
        self.asked: list[tuple[str, dict[str, Any]]] = []
        """The requests received: the path, and the JSON."""
        # Not imported at the top: few runs need them, and importing them takes time.
        import uvicorn  # noqa: PLC0415
        from starlette.applications import Starlette  # noqa: PLC0415
        from starlette.routing import Route  # noqa: PLC0415

        routes = {
            "/user/get-profile": self._profile,
            "/tokens/validate": self._validate,
            "/tokens/decode": self._decode,
        }
        application = Starlette(
            routes=[Route(path, answer, methods=["POST"]) for path, answer in routes.items()]
        )
        config = uvicorn.Config(application, "127.0.0.1", 0, log_level="error", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="authorization", daemon=True)
        self._thread.start()
        wait_until(
            lambda: self._server.started or not self._thread.is_alive(),
            what="the authorization service to start",
        )
        if not self._server.started:
            raise ServerError("the authorization service could not be started")
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"

    def close(self) -> None:
        """Stop the service."""
        self._server.should_exit = True
        self._thread.join(timeout=5)

    def share(self, token: str, studies: Iterable[str]) -> None:
        """Give a token access to these studies."""
        self.shared[token] = frozenset(studies)

    async def _profile(self, request: "Request") -> "Response":
        """Return the profile of a token's user."""
        asked = await self._told(request)
        who = self.users.get(asked.get("token-value", ""), NOBODY)
        return answer(
            {
                "name": who.name,
                "permissions": list(who.permissions),
                "authorized-labels": list(who.labels),
                "validity": VALIDITY,
            }
        )

    async def _validate(self, request: "Request") -> "Response":
        """Return whether a token grants access to a resource; without a resource it does not."""
        asked = await self._told(request)
        opened = self.shared.get(asked.get("token-value", ""), frozenset())
        granted = asked.get("orthanc-id") in opened
        return answer({"granted": granted, "validity": VALIDITY})

    async def _decode(self, request: "Request") -> "Response":
        """Return the resources that a token gives access to."""
        asked = await self._told(request)
        opened = sorted(self.shared.get(asked.get("token-value", ""), ()))
        resources = [{"level": "study", "orthanc-id": each, "dicom-uid": ""} for each in opened]
        return answer({"resources": resources})

    async def _told(self, request: "Request") -> dict[str, Any]:
        asked: dict[str, Any] = await request.json()
        self.asked.append((request.url.path, asked))
        return asked
