"""Generated instances: attributes in a file, as plain values."""

import asyncio
import functools
import struct
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec

from dcm.data.identifier import write_identifier
from dcm.data.match import Attributes

P = ParamSpec("P")
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"


def content(attributes: Attributes, syntax: str = EXPLICIT, pixels: int = 0) -> bytes:
    """Return a Part 10 file (PS3.10 7.1) with these attributes, and this number of pixel bytes."""
    sop_class, uid = (str(attributes.get(each, "")) for each in ("SOPClassUID", "SOPInstanceUID"))
    meta = b"".join(
        (
            struct.pack("<HH2s2xI", 2, 1, b"OB", 2) + b"\0\1",
            _uid(2, sop_class), _uid(3, uid), _uid(0x10, syntax), _uid(0x12, "1.2.3.4"),
        )
    )  # fmt: skip
    prefix = bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta))
    data = write_identifier(attributes, syntax)
    if pixels:
        data += struct.pack("<HH2sxxI", 0x7FE0, 0x10, b"OW", pixels) + bytes(pixels)
    return prefix + meta + data


def instance(number: int, **attributes: str) -> dict[str, str]:
    """Return the attributes of the CT image of a number, by default in a study of its own."""
    made = {
        "SOPClassUID": CT,
        "SOPInstanceUID": f"1.2.3.{number}.3",
        "PatientID": f"P{number}",
        "PatientName": f"Name^{number}",
        "StudyInstanceUID": f"1.2.3.{number}.1",
        "StudyDate": "20240101",
        "SeriesInstanceUID": f"1.2.3.{number}.2",
        "Modality": "CT",
        "InstanceNumber": str(number),
    }
    return made | attributes


def write(path: Path, attributes: Attributes, **options: object) -> Path:
    """Write a file, and make its folders if necessary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content(attributes, **options))  # type: ignore[arg-type]
    return path


def _uid(element: int, text: str) -> bytes:
    value = text.encode() + b"\0" * (len(text) % 2)
    return struct.pack("<HH2sH", 2, element, b"UI", len(value)) + value


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make a test of a coroutine function."""

    @functools.wraps(test)
    def run(*args: P.args, **options: P.kwargs) -> None:
        asyncio.run(test(*args, **options))

    return run
