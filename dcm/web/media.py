"""Media types with parameters, as in Content-Type and Accept (RFC 9110 8.3.1, 12.5.1)."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Self

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z/-]+"  # noqa: S105 - `/` is not allowed, but is sent in values
_TYPE = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*")
_PARAMETER = re.compile(rf";\s*(?:({_TOKEN})\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^;,\"]*)))?\s*")
_ESCAPED = re.compile(r"\\(.)")
_PART = re.compile(r"(?:[^,\"]|\"(?:[^\"\\]|\\.)*\"?)+")


class MediaType(NamedTuple):
    """A media type and its parameters; the type and the parameter names are in lower case."""

    name: str
    parameters: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a media type; raise `ValueError` if it is invalid. Values may be quoted."""
        found = _TYPE.match(text)
        if found is None:
            raise ValueError(f"{text[:80]!r} is not a media type")
        parameters: dict[str, str] = {}
        at = found.end()
        while at < len(text):
            each = _PARAMETER.match(text, at)
            if each is None:
                raise ValueError(f"{text[:80]!r} is not a media type: see {text[at : at + 20]!r}")
            name, quoted, plain = each.groups()
            if name:
                value = plain.strip() if quoted is None else _ESCAPED.sub(r"\1", quoted)
                parameters.setdefault(name.lower(), value)
            at = each.end()
        return cls(found[1].lower(), parameters)

    @property
    def quality(self) -> float:
        """The weight of a media range in Accept, from 0 to 1."""
        try:
            return min(1.0, max(0.0, float(self.parameters.get("q", "1"))))
        except ValueError:
            return 0.0

    def covers(self, name: str) -> bool:
        """Return whether this media range includes a media type, given in lower case."""
        kind, _, _ = self.name.partition("/")
        return self.name in ("*/*", name) or (
            self.name.endswith("/*") and name.startswith(f"{kind}/")
        )

    def __str__(self) -> str:
        quoted = (
            f'{name}="{_quotable(value)}"' if not re.fullmatch(r"[\w.*-]+", value) else f"{name}={value}"
            for name, value in self.parameters.items()
        )  # fmt: skip
        return "; ".join((self.name, *quoted))


def accepted(text: str) -> Iterator[MediaType]:
    """Iterate over the media ranges of an Accept header in order; invalid ones are skipped."""
    for part in _PART.findall(text):
        try:
            yield MediaType.parse(part)
        except ValueError:
            continue


def _quotable(text: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", text)
