r"""Templates for a line about an element: texts with fields, without any code that could be run.

    {tag} {vr} {keyword:32} {value}        {file}\t{path}\t{value:.40}

Fields: file, path (`Sequence[0].Keyword`), tag, group, element, vr, keyword, value, length (in bytes), depth.
The minimum number of characters follows a colon, the maximum follows a dot; `>` before them aligns to the
right. `{{` and `}}` are braces, `\t`, `\n` and `\\` are a tab, a newline and a backslash.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from dcm.errors import DcmError

FIELDS: Final = (
    "file", "path", "tag", "group", "element", "vr", "keyword", "value", "length", "depth",
)  # fmt: skip

_PART: Final = re.compile(
    r"(?P<text>[^{}\\]+|\{\{|\}\}|\\[tn\\])"
    r"|\{(?P<field>\w+)(?::(?P<right>>)?(?P<least>\d{1,3})?(?:\.(?P<most>\d{1,5}))?)?\}"
)
_TEXTS: Final = {"{{": "{", "}}": "}", r"\t": "\t", r"\n": "\n", r"\\": "\\"}


class BadTemplate(DcmError):  # noqa: N818 - reads as the sentence it is
    """A template that cannot be used; the message says where."""


class _Field(NamedTuple):
    name: str
    right: bool
    least: int
    most: int | None


class Template(NamedTuple):
    """A parsed template; see the module's docstring."""

    parts: tuple[str | _Field, ...]

    @classmethod
    def of(cls, text: str) -> "Template":
        """Parse a template. Raises `BadTemplate`."""
        parts: list[str | _Field] = []
        at = 0
        while at < len(text):
            found = _PART.match(text, at)
            if found is None:
                raise BadTemplate(
                    f"the format {text!r} is invalid at character {at + 1}: "
                    "{{ and }} are braces, {value:>10.20} is a field"
                )
            if found["text"] is not None:
                parts.append(_TEXTS.get(found["text"], found["text"]))
            elif found["field"] not in FIELDS:
                raise BadTemplate(
                    f"the format has an unknown field {found['field']!r}: use {', '.join(FIELDS)}"
                )
            else:
                most = found["most"]
                parts.append(
                    _Field(
                        found["field"],
                        found["right"] is not None,
                        int(found["least"] or 0),
                        int(most) if most else None,
                    )
                )
            at = found.end()
        return cls(tuple(parts))

    @property
    def names(self) -> frozenset[str]:
        """The names of its fields."""
        return frozenset(part.name for part in self.parts if isinstance(part, _Field))

    def filled(self, values: Mapping[str, str]) -> str:
        """Return the text with the values of all its fields."""
        return "".join(
            part if isinstance(part, str) else _fitted(values[part.name], part)
            for part in self.parts
        )


def _fitted(text: str, field: _Field) -> str:
    text = text if field.most is None else text[: field.most]
    return text.rjust(field.least) if field.right else text.ljust(field.least)
