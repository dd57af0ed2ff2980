"""The output of `dcm diff`: text or one JSON document."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from dcm.cli.dump_output import Output
from dcm.data.difference import Difference, Seen
from dcm.data.dump import printable, shortened
from dcm.data.pairing import Held
from dcm.outcome import counted_words

OUTCOMES: Final = ("same", "different", "only left", "only right", "not compared")
"""The outcomes of comparing two instances, in the order of the summary."""

_PATHS_TO: Final = 34
"""The width of the column of paths, unless one is longer."""
_BEFORE: Final = 20
"""In a line that is too long, show this many characters before the first difference."""


class Compared(NamedTuple):
    """The result for two instances: their differences, or why they could not be compared."""

    left: Held | None
    right: Held | None
    differences: Sequence[Difference] = ()
    trouble: str = ""

    @property
    def outcome(self) -> str:
        """One of `OUTCOMES`."""
        if self.trouble:
            return "not compared"
        if self.left is None or self.right is None:
            return "only right" if self.left is None else "only left"
        return "different" if self.differences else "same"


class Lines:
    """Prints lines: `<` marks the left side, `>` the right side."""

    def __init__(self, out: Output, *, several: bool, width: int | None, colours: bool) -> None:
        self._out: Final = out
        self._several: Final = several
        self._width: Final = width
        self._colours: Final = colours

    def add(self, each: Compared) -> None:
        """Print the differences between two instances; nothing if they are the same."""
        if each.outcome in ("only left", "only right"):
            one = each.left or each.right
            assert one is not None
            self._line(
                "<" if each.left else ">", f"only {printable(str(one))} ({one.sop_instance_uid})"
            )
        elif each.differences:
            if self._several:
                assert each.left is not None
                assert each.right is not None
                self._line("-", printable(f"-- {each.left}"))
                self._line("+", printable(f"++ {each.right}"))
            for difference in each.differences:
                self._difference(difference)

    def end(self, counts: dict[str, int], _problems: Sequence[str]) -> None:
        """Print the number for each outcome, if there is more than one instance."""
        if self._several:
            self._out.text(f"{counted_words(counts, 'instances')}\n")

    def _difference(self, difference: Difference) -> None:
        path = difference.path.ljust(_PATHS_TO)
        shown = [
            None if seen is None else _text(seen) for seen in (difference.left, difference.right)
        ]
        room = None if self._width is None else max(20, self._width - len(path) - 6)
        cut = _cut(shown, room)
        for sign, seen, text in zip("<>", (difference.left, difference.right), cut, strict=True):
            if seen is not None:
                self._line(sign, f"{path} {seen.vr:2} {text}".rstrip())
        if difference.note:
            self._line(" ", f"{path}    {difference.note}")

    def _line(self, sign: str, text: str) -> None:
        colour = {"<": "31", "-": "31", ">": "32", "+": "32"}.get(sign)
        separator = "" if sign in "-+" else " "
        line = f"{sign}{separator}{text}"
        self._out.text(
            f"\x1b[{colour}m{line}\x1b[0m\n" if self._colours and colour else f"{line}\n"
        )


def _text(seen: Seen) -> str:
    return printable(seen.text)


def _cut(texts: Sequence[str | None], room: int | None) -> Iterable[str | None]:
    """Shorten two texts, keeping their first difference."""
    if room is None or all(text is None or len(text) <= room for text in texts):
        return texts
    left, right = (text or "" for text in texts)
    same = 0
    while same < min(len(left), len(right)) and left[same] == right[same]:
        same += 1
    start = max(0, same - _BEFORE) if same > room // 2 else 0
    return [
        None if text is None else shortened(("..." if start else "") + text[start:], room)
        for text in texts
    ]


class Json:
    """Prints one JSON document, piece by piece."""

    def __init__(self, out: Output, left: str, right: str) -> None:
        self._out: Final = out
        head = _without_surrogates(json.dumps({"left": left, "right": right}, ensure_ascii=False))
        self._out.text(f'{head[:-1]}, "instances": [')
        self._separator = "\n"

    def add(self, each: Compared) -> None:
        """Print the differences between two instances; nothing if they are the same."""
        if each.outcome == "same":
            return
        one = each.left or each.right
        assert one is not None
        content: dict[str, Any] = {
            "sop_instance_uid": one.sop_instance_uid,
            "outcome": each.outcome,
            "left": each.left and str(each.left),
            "right": each.right and str(each.right),
        }
        if each.trouble:
            content["trouble"] = each.trouble
        elif each.differences:
            content["differences"] = [_as_json(difference) for difference in each.differences]
        text = json.dumps(content, ensure_ascii=False)
        self._out.text(f"{self._separator}{_without_surrogates(text)}")
        self._separator = ",\n"

    def end(self, counts: dict[str, int], problems: Sequence[str]) -> None:
        """Print the counts and what could not be read, and finish the document."""
        tail = json.dumps({"counts": counts, "problems": problems}, ensure_ascii=False)
        self._out.text(f"\n], {_without_surrogates(tail[1:])}\n")


def _without_surrogates(text: str) -> str:
    r"""Return JSON in which the bytes of a file name that is not UTF-8 are written as \udcXX."""
    return text.encode("utf-8", "backslashreplace").decode()


def _as_json(difference: Difference) -> dict[str, Any]:
    sides = {"left": difference.left, "right": difference.right}
    found: dict[str, Any] = {
        "path": difference.path,
        "tags": [
            f"{step:08X}" if place % 2 == 0 else step for place, step in enumerate(difference.where)
        ],
        "kind": difference.kind.value,
        **{name: seen and {"vr": seen.vr, "value": seen.text} for name, seen in sides.items()},
    }
    return {**found, "note": difference.note} if difference.note else found
