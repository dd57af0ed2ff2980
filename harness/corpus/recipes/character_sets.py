"""c01 to c18: person names and texts in the character sets of PS3.3 C.12.1.1.2.

The Japanese, Korean and Chinese examples are those of PS3.5 annexes H to K, byte for byte; all
other names are invented. The bytes stand in the object as given here: no writer encodes them anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydicom.charset import convert_encodings, python_encoding
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from harness.corpus.modules import item, secondary_capture
from harness.corpus.picture import Picture, gray
from harness.corpus.place import Place
from harness.corpus.registry import Recipe
from harness.corpus.sample import Draft

# Latin-9 came into the standard after pydicom's table was made (still so in 3.0.2).
python_encoding.setdefault("ISO_IR 203", "iso8859_15")

_JIS_X_0208, _JIS_X_0212 = b"\x1b$B", b"\x1b$(D"
_ASCII, _ROMAJI = b"\x1b(B", b"\x1b(J"
_KOREAN, _CHINESE = b"\x1b$)C", b"\x1b$)A"


@dataclass(frozen=True)
class Text:
    """A text, and the bytes that stand for it."""

    shown: str
    written: bytes


# Single byte sets without code extensions: id, defined term, Python's codec, name.
_SINGLE_BYTE = (
    ("c01", "ISO_IR 100", "iso8859_1", "Ångström^Zoë"),
    ("c02", "ISO_IR 101", "iso8859_2", "Dvořák^Eliška"),
    ("c03-latin-3", "ISO_IR 109", "iso8859_3", "Ĉapelisto^Ĝoja"),
    ("c03-latin-4", "ISO_IR 110", "iso8859_4", "Bērziņš^Jānis"),
    ("c04", "ISO_IR 144", "iso8859_5", "Иванов^Пётр"),
    ("c05", "ISO_IR 127", "iso8859_6", "حداد^سليم"),
    ("c06", "ISO_IR 126", "iso8859_7", "Παπαδόπουλος^Ελένη"),
    ("c07", "ISO_IR 138", "iso8859_8", "כהן^דוד"),
    ("c08", "ISO_IR 148", "iso8859_9", "Yıldız^Şule"),  # noqa: RUF001 - the dotless i is the point
    ("c09", "ISO_IR 166", "iso8859_11", "ใจดี^สมชาย"),
    ("c10", "ISO_IR 203", "iso8859_15", "Lefœuvre^Žanna"),
)

_YAMADA = "山田^太郎=やまだ^たろう"
_WANG = "Wang^XiaoDong=王^小东="
_CHINESE_LINES = (
    "The first line includes中文.\r\nThe second line includes中文, too.\r\nThe third line.\r\n"
)


def _kanji(family: bytes, given: bytes, back: bytes) -> bytes:
    """Return one component group whose components both shift into JIS X 0208 and `back`."""
    return b"^".join(_JIS_X_0208 + part + back for part in (family, given))


def _yamada(first: bytes, back: bytes) -> bytes:
    groups = (first, _kanji(b";3ED", b"B@O:", back), _kanji(b"$d$^$@", b"$?$m$&", back))
    return b"=".join(groups)


def recipes() -> Iterator[Recipe]:
    """Return the recipes of this group."""
    for id_, term, codec, name in _SINGLE_BYTE:
        yield _recipe(id_, f"{term}, a single byte set", term, Text(name, name.encode(codec)))
    yield _recipe(
        "c11",
        "PS3.5 H.3.1: Japanese, kanji and kana as code extension of ASCII",
        "\\ISO 2022 IR 87",
        Text(f"Yamada^Tarou={_YAMADA}", _yamada(b"Yamada^Tarou", _ASCII)),
    )
    yield _recipe(
        "c12",
        "PS3.5 H.3.2: Japanese, half-width katakana as first set",
        "ISO 2022 IR 13\\ISO 2022 IR 87",
        Text(f"ﾔﾏﾀﾞ^ﾀﾛｳ={_YAMADA}", _yamada(b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", _ROMAJI)),
    )
    yield _recipe(
        "c13",
        "Japanese with one character that only the supplementary set ISO 2022 IR 159 has",
        "\\ISO 2022 IR 87\\ISO 2022 IR 159",
        Text(
            "Mori^Ougai=森^鷗外=",
            b"Mori^Ougai="
            + _JIS_X_0208
            + b"?9"
            + _ASCII
            + b"^"
            + _JIS_X_0212
            + b"l?"
            + _JIS_X_0208
            + b"30"
            + _ASCII
            + b"=",
        ),
    )
    yield _recipe(
        "c14",
        "PS3.5 I.2 and I.3: Korean name and text",
        "\\ISO 2022 IR 149",
        Text("Hong^Gildong=洪^吉洞=홍^길동", _hong()),
        Text(
            "The 1st line includes 길동.\r\nThe 2nd line includes 길동, too.\r\nThe 3rd line.",
            _KOREAN
            + b"The 1st line includes \xb1\xe6\xb5\xbf.\r\n"
            + _KOREAN
            + b"The 2nd line includes \xb1\xe6\xb5\xbf, too.\r\nThe 3rd line.",
        ),
    )
    for id_, term, codec, purpose in (
        ("c15", "ISO_IR 192", "utf_8", "PS3.5 J.1 and J.2: Chinese in UTF-8"),
        ("c16-gb18030", "GB18030", "gb18030", "PS3.5 J.3 and J.4: Chinese in GB18030"),
        ("c16-gbk", "GBK", "gbk", "the twin of c16-gb18030: the same bytes under the term GBK"),
    ):
        name = _WANG.replace("东", "東") if codec == "utf_8" else _WANG
        text = Text(_CHINESE_LINES, _CHINESE_LINES.encode(codec))
        yield _recipe(id_, purpose, term, Text(name, name.encode(codec)), text)
    yield _recipe(
        "c17",
        "PS3.5 K.2 and K.3: Chinese as code extension of ASCII",
        "\\ISO 2022 IR 58",
        Text(
            "Zhang^XiaoDong=张^小东=",
            b"Zhang^XiaoDong=" + _CHINESE + b"\xd5\xc5^" + _CHINESE + b"\xd0\xa1\xb6\xab=",
        ),
        Text(
            "1.第一行文字。\r\n2.第二行文字。\r\n3.第三行文字。\r\n",
            b"".join(
                b"%d." % number
                + _CHINESE
                + b"\xb5\xda"
                + digit
                + b"\xd0\xd0\xce\xc4\xd7\xd6\xa1\xa3\r\n"
                for number, digit in enumerate((b"\xd2\xbb", b"\xb6\xfe", b"\xc8\xfd"), start=1)
            ),
        ),
    )  # fmt: skip - escape sequences read better beside what they lead in
    yield Recipe("c18", "Latin-1 outside, UTF-8 in the item of a sequence", _own_set_in_item)


def _hong() -> bytes:
    ideographic = _KOREAN + b"\xfb\xf3^" + _KOREAN + b"\xd1\xce\xd4\xd7"
    phonetic = _KOREAN + b"\xc8\xab^" + _KOREAN + b"\xb1\xe6\xb5\xbf"
    return b"=".join((b"Hong^Gildong", ideographic, phonetic))


def _recipe(id_: str, purpose: str, terms: str, name: Text, text: Text | None = None) -> Recipe:
    def draft() -> Draft:
        known: dict[str, Any] = {
            "patient_name": name.shown.rstrip("="),  # empty groups at the end mean nothing
            "patient_name_bytes": name.written.hex(),
        }
        ds = _image(id_)
        ds.SpecificCharacterSet = terms.split("\\")
        _keep_raw(ds)
        _put(ds, "PatientName", name.written)
        if text is not None:
            _put(ds, "PatientComments", text.written)
            known |= {"patient_comments": text.shown, "patient_comments_bytes": text.written.hex()}
        return Draft(ds, picture=_picture(), known=known)

    return Recipe(id_, purpose, draft)


def _own_set_in_item() -> Draft:
    ds = _image("c18")
    ds.SpecificCharacterSet = "ISO_IR 100"
    _keep_raw(ds)
    _put(ds, "PatientName", "Größe^Jörg".encode("iso8859_1"))
    meaning = "Röntgen 胸部"
    inner = item(
        SpecificCharacterSet="ISO_IR 192",
        CodeValue="CHEST",
        CodingSchemeDesignator="99HARNESS",
        CodeMeaning=meaning,
    )
    ds.ProcedureCodeSequence = Sequence([inner])
    known = {"patient_name": "Größe^Jörg", "code_meaning": meaning}
    return Draft(ds, picture=_picture(), known=known)


def _image(id_: str) -> Dataset:
    return secondary_capture(Place("corpus", f"CHARSET-{id_.upper()}"))


def _keep_raw(ds: Dataset) -> None:
    """Tell pydicom that raw elements are already encoded, so that it writes them as they are."""
    ds.set_original_encoding(
        is_implicit_vr=False,
        is_little_endian=True,
        character_encoding=convert_encodings(ds.SpecificCharacterSet),
    )


def _put(ds: Dataset, keyword: str, written: bytes) -> None:
    """Put bytes into a text element as they are, padded with a space to an even length."""
    number = tag_for_keyword(keyword)
    if number is None:
        raise ValueError(keyword)
    value = written + b" " * (len(written) % 2)
    ds[number] = RawDataElement(
        Tag(number), dictionary_VR(number), len(value), value, 0, is_implicit_VR=False,
        is_little_endian=True,
    )  # fmt: skip


def _picture() -> Picture:
    return Picture((gray(0, bits=8),), bits_stored=8)
