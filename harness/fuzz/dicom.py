"""Valid DICOM messages, as trees of parts: PDUs, items, command sets, identifiers."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from harness.corpus import Sample
from harness.fuzz import objects
from harness.fuzz.conversation import Conversation, Step, Then
from harness.fuzz.objects import TOKENS, implicit_element
from harness.fuzz.parts import Part
from harness.fuzz.playing import CALLED

IMPLICIT: Final = "1.2.840.10008.1.2"
VERIFICATION: Final = "1.2.840.10008.1.1"
PATIENT_ROOT: Final = {kind: f"1.2.840.10008.5.1.4.1.2.1.{kind}" for kind in (1, 2, 3)}
STUDY_ROOT: Final = {kind: f"1.2.840.10008.5.1.4.1.2.2.{kind}" for kind in (1, 2, 3)}
FIND, MOVE, GET = 1, 2, 3
WORKLIST: Final = "1.2.840.10008.5.1.4.31"
COMMITMENT: Final = "1.2.840.10008.1.20.1"
COMMITMENT_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
COMMAND, LAST = 1, 2

Context = tuple[str, Sequence[str]]

RELEASE: Final = Part("A-RELEASE-RQ", (Part("reserved", bytes(4)),), b"\5\0", ">I")
ABORT: Final = Part("A-ABORT", (Part("source", b"\0\0\0\0"),), b"\7\0", ">I")
RELEASED: Final = Part("A-RELEASE-RP", (Part("reserved", bytes(4)),), b"\6\0", ">I")
REJECTED: Final = Part("A-ASSOCIATE-RJ", (Part("result", b"\0\1\1\1"),), b"\3\0", ">I")


def _item(kind: int, name: str, content: bytes | tuple[Part, ...]) -> Part:
    return Part(name, content, bytes((kind, 0)), ">H")


def associate(contexts: Iterable[Context], *more: Part, kind: int = 1) -> Part:
    """Return an association request; the presentation contexts have the IDs 1, 3, 5 ..."""
    items = [_item(0x10, "application context", b"1.2.840.10008.3.1.1.1")]
    for number, (abstract, syntaxes) in enumerate(contexts):
        inside = (
            Part("context ID", bytes((2 * number + 1, 0, 0, 0))),
            _item(0x30, "abstract syntax", abstract.encode()),
            *(_item(0x40, "transfer syntax", each.encode()) for each in syntaxes),
        )
        items.append(_item(0x20, "presentation context", inside))
    user = (
        _item(0x51, "maximum length", struct.pack(">I", 16384)),
        _item(0x52, "implementation class", b"1.2.3"),
        *more,
    )
    head = (
        Part("protocol version", b"\0\1\0\0"),
        Part("called title", CALLED),
        Part("calling title", b"FUZZ".ljust(16)),
        Part("reserved", bytes(32)),
    )
    name = "A-ASSOCIATE-RQ" if kind == 1 else "A-ASSOCIATE-AC"
    content = (*head, *items, _item(0x50, "user information", user))
    return Part(name, content, bytes((kind, 0)), ">I")


NEGOTIATIONS: Final = (
    _item(0x53, "asynchronous operations", b"\0\1\0\1"),
    _item(0x55, "implementation version", b"FUZZ"),
    _item(0x54, "role selection", (
        Part("UID", b"1.2.840.10008.5.1.4.1.1.2", b"", ">H"), Part("roles", b"\1\1"),
    )),
    _item(0x56, "extended negotiation", (
        Part("UID", STUDY_ROOT[FIND].encode(), b"", ">H"), Part("information", b"\1\1\1"),
    )),
    _item(0x57, "common extended negotiation", (
        Part("UID", b"1.2.840.10008.5.1.4.1.1.2", b"", ">H"),
        Part("service class", b"1.2.840.10008.4.2", b"", ">H"),
        Part("related", (Part("UID", b"1.2.840.10008.5.1.4.1.1.4", b"", ">H"),), b"", ">H"),
    )),
    _item(0x58, "user identity", (
        Part("type", b"\2\1"), Part("primary", b"anna", b"", ">H"), Part("secondary", b"word", b"", ">H"),
    )),
)  # fmt: skip
"""One of each optional sub-item of PS3.7 Annex D.3.3."""


def pdv(control: int, name: str, content: bytes | tuple[Part, ...], context_id: int = 1) -> Part:
    """Return a presentation data value."""
    header = Part("message control header", bytes((context_id, control)))
    return Part(name, (header, Part("content", content)), b"", ">I")


def p_data(name: str, *pdvs: Part) -> Part:
    """Return a P-DATA-TF."""
    return Part(name, pdvs, b"\4\0", ">I")


def command(fields: Iterable[tuple[int, bytes]]) -> tuple[Part, ...]:
    """Return a command set, with its group length."""
    inside = tuple(implicit_element(tag, value) for tag, value in fields)
    return (Part("command set", inside, b"\0\0\0\0\4\0\0\0", "<I"),)


def _us(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}H", *values)


def _ui(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)


def message(
    kind: int, name: str, sop_class: str, *more: tuple[int, bytes], data: Part | None = None,
    context_id: int = 1, split: bool = False,
) -> Part:  # fmt: skip
    """Return a request in one P-DATA-TF, or in two if `split` and there is a data set."""
    there = 0x0101 if data is None else 0
    of_request = 0x0003 if kind in (0x0130, 0x0110, 0x0150, 0x0120) else 0x0002
    fields = [
        (of_request, _ui(sop_class)), (0x0100, _us(kind)), (0x0110, _us(1)),
        (0x0800, _us(there)), *more,
    ]  # fmt: skip
    commands = pdv(COMMAND | LAST, "command", command(sorted(fields)), context_id)
    if data is None:
        return p_data(name, commands)
    values = pdv(LAST, "data", (data,), context_id)
    if split:
        return Part(name, (p_data("P-DATA-TF", commands), p_data("P-DATA-TF", values)))
    return p_data(name, commands, values)


def store(sample: Sample, context_id: int = 1) -> Part:
    """Return a C-STORE request with its data set."""
    more = ((0x0700, _us(0)), (0x1000, _ui(str(sample.sop_instance_uid))))
    data = objects.data_set(sample)
    return message(
        0x0001, "C-STORE-RQ", str(sample.sop_class_uid), *more, data=data, context_id=context_id,
        split=True,
    )  # fmt: skip


def identifier(level: str, keys: Iterable[tuple[int, str]]) -> Part:
    """Return the identifier of a query or a retrieval."""
    found = [(0x00080052, level), *keys]
    parts = tuple(
        implicit_element(tag, value.encode() + b" " * (len(value) % 2))
        for tag, value in sorted(found)
    )
    return Part("identifier", parts)


def query(token: str, *, sop_class: str = PATIENT_ROOT[FIND], level: str = "PATIENT") -> Part:
    """Return a C-FIND request for one patient."""
    keys = identifier(level, [(0x00100020, token), (0x00100010, "")])
    return message(0x0020, "C-FIND-RQ", sop_class, (0x0700, _us(0)), data=keys)


def retrieve(token: str, kind: int) -> Part:
    """Return a C-GET or C-MOVE request for one patient; the move destination is always unknown."""
    keys = identifier("PATIENT", [(0x00100020, token)])
    more = [(0x0700, _us(0))]
    if kind == MOVE:
        more.append((0x0600, b"FUZZ-NOWHERE"))
    field, name = (0x0010, "C-GET-RQ") if kind == GET else (0x0021, "C-MOVE-RQ")
    return message(field, name, PATIENT_ROOT[kind], *more, data=keys)


ECHO: Final = message(0x0030, "C-ECHO-RQ", VERIFICATION)
CANCEL: Final = p_data(
    "C-CANCEL-RQ",
    pdv(COMMAND | LAST, "command", command([(0x0100, _us(0x0FFF)), (0x0120, _us(1)), (0x0800, _us(0x0101))])),
)  # fmt: skip
ECHO_CONTEXT: Final = (VERIFICATION, (IMPLICIT,))


def commit(sample: Sample) -> Part:
    """Return a storage commitment request."""
    item = Part(
        "item",
        (
            implicit_element(0x00081150, _ui(str(sample.sop_class_uid))),
            implicit_element(0x00081155, _ui(str(sample.sop_instance_uid))),
        ),
        b"\xfe\xff\x00\xe0",
        "<I",
    )
    sequence = Part("ReferencedSOPSequence", (item,), b"\x08\x00\x99\x11", "<I")
    data = Part("action information", (implicit_element(0x00081195, _ui("2.25.7")), sequence))
    more = ((0x1001, _ui(COMMITMENT_INSTANCE)), (0x1008, _us(1)))
    return message(0x0130, "N-ACTION-RQ", COMMITMENT, *more, data=data)


def created() -> Part:
    """Return an N-CREATE request for a performed procedure step."""
    data = Part("attribute list", (implicit_element(0x00400252, b"IN PROGRESS "),))
    sop_class = "1.2.840.10008.3.1.2.3.3"
    return message(0x0140, "N-CREATE-RQ", sop_class, (0x1000, _ui("2.25.8")), data=data)


def talk(contexts: Iterable[Context], *messages: Part, then: Then = "answer") -> tuple[Step, ...]:
    """Return an association with these messages, and its release."""
    said = (associate(contexts), *messages, RELEASE)
    return tuple(Step(0, "dicom", each, then) for each in said)


def conversations(*, moves: bool) -> Iterator[Conversation]:
    """Yield the valid conversations from which others are made.

    Without `moves`, none of them asks the server to send anything to another host.
    """

    def of(name: str, *steps: Step) -> Conversation:
        return Conversation(steps, (name,))

    yield of("echo", *talk([ECHO_CONTEXT], ECHO))
    asked = associate([ECHO_CONTEXT], *NEGOTIATIONS)
    yield of("negotiation", *(Step(0, "dicom", each) for each in (asked, ECHO, RELEASE)))
    yield of("abort", *(Step(0, "dicom", each) for each in (asked, ECHO, ABORT)))
    many = [(sample.context[0], sample.context[1]) for sample in objects.samples()[:12]]
    yield of("contexts", *talk([ECHO_CONTEXT, *many], ECHO))
    for sample in objects.samples():
        yield of(f"store {sample.id}", *talk([sample.context], store(sample)))
    for token in TOKENS:
        yield of("find patient", *talk([(PATIENT_ROOT[FIND], (IMPLICIT,))], query(token)))
        root = STUDY_ROOT[FIND]
        study = query(token, sop_class=root, level="STUDY")
        yield of("find study", *talk([(root, (IMPLICIT,))], study, CANCEL))
        yield of("get", *talk([(PATIENT_ROOT[GET], (IMPLICIT,))], retrieve(token, GET), CANCEL))
        if moves:
            yield of("move", *talk([(PATIENT_ROOT[MOVE], (IMPLICIT,))], retrieve(token, MOVE)))
    yield of("find two", *talk([(PATIENT_ROOT[FIND], (IMPLICIT,))], *map(query, TOKENS[:2])))
    item = Part("worklist query", identifier("", [(0x00100010, "*"), (0x00100020, "")]).children())
    wished = message(0x0020, "C-FIND-RQ", WORKLIST, (0x0700, _us(0)), data=item)
    yield of("worklist", *talk([(WORKLIST, (IMPLICIT,))], wished))
    yield of("commit", *talk([(COMMITMENT, (IMPLICIT,))], commit(objects.tiny())))
    yield of("create", *talk([("1.2.840.10008.3.1.2.3.3", (IMPLICIT,))], created()))


STRAYS: Final = (
    RELEASE,
    ABORT,
    RELEASED,
    REJECTED,
    ECHO,
    CANCEL,
    associate([ECHO_CONTEXT], kind=2),
)
"""Messages to send at the wrong moment."""
