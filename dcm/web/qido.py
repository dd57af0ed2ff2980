"""Queries (QIDO-RS, PS3.18 10.6), in the form that `dcm.net.query` uses for any archive.

A query at one level is one request per page. Whether a service respects `limit` and `offset` shows
in its answers; if it does not return all of them, an error is raised at the end.
"""

import json
import logging
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Final, Protocol, Self
from urllib.parse import quote

from dcm.data.account import Account
from dcm.data.dictionary import tag_of, vr_of
from dcm.data.json_model import BadJson, read_object
from dcm.data.levels import Level
from dcm.data.match import NEVER_MATCHED, WILD, Attributes, Value, attribute_matches
from dcm.frozen import Frozen
from dcm.net.uids import STUDY_ROOT_FIND
from dcm.web.errors import AnswersMissing, RequestFailed
from dcm.web.pages import Pages

_MORE: Final = re.compile(r"additional results", re.IGNORECASE)  # 8.3.4.4
_ENCODED: Final = re.compile(r"[^-0-9A-Za-z_.~*,^:/@!$'()?\\]")
"""Characters encoded in a URL: Orthanc 1.10.1 does not decode them in a query."""
_LONG: Final = 3000
"""The longest list of UIDs in one request, in characters: not all servers accept longer URLs."""

_PERFORMED: Final = logging.getLogger("dcm.net.performed_queries")  # as with C-FIND
_RESPONSES: Final = logging.getLogger("dcm.net.query_responses")


class WebAnswer(Frozen):
    """A match as received, decoded on access."""

    content: Any

    @property
    def heeds_all_keys(self) -> bool:
        """Whether the service claims to have matched all keys: QIDO-RS has no way to say so."""
        return False

    @property
    def attributes(self) -> dict[str, Value]:
        """The values by keyword. Raises `dcm.data.json_model.BadJson`."""
        return read_object(self.content)


class Asks(Protocol):
    """The client that makes the requests: `dcm.web.client.WebClient`."""

    @property
    def remote(self) -> object:
        """The service."""

    async def __aenter__(self) -> object:
        """Enter the block."""

    async def __aexit__(self, *_: object) -> None:
        """Close its connections, unless they are in use elsewhere."""

    async def answers(
        self, path: str, parameters: Sequence[tuple[str, str]], /
    ) -> tuple[list[Any], str]:
        """Return the objects of a response, and its warnings."""


class WebFinder:
    """Makes queries like `dcm.net.find.Finder`. account: receives remarks."""

    model: Final = STUDY_ROOT_FIND
    """Patients are not a level of their own, but part of their studies."""

    def __init__(self, client: Asks, account: Account) -> None:
        self._client: Final = client
        self._account: Final = account
        self._with_fields = True

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.__aexit__(kind, error, traceback)

    async def find(self, identifier: Attributes) -> AsyncGenerator[WebAnswer, None]:
        """Yield the matches of an identifier with its Query/Retrieve Level, page by page.

        Raises `NetworkError`; raises `AnswersMissing` at the end if the service does not return all
        of them.
        """
        _PERFORMED.debug("%s: QIDO: %s", self._client.remote, identifier)
        level = Level.named(str(identifier["QueryRetrieveLevel"]))
        for part in _short(identifier, level):
            path, keys, fields = request_for(part, level)
            found = False
            async with aclosing(self._pages(path, keys, fields, level)) as answers:
                async for each in answers:
                    found = True
                    yield each
            loose = [(name, _loosened(name, value)) for name, value in keys]
            if found or loose == keys:
                continue
            async with aclosing(self._pages(path, loose, fields, level)) as answers:
                async for each in answers:
                    if _is_meant(each, part):
                        self._remark(
                            "it does not decode the keys of a query, so some are matched here"
                        )
                        yield each

    async def _pages(
        self, path: str, keys: list[tuple[str, str]], fields: list[str], level: Level
    ) -> AsyncGenerator[WebAnswer, None]:
        pages = Pages(lambda each: _identity(each, level))
        while (ask := pages.next()) is not None:
            answers, warning = await self._page(path, keys, fields, ask)
            for each in pages.take(answers, more=bool(_MORE.search(warning))):
                if _RESPONSES.isEnabledFor(logging.DEBUG):
                    _RESPONSES.debug("%s: %s", self._client.remote, json.dumps(each))
                yield WebAnswer(each)
        self._account.repeated += pages.repeated
        for remark in pages.remarks:
            self._remark(remark)
        if pages.missing:
            doing = f"GET {self._client.remote}/{path}"
            raise AnswersMissing(str(self._client.remote), doing, pages.missing)

    def _remark(self, words: str) -> None:
        if words not in self._account.remarks:
            self._account.remarks.append(words)

    async def _page(
        self, path: str, keys: list[tuple[str, str]], fields: list[str], ask: tuple[int, int]
    ) -> tuple[list[Any], str]:
        limit, offset = ask
        page = [*keys, ("limit", str(limit)), *([("offset", str(offset))] if offset else [])]
        if not self._with_fields or not fields:
            return await self._client.answers(path, page)
        try:
            return await self._client.answers(
                path, [*page, *(("includefield", name) for name in fields)]
            )
        except RequestFailed as error:
            if error.http_status != 400:
                raise
            answered = await self._client.answers(path, page)
            self._with_fields = False
            self._remark(
                f"it does not support includefield ({error.what}), so some attributes may be missing"
            )
            return answered


