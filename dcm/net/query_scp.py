"""C-FIND as SCP (PS3.4 C.4.1), answered from a catalogue.

service = QueryService(catalogue, "OURTITLE")
Listener(..., handlers={CFindRQ: service.answer}, admission=Admission(services=frozenset(FIND_MODELS)))
"""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from dcm.data.answer_template import Template
from dcm.data.dictionary import tag_of
from dcm.data.identifier import BadIdentifier, is_ascii, write_identifier
from dcm.data.match import Attributes, Value
from dcm.net.asked import Asked, Unanswerable, take
from dcm.net.association import Association
from dcm.net.incoming import comment_of
from dcm.net.performing import Cancelled, CatalogueFailed, Slots, Watch, in_thread
from dcm.store.catalogue import Catalogue
from dcm.wire import DATA_SET, CFindRQ, CFindRSP, Command, DataFragment, encoded_once

_LOG: Final = logging.getLogger(__name__)
_PENDING, _SOME_KEYS_IGNORED, _CANCELLED = 0xFF00, 0xFF01, 0xFE00
_UNABLE: Final = 0xC000
_FIRST, _NEXT = 16, 256
"""The number of answers sent together; the first ones are sent early."""
_OURS: Final = frozenset(("RetrieveAETitle", "InstanceAvailability"))
"""Attributes that describe where an entity can be retrieved (PS3.4 C.4.1.1.3.2); not matched."""
_UTF_8: Final = "ISO_IR 192"


class QueryService:
    """Answers queries.

    ae_title: the AE title from which everything can be retrieved. supports: whether the catalogue matches
    and returns an attribute; None if it does so for all.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        ae_title: str,
        supports: Callable[[str], bool] | None = None,
    ) -> None:
        self._catalogue: Final = catalogue
        self._ae_title: Final = ae_title
        self._supports: Final = supports or (lambda _: True)
        self._slots: Final = Slots()

    async def answer(self, association: Association, command: Command) -> None:
        """Answer a C-FIND request: a response for each match, and a final one."""
        request = command.message
        assert isinstance(request, CFindRQ)
        status, words = 0, ""
        try:
            asked = await take(association, command)
            await self._send_matches(association, command, request, asked)
        except Cancelled:
            status = _CANCELLED
        except Unanswerable as error:
            status, words = error.status, str(error)
            _LOG.warning("%s: query rejected: %s", association.remote, words)
        except CatalogueFailed as error:
            status, words = _UNABLE, "the index could not be read"
            _LOG.error("%s: query failed: %s", association.remote, error.__cause__)
        last = CFindRSP(
            message_id_being_responded_to=request.message_id,
            status=status,
            affected_sop_class_uid=request.affected_sop_class_uid,
            error_comment=comment_of(words) if words else None,
        )
        await association.send(Command(command.context_id, last))

    async def _send_matches(
        self, association: Association, command: Command, request: CFindRQ, asked: Asked
    ) -> None:
        answers = Answers(asked, self._supports, self._ae_title)
        response = CFindRSP(
            message_id_being_responded_to=request.message_id,
            status=_PENDING if answers.has_all else _SOME_KEYS_IGNORED,
            affected_sop_class_uid=request.affected_sop_class_uid,
            command_data_set_type=DATA_SET,
        )
        context_id = command.context_id
        head = Command(context_id, encoded_once(response))
        most = _FIRST
        async with (
            Watch(association, request.message_id) as watch,
            in_thread(partial(self._encoded, answers), self._slots) as found,
        ):
            while batch := await found.next(most, watch):
                events: list[Command | DataFragment] = []
                for data in batch:
                    events += (head, DataFragment(context_id, data, last=True))
                await association.send(*events)
                watch.look()
                most = _NEXT

    def _encoded(self, answers: "Answers") -> Iterator[bytes]:
        return map(answers.encode, self._catalogue.find(answers.query, answers.level))


class Answers:
    """Encodes the answers to one query, with its keys and in a suitable character set."""

    def __init__(self, asked: Asked, supports: Callable[[str], bool], ae_title: str) -> None:
        keys = {name: value for name, value in asked.keys.items() if name not in _OURS}
        self.level: Final = asked.level
        self.query: Final[Attributes] = {name: keys[name] for name in keys if supports(name)}
        self.has_all: Final = len(self.query) == len(keys)
        self._returned: Final = sorted({*self.query, self.level.unique_key}, key=tag_of)
        self._constant: Final[dict[str, Value]] = {
            "QueryRetrieveLevel": self.level.name,
            "RetrieveAETitle": ae_title,
        }
        if "InstanceAvailability" in asked.keys:
            self._constant["InstanceAvailability"] = "ONLINE"
        self._syntax: Final = asked.transfer_syntax_uid
        self._template: Final = Template.of(self._constant, self._returned, self._syntax)
        self._character_sets: Final = dict.fromkeys(filter(None, (asked.character_set, _UTF_8)))

    def encode(self, answer: Attributes) -> bytes:
        """Encode an answer with exactly the requested keys.

        The character set is that of the query if it can represent all values, otherwise UTF-8.
        """
        if self._template is not None and (quickly := self._template.fill(answer)) is not None:
            return quickly
        content = dict(self._constant)
        for name in self._returned:
            content[name] = answer.get(name, "")
        if is_ascii(content):
            return self._written(content)
        for name in self._character_sets:
            try:
                return write_identifier({**content, "SpecificCharacterSet": name}, self._syntax)
            except BadIdentifier:
                continue
        return self._written({**content, "SpecificCharacterSet": _UTF_8})

    def _written(self, content: dict[str, Value]) -> bytes:
        try:
            return write_identifier(content, self._syntax)
        except BadIdentifier:
            pass
        for name in self._returned:  # some files have values that their VR does not allow
            try:
                write_identifier({name: content[name]}, self._syntax)
            except BadIdentifier as error:
                _LOG.warning("%s: left out of an answer: %s", content[self.level.unique_key], error)
                content = {**content, name: ""}
        return write_identifier(content, self._syntax)
