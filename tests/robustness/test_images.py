"""Attacks by images: wrong geometry, palettes and compressed streams.

Each case represents a published class of defects. The server may reject the object or the image, but it must
keep serving others, and use no more memory than is appropriate for the object.
"""

import base64
import json
import struct
from collections.abc import Callable

import pytest
from pydicom.uid import RLELossless

from harness.cases import (
    Corpus,
    Hostile,
    Maker,
    MessagePart,
    Rest,
    Sample,
    Suite,
    part10,
    web_parts,
)

suite = Suite(level="quality", needs="rest")

LOOKS = (
    "preview",
    "image-uint8",
    "image-uint16",
    "image-int16",
    "frames/0/rendered",
    "frames/0/raw",
)


def look_at(hostile: Hostile, rest: Rest, file: MessagePart) -> None:
    """Store a file, and request its first frame in every possible way."""
    request = web_parts.request(
        "POST", b"/instances", (b"Content-Type", b"application/dicom"), body=file
    )
    hostile.survives(request, door="http")
    for instance in rest.json("/instances"):
        for each in LOOKS:
            target = f"/instances/{instance}/{each}".encode()
            hostile.survives(web_parts.request("GET", target), door="http", closes=False)


def us(*values: int) -> bytes:
    """Encode 16-bit numbers."""
    return struct.pack(f"<{len(values)}H", *values)


