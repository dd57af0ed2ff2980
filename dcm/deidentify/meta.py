"""New file meta information, with nothing from that of the original file."""

from typing import Final

from dcm.data.encoding import EXPLICIT, Writer
from dcm.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dcm.instances import Instance

_PREAMBLE: Final = bytes(128) + b"DICM"


def file_meta(instance: Instance) -> bytes:
    """Encode preamble, prefix and file meta information of an instance (PS3.10 7.1)."""
    sop_class, syntax = instance.kind
    writer = Writer(EXPLICIT)
    writer.element(0x00020001, b"OB", b"\0\1")
    for number, uid in (
        (0x02, sop_class),
        (0x03, instance.sop_instance_uid),
        (0x10, syntax),
        (0x12, IMPLEMENTATION_CLASS_UID),
    ):
        value = uid.encode("ascii", "replace")
        writer.element(0x00020000 | number, b"UI", value + bytes(len(value) % 2))
    name = IMPLEMENTATION_VERSION_NAME.encode()
    writer.element(0x00020013, b"SH", name + b" " * (len(name) % 2))
    elements = bytes(writer.finished())
    length = Writer(EXPLICIT)
    length.element(0x00020000, b"UL", len(elements).to_bytes(4, "little"))
    return _PREAMBLE + bytes(length.finished()) + elements
