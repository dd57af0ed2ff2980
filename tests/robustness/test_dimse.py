"""Attacks by DICOM: wrong lengths, misplaced messages, deep nesting, file names.

Each case represents a published class of defects. The server may answer anything, or close the connection,
but it must keep serving others, and use no more memory than is appropriate for the message.
"""

import struct

import pytest

from harness.cases import (
    COMMAND,
    ECHO,
    LAST,
    Conversation,
    Hostile,
    Maker,
    MessagePart,
    Step,
    Suite,
    bomb,
    data_set,
    dicom_parts,
    implicit_element,
)

suite = Suite(level="quality", needs="dimse.echo")

ASKED = dicom_parts.associate([ECHO])
RELEASE = dicom_parts.RELEASE
HUGE = 0xFFFFFFFF
DEEP = 3000
TIMES = 80
LEAK = 6 << 20
"""Bytes that no server should need for eighty ended associations."""


def repeated(tag: MessagePart, times: int, inside: str = "user information") -> MessagePart:
    """Return an association request with an additional item, repeated many times."""
    item = next(part for _, part in ASKED.walk() if part.name == inside)
    content = (
        *item.children(),
        MessagePart(tag.name, tag.content, tag.head, tag.coding, times=times),
    )
    return ASKED.having(inside, content=content)


REQUESTS = {
    "pdu-of-4-GiB": ASKED.having("A-ASSOCIATE-RQ", lie=HUGE),
    "pdu-shorter-than-its-head": ASKED.having("A-ASSOCIATE-RQ", lie=10),
    "empty-pdu": MessagePart("A-ASSOCIATE-RQ", b"", b"\1\0", ">I"),
    "user-information-beyond-the-end": ASKED.having("user information", lie=0xFFFF),
    "sub-item-beyond-its-item": ASKED.having("implementation class", lie=0xFFFF),
    "context-beyond-the-end": ASKED.having("presentation context", lie=0xFFFF),
    "context-of-one-byte": ASKED.having("presentation context", content=b"\1"),
    "long-abstract-syntax": ASKED.having("abstract syntax", content=b"1." * 20000),
    "long-transfer-syntax": ASKED.having("transfer syntax", content=b"1" * 60000),
    "no-transfer-syntax": ASKED.having("transfer syntax", content=b""),
    "thousands-of-sub-items": repeated(MessagePart("x", b"1.2.3", b"\x52\0", ">H"), 5000),
    "thousands-of-transfer-syntaxes": repeated(
        MessagePart("x", b"1.2.3", b"\x40\0", ">H"), 5000, "presentation context"
    ),
    "user-identity-beyond-its-item": dicom_parts.associate(
        [ECHO], *dicom_parts.NEGOTIATIONS
    ).having("secondary", lie=0xFFFF),
    "role-beyond-its-item": dicom_parts.associate([ECHO], *dicom_parts.NEGOTIATIONS).having(
        "role selection", content=b"\xff\xff1.2"
    ),
}


@suite.case("ROBU-001", ref="CVE-2015-8979")
@pytest.mark.parametrize("name", REQUESTS)
def test_request_whose_items_lie(hostile: Hostile, name: str) -> None:
    """The server survives association requests with items that are too long, too many or truncated."""
    hostile.survives(REQUESTS[name])


@suite.case("ROBU-002", ref="CVE-2022-43272, CVE-2026-50254, CVE-2026-35505")
@pytest.mark.parametrize("ending", ["abandoned", "aborted", "refused"])
def test_memory_of_associations_is_given_back(hostile: Hostile, ending: str) -> None:
    """Many associations that are abandoned, aborted or rejected do not leak memory."""
    if ending == "refused":
        steps = (Step(0, "dicom", ASKED.having("application context", content=b"1.2.3")),)
    else:
        last = Step(
            0, "dicom", dicom_parts.ABORT if ending == "aborted" else dicom_parts.ECHO, "drop"
        )
        steps = (Step(0, "dicom", ASKED), last)

    assert hostile.repeats(Conversation(steps), TIMES) < LEAK