def request_for(
    identifier: Attributes, level: Level
) -> tuple[str, list[tuple[str, str]], list[str]]:
    """Return the path, the keys and the attributes to return for a query (10.6.1, 8.3.4)."""
    above, path = {**identifier}, ""
    for each in (Level.STUDY, Level.SERIES):
        uid = above.get(each.unique_key)
        if each >= level or not isinstance(uid, str) or not uid or "\\" in uid:
            break
        path += f"{each.entities}/{quote(uid, safe='')}/"
        del above[each.unique_key]
    keys: list[tuple[str, str]] = []
    fields: list[str] = []
    for name, value in above.items():
        if name in NEVER_MATCHED:
            continue
        found = list(_keys(name, value))
        keys += found
        if not found or not isinstance(value, str):
            fields.append(name)
    return path + level.entities, keys, fields


def _keys(name: str, value: Value) -> Iterator[tuple[str, str]]:
    if not isinstance(value, str):
        for item in value:
            for inner, each in item.items():
                yield from ((f"{name}.{rest}", text) for rest, text in _keys(inner, each))
    elif value:  # a list of UIDs is separated by commas (8.3.4.1)
        yield name, value.replace("\\", ",") if vr_of(name) == "UI" else value


def _loosened(name: str, value: str) -> str:
    """Return a key with wildcards for URL-encoded characters, if the VR allows wildcards."""
    if "." in name or vr_of(name) not in WILD:
        return value
    return _ENCODED.sub(lambda found: "?" if found[0].isascii() else "*", value)


def _is_meant(answer: WebAnswer, keys: Attributes) -> bool:
    """Return whether an answer to loosened keys matches the original ones, or is undecodable."""
    try:
        found = answer.attributes
    except BadJson:
        return True
    return all(
        attribute_matches(vr_of(name), value.casefold(), each.casefold())
        for name, value in keys.items()
        if isinstance(value, str)
        and _ENCODED.search(value)
        and vr_of(name) in WILD
        and isinstance(each := found.get(name, ""), str)
    )


def _short(identifier: Attributes, level: Level) -> Iterator[Attributes]:
    """Iterate over the query in parts whose URLs are not too long."""
    value = identifier.get(level.unique_key, "")
    if not isinstance(value, str) or len(value) <= _LONG:
        yield identifier
        return
    uids = value.split("\\")
    each = max(1, _LONG // max(map(len, uids)))
    for at in range(0, len(uids), each):
        yield {**identifier, level.unique_key: "\\".join(uids[at : at + each])}


def _identity(content: Any, level: Level) -> object:
    """Return the identity of an answer; a study may be listed for each of its patients."""
    names = (level.unique_key, "PatientID") if level is Level.STUDY else (level.unique_key,)
    try:
        found = [content.get(f"{tag_of(name):08X}", {}).get("Value") for name in names]
    except AttributeError:
        found = [content]
    return json.dumps(found)
