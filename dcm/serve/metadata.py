"""Metadata (PS3.18 10.4.1.1.2): all attributes of instances, with working URIs for bulk data."""

import logging
from typing import TYPE_CHECKING, Final

from dcm.data.json_writer import NoJson, json_of
from dcm.serve.archive import Archive, found, url_of
from dcm.serve.body import Streamed
from dcm.serve.models import Models, wants_xml
from dcm.serve.stored import opened
from dcm.store.catalogue import Found

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

LOG: Final = logging.getLogger(__name__)


async def metadata(archive: Archive, request: "Request") -> "Response":
    """Respond with the metadata of all instances that the path names."""
    xml = wants_xml(request)
    listed = await found(archive, request)
    base = archive.base(request)
    models = Models((_metadata(each, base) for each in listed), xml=xml)
    return await Streamed(models.parts, {"Content-Type": models.content_type}).prepared()


def _metadata(each: Found, base: str) -> str:
    """Return the metadata of an instance; if it is damaged, the readable part."""
    instance = each.instance
    url = url_of(base, each)
    with opened(instance) as data_set:
        try:
            return json_of(
                data_set.reader, data_set.start, data_set.encoding, end=data_set.end,
                bulk=lambda place: f"{url}/bulkdata/{place}",
            )  # fmt: skip
        except NoJson as error:
            LOG.warning("the metadata of %s is incomplete: %s", instance.path, error)
            return error.readable
