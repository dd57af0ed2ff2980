"""The archive behind a web service, and how requests refer to it (PS3.18 10.1)."""

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dcm.data.match import Value
from dcm.frozen import Frozen
from dcm.instances import Instance
from dcm.serve.refusal import Refusal
from dcm.sinks import Sink
from dcm.store.catalogue import Catalogue, Found

if TYPE_CHECKING:
    from starlette.requests import Request

ROOT: Final = "/dicom-web"
"""The path of all resources."""
_KEYS: Final = {
    "study": "StudyInstanceUID", "series": "SeriesInstanceUID", "instance": "SOPInstanceUID",
}  # fmt: skip


class Archive(Frozen):
    """The instances of a directory. sink: stores instances; None if nothing can be stored.

    url: the URL that clients use, if it differs from the Host of their requests; without `ROOT`.
    """

    catalogue: Catalogue
    sink: Sink | None = None
    url: str = ""

    def base(self, request: "Request") -> str:
        """Return the URL of the service, as the client of a request knows it."""
        return (self.url or _address(request)).rstrip("/") + ROOT


def _address(request: "Request") -> str:
    """Return the address that a request was sent to, by its Host."""
    url = request.base_url
    server = request.scope.get("server")
    # dicomweb-client 0.61 leaves the port out of Host.
    if url.port is None and server is not None and url.hostname in (server[0], "localhost"):
        url = url.replace(port=server[1])
    return str(url)


def keys_of(request: "Request") -> dict[str, Value]:
    """Return the keys in the path of a request: the UIDs of a study, a series, and an instance."""
    path = request.path_params
    return {keyword: path[name] for name, keyword in _KEYS.items() if name in path}


async def found(archive: Archive, request: "Request") -> list[Found]:
    """Return the instances that the path of a request names and whose files exist.

    Raises `Refusal` if there are none: 404, or 410 if their files are gone.
    """
    return await asyncio.to_thread(_found, archive.catalogue, keys_of(request))


def _found(catalogue: Catalogue, keys: dict[str, Value]) -> list[Found]:
    # Of several files or objects with one UID, the first is served.
    by_uid: dict[str, Found] = {}
    for each in catalogue.instances(keys):
        by_uid.setdefault(each.instance.sop_instance_uid, each)
    listed = list(by_uid.values())
    if not listed:
        raise Refusal(404, f"no instance with {named(keys)}")
    gone = [each for each in listed if not os.path.isfile(each.instance.path)]  # noqa: PTH113
    if gone:
        raise Refusal(
            410,
            f"{len(gone)} of {len(listed)} files with {named(keys)} have disappeared since they were indexed,"
            f" such as {gone[0].instance.path}: update the index (dcm index)",
        )
    return listed


def named(keys: dict[str, Value]) -> str:
    """Describe keys."""
    return ", ".join(f"{keyword} {value}" for keyword, value in keys.items())


def url_of(base: str, each: Found) -> str:
    """Return the URL of an instance (PS3.18 10.1, Table 10.1-1)."""
    return (
        f"{base}/studies/{each.study_instance_uid}/series/{each.series_instance_uid}"
        f"/instances/{each.instance.sop_instance_uid}"
    )


def syntaxes(listed: Sequence[Found]) -> set[str]:
    """Return the transfer syntaxes in which instances are stored."""
    return {transfer_syntax(each.instance) for each in listed}


def transfer_syntax(instance: Instance) -> str:
    """Return the transfer syntax in which an instance is stored."""
    return instance.kind[1]
