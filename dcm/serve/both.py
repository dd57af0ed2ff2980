"""Both interfaces of a service, DICOMweb and DIMSE, on one event loop and for one catalogue."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple

from dcm.frozen import Frozen
from dcm.net.admission import Admission
from dcm.net.limits import TimeLimits
from dcm.net.listener import Listener
from dcm.net.remote import Listen, Remote
from dcm.net.tls import Tls
from dcm.serve.app import application
from dcm.serve.archive import ROOT, Archive
from dcm.serve.dimse import dimse_listener
from dcm.serve.http_door import CannotServe, bound, http_door, url_of
from dcm.serve.memory import keep_memory
from dcm.sinks import Sink
from dcm.store.catalogue import Catalogue


class WebDoor(Frozen, secret=("token",)):
    """Address and access control of DICOMweb.

    port: 0 for a free one. token: required in requests; empty for none. tls: None for no TLS.
    origins: web pages that may use it from a browser. url: the URL for clients, if not host and
    port.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str = ""
    tls: Tls | None = None
    origins: Sequence[str] = ()
    url: str = ""


class DicomDoor(Frozen):
    """Address and access control of DIMSE. peers: nodes by AE title for C-MOVE to send to."""

    local: Listen = Listen("127.0.0.1")
    limits: TimeLimits = TimeLimits()
    admission: Admission = Admission()
    peers: Mapping[str, Remote] = {}


class Open(NamedTuple):
    """The open interfaces. web: the URL of DICOMweb, or empty. dicom: the listener, or None."""

    web: str
    dicom: Listener | None


@contextlib.asynccontextmanager
async def serving(
    catalogue: Catalogue,
    sink: Sink | None = None,
    *,
    web: WebDoor | None = None,
    dicom: DicomDoor | None = None,
    drain: float = 8.0,
) -> AsyncIterator[Open]:
    """Serve the contents of a catalogue while the block runs.

    sink: stores instances; the catalogue must include them then. None for read-only.
    drain: seconds for requests and associations to finish at the end.

    Raises `CannotServe` if a port is not available, and `UnusableTls`.
    """
    keep_memory()
    async with contextlib.AsyncExitStack() as stack:
        listener, address = None, ""
        draining: list[asyncio.Task[bool]] = []
        if dicom is not None:
            listener = dimse_listener(
                dicom.local, catalogue, sink,
                peers=dicom.peers, limits=dicom.limits, admission=dicom.admission,
            )  # fmt: skip
            try:
                await stack.enter_async_context(listener)
            except OSError as error:
                where = f"{dicom.local.host}:{dicom.local.port}"
                words = (
                    f"cannot listen on {where}: {error.strerror or error} (--dicom-port, --host)"
                )
                raise CannotServe(words) from error
            stack.push_async_callback(_all_of, draining)
        if web is not None:
            listening = stack.enter_context(contextlib.closing(bound(web.host, web.port)))
            address = web.url.rstrip("/") or url_of(listening, tls=web.tls is not None)
            archive = Archive(catalogue, sink, web.url)
            app = application(archive, token=web.token, origins=web.origins)
            await stack.enter_async_context(http_door(app, listening, tls=web.tls, drain=drain))
            address += ROOT
        try:
            yield Open(address, listener)
        finally:  # both at the same time; what follows closes the other one
            if listener is not None:
                draining.append(asyncio.create_task(listener.drain(drain)))


async def _all_of(tasks: list[asyncio.Task[bool]]) -> None:
    """Wait for tasks that have started by now."""
    await asyncio.gather(*tasks)
