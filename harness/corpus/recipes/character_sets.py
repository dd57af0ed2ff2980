"""c01 to c18: person names and texts in the character sets of PS3.3 C.12.1.1.2.

The Japanese, Korean and Chinese examples are those of PS3.5 annexes H to K, byte for byte; all
other names are invented. The bytes are written into the object as given here, without re-encoding.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.charset import convert_encodings, python_encoding
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from harness.corpus.modules import item, secondary_capture
from harness.corpus.picture import Picture, gray
from harness.corpus.place import Place
from harness.corpus.registry import Recipe
from harness.corpus.sample import Draft

# Latin-9 was added to the standard after pydicom's table was made (still so in 3.0.2).
python_encoding.setdefault("ISO_IR 203", "iso8859_15")

# Shift into JIS X 0208 and 0212, into ASCII and romaji; Korean and Chinese as right half
# (PS3.3 C.12.1.1.2).
_KANJI, _MORE_KANJI, _ASCII, _ROMAJI = b"\x1b$B", b"\x1b$(D", b"\x1b(B", b"\x1b(J"
_KOREAN, _CHINESE = b"\x1b$)C", b"\x1b$)A"


@dataclass(frozen=True)
class Text:
    """A text, and the bytes that encode it."""

    shown: str
    written: bytes

    @classmethod
    def of(cls, shown: str, codec: str) -> "Text":
        """Encode a text with one of Python's codecs."""
        return cls(shown, shown.encode(codec))


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
_PICTURE = Picture((gray(0, bits=8),), bits_stored=8)
_WANG = "Wang^XiaoDong=王^小东="
_LINES = "The first line includes中文.\r\nThe second line includes中文, too.\r\nThe third line.\r\n"


def _yamada(first: bytes, back: bytes) -> bytes:
    """Return a name whose ideographic and phonetic components all shift into kanji and `back`."""
    kanji = tuple(_KANJI + part + back for part in (b";3ED", b"B@O:", b"$d$^$@", b"$?$m$&"))
    return first + b"=%b^%b=%b^%b" % kanji


# Multi-byte sets and code extensions: id, purpose, defined terms, name, text.
_MULTI_BYTE = (
    ("c11", "PS3.5 H.3.1: Japanese, kanji and kana as code extension of ASCII", "\\ISO 2022 IR 87",
     Text(f"Yamada^Tarou={_YAMADA}", _yamada(b"Yamada^Tarou", _ASCII))),
    ("c12", "PS3.5 H.3.2: Japanese, half-width katakana as first set", "ISO 2022 IR 13\\ISO 2022 IR 87",
     Text(f"ﾔﾏﾀﾞ^ﾀﾛｳ={_YAMADA}", _yamada(b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", _ROMAJI))),
    ("c13", "Japanese with one character that only the supplementary set ISO 2022 IR 159 has",
     "\\ISO 2022 IR 87\\ISO 2022 IR 159",
     Text("Mori^Ougai=森^鷗外=",
          b"Mori^Ougai=%b?9%b^%bl?%b30%b=" % (_KANJI, _ASCII, _MORE_KANJI, _KANJI, _ASCII))),
    ("c14", "PS3.5 I.2 and I.3: Korean name and text", "\\ISO 2022 IR 149",
     Text("Hong^Gildong=洪^吉洞=홍^길동",
          b"Hong^Gildong=%b\xfb\xf3^%b\xd1\xce\xd4\xd7=%b\xc8\xab^%b\xb1\xe6\xb5\xbf" % ((_KOREAN,) * 4)),
     Text("The 1st line includes 길동.\r\nThe 2nd line includes 길동, too.\r\nThe 3rd line.",
          b"%bThe 1st line includes \xb1\xe6\xb5\xbf.\r\n%bThe 2nd line includes \xb1\xe6\xb5\xbf, too.\r\n"
          b"The 3rd line." % (_KOREAN, _KOREAN))),
    ("c15", "PS3.5 J.1 and J.2: Chinese in UTF-8", "ISO_IR 192",
     Text.of("Wang^XiaoDong=王^小東=", "utf_8"), Text.of(_LINES, "utf_8")),
    ("c16-gb18030", "PS3.5 J.3 and J.4: Chinese in GB18030", "GB18030",
     Text.of(_WANG, "gb18030"), Text.of(_LINES, "gb18030")),
    ("c16-gbk", "the twin of c16-gb18030: the same bytes under the term GBK", "GBK",
     Text.of(_WANG, "gbk"), Text.of(_LINES, "gbk")),
    ("c17", "PS3.5 K.2 and K.3: Chinese as code extension of ASCII", "\\ISO 2022 IR 58",
     Text("Zhang^XiaoDong=张^小东=",
          b"Zhang^XiaoDong=%b\xd5\xc5^%b\xd0\xa1\xb6\xab=" % (_CHINESE, _CHINESE)),
     Text("1.第一行文字。\r\n2.第二行文字。\r\n3.第三行文字。\r\n",
          b"".join(b"%d.%b\xb5\xda%b\xd0\xd0\xce\xc4\xd7\xd6\xa1\xa3\r\n" % (number, _CHINESE, digit)
                   for number, digit in enumerate((b"\xd2\xbb", b"\xb6\xfe", b"\xc8\xfd"), start=1)))),
)  # fmt: skip


def recipes() -> Iterator[Recipe]:
    """Yield the recipes of this group."""
    for id_, term, codec, name in _SINGLE_BYTE:
        yield _recipe(id_, f"{term}, a single byte set", term, Text.of(name, codec))
    yield from (_recipe(*row) for row in _MULTI_BYTE)
    yield Recipe("c18", "Latin-1 outside, UTF-8 in the item of a sequence", _own_set_in_item)


def _recipe(id_: str, purpose: str, terms: str, name: Text, text: Text | None = None) -> Recipe:
    def draft() -> Draft:
        known = {
            "patient_name": name.shown.rstrip("="),  # empty groups at the end mean nothing
            "patient_name_bytes": name.written.hex(),
        }
        ds = _image(id_, terms.split("\\"), name.written)
        if text is not None:
            _put(ds, "PatientComments", text.written)
            known |= {"patient_comments": text.shown, "patient_comments_bytes": text.written.hex()}
        return Draft(ds, picture=_PICTURE, known=known)

    return Recipe(id_, purpose, draft)


def _own_set_in_item() -> Draft:
    ds = _image("c18", "ISO_IR 100", "Größe^Jörg".encode("iso8859_1"))
    meaning = "Röntgen 胸部"
    inner = item(
        SpecificCharacterSet="ISO_IR 192",
        CodeValue="CHEST",
        CodingSchemeDesignator="99HARNESS",
        CodeMeaning=meaning,
    )
    ds.ProcedureCodeSequence = Sequence([inner])
    known = {"patient_name": "Größe^Jörg", "code_meaning": meaning}
    return Draft(ds, picture=_PICTURE, known=known)


def _image(id_: str, terms: str | list[str], name: bytes) -> Dataset:
    ds = secondary_capture(Place("corpus", f"CHARSET-{id_.upper()}"))
    ds.SpecificCharacterSet = terms
    # Tells pydicom that raw elements are already encoded, so that it writes them unchanged.
    encodings = convert_encodings(ds.SpecificCharacterSet)
    ds.set_original_encoding(False, True, encodings)
    _put(ds, "PatientName", name)
    return ds


def _put(ds: Dataset, keyword: str, written: bytes) -> None:
    """Set a text element to bytes as they are, padded with a space to an even length."""
    tag, value = Tag(keyword), written + b" " * (len(written) % 2)
    ds[tag] = RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, False, True)