def commanded(*fields: tuple[int, bytes], control: int = COMMAND | LAST) -> MessagePart:
    """Return a P-DATA-TF with a command set of any fields."""
    return dicom_parts.p_data(
        "P-DATA-TF", dicom_parts.pdv(control, "command", dicom_parts.command(fields))
    )


ECHOED = dicom_parts.ECHO
MESSAGES = {
    "empty-command": commanded(),
    "no-command-field": commanded((0x0002, b"1.2.840.10008.1.1\0"), (0x0800, b"\1\1")),
    "unknown-command": commanded((0x0100, b"\x99\x99"), (0x0110, b"\1\0"), (0x0800, b"\1\1")),
    "response-to-nothing": commanded(
        (0x0100, b"\x30\x80"), (0x0120, b"\1\0"), (0x0800, b"\1\1"), (0x0900, b"\0\0")
    ),
    "command-field-of-a-byte": ECHOED.having("CommandField", content=b"\x30"),
    "command-field-of-kilobytes": ECHOED.having("CommandField", content=b"\x30\0" * 3000),
    "uid-of-kilobytes": ECHOED.having("AffectedSOPClassUID", content=b"1." * 4000),
    "element-beyond-the-end": ECHOED.having("MessageID", lie=HUGE - 1),
    "group-length-of-4-GiB": ECHOED.having("command set", lie=HUGE),
    "data-set-that-never-comes": ECHOED.having("CommandDataSetType", content=b"\0\0"),
    "pdv-of-4-GiB": ECHOED.having("command", lie=HUGE),
    "pdv-of-one-byte": ECHOED.having("command", lie=1),
    "pdv-on-no-context": ECHOED.having("message control header", content=b"\xff\3"),
    "data-before-the-command": ECHOED.having("message control header", content=b"\1\2"),
    "p-data-of-4-GiB": ECHOED.having("C-ECHO-RQ", lie=HUGE),
    "second-request": ASKED,
    "accepted-by-us": dicom_parts.associate([ECHO], kind=2),
    "cancel-of-nothing": dicom_parts.CANCEL,
}  # fmt: skip


@suite.case("ROBU-003", ref="CVE-2024-34508, CVE-2024-34509")
@pytest.mark.parametrize("name", MESSAGES)
def test_message_that_is_none(hostile: Hostile, name: str) -> None:
    """The server survives messages with missing, misplaced, truncated or far too long fields."""
    hostile.survives(ASKED, MESSAGES[name], closes=name != "data-set-that-never-comes")


def sent(make: Maker, data: MessagePart, **command: bytes) -> tuple[MessagePart, ...]:
    """Return an association with one C-STORE request that carries any data set."""
    sample = make.instance(rows=2, columns=2)
    request = dicom_parts.store(sample).having("data set", content=(data,))
    for name, value in command.items():
        request = request.having(name, content=value)
    return dicom_parts.associate([sample.context]), request, RELEASE


@suite.case("ROBU-004", ref="CVE-2022-2121", needs="dimse.store")
@pytest.mark.parametrize("name", ["PixelData", "PatientName", "StudyInstanceUID", "SOPClassUID"])
@pytest.mark.parametrize("lie", [0, 0xFFFE, HUGE - 1, HUGE], ids="{:x}".format)
def test_object_whose_lengths_lie(hostile: Hostile, make: Maker, name: str, lie: int) -> None:
    """The server survives objects with an element that is declared empty, too long, or without an end."""
    data = data_set(make.instance(rows=2, columns=2))
    hostile.survives(*sent(make, data.having(name, lie=lie)))


@suite.case("ROBU-005", ref="CWE-674", needs="dimse.store")
def test_object_with_thousands_of_levels(hostile: Hostile, make: Maker) -> None:
    """The server survives an object with three thousand nested sequences without an end."""
    head = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, HUGE) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, HUGE
    )
    levels = MessagePart("levels", head, times=DEEP)
    data = data_set(make.instance(rows=2, columns=2))
    hostile.survives(*sent(make, MessagePart("deep", (*data.children()[:3], levels))))


