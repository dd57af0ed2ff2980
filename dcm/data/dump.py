"""Show a data set as text: an aligned line for each element, with items indented.

with opened("image.dcm") as content:
    for line in lines(content, Choice().of(content)):
        print(line)

(0010,0010) PN PatientName                         Doe^Jane
(0008,1140) SQ ReferencedImageSequence             1 item
  [0]
    (0008,1155) UI ReferencedSOPInstanceUID        1.2.3.4
(7FE0,0010) OW PixelData                           524288 bytes
"""

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from dcm.data.chosen import LEFT_OUT
from dcm.data.content import Content, Entry
from dcm.data.element_path import Where, where_text
from dcm.data.encoding import PIXELS, UNDEFINED, tag_text
from dcm.data.template import Template
from dcm.frozen import Frozen

_NARROW: Final = 110
_VALUES_AT: Final = (50, 42)
"""The column in which values begin, in wide and narrow lines, unless a keyword is too long."""
_LEAST: Final = 16
"""The least number of characters of a value that are shown on a narrow terminal."""
_SHOWN: Final = 16
"""The number of bytes of a binary value that are shown."""
_STANDARD: Final = "1.2.840.10008."
_CONTROLS: Final = {
    **{code: chr(0x2400 + code) for code in range(0x20)},
    0x7F: "\u2421",
    **dict.fromkeys(range(0x80, 0xA0), "\ufffd"),
}
"""Pictures for control characters, so that values from others cannot control the terminal."""


class Style(Frozen):
    """The style of a dump.

    width: the length of a line, to which values are shortened; None: no limit. bulk: whether to show the
    first bytes of pixels and other bulk data (group 7FE0). colours: whether to use colours.
    template: the template for a line, if it is not the one shown above.
    """

    width: int | None = None
    bulk: bool = False
    colours: bool = False
    template: Template | None = None


def lines(
    content: Content, entries: Iterable[Entry], style: Style | None = None, *, file: str = ""
) -> Iterator[str]:
    """Yield the lines for elements and their contents. file: its name, for a template."""
    yield from _of_items(content, entries, (), style or Style(), file)


def _of_items(
    content: Content, entries: Iterable[Entry], above: Where, style: Style, file: str
) -> Iterator[str]:
    """Yield the lines of a data set or an item; `above` is its place."""
    for entry in entries:
        where = (*above, entry.tag)
        if style.template is None:
            yield _line(content, entry, len(above), style)
        else:
            yield _filled(content, entry, where, style.template, file)
        for number, item in enumerate(entry.items or ()):
            if item is not LEFT_OUT:
                if style.template is None:
                    yield f"{'  ' * (len(above) + 1)}[{number}]"
                yield from _of_items(content, item, (*where, number), style, file)


def _line(content: Content, entry: Entry, depth: int, style: Style) -> str:
    indent = "  " * depth
    tag, keyword = tag_text(entry.tag), _name(entry)
    narrow = style.width is not None and style.width < _NARROW
    head = f"{indent}{tag} {entry.vr} {keyword}".ljust(_VALUES_AT[narrow]) + " "
    value = summary(content, entry, bulk=style.bulk)
    if style.width is not None:
        value = shortened(value, max(_LEAST, style.width - len(head)))
    if style.colours:
        head = f"{indent}\x1b[36m{tag}\x1b[0m \x1b[2m{entry.vr}\x1b[0m " + head[len(indent) + 15 :]
    return (head + value).rstrip(" ")


def _filled(content: Content, entry: Entry, where: Where, template: Template, file: str) -> str:
    values = {
        "file": printable(file),
        "path": where_text(where),
        "tag": tag_text(entry.tag),
        "group": f"{entry.tag >> 16:04X}",
        "element": f"{entry.tag & 0xFFFF:04X}",
        "vr": entry.vr,
        "keyword": entry.keyword,
        "length": "" if entry.length == UNDEFINED else str(entry.length),
        "depth": str(len(where) // 2),
        "value": "",
    }
    if "value" in template.names:
        values["value"] = summary(content, entry, names=False)
    return template.filled(values)


def summary(content: Content, entry: Entry, *, bulk: bool = False, names: bool = True) -> str:
    """Describe a value: text as it is, the number of items of a sequence, or the number of bytes.

    bulk: whether to include the first bytes of bulk data. names: whether to add the names of standard UIDs.
    """
    if entry.items is not None:
        return _counted(len(entry.items), "item")
    if entry.fragments is not None or entry.is_binary:
        return _bytes_in_words(content, entry, bulk=bulk or entry.tag < PIXELS)
    text = printable(content.text(entry))
    if names and entry.vr == "UI" and text.startswith(_STANDARD):
        from dcm.data.uids import name_of  # noqa: PLC0415 - imports pydicom

        name = name_of(text)
        return text if name == text else f"{text} ({name})"
    return text


def _bytes_in_words(content: Content, entry: Entry, *, bulk: bool) -> str:
    words = _counted(entry.size, "byte")
    if entry.fragments is not None:
        words += f" in {_counted(len(entry.fragments), 'fragment')}"
    if bulk and entry.size:
        part = next(content.parts(entry, _SHOWN))
        words += f": {part.hex(' ')}" + (" ..." if entry.size > len(part) else "")
    return words


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _name(entry: Entry) -> str:
    if entry.keyword != f"{entry.tag:08X}":
        return entry.keyword
    if entry.is_private:
        return "(private creator)" if 0x10 <= entry.tag & 0xFFFF <= 0xFF else "(private)"
    return "(group length)" if not entry.tag & 0xFFFF else "(unknown)"


def printable(text: str) -> str:
    """Return a text with pictures in place of the control characters."""
    if text.isprintable():
        return text
    text = text.translate(_CONTROLS)
    return "".join(char if char.isprintable() or char == " " else "\ufffd" for char in text)


def shortened(text: str, width: int) -> str:
    """Return a text shortened to at most `width` columns."""
    if len(text) * 2 <= width or (text.isascii() and len(text) <= width):
        return text
    used, fits = 0, 0
    for number, char in enumerate(text):
        used += 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if used <= width - 3:
            fits = number + 1
        if used > width:
            return text[:fits] + "..."
    return text
