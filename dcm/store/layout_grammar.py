"""The grammar of path templates; see `dcm.store.layout`.

template     = component *( "/" component )
component    = 1*( text / "{" field *( "|" field ) [ "|" otherwise ] "}" )
field        = ( keyword / 8 hexadecimal digits ) [ ":" format ]
otherwise    = text that is not a word with a capital / text in quotes, ' or "
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from dcm.data.dictionary import UnknownElement, tag_of, vr_of
from dcm.data.encoding import PIXELS
from dcm.errors import DcmError
from dcm.store.layout_formats import BadFormat, converter
from dcm.store.names import UNSAFE, file_name

_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_ELEMENT: Final = re.compile(r"[0-9A-Fa-f]{8}|[0-9A-Za-z]*[A-Z][0-9A-Za-z]*")
"""Matches an element, not a text. Keywords are not looked up: that would load pydicom."""
_COMPONENTS, _CHOICES, _TEXT = 12, 6, 100
"""The limits of a template: components; fields and bytes of text in a component."""


class LayoutError(DcmError):
    """An invalid path template. words: the reason. place: the position in the template, from 0."""

    def __init__(self, words: str, template: str, place: int) -> None:
        shown = UNSAFE.sub(lambda found: found[0] if found[0].isprintable() else "?", template)
        super().__init__(f"invalid layout: {words}\n  {shown}\n  {' ' * place}^")
        self.words = words
        self.template = template
        self.place = place


class Field(NamedTuple):
    """An element. convert: formats its value; returns an empty text if the value does not fit."""

    tag: int
    convert: Callable[[str], str]


class Choice(NamedTuple):
    """Alternative fields: the first usable value is used, else the text `otherwise`, if any."""

    fields: tuple[Field, ...]
    otherwise: str | None


Component: TypeAlias = tuple[str | Choice, ...]
"""The texts and choices that make up one component of a path."""


def parsed(template: str) -> tuple[Component, ...]:
    """Return the components of a template. Raises `LayoutError`."""
    return _Parser(template).components()


class _Parser:
    def __init__(self, template: str) -> None:
        self._template: Final = template
        self._at = 0
        self._brace = 0
        """The position of the last opening brace."""

    def components(self) -> tuple[Component, ...]:
        found = [self._component()]
        while self._take("/"):
            found.append(self._component())
        start = self._template.rfind("/") + 1
        if len(found) > _COMPONENTS:
            raise self._fault(f"there are more than {_COMPONENTS} components", start)
        if not any(isinstance(part, Choice) for part in found[-1]):
            raise self._fault("all files would have the same name: it has no field", start)
        return tuple(found)

    def _component(self) -> Component:
        start = self._at
        parts: list[str | Choice] = []
        while self._peek() not in ("", "/"):
            if self._peek() == "{" and self._peek(2) != "{{":
                parts.append(self._choice())
            else:
                parts.append(self._text())
        self._check(parts, start)
        return tuple(parts)

    def _text(self) -> str:
        start, text = self._at, ""
        while self._peek() not in ("", "/"):
            if self._peek(2) in ("{{", "}}"):
                self._at += 1
            elif self._peek() == "{":
                break
            elif self._peek() == "}":
                raise self._fault("unmatched closing brace; write }} for a literal one", self._at)
            text += self._peek()
            self._at += 1
        return self._safe(text, start)

    def _check(self, parts: list[str | Choice], start: int) -> None:
        """Refuse an empty component, or one whose text alone is not a valid name."""
        if not parts:
            raise self._fault(
                "the path must be relative: the folder is given elsewhere"
                if start == 0 and self._peek() == "/"
                else "a component is empty",
                start,
            )
        texts = [part for part in parts if isinstance(part, str)]
        if texts == parts and texts[0] in (".", ".."):
            raise self._fault(f"{texts[0]} is not possible", start)
        if isinstance(parts[0], str) and parts[0].startswith((".", " ")):
            raise self._fault("a name cannot begin with a dot or a space", start)
        if isinstance(parts[-1], str) and parts[-1].endswith((".", " ")):
            raise self._fault("a name cannot end with a dot or a space", self._at - 1)
        if texts == parts and file_name(texts[0]) != unicodedata.normalize("NFC", texts[0]):
            raise self._fault(f"{texts[0]} cannot be the name of a folder", start)
        if len(parts) - len(texts) > _CHOICES:
            raise self._fault(f"a component has more than {_CHOICES} fields", start)
        if sum(len(text.encode()) for text in texts) > _TEXT:
            raise self._fault(f"a component has more than {_TEXT} bytes of text", start)

    def _choice(self) -> Choice:
        self._brace = self._at
        self._at += 1
        fields: list[Field] = []
        while True:
            found = self._alternative(first=not fields)
            if isinstance(found, Field):
                fields.append(found)
            at = self._at
            if self._take("}"):
                return Choice(tuple(fields), found if isinstance(found, str) else None)
            if not self._take("|"):
                raise self._unclosed()
            if isinstance(found, str):
                raise self._fault("anything after a text would never be used", at)

    def _alternative(self, *, first: bool) -> Field | str:
        self._skip_spaces()
        start = self._at
        if self._peek() in ("'", '"') and not first:
            return self._quoted()
        while self._peek() not in ("", "|", "}"):
            if self._peek() in ("/", "{"):
                words = f"{self._peek()} is not allowed in braces"
                if self._peek() == "/":
                    words += "; each component needs its own braces"
                raise self._fault(words, self._at)
            self._at += 1
        if not self._peek():
            raise self._unclosed()
        word, colon, form = self._template[start : self._at].partition(":")
        if first or colon or _ELEMENT.fullmatch(word.strip()):
            return self._field(word.strip(), colon, form, start)
        if not word.strip():
            raise self._fault("an alternative is missing; write '' for an empty text", start)
        return self._safe(word.strip(), start)

    def _quoted(self) -> str:
        start, quote = self._at, self._peek()
        end = self._template.find(quote, start + 1)
        if end < 0:
            raise self._fault("a quote is not closed", start)
        self._at = end + 1
        self._skip_spaces()
        if self._peek() not in ("|", "}"):
            raise self._fault("a text must end with its quote", self._at)
        return self._safe(self._template[start + 1 : end], start + 1)

    def _field(self, word: str, colon: str, form: str, start: int) -> Field:
        if not word:
            raise self._fault("a keyword is missing", start)
        try:
            if not (_TAG.fullmatch(word) or word.isidentifier()):
                raise UnknownElement(f"there is no DICOM element named {word!r}")  # noqa: TRY301
            tag = tag_of(word)
        except UnknownElement as error:
            hint = "" if "?" in str(error) or not start else "; write text in quotes"
            raise self._fault(f"{error}{hint}", start) from None
        if tag < 0x00080000 or tag >= PIXELS or not tag & 0xFFFF:
            raise self._fault(
                f"{word} is not available: only the header of a data set is read", start
            )
        try:
            return Field(tag, converter(word, vr_of(tag), form if colon else None))
        except BadFormat as error:
            place = start + self._template[start:].find(":") + 1 if colon else start
            raise self._fault(str(error), place) from None

    def _safe(self, text: str, start: int) -> str:
        found = UNSAFE.search(text)
        if found:
            place = self._template.find(found[0], start)
            raise self._fault(f"{found[0]!r} is not allowed in a file name", place)
        if len(text) > _TEXT:
            raise self._fault(f"a text is longer than {_TEXT} characters", start)
        return text

    def _peek(self, count: int = 1) -> str:
        return self._template[self._at : self._at + count]

    def _take(self, character: str) -> bool:
        if self._peek() != character:
            return False
        self._at += 1
        return True

    def _skip_spaces(self) -> None:
        while self._peek() == " ":
            self._at += 1

    def _unclosed(self) -> LayoutError:
        return self._fault("unclosed brace; write {{ for a literal one", self._brace)

    def _fault(self, words: str, place: int) -> LayoutError:
        return LayoutError(words, self._template, place)
