"""Files from the server, each broken in one way: the cases on PS3.10 and PS3.5 notice."""

from collections.abc import Callable

from support.lies import Group
from support.web_lies import files, lie, objects, retrieves, runs, status, stores

SYNTAXES = ("p02", "p07", "p09-rle-gray", "p12-jpeg-ls", "m01-jpeg")
GROUP_LENGTH = 140  # offset of its value: after the preamble, the prefix and its header
PIXELS = b"\xe0\x7f\x10\x00"
ENCAPSULATED = b"OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0"


def head(tag: int, vr: str = "") -> bytes:
    """Return the beginning of the header of an element."""
    group, element = tag >> 16, tag & 0xFFFF
    return group.to_bytes(2, "little") + element.to_bytes(2, "little") + vr.encode()


def number(data: bytes, at: int, size: int) -> int:
    """Read an unsigned number."""
    return int.from_bytes(data[at : at + size], "little")


def put(data: bytes, at: int, new: bytes) -> bytes:
    """Overwrite bytes."""
    return data[:at] + new + data[at + len(new) :]


def value_of(tag: int, vr: str, change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Change the value of an element with a 16-bit length, and the length with it."""

    def changed(data: bytes) -> bytes:
        at = data.index(head(tag, vr)) + 6
        end = at + 2 + number(data, at, 2)
        value = change(data[at + 2 : end])
        return data[:at] + len(value).to_bytes(2, "little") + value + data[end:]

    return changed


def without(tag: int, vr: str) -> Callable[[bytes], bytes]:
    """Remove an element; for one of the file meta information, adjust the group length."""

    def changed(data: bytes) -> bytes:
        at = data.index(head(tag, vr))
        end = at + 8 + number(data, at + 6, 2)
        if tag >> 16 == 2:
            length = number(data, GROUP_LENGTH, 4) - (end - at)
            data = put(data, GROUP_LENGTH, length.to_bytes(4, "little"))
        return data[:at] + data[end:]

    return changed


def shifted(data: bytes, at: int, by: int, size: int = 4) -> bytes:
    """Add to a number in the file."""
    return put(data, at, (number(data, at, size) + by).to_bytes(size, "little"))


def big_endian(value: bytes) -> bytes:
    """Name Explicit VR Big Endian in the same number of bytes."""
    return b"1.2.840.10008.1.2.2".ljust(len(value), b"\0")


def wrong_offset(data: bytes) -> bytes:
    """Move the second frame's entry in the offset table by two bytes, if there is one."""
    at = data.index(PIXELS + ENCAPSULATED) + len(PIXELS + ENCAPSULATED)
    return shifted(data, at + 8, 2) if number(data, at, 4) else data


def wrong_extended_offset(data: bytes) -> bytes:
    """Do the same in the extended offset table."""
    return shifted(data, data.index(head(0x7FE00001, "OV")) + 12 + 8, 2, 8)


def odd_fragment(data: bytes) -> bytes:
    """Remove the last byte of the first fragment."""
    at = data.index(PIXELS + ENCAPSULATED) + len(PIXELS + ENCAPSULATED)
    at += 4 + number(data, at, 4) + 4  # after the offset table and the tag of the fragment
    end = at + 4 + number(data, at, 4)
    return shifted(data[: end - 1] + data[end:], at, -1)


def short_pixels(data: bytes) -> bytes:
    """Remove the last two bytes of native pixels, which are the last element."""
    return shifted(data, data.rindex(PIXELS) + 8, -2)[:-2]


def creator_of_unknown_vr(data: bytes) -> bytes:
    """Write the private creator with VR UN."""
    at = data.index(head(0x00990010, "LO"))
    length = number(data, at + 6, 2)
    return data[: at + 4] + b"UN\0\0" + length.to_bytes(4, "little") + data[at + 8 :]


def escape_left_out(name: bytes) -> bytes:
    """Omit the escape back to the first character set before the first delimiter."""
    back = b"\x1b(J" if b"\x1b(J" in name else b"\x1b(B"
    return name.replace(back, b"", 1) + b"  " + b" "


GROUP = Group(
    "files",
    crosswise=False,
    smoke=False,
    sample=(
        *(f"FILE-{each:03}" for each in range(1, 18)),
        *(f"FILE-{each}" for each in range(101, 110)),
    ),
    lies=(
        lie("the preamble is full of something", {"FILE-001"}, retrieves,
            files(lambda data: b"X" * 128 + data[128:])),
        lie("the group length is wrong", runs("FILE-002", *SYNTAXES), retrieves,
            files(lambda data: shifted(data, GROUP_LENGTH, -2))),
        lie("no implementation is named", {"FILE-003"}, retrieves, files(without(0x00020012, "UI"))),
        lie("another instance is named", runs("FILE-004", "h01-ct-1-1", "h03-sr", "m07"), retrieves,
            files(value_of(0x00020003, "UI", lambda uid: uid.replace(uid[4:6], b"31", 1)))),
        lie("another transfer syntax is named", runs("FILE-005", *SYNTAXES), retrieves,
            files(value_of(0x00020010, "UI", big_endian))),
        lie("an element is out of order",
            runs("FILE-006", "t05", "t01-known-vr", "t06-nested-10", "m07"), retrieves,
            files(lambda data: data + head(0x00080005, "CS") + b"\0\0")),
        lie("a length is odd", runs("FILE-007", "t05", "p11", "m07"), retrieves,
            files(value_of(0x00100020, "LO", lambda value: value[:-1]))),
        lie("a space pads a UID", {"FILE-008"}, retrieves,
            files(value_of(0x00200052, "UI", lambda value: value.replace(b"\0", b" ")))),
        lie("a NUL pads a text", {"FILE-008"}, retrieves,
            files(value_of(0x00100020, "LO", lambda value: value.replace(b" ", b"\0")))),
        lie("a UID has a leading zero", runs("FILE-009", "h03-ko", "t05", "m01-jpeg"), retrieves,
            files(value_of(0x0020000D, "UI", lambda uid: uid.replace(b".25.", b".05.")))),
        lie("a sequence ends too early", runs("FILE-010", "t06-nested-10-10", "t06-nested-40-40"), retrieves,
            files(lambda data: shifted(data, data.index(head(0x0040A730, "SQ")) + 8, -8))),
        lie("a frame begins elsewhere", runs("FILE-011", "p13-offsets", "m01-jpeg"), retrieves,
            files(wrong_offset)),
        lie("a fragment is odd",
            runs("FILE-012", "p09-rle-gray", "p12-jpeg-ls", "p12-jpeg-2000", "m01-jpeg"), retrieves,
            files(odd_fragment)),
        lie("a frame begins elsewhere in the extended table", {"FILE-013"}, retrieves,
            files(wrong_extended_offset)),
        lie("pixels are missing",
            runs("FILE-014", "p01", "p03", "p05", "p09-rle-gray", "p11", "m01-native"), retrieves,
            files(short_pixels)),
        lie("a block is nobody's",
            runs("FILE-015", "t01-known-vr", "t01-implicit-vr", "t01-un", "t05"), retrieves,
            files(without(0x00990010, "LO"))),
        lie("a creator is unknown", {"FILE-016"}, retrieves, files(creator_of_unknown_vr)),
        lie("a name goes on in kanji", runs("FILE-017", "c11", "c12", "c13"), retrieves,
            files(value_of(0x00100010, "PN", escape_left_out))),
        lie("an inner item is changed",
            runs("FILE-101", *(f"web-{a}-{b}" for a in ("length", "delimiter")
                               for b in ("item-length", "item-delimiter"))), retrieves,
            files(lambda data: data.replace(b"inner ", b"inter "))),
        lie("an empty item is lost", runs("FILE-102", "web-length", "web-delimiter"), retrieves,
            objects(lambda ds: ds[0x00771001].value.pop())),
        lie("what is unusual is refused",
            {"FILE-103[web]", "FILE-104[web]", "FILE-106[web]",
             *runs("FILE-105", "web-tiff", "web-anything")},
            stores, status(200, 409)),
        lie("what is unknown is dropped", {"FILE-107[web]"}, retrieves,
            objects(lambda ds: ds.__delitem__(0x00771001))),
        lie("a long UID is cut", {"FILE-108[web]"}, retrieves,
            objects(lambda ds: setattr(ds, "SOPInstanceUID", ds.SOPInstanceUID[:62]))),
        lie("a long text is cut", {"FILE-109[web]"}, retrieves,
            objects(lambda ds: setattr(ds, "TextValue", ds.TextValue[:65534]))),
    ),
)  # fmt: skip
