"""Targets: the elements of a data set that an edit changes or a selector compares.

    PatientName   0010,0010   (0010,0010)          a keyword or a tag
    ReferencedStudySequence[0].StudyDate           in one item of a sequence; items are counted from 0
    ReferencedStudySequence[*].StudyDate           in all items; without [*], too
    (0019,"SIEMENS MR HEADER",08)                  a private element, by its creator (PS3.5 7.8.1)
    (0029,"ACME 3.2",10):LO                        with its VR, if it is not in a dictionary
    **.PatientID   **.UI   **.*                    at any depth: an element, all of a VR, all

Setting an element in a sequence without items adds an item; with [*], only existing items are changed.
"""

import re
from typing import Final, NamedTuple

from dcm.data.dictionary import UnknownElement, keyword_of, tag_of, vr_of
from dcm.data.encoding import LONG_VRS, SHORT_VRS
from dcm.errors import DcmError

ALL: Final = -1
"""Represents all existing items."""

_TOKEN: Final = re.compile(
    r"""\(\s*(?P<group>[0-9a-fA-F]{4})\s*,\s*"(?P<creator>[^"\\]{1,64})"\s*,\s*(?:xx)?(?P<low>[0-9a-fA-F]{2})\s*\)
    |(?P<tag>\(?(?:0[xX])?[0-9a-fA-F]{4},?[ ]?(?:0[xX])?[0-9a-fA-F]{4}\)?(?!\w))
    |(?P<word>[A-Za-z]\w*)
    |(?P<star>\*)(?!\*)""",
    re.VERBOSE,
)
_ITEM: Final = re.compile(r"\[(\d{1,6}|\*)\]")
_VR_SUFFIX: Final = re.compile(r":([A-Z]{2})(?!\w)")
_VRS: Final = frozenset(vr.decode() for vr in SHORT_VRS | LONG_VRS if vr)


class BadTarget(DcmError):  # noqa: N818 - reads as the sentence it is
    """A text that does not name an element; `position` is that of the error."""

    def __init__(self, words: str, text: str, position: int) -> None:
        super().__init__(f"{text!r}, at character {position + 1}: {words}")
        self.words = words
        self.position = position


class Step(NamedTuple):
    """An element, or a sequence on the path to it.

    tag: the tag, without the block for a private element; None for any element. creator: the private creator.
    vr: the VR for any element, or the VR given for an element that is not in a dictionary.
    item: the item of the sequence; None if it is not given, ALL for all existing ones.
    """

    tag: int | None
    creator: str = ""
    vr: str = ""
    item: int | None = None

    def __str__(self) -> str:
        if self.tag is None:
            return self.vr or "*"
        if self.creator:
            text = f'({self.tag >> 16:04X},"{self.creator}",{self.tag & 0xFF:02X})'
        else:
            text = keyword_of(self.tag)
            if text == f"{self.tag:08X}":
                text = f"({text[:4]},{text[4:]})"
        return text + (f":{self.vr}" if self.vr else "")


class Target(NamedTuple):
    """The target elements. anywhere: whether they are at any depth; then there is only one step."""

    steps: tuple[Step, ...]
    anywhere: bool = False

    @classmethod
    def of(cls, text: str) -> "Target":
        """Parse a whole text. Raises `BadTarget`, and `UnknownElement` for an unknown keyword."""
        target, end = cls.at(text, 0)
        if text[end:].strip():
            raise BadTarget(f"{text[end:].strip()!r} cannot follow", text, end)
        return target

    @classmethod
    def at(cls, text: str, position: int) -> "tuple[Target, int]":
        """Parse a target from `position` on; return it and its end. Raises the same errors as `of`."""
        at = len(text) - len(text[position:].lstrip())
        anywhere = text.startswith("**.", at)
        at += 3 if anywhere else 0
        steps = []
        while True:
            step, at = _step(text, at, anywhere=anywhere)
            steps.append(step)
            if not text.startswith(".", at):
                break
            if anywhere:
                raise BadTarget("a path with ** has only one step", text, at)
            if step.vr:
                raise BadTarget("only the last step has a VR", text, at)
            if step.tag is not None and not step.creator and _no_sequence(step.tag):
                raise BadTarget(f"{step} is not a sequence, so it has no items", text, at)
            at += 1
        if steps[-1].item is not None:
            raise BadTarget("an item is not an element: name one in it", text, at)
        return cls(tuple(steps), anywhere), at

    @property
    def last(self) -> int:
        """The highest tag in the data set that it may match; see `Reader.collect`."""
        tag = self.steps[0].tag
        if self.anywhere or tag is None:
            return (1 << 32) - 1
        return tag | 0xFF00 if self.steps[0].creator else tag

    def __str__(self) -> str:
        last = self.steps[-1]
        above = "".join(f"{each}{_item_text(each.item)}." for each in self.steps[:-1])
        return f"{'**.' if self.anywhere else ''}{above}{last}"


def _item_text(item: int | None) -> str:
    return "" if item is None else f"[{'*' if item == ALL else item}]"


def _no_sequence(tag: int) -> bool:
    return not tag & 0x10000 and vr_of(tag) not in ("SQ", "UN")


def _step(text: str, at: int, *, anywhere: bool) -> tuple[Step, int]:
    found = _TOKEN.match(text, at)
    if found is None:
        raise BadTarget('expected a keyword, a tag or (gggg,"CREATOR",ee)', text, at)
    try:
        step = _named(found, anywhere=anywhere)
    except UnknownElement as error:
        raise BadTarget(str(error), text, at) from None
    if step is None:
        raise BadTarget(f"write **.{found[0]} for {found[0]} at any depth", text, at)
    at = found.end()
    if item := _ITEM.match(text, at):
        step, at = step._replace(item=ALL if item[1] == "*" else int(item[1])), item.end()
    elif (vr := _VR_SUFFIX.match(text, at)) and step.tag is not None:
        if vr[1] not in _VRS:
            raise BadTarget(f"unknown VR {vr[1]}", text, at)
        step, at = step._replace(vr=vr[1]), vr.end()
    return step, at


def _named(found: re.Match[str], *, anywhere: bool) -> Step | None:
    """Return the step for a token; None for a token that is only valid at any depth."""
    if found["creator"]:
        group = int(found["group"], 16)
        if not group % 2:
            raise UnknownElement(f"group {group:04X} is not private: its number is even")
        return Step(group << 16 | int(found["low"], 16), found["creator"].strip())
    word = found["word"]
    if found["star"] or word in _VRS:
        return Step(None, vr=word or "") if anywhere else None
    return Step(tag_of(word or re.sub("0[xX]", "", found["tag"])))
