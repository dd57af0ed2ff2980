"""What a client accepts (PS3.18 8.7): media ranges, ordered by weight."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from dcm.serve.refusal import Refusal
from dcm.web.media import MediaType, accepted

if TYPE_CHECKING:
    from starlette.requests import Request

ANYTHING: Final = "*/*"
DICOM: Final = "application/dicom"
OCTETS: Final = "application/octet-stream"
JSON: Final = "application/dicom+json"
MULTIPART: Final = "multipart/related"


class Wanted(NamedTuple):
    """A media range. media: the content type; `*/*` for any.

    multipart: whether the response must be in parts; None for either.
    syntax: the transfer syntax; `*` for the stored one, empty if none is specified.
    """

    media: MediaType
    multipart: bool | None
    syntax: str

    def covers(self, name: str) -> bool:
        """Return whether it includes a media type."""
        return self.media.covers(name)


def wanted(request: "Request") -> list[Wanted]:
    """Return what the client accepts, most preferred first; anything if it does not say.

    The query parameter `accept` overrides the header (8.3.3.1). Raises `Refusal` for an invalid
    range.
    """
    text = ",".join((*request.query_params.getlist("accept"), *request.headers.getlist("accept")))
    if not text.strip():
        return [Wanted(MediaType(ANYTHING, {}), None, "")]
    found = [each for each in accepted(text) if each.quality > 0]
    if not found:
        raise Refusal(400, f"invalid media types in Accept: {text[:200]!r}")
    found.sort(key=lambda each: -each.quality)
    return list(_ranges(found))


def not_acceptable(what: str) -> Refusal:
    """Return the refusal if nothing acceptable is available. what: the available types."""
    return Refusal(406, f"none of the accepted media types is available; supported: {what}")


def _ranges(found: list[MediaType]) -> Iterator[Wanted]:
    for each in found:
        syntax = each.parameters.get("transfer-syntax", "")
        if each.name in (MULTIPART, "multipart/*"):
            try:
                media = MediaType.parse(each.parameters.get("type", ANYTHING))
            except ValueError:
                continue
            # If quoted, the type may have its own parameters.
            yield Wanted(media, True, syntax or media.parameters.get("transfer-syntax", ""))
        else:
            yield Wanted(each, None if each.name in (ANYTHING, "application/*") else False, syntax)