@suite.case("ROBU-006", ref="CVE-2022-2119, CVE-2022-2120", needs="dimse.store")
@pytest.mark.parametrize("name", ["../../../robu-escaped", "/tmp/robu-escaped", "..\\robu-escaped"])  # noqa: S108
def test_name_of_an_object_is_no_path(hostile: Hostile, make: Maker, name: str) -> None:
    """An object whose SOP Instance UID is a path is not written outside of the folder of the server."""
    value = name.encode() + b"\0" * (len(name) % 2)
    data = data_set(make.instance(rows=2, columns=2)).having("SOPInstanceUID", content=value)
    hostile.survives(*sent(make, data, AffectedSOPInstanceUID=value))

    assert hostile.escaped("robu-escaped") == []


QUERIES = {
    "no-level": [],
    "empty-level": [(0x00080052, b"")],
    "unknown-level": [(0x00080052, b"GALAXY")],
    "long-key": [(0x00080052, b"PATIENT "), (0x00100020, b"*?" * 30000)],
    "wildcards": [(0x00080052, b"PATIENT "), (0x00100010, b"*A" * 200 + b"*")],
    "ranges": [(0x00080052, b"STUDY "), (0x00080020, b"-" * 400)],
    "sequence-as-text": [(0x00080052, b"STUDY "), (0x00081140, b"no sequence ")],
    "escapes": [
        (0x00080005, b"ISO 2022 IR 87\\" * 50), (0x00080052, b"PATIENT "), (0x00100010, b"\x1b$B" * 99),
    ],
}  # fmt: skip


@suite.case("ROBU-007", ref="CVE-2021-41687, CVE-2021-41689", needs="dimse.find.patient")
@pytest.mark.parametrize("name", QUERIES)
def test_query_that_is_none(hostile: Hostile, name: str) -> None:
    """The server survives queries without a level, or with keys that are too long or of the wrong kind."""
    hostile.survives(*_query(dicom_parts.PATIENT_ROOT[1], QUERIES[name]))


STEPS = {
    "no-item": b"",
    "text": b"no sequence ",
    "empty-item": b"\xfe\xff\x00\xe0\0\0\0\0",
    "item-beyond-the-end": b"\xfe\xff\x00\xe0\xff\xff\0\0",
    "items-within-items": b"\xfe\xff\x00\xe0\xff\xff\xff\xff\x40\0\0\1\xff\xff\xff\xff" * 500,
}


@suite.case("ROBU-008", ref="CVE-2026-44628, CVE-2026-52868", needs="dimse.worklist")
@pytest.mark.parametrize("name", [*STEPS, "title-is-a-path"])
def test_worklist_query_that_is_none(hostile: Hostile, name: str) -> None:
    """The server survives worklist queries whose step is not a sequence, or whose title contains a path."""
    keys = [(0x00100010, b"*"), (0x00400100, STEPS.get(name, b""))]
    asked, *rest = _query(dicom_parts.WORKLIST, keys)
    if name == "title-is-a-path":
        asked = asked.having("called title", content=b"../../etc".ljust(16))
    hostile.survives(asked, *rest)


def _query(sop_class: str, keys: list[tuple[int, bytes]]) -> tuple[MessagePart, ...]:
    """Return an association with one C-FIND request that carries any keys."""
    found = MessagePart("identifier", tuple(implicit_element(*each) for each in keys))
    request = dicom_parts.message(0x0020, "C-FIND-RQ", sop_class, (0x0700, b"\0\0"), data=found)
    return dicom_parts.associate([(sop_class, [dicom_parts.IMPLICIT])]), request, RELEASE


@suite.case("ROBU-009", ref="CWE-409", needs="dimse.store")
def test_deflated_object_that_grows(hostile: Hostile, make: Maker) -> None:
    """A deflated object that expands to 160 MiB does not take that much memory, accepted or not."""
    sample = make.instance(rows=2, columns=2)
    deflated = "1.2.840.10008.1.2.1.99"
    data = MessagePart("deflated", bomb(160))
    asked = dicom_parts.associate([(sample.context[0], [deflated])])
    request = dicom_parts.store(sample).having("data set", content=(data,))
    hostile.survives(asked, request, RELEASE, closes=False)