def element(tag: int, vr: bytes, value: bytes) -> MessagePart:
    """Return an element in explicit VR with a short length."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    return MessagePart(f"{tag:08X}", value, head, "<H")


def with_elements(file: MessagePart, *new: MessagePart) -> MessagePart:
    """Return a file with additional elements, in the order of their tags."""
    data = next(part for _, part in file.walk() if part.name == "data set")
    parts = sorted((*data.children(), *new), key=lambda each: struct.unpack_from("<HH", each.head))
    return file.having("data set", content=tuple(parts))


Change = Callable[[MessagePart], MessagePart]
GEOMETRIES: dict[str, Change] = {
    "rows-and-columns-of-65535": lambda file: file.having("Rows", content=us(65535)).having(
        "Columns", content=us(65535)
    ),
    "rows-of-32-bits": lambda file: file.having(
        "Rows", content=struct.pack("<I", 0x10001), head=b"\x28\0\x10\0UL"
    ).having("Columns", content=struct.pack("<I", 0x10000), head=b"\x28\0\x11\0UL"),
    "no-rows": lambda file: file.having("Rows", content=us(0)),
    "more-bits-than-allocated": lambda file: file.having("BitsStored", content=us(255)),
    "bits-of-65535": lambda file: file.having("BitsAllocated", content=us(65535)),
    "high-bit-beyond": lambda file: file.having("HighBit", content=us(65535)),
    "samples-of-65535": lambda file: file.having("SamplesPerPixel", content=us(65535)),
    "frames-of-2-31": lambda file: with_elements(file, element(0x00280008, b"IS", b"2147483647")),
    "negative-frames": lambda file: with_elements(file, element(0x00280008, b"IS", b"-1")),
    "no-pixels": lambda file: file.having("PixelData", content=b""),
    "one-byte-of-pixels": lambda file: file.having("PixelData", content=b"\0\0"),
}


@suite.case("ROBU-040", ref="CVE-2026-5442")
@pytest.mark.parametrize("name", GEOMETRIES)
def test_image_whose_geometry_lies(hostile: Hostile, rest: Rest, make: Maker, name: str) -> None:
    """Rendering survives images that claim more rows, bits or frames than they have pixels for."""
    look_at(hostile, rest, GEOMETRIES[name](part10(make.instance(rows=4, columns=4))))


def palette(make: Maker, rows: int, columns: int, entries: int, pixels: bytes) -> MessagePart:
    """Return an image with a palette of this many entries."""
    file = part10(make.instance(rows=4, columns=4, Modality="OT"))
    descriptor, table = us(entries, 0, 16), us(*range(min(entries, 256)))
    tables = [element(0x00281101 + each, b"US", descriptor) for each in range(3)]
    tables += [
        MessagePart("table", table, struct.pack("<HH4s", 0x0028, 0x1201 + each, b"OW\0\0"), "<I")
        for each in range(3)
    ]
    for name, value in (
        ("PhotometricInterpretation", b"PALETTE COLOR "), ("SamplesPerPixel", us(1)), ("Rows", us(rows)),
        ("Columns", us(columns)), ("BitsAllocated", us(8)), ("BitsStored", us(8)), ("HighBit", us(7)),
        ("PixelData", pixels), ("PixelRepresentation", us(0)),
    ):  # fmt: skip
        file = file.having(name, content=value)
    return with_elements(file, *tables)


PALETTES = {
    "index-beyond-the-palette": (4, 4, 2, b"\xff" * 16),
    "size-beyond-32-bits": (65535, 65535, 256, b"\0" * 16),
    "palette-of-65536": (4, 4, 0, b"\xff" * 16),
    "too-few-pixels": (1, 4, 256, b"\0\0"),
}


@suite.case("ROBU-041", ref="CVE-2026-5443, CVE-2026-5445")
@pytest.mark.parametrize("name", PALETTES)
def test_palette_that_lies(hostile: Hostile, rest: Rest, make: Maker, name: str) -> None:
    """The server survives images with pixels beyond the palette, or a size beyond 32 bits."""
    look_at(hostile, rest, palette(make, *PALETTES[name]))


PRIVATE = {"runs": b"\xa5" * 9, "cut": b"\xa5\xff", "deltas": b"\x5a" * 64, "none": b""}


@suite.case("ROBU-042", ref="CVE-2026-5441")
@pytest.mark.parametrize("name", PRIVATE)
def test_private_compression_that_is_cut(
    hostile: Hostile, rest: Rest, make: Maker, name: str
) -> None:
    """The server survives a truncated stream in the private run-length coding of Philips."""
    file = part10(make.instance(rows=4, columns=4, pixels=True))
    private = (
        element(0x07A10010, b"LO", b"ELSCINT1"),
        MessagePart("07A1100A", PRIVATE[name], b"\xa1\x07\x0a\x10OB\0\0", "<I"),
        element(0x07A11011, b"CS", b"PMSCT_RLE1"),
    )
    look_at(hostile, rest, with_elements(file.having("PixelData", content=b""), *private))


SIZES = [(65537, 65535), (4294967295, 1), (65536, 65536), (0, 0)]


@suite.case("ROBU-043", ref="CVE-2026-5444")
@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
def test_pam_whose_size_lies(hostile: Hostile, size: tuple[int, int]) -> None:
    """The server survives a PAM picture with a size beyond 32 bits, and takes no memory for it."""
    width, height = size
    head = f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\nENDHDR\n"
    content = base64.b64encode(head.encode() + bytes(64)).decode()
    body = {
        "Tags": {"PatientID": "ROBU"},
        "Content": f"data:image/x-portable-arbitrarymap;base64,{content}",
    }
    request = web_parts.request(
        "POST", b"/tools/create-dicom", (b"Content-Type", b"application/json"), body=json.dumps(body).encode()
    )  # fmt: skip
    hostile.survives(request, door="http")


STREAMS = ("p10-jpeg-gray", "p12-jpeg-ls", "p12-jpeg-2000", "p12-jpeg-lossless", "p09-rle-gray")
CUTS: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "nothing": lambda _: b"",
    "other-size": lambda data: data.replace(us(data[0])[:1], b"\xff", 3),
    "ends-twice": lambda data: data[:40] + data[-40:],
    "zeros": lambda data: data[:20] + bytes(max(0, len(data) - 20)),
}


@suite.case("ROBU-044", ref="CVE-2022-2121, CWE-125")
@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("how", CUTS)
def test_compressed_stream_that_is_cut(
    hostile: Hostile, rest: Rest, corpus: Corpus, stream: str, how: str
) -> None:
    """Rendering survives compressed streams that are truncated, spliced or of a different size."""
    sample: Sample = corpus[stream]
    file = part10(sample)
    pixels = next(part for _, part in file.walk() if part.name == "PixelData")
    first, *others = pixels.children()
    bent = [
        MessagePart("fragment", CUTS[how](_bytes(each)), each.head, each.coding) for each in others
    ]
    look_at(hostile, rest, file.having("PixelData", content=(first, *bent)))


def _bytes(part: MessagePart) -> bytes:
    assert isinstance(part.content, bytes)
    return part.content


HEADERS = {
    "segments": us(0xFFFF) * 32,
    "offsets": b"\xff" * 64,
    "beyond": us(2, 0, 64, 0, 0xFFF0, 0xFFFF),
}


@suite.case("ROBU-045", ref="PS3.5 G.5")
@pytest.mark.parametrize("name", HEADERS)
def test_rle_header_that_lies(hostile: Hostile, rest: Rest, make: Maker, name: str) -> None:
    """Rendering survives an RLE header with offsets beyond its end."""
    file = part10(make.instance(rows=4, columns=4, transfer_syntax=RLELossless))
    pixels = next(part for _, part in file.walk() if part.name == "PixelData")
    first, second, *_ = pixels.children()
    stream = HEADERS[name].ljust(64, b"\0") + _bytes(second)[64:]
    bent = MessagePart("fragment", stream, second.head, second.coding)
    look_at(hostile, rest, file.having("PixelData", content=(first, bent)))
