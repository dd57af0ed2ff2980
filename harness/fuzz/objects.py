"""Objects as trees of parts: file meta information, elements, sequences, encapsulated pixels."""

import functools
import struct
import zlib
from collections.abc import Iterable
from typing import Final

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from dcm.data.dictionary import keyword_of
from dcm.data.encoding import LONG_VRS
from harness.clients.part10 import Element, take_apart
from harness.corpus import Maker, Sample, corpus
from harness.fuzz.parts import Coding, Part

UNDEFINED: Final = 0xFFFFFFFF
_LONG: Final = frozenset(each.decode() for each in LONG_VRS)

SAMPLES: Final = (
    "p01", "p02", "p05", "p06", "p07", "p08", "p09-rle-gray", "p09-rle-colour", "p10-jpeg-colour", "p11",
    "p12-jpeg-ls", "p12-jpeg-2000", "p12-jpeg-lossless", "p13-offsets", "p14", "p15-jpeg-2000-lossy",
    "p15-jpeg-extended", "p15-jpeg-ls-near", "p15-jpeg-lossless-colour", "p16-jpeg-fragments", "a03-sr",
    "a03-seg", "a03-rtstruct", "a03-pr", "c14", "c16-gb18030", "t01-un", "t05", "t06-nested-10", "m07",
)  # fmt: skip
"""Corpus samples: each transfer syntax, encapsulations, character sets, nesting, other classes."""

TOKENS: Final = ("FZQ7KA41XV", "FZW3MB82YT", "FZE9NC63ZR")
"""One unique string per patient; these patients are stored before anything else."""
_MAKER: Final = Maker("FUZZ")


def patient(token: str) -> Sample:
    """Return the only object of a patient, with the token in the Patient ID and the name."""
    return _MAKER.instance(PatientID=token, PatientName=f"{token}^N", rows=4, columns=4)


@functools.cache
def tiny() -> Sample:
    """Return a small object that is not in the server yet."""
    return _MAKER.instance(PatientID="FZ-TINY", rows=4, columns=4)


def samples() -> list[Sample]:
    """Return the objects from which others are made."""
    return [tiny(), *(corpus[name] for name in SAMPLES)]


@functools.cache
def data_set(sample: Sample) -> Part:
    """Return the data set of an object as a tree; a deflated one is a single part."""
    return part10(sample).children()[-1]


@functools.cache
def part10(sample: Sample) -> Part:
    """Return the file of an object as a tree."""
    return file_parts(sample.data)


def file_parts(data: bytes) -> Part:
    """Return a file as a tree. Raises Malformed if its structure is broken."""
    taken = take_apart(data)
    head = b"\2\0\0\0UL\4\0"
    group = Part("file meta information", elements(taken.meta[1:], "<"), head, "<I")
    syntax = taken.transfer_syntax
    if syntax == DeflatedExplicitVRLittleEndian:
        whole = data[132 + 12 + taken.meta_length :]
        inside = Part("deflated data set", (Part("deflated", whole),))
    else:
        endian = ">" if syntax == ExplicitVRBigEndian else "<"
        parts = elements(taken.elements, endian, implicit=syntax == ImplicitVRLittleEndian)
        inside = Part("data set", parts)
    start = (Part("preamble", taken.preamble), Part("prefix", b"DICM"))
    return Part("file", (*start, group, inside))


def bomb(megabytes: int) -> bytes:
    """Return zeros as a deflated stream without header, a thousandth of their size."""
    packer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    block = bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()


def elements(found: Iterable[Element], endian: str, *, implicit: bool = False) -> tuple[Part, ...]:
    """Return elements as parts."""
    return tuple(_element(each, endian, implicit=implicit) for each in found)


def _element(element: Element, endian: str, *, implicit: bool) -> Part:
    name = keyword_of(element.tag) or element.name
    head = struct.pack(f"{endian}HH", element.tag >> 16, element.tag & 0xFFFF)
    four: Coding = ">I" if endian == ">" else "<I"
    coding = four
    if not implicit:
        head += element.vr.encode()
        if element.vr in _LONG:
            head += b"\0\0"
        else:
            coding = ">H" if endian == ">" else "<H"
    content: bytes | tuple[Part, ...] = element.value
    item = struct.pack(f"{endian}HH", 0xFFFE, 0xE000)
    lie, tail = None, b""
    if element.length is None:
        lie, tail = UNDEFINED, struct.pack(f"{endian}HHI", 0xFFFE, 0xE0DD, 0)
    if element.items:
        inside = implicit or element.vr == "UN"
        content = tuple(
            Part("item", elements(each, endian, implicit=inside), item, four)
            for each in element.items
        )
    elif element.fragments:
        content = tuple(Part("fragment", each, item, four) for each in element.fragments)
    return Part(name, content, head, coding, lie=lie, tail=tail)


def implicit_element(tag: int, value: bytes, name: str = "") -> Part:
    """Return an element in implicit VR little endian, as used in identifiers and command sets."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    return Part(name or keyword_of(tag), value, head, "<I")
