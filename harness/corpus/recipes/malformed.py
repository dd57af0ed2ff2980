"""x00 to x05: files that are broken on purpose, each in one way."""

from collections.abc import Callable, Iterator

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from harness.corpus.modules import ct_image
from harness.corpus.part10 import data_set_offset
from harness.corpus.picture import Picture, gray
from harness.corpus.place import Place
from harness.corpus.registry import Recipe
from harness.corpus.sample import Draft

_PIXEL_DATA = b"\xe0\x7f\x10\x00OW\0\0"


def recipes() -> Iterator[Recipe]:
    """Return the recipes of this group."""
    yield Recipe("x00-text", "not DICOM at all: a text", lambda: Draft(Dataset(), mangle=_text))
    yield _broken("x01", "no preamble and no prefix: the file begins with group 0002", _no_preamble)
    yield _broken(
        "x02",
        "no meta header: the file begins with the data set, in implicit VR",
        _no_meta_header,
        ImplicitVRLittleEndian,
    )
    yield _broken("x04-cut-in-header", "cut within the header of an element", _cut_in_header)
    yield _broken("x04-cut-in-value", "cut within the pixels", _cut_in_value)
    yield _broken("x05", "the pixels' length goes far beyond the end of the file", _beyond_the_end)


def _broken(
    id_: str,
    purpose: str,
    mangle: Callable[[bytes], bytes],
    transfer_syntax: str = ExplicitVRLittleEndian,
) -> Recipe:
    def draft() -> Draft:
        ds = ct_image(Place("corpus", f"MALFORMED-{id_[:3].upper()}", series=id_))
        picture = Picture((gray(0),), bits_stored=12)
        return Draft(ds, transfer_syntax, picture, mangle=mangle)

    return Recipe(id_, purpose, draft)


def _text(_: bytes) -> bytes:
    return b"This is a plain text, and no DICOM file.\n" * 8


def _no_preamble(data: bytes) -> bytes:
    return data[128 + len("DICM") :]


def _no_meta_header(data: bytes) -> bytes:
    return data[data_set_offset(data) :]


def _cut_in_header(data: bytes) -> bytes:
    return data[: data.rindex(_PIXEL_DATA) + 6]


def _cut_in_value(data: bytes) -> bytes:
    return data[: data.rindex(_PIXEL_DATA) + 12 + 100]


def _beyond_the_end(data: bytes) -> bytes:
    length = data.rindex(_PIXEL_DATA) + len(_PIXEL_DATA)
    return data[:length] + (0x7FFFFFF0).to_bytes(4, "little") + data[length + 4 :]
