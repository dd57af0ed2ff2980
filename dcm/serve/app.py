"""The web application: its resources, and access control for clients and web pages."""

import hmac
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from dcm import __version__
from dcm.data.levels import Level
from dcm.errors import DcmError
from dcm.serve.archive import ROOT, Archive
from dcm.serve.bulk import bulk_data
from dcm.serve.frames import frames
from dcm.serve.metadata import metadata
from dcm.serve.refusal import Refusal, refused
from dcm.serve.rendered import rendered, thumbnail
from dcm.serve.retrieve import instances
from dcm.serve.search import search
from dcm.serve.store import store

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route
    from starlette.types import ASGIApp, Receive, Scope, Send

Answer = Callable[["Request"], Awaitable["Response"]]

_STUDY: Final = "/studies/{study}"
_SERIES: Final = _STUDY + "/series/{series}"
_INSTANCE: Final = _SERIES + "/instances/{instance}"


def application(
    archive: Archive, *, token: str = "", origins: Sequence[str] = (), name: str = "dcm serve"
) -> "Starlette":
    """Return the web application (ASGI) for an archive.

    token: required in requests (RFC 6750); empty for none. origins: web pages that may use the
    service from a browser, such as http://localhost:3000; `*` for all.
    """
    from starlette.applications import Starlette  # noqa: PLC0415 - an extra
    from starlette.middleware import Middleware  # noqa: PLC0415
    from starlette.middleware.cors import CORSMiddleware  # noqa: PLC0415

    layers = []
    if origins:
        layers.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(origins),
                allow_methods=["GET", "HEAD", "POST"],
                allow_headers=["*"],
                expose_headers=["Content-Location", "Warning"],
            )
        )
    if token:
        layers.append(Middleware(_Guarded, token=token))
    return Starlette(
        routes=_routes(archive, name),
        middleware=layers,
        exception_handlers={Refusal: refused, DcmError: _failed, OSError: _failed},
    )


def _routes(archive: Archive, name: str) -> list["Route"]:
    from starlette.routing import Route  # noqa: PLC0415 - an extra

    def get(path: str, answer: Callable[..., Awaitable["Response"]], *more: Any) -> Route:
        return Route(ROOT + path, _bound(answer, archive, *more), methods=["GET"])

    def get_or_post(path: str, answer: Callable[..., Awaitable["Response"]], *more: Any) -> Route:
        by_method = {"POST": _bound(store, archive)}
        other = _bound(answer, archive, *more)

        async def either(request: "Request") -> "Response":
            return await by_method.get(request.method, other)(request)

        return Route(ROOT + path, either, methods=["GET", "POST"])

    return [
        get_or_post("/studies", search, Level.STUDY),
        get("/series", search, Level.SERIES),
        get("/instances", search, Level.IMAGE),
        get_or_post(_STUDY, instances),
        get(_STUDY + "/series", search, Level.SERIES),
        get(_STUDY + "/instances", search, Level.IMAGE),
        get(_SERIES, instances),
        get(_SERIES + "/instances", search, Level.IMAGE),
        get(_INSTANCE, instances),
        *(get(path + "/metadata", metadata) for path in (_STUDY, _SERIES, _INSTANCE)),
        get(_INSTANCE + "/bulkdata/{place:path}", bulk_data),
        get(_INSTANCE + "/frames/{frames}", frames),
        *(
            get(path + kind, answer)
            for kind, answer in (("/rendered", rendered), ("/thumbnail", thumbnail))
            for path in (_STUDY, _SERIES, _INSTANCE, _INSTANCE + "/frames/{frames}")
        ),
        *(Route(path, partial(_about, archive, name)) for path in ("/", ROOT, ROOT + "/")),
    ]


def _bound(answer: Callable[..., Awaitable["Response"]], archive: Archive, *more: Any) -> Answer:
    async def bound(request: "Request") -> "Response":
        return await answer(archive, request, *more)

    return bound


async def _about(archive: Archive, name: str, request: "Request") -> "Response":
    """Describe this service."""
    from starlette.responses import JSONResponse  # noqa: PLC0415 - an extra

    about = {
        "name": name,
        "software": f"dcm {__version__}",
        "dicomweb": archive.base(request),
        "services": ["QIDO-RS", "WADO-RS", *(["STOW-RS"] if archive.sink else [])],
        "read_only": archive.sink is None,
    }
    return JSONResponse(about)


async def _failed(request: "Request", error: Exception) -> "Response":
    """Respond to an error while reading a file or the index."""
    words = str(error) if isinstance(error, DcmError) else f"a file cannot be read: {error}"
    return refused(request, Refusal(500, words))


class _Guarded:
    """Accepts only requests with the token."""

    def __init__(self, app: "ASGIApp", token: str) -> None:
        self._app: Final = app
        self._token: Final = token.encode()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass a request on, or respond with 401."""
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            scheme, _, token = given.partition(b" ")
            if scheme.lower() != b"bearer" or not hmac.compare_digest(token.strip(), self._token):
                from starlette.responses import PlainTextResponse  # noqa: PLC0415 - an extra

                words = "this service needs a token: Authorization: Bearer TOKEN\n"
                headers = {"WWW-Authenticate": "Bearer"}
                await PlainTextResponse(words, 401, headers)(scope, receive, send)
                return
        await self._app(scope, receive, send)
