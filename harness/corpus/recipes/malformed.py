"""x00 to x05: files that are deliberately malformed, each in one way."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from harness.corpus.modules import ct_image
from harness.corpus.part10 import data_set_offset
from harness.corpus.picture import Picture, gray
from harness.corpus.place import Place
from harness.corpus.registry import Recipe
from harness.corpus.sample import Draft

Mangle = Callable[[bytes], bytes]

_PIXEL_DATA: Final = b"\xe0\x7f\x10\x00OW\0\0"
_TEXT: Final = b"This is a plain text, and no DICOM file.\n" * 8


def recipes() -> Iterator[Recipe]:
    """Yield the recipes of this group."""
    text = Draft(Dataset(), mangle=lambda _: _TEXT)
    yield Recipe("x00-text", "not DICOM at all: a text", lambda: text)
    for id_, purpose, transfer_syntax, mangle in _BROKEN:
        yield Recipe(id_, purpose, partial(_draft, id_, transfer_syntax, mangle))


def _draft(id_: str, transfer_syntax: str, mangle: Mangle) -> Draft:
    ds = ct_image(Place("corpus", f"MALFORMED-{id_[:3].upper()}", series=id_))
    return Draft(ds, transfer_syntax, Picture((gray(0),), bits_stored=12), mangle=mangle)


def _beyond_the_end(data: bytes) -> bytes:
    length = data.rindex(_PIXEL_DATA) + len(_PIXEL_DATA)
    return data[:length] + (0x7FFFFFF0).to_bytes(4, "little") + data[length + 4 :]


_BROKEN: Final[tuple[tuple[str, str, str, Mangle], ...]] = (
    ("x01", "no preamble and no prefix: the file begins with group 0002", ExplicitVRLittleEndian,
     lambda data: data[128 + len("DICM") :]),
    ("x02", "no meta header: the file begins with the data set, in implicit VR", ImplicitVRLittleEndian,
     lambda data: data[data_set_offset(data) :]),
    ("x04-cut-in-header", "cut within the header of an element", ExplicitVRLittleEndian,
     lambda data: data[: data.rindex(_PIXEL_DATA) + 6]),
    ("x04-cut-in-value", "cut within the pixels", ExplicitVRLittleEndian,
     lambda data: data[: data.rindex(_PIXEL_DATA) + 12 + 100]),
    ("x05", "the pixels' length goes far beyond the end of the file", ExplicitVRLittleEndian,
     _beyond_the_end),
)  # fmt: skip
