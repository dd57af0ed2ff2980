"""Remove secrets at the moment of writing: all evidence is written through this module.

Known secrets are replaced in every form in which they are sent. Values in places that hold secrets
(credentials in headers, JSON members named like a password) are replaced whatever they are.
"""

import base64
import html
import json
import re
import string
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

MARK: Final = "[redacted]"
_NEAR: Final = 1 << 16
"""Characters to search for a pattern on either side of one of its words."""

_SPECIAL: Final = {" ": {"+"}, "'": {"'\"'\"'"}}
_HEADERS: Final = ("authorization", "cookie")
_MEMBERS: Final = ("password", "passwd", "passphrase", "registeredusers")
_HEADER: Final = r"(?:proxy-)?authorization|(?:set-)?cookie"
_MEMBER: Final = rf"[\w .-]*(?:{'|'.join(_MEMBERS)})[\w .-]*"


@dataclass(frozen=True)
class _Rule:
    """A pattern to find near one of `words`, which are found much faster; without words, anywhere."""

    words: tuple[str, ...]
    pattern: re.Pattern[str]

    def apply(self, text: str, lowered: str, mark: Callable[[str], str]) -> str:
        def marked(found: re.Match[str]) -> str:
            return found.groupdict().get("keep", "") + mark(found["secret"])

        if not self.words:
            return self.pattern.sub(marked, text)
        pieces = []
        at = 0
        for begin, end in _around(self.words, lowered):
            pieces += [text[at:begin], self.pattern.sub(marked, text[begin:end])]
            at = end
        return "".join((*pieces, text[at:])) if pieces else text


def _around(words: Iterable[str], lowered: str) -> Iterator[tuple[int, int]]:
    """Yield the parts of a text in which a pattern near one of the words may match, in order."""
    begin = end = 0
    for at in sorted(place for word in words for place in _places(word, lowered)):
        if at - _NEAR > end:
            if end:
                yield begin, end
            begin = at - _NEAR
        end = at + _NEAR
    if end:
        yield begin, end


def _places(word: str, text: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + 1)


_ROLES: Final = tuple(
    _Rule(words, re.compile(pattern, re.IGNORECASE))
    for words, pattern in (
        # A header on its own line; in quotes, "name: value".
        (
            _HEADERS,
            rf"(?P<keep>(?<![\w'\"-])(?:{_HEADER})[ \t]*:[ \t]*)(?P<secret>[^\r\n]{{1,8192}})",
        ),
        (
            _HEADERS,
            (
                rf"(?P<keep>(?P<q>['\"])(?:{_HEADER})[ \t]*:[ \t]*)"
                r"(?P<secret>(?:(?!(?P=q))[^\r\n]){1,8192})"
            ),
        ),
        # JSON, also inside a JSON string or in Python syntax: text, a number, an object, a list.
        (
            _HEADERS + _MEMBERS,
            (
                rf"(?P<keep>(?P<q>\\*['\"])(?:{_HEADER}|{_MEMBER})(?P=q)\s*:\s*(?P<v>\\*['\"]))"
                r"(?P<secret>(?:\\{3}['\"]|(?!(?P=v))(?:\\.|[^\\])){1,8192})"
            ),
        ),
        (
            _MEMBERS,
            (
                rf"(?P<keep>(?P<q>\\*['\"])(?:{_MEMBER})(?P=q)\s*:\s*)"
                r"(?P<secret>\{[^{}]{1,8192}\}|\[[^\[\]]{1,8192}\]|-?\d[\d.eE+-]*)"
            ),
        ),
        # http://user:password@host
        (("://",), r"(?P<keep>://[^/\s:@'\"]*:)(?P<secret>[^/\s@'\"]{1,1024})(?=@)"),
    )
)


class Redactor:
    """Replaces `secrets`, and all values in places that hold secrets, in what is written."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = frozenset(filter(None, secrets))
        ordered = sorted(self._secrets, key=len, reverse=True)
        self._known = [_Rule((), _compiled(_pattern(secret))) for secret in ordered]
        self._known += [
            _Rule(
                (core.lower(),),
                _compiled(rf"[\w+/]{{0,512}}{re.escape(core)}[\w+/]{{0,512}}={{0,2}}"),
            )
            for secret in ordered
            for core in _base64_cores(secret)
        ]

    def knows(self, secret: str) -> bool:
        """Return whether `secret` is one of the known secrets."""
        return secret in self._secrets

    def text(self, text: str) -> str:
        """Return `text` with each secret replaced by a mark."""
        return _apply((*self._known, *_ROLES), text, lambda _: MARK)

    def script(self, text: str) -> str:
        """Return `text` without the known secrets; its quotes stay as they are."""
        return _apply(self._known, text, lambda _: MARK)

    def bytes(self, data: bytes) -> bytes:
        """Return `data` with secrets masked at equal length, so that binary formats stay readable."""
        text = data.decode("latin-1")
        rules = (*self._known, *_ROLES)
        return _apply(rules, text, lambda secret: "*" * len(secret)).encode("latin-1")


_ASCII_LOWER: Final = {ord(each): each.lower() for each in string.ascii_uppercase}


def _apply(rules: Iterable[_Rule], text: str, mark: Callable[[str], str]) -> str:
    lowered = _lowered(text)
    for rule in rules:
        before, text = text, rule.apply(text, lowered, mark)
        if text != before:  # a mark may be shorter than the secret, and move what follows
            lowered = _lowered(text)
    return text


def _lowered(text: str) -> str:
    """Return `text` in lower case, at the same offsets; only ASCII letters if others would move it."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else text.translate(_ASCII_LOWER)


def _compiled(secret: str) -> re.Pattern[str]:
    return re.compile(f"(?P<secret>{secret})")


def _pattern(secret: str) -> str:
    """Return a pattern for the secret, quoted in any way for JSON, URLs, HTML, Python or the shell."""
    return "".join(
        "(?:" + "|".join(map(re.escape, sorted(_forms(each), key=len, reverse=True))) + ")"
        for each in secret
    )


def _forms(character: str) -> set[str]:
    encoded = character.encode()
    hexadecimal = "".join(f"%{byte:02x}" for byte in encoded)
    forms = {
        character,
        encoded.decode("latin-1"),  # as it appears among bytes
        hexadecimal,
        hexadecimal.upper(),
        json.dumps(character)[1:-1],
        html.escape(character),
        f"&#{ord(character)};",
    }
    if not character.isalnum():
        forms.add(f"\\{character}")
    return forms | _SPECIAL.get(character, set())


def _base64_cores(secret: str) -> Iterator[str]:
    """Yield the secret in base64 at each alignment: Basic credentials are `user:password`."""
    for data in {secret.encode(), secret.encode("latin-1", "replace")}:
        for before in range(3):
            encoded = base64.b64encode(bytes(before) + data).decode()
            first = -(-before * 8 // 6)
            last = (before + len(data)) * 8 // 6
            if last - first >= 4:
                yield encoded[first:last]
