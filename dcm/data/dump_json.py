"""Chosen elements in the DICOM JSON model (PS3.18 Annex F).

with choice.reading("image.dcm") as (content, entries):
    text = json_text(content, entries, bulk=file_uri("image.dcm"))
"""

import base64
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from dcm.data.chosen import LEFT_OUT
from dcm.data.content import Content, Entry
from dcm.data.element_path import Where, where_text
from dcm.data.encoding import PIXELS, MalformedData
from dcm.data.json_writer import INLINE, json_of_value

BulkUri: TypeAlias = Callable[[Content, Entry, Where], str]
"""Returns the URI of a binary value, given its content, entry and place."""

_FRAGMENT_HEADER: Final = 8


def json_text(content: Content, entries: Iterable[Entry], *, bulk: BulkUri | None = None) -> str:
    """Return the JSON text of elements of one data set, in the order of their tags.

    bulk: creates URIs for pixels and for binary values longer than `INLINE`, which are then not read; without
    it, all values are in the text. Group lengths are omitted. Raises `NotDicom`.
    """
    return _of_data_set(content, entries, (), bulk)


def file_uri(path: str) -> BulkUri:
    """Return a function that creates URIs of values in a file: `file:///image.dcm?offset=1234&length=5678`.

    Values in a deflated file have no offset; there the URI has the path of the element after `#`.
    """
    import os  # noqa: PLC0415
    from urllib.parse import quote  # noqa: PLC0415 - slow to import

    file = f"file://{quote(os.fsencode(os.path.abspath(path)))}"  # noqa: PTH100

    def uri(content: Content, entry: Entry, where: Where) -> str:
        offset = content.offset(entry)
        if offset is None:
            return f"{file}#{where_text(where)}"
        return f"{file}?offset={offset}&length={_encoded_size(entry)}"

    return uri


def _of_data_set(
    content: Content, entries: Iterable[Entry], above: Where, bulk: BulkUri | None
) -> str:
    members = [
        (entry.tag, _member(content, entry, (*above, entry.tag), bulk))
        for entry in entries
        if entry.tag & 0xFFFF
    ]
    return "{" + ",".join(text for _, text in sorted(members)) + "}"


def _member(content: Content, entry: Entry, where: Where, bulk: BulkUri | None) -> str:
    vr, start = entry.value_vr, f'"{entry.tag:08X}":{{"vr":"'
    if entry.items is not None:
        items = [
            "{}" if item is LEFT_OUT else _of_data_set(content, item, (*where, number), bulk)
            for number, item in enumerate(entry.items)
        ]
        return f'{start}SQ"' + (f',"Value":[{",".join(items)}]}}' if items else "}")
    if entry.is_binary or entry.fragments is not None:
        vr = entry.vr
        if bulk is not None and (entry.tag >= PIXELS or entry.size > INLINE):
            return f'{start}{vr}","BulkDataURI":"{bulk(content, entry, where)}"}}'
        if entry.fragments is not None:
            value = base64.b64encode(content.encoded(entry)).decode()
            return f'{start}{vr}","InlineBinary":"{value}"}}'
    return _of_value(content, entry, vr.encode())


def _of_value(content: Content, entry: Entry, vr: bytes) -> str:
    value, scope = content.value(entry), entry.scope
    try:
        return json_of_value(
            entry.tag, vr, value, scope.character_set, little_endian=scope.little_endian
        )
    except MalformedData:  # its length is not valid for big endian: do not swap it
        return json_of_value(entry.tag, vr, value, scope.character_set)


def _encoded_size(entry: Entry) -> int:
    if entry.fragments is None:
        return entry.length
    return sum(length + _FRAGMENT_HEADER for _, length in entry.fragments)
