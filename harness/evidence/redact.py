"""Secrets are removed at the moment of writing: every writer of evidence goes through here.

Known secrets are replaced in every form in which they travel; besides, what stands where secrets stand
(credentials in headers, members of JSON named like a password) is replaced whatever it holds.
"""

import base64
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

MARK: Final = "[redacted]"

_SPECIAL: Final = {" ": {"+"}, "'": {"'\"'\"'"}}
_HEADERS: Final = ("authorization", "cookie")
_MEMBERS: Final = ("password", "passwd", "passphrase", "registeredusers")
_HEADER: Final = r"(?:proxy-)?authorization|(?:set-)?cookie"
_MEMBER: Final = rf"[\w .-]*(?:{'|'.join(_MEMBERS)})[\w .-]*"


@dataclass(frozen=True)
class _Rule:
    """What to look for, in texts in which one of `words` occurs: those are found much faster."""

    words: tuple[str, ...]
    pattern: re.Pattern[str]

    def apply(self, text: str, lowered: str, mark: Callable[[str], str]) -> str:
        if not any(word in lowered for word in self.words):
            return text
        return self.pattern.sub(lambda found: found["keep"] + mark(found["secret"]), text)


_ROLES: Final = tuple(
    _Rule(words, re.compile(pattern, re.IGNORECASE))
    for words, pattern in (
        # A header of its own line; in quotes, "name: value".
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
        # JSON, also inside a JSON string or as Python writes it: text, a number, an object, a list.
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
    """Replaces `secrets`, and whatever stands where secrets stand, in what is written down."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = frozenset(filter(None, secrets))
        ordered = sorted(self._secrets, key=len, reverse=True)
        self._known = [_Rule(("",), _compiled(_pattern(secret))) for secret in ordered]
        self._known += [
            _Rule(
                (core.lower(),),
                _compiled(rf"[\w+/]{{0,512}}{re.escape(core)}[\w+/]{{0,512}}={{0,2}}"),
            )
            for secret in ordered
            for core in _base64_cores(secret)
        ]

    def knows(self, secret: str) -> bool:
        """Tell whether `secret` is one that was named."""
        return secret in self._secrets

    def text(self, text: str) -> str:
        """Return `text` without secrets; a mark stands in their place."""
        return _apply((*self._known, *_ROLES), text, lambda _: MARK)

    def script(self, text: str) -> str:
        """Return `text` without the secrets that were named, and with all quotes where they were."""
        return _apply(self._known, text, lambda _: MARK)

    def bytes(self, data: bytes) -> bytes:
        """Return `data` without secrets, of the same length: binary formats stay readable."""
        text = data.decode("latin-1")
        rules = (*self._known, *_ROLES)
        return _apply(rules, text, lambda secret: "*" * len(secret)).encode("latin-1")


def _apply(rules: Iterable[_Rule], text: str, mark: Callable[[str], str]) -> str:
    lowered = text.lower()
    for rule in rules:
        text = rule.apply(text, lowered, mark)
    return text


def _compiled(secret: str) -> re.Pattern[str]:
    return re.compile(f"(?P<keep>)(?P<secret>{secret})")


def _pattern(secret: str) -> str:
    """Match the secret with any of its characters quoted for JSON, URLs, HTML, Python or the shell."""
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
    """Return what base64 shows of the secret wherever it stands: Basic credentials are `user:password`."""
    for data in {secret.encode(), secret.encode("latin-1", "replace")}:
        for before in range(3):
            encoded = base64.b64encode(bytes(before) + data).decode()
            first = -(-before * 8 // 6)
            last = (before + len(data)) * 8 // 6
            if last - first >= 4:
                yield encoded[first:last]
