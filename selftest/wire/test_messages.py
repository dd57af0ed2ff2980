"""Messages: command sets according to PS3.7, and as other implementations read them."""

import struct
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.filereader import read_dataset
from wire.strategies import all_messages, uids

from dcm.errors import AbortSource, LocalProtocolError, RemoteProtocolError
from dcm.frozen import fields, replace
from dcm.wire import (
    DATA_SET,
    MESSAGES,
    CEchoRQ,
    CFindRSP,
    CMoveRQ,
    CMoveRSP,
    CStoreRQ,
    CStoreRSP,
    Message,
    build_message,
    dimse_codec,
    parse_message,
    raw,
    store_request,
    store_response,
)
from dcm.wire.dimse import Response
from dcm.wire.layouts import Layout

# A C-ECHO-RQ by hand, from PS3.7 Table 9.3-12.
BY_HAND = bytes.fromhex(
    "0000 0000 04000000 38000000"
    "0000 0200 12000000 312e322e3834302e31303030382e312e31 00"  # 1.2.840.10008.1.1
    "0000 0001 02000000 3000"
    "0000 1001 02000000 0700"
    "0000 0008 02000000 0101"
)


def test_echo_is_built_as_by_hand() -> None:
    """Every byte is as in the table of the standard."""
    assert build_message(CEchoRQ(message_id=7)) == BY_HAND
    assert parse_message(BY_HAND) == CEchoRQ(message_id=7)


@settings(max_examples=120, deadline=None)
@given(all_messages)
def test_parse_is_the_inverse_of_build(message: Message) -> None:
    """Reading returns the same value, and building it again the same bytes."""
    data = build_message(message)
    assert parse_message(data) == message
    assert build_message(parse_message(data)) == data


VALUES = {
    "affected_sop_class_uid": "1.2.840.10008.1.1",
    "requested_sop_class_uid": "1.2.840.10008.1.20.1",
    "affected_sop_instance_uid": "1.2.3.4",
    "requested_sop_instance_uid": "1.2.3.45",
    "offending_element": (0x00100010, 0x7FE00010),
    "attribute_identifier_list": (0x00080018, 0x00200010),
    "error_comment": "out of order",
    "move_destination": "ORTHANC",
    "move_originator_application_entity_title": "MODALITY",
}


@pytest.mark.parametrize("number", MESSAGES, ids=lambda number: MESSAGES[number].NAME)
def test_pydicom_reads_the_same(number: int) -> None:
    """Another implementation finds the same values under the standard's keywords."""
    kind: Any = MESSAGES[number]
    names = [name for name in fields(kind) if not name.endswith("_elements")]
    values = {name: VALUES.get(name, 0x1234 + at) for at, name in enumerate(names)}
    encoded = build_message(kind(**values))
    read = read_dataset(BytesIO(encoded), is_implicit_VR=True, is_little_endian=True)

    assert read.CommandField == number
    assert read.CommandGroupLength == len(encoded) - 12
    assert len(read) == len(values) + 2
    for name, value in values.items():
        found = read[_keyword(name)].value
        assert (tuple(found) if isinstance(value, tuple) else found) == value, name


def test_tags_ascend() -> None:
    """The elements are in the order of their tags (PS3.7 6.3.1), not in that of the fields."""
    message = CMoveRSP(
        message_id_being_responded_to=1,
        status=0xB000,
        number_of_failed_suboperations=1,
        affected_sop_class_uid="1.2",
        error_comment="one failed",
        other_elements=((0x0901, b""), (0x5010, b"  ")),
    )
    numbers = []
    data, at = build_message(message), 0
    while at < len(data):
        _, number, length = struct.unpack_from("<HHI", data, at)
        numbers.append(number)
        at += 8 + length
    assert numbers == [0, 0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x0901, 0x0902, 0x1022, 0x5010]


def _keyword(name: str) -> str:
    """Return DICOM's keyword for the name of a field."""
    capitals = {"sop": "SOP", "uid": "UID", "id": "ID"}
    return "".join(capitals.get(word, word.capitalize()) for word in name.split("_"))


def test_all_messages_of_the_standard_are_there() -> None:
    """Eleven services, requests and responses, and C-CANCEL (PS3.7 Table E.1-1, Command Field)."""
    requests = {
        0x0001,
        0x0010,
        0x0020,
        0x0021,
        0x0030,
        0x0100,
        0x0110,
        0x0120,
        0x0130,
        0x0140,
        0x0150,
    }
    assert {*MESSAGES} == requests | {0x8000 | number for number in requests} | {0x0FFF}


def test_a_number_without_a_value_is_not_there() -> None:
    """Some servers send empty counters; they are kept."""
    elements = [
        (0, 0x0100, b"\x20\x80"),
        (0, 0x0120, b"\1\0"),
        (0, 0x0800, b"\1\1"),
        (0, 0x0900, b"\0\0"),
    ]
    data = raw.command_set([*elements, (0, 0x0903, b"")])
    message = parse_message(data)
    assert message == CFindRSP(
        message_id_being_responded_to=1, status=0, other_elements=((0x0903, b""),)
    )
    assert build_message(message) == data


def test_a_number_without_a_value_is_built_once() -> None:
    """Also if its field has a default value, like the priority."""
    elements = [
        (0, 0x0002, b"1.2\0"),
        (0, 0x0100, b"\x20\0"),
        (0, 0x0110, b"\1\0"),
        (0, 0x0700, b""),
        (0, 0x0800, b"\1\0"),
    ]
    data = raw.command_set(elements)
    assert build_message(parse_message(data)) == data


def test_order_and_group_length_of_a_peer_are_not_tested() -> None:
    """Some servers send them wrong, and other implementations accept that."""
    elements = [
        (0, 0x0900, b"\0\0"),
        (0, 0x0800, b"\1\1"),
        (0, 0x0120, b"\1\0"),
        (0, 0x0100, b"\x20\x80"),
    ]
    message = parse_message(raw.command_set(elements, group_length=0))
    assert message == CFindRSP(message_id_being_responded_to=1, status=0)


FAILED_UIDS = b"1.2.3.4\\1.2.3.5 "


def test_what_does_not_belong_into_a_response_is_kept() -> None:
    """Orthanc 1.10.1 ends a partly failed C-GET so; the response must not be lost."""
    foreign = ((8, 0x0058, FAILED_UIDS), (0x7FE0, 0x0010, b"odd"))
    message = parse_message(raw.command_set([*FIND, foreign[0], (0, 0x0902, b"why "), foreign[1]]))
    assert message == CFindRSP(
        message_id_being_responded_to=1,
        status=0,
        error_comment="why",
        foreign_elements=((0x00080058, FAILED_UIDS), (0x7FE00010, b"odd")),
    )


def test_what_does_not_belong_into_a_command_set_is_not_built() -> None:
    """`dcm.wire.raw` is for building it deliberately."""
    message = CFindRSP(
        message_id_being_responded_to=1, status=0, foreign_elements=((0x00080058, FAILED_UIDS),)
    )
    with pytest.raises(LocalProtocolError, match=r"C-FIND-RSP with \(0008,0058\)"):
        build_message(message)


def test_a_long_comment_is_read_but_not_built() -> None:
    """Some servers put whole sentences there; we do not."""
    elements = [
        (0, 0x0100, b"\x20\x80"),
        (0, 0x0120, b"\1\0"),
        (0, 0x0800, b"\1\1"),
        (0, 0x0900, b"\0\xc0"),
    ]
    message = parse_message(raw.command_set([*elements, (0, 0x0902, b"x" * 80)]))
    assert isinstance(message, CFindRSP)
    assert message.error_comment == "x" * 80
    with pytest.raises(LocalProtocolError, match="error_comment is longer than 64"):
        build_message(message)


def test_comment_that_is_not_ascii_is_not_built() -> None:
    """Error Comment is LO in the default repertoire (PS3.7 C): this raises an error of ours."""
    with pytest.raises(LocalProtocolError, match="only ASCII characters can be sent"):
        build_message(CStoreRSP(message_id_being_responded_to=1, status=1, error_comment="ü"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: CEchoRQ(message_id=1 << 16),
        lambda: CEchoRQ(message_id=-1),
        lambda: CStoreRQ(message_id=1, affected_sop_class_uid="1", affected_sop_instance_uid="1" * 65),
        lambda: CMoveRQ(message_id=1, affected_sop_class_uid="1", move_destination="SEVENTEEN LETTERS"),
        lambda: CMoveRQ(message_id=1, affected_sop_class_uid="1\0", move_destination="DEST"),
        lambda: CFindRSP(message_id_being_responded_to=1, status=0, offending_element=(1 << 32,)),
        lambda: CEchoRQ(message_id=1, other_elements=((0x5000, b"odd"),)),
    ],
)  # fmt: skip
def test_messages_check_themselves(make: Any) -> None:
    """Values that no command set can hold are refused when the message is made."""
    with pytest.raises(LocalProtocolError):
        make()


FIND = (
    (0, 0x0100, b"\x20\x80"),
    (0, 0x0120, b"\1\0"),
    (0, 0x0800, b"\1\1"),
    (0, 0x0900, b"\0\0"),
)
ECHO = ((0, 0x0100, b"\x30\0"), (0, 0x0110, b"\7\0"), (0, 0x0800, b"\1\1"))


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("no elements", raw.command_set([])),
        ("nothing at all", b""),
        ("an unknown command", raw.command_set([(0, 0x0100, b"\x31\0")])),
        ("no message ID", raw.command_set([ECHO[0], ECHO[2], (0, 2, b"1.2 ")])),
        ("no command data set type", raw.command_set([*ECHO[:2], (0, 2, b"1.2 ")])),
        ("a data element", raw.command_set([*ECHO, (8, 0x0018, b"1.2 ")])),
        ("an element twice", raw.command_set([(0, 2, b"1.2 "), *ECHO, ECHO[1]])),
        ("a number of 4 bytes", raw.command_set([(0, 2, b"1.2 "), ECHO[0], (0, 0x0110, bytes(4)), ECHO[2]])),
        ("a number of 1 byte", raw.command_set([(0, 2, b"1.2 "), ECHO[0], (0, 0x0110, b"1"), ECHO[2]])),
        ("a data element cut short", raw.command_set([*FIND, (8, 0x0058, b"1.2.3 ")])[:-1]),
        ("an element cut short", raw.command_set([(0, 2, b"1.2 "), *ECHO])[:-1]),
        ("a UID of 66 characters", raw.command_set([(0, 2, b"1" * 66), *ECHO])),
        ("a list of one tag and a half", raw.command_set([*FIND, (0, 0x0901, bytes(6))])),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(what: str, data: bytes) -> None:
    """A peer's unreadable message is answered by the service user's abort."""
    with pytest.raises(RemoteProtocolError) as caught:
        parse_message(data)
    assert caught.value.source is AbortSource.SERVICE_USER, what


@settings(max_examples=120, deadline=None)
@given(all_messages, st.data())
def test_what_looks_like_one_read_before_is_read_alike(
    message: Message, data: st.DataObject
) -> None:
    """The fast path for a known layout has the same results and errors."""
    known = build_message(message)
    changed = bytearray(known)
    for _ in range(data.draw(st.integers(0, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    if message.other_elements or (isinstance(message, Response) and message.foreign_elements):
        return
    short, careful = Layout(message, known), dimse_codec._parse
    assert short.read(known) == message
    found = short.read(bytes(changed))
    if found is not None:
        assert found == careful(bytes(changed))
        assert type(found) is type(careful(bytes(changed)))
    assert short.read(known) == message


@pytest.mark.parametrize("uid", [b"1.2\n4\0", b"1.2\xe94\0"])
def test_a_wrong_value_is_refused_also_where_the_layout_is_known(uid: bytes) -> None:
    """A thousand right messages with that layout do not make it right."""
    right, wrong = (raw.command_set([(0, 2, each), *ECHO]) for each in (b"1.2.4\0", uid))
    for _ in range(2):
        assert parse_message(right) == CEchoRQ(message_id=7, affected_sop_class_uid="1.2.4")
        with pytest.raises(RemoteProtocolError):
            parse_message(wrong)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 0xFFFF), uids, uids)
def test_the_short_way_to_store_messages_makes_the_same(
    message_id: int, sop_class: str, sop_instance: str
) -> None:
    """Request and response, and their bytes, equal those made in the usual way."""
    request = store_request(message_id, sop_class, sop_instance)
    usual: Message = CStoreRQ(
        message_id=message_id,
        affected_sop_class_uid=sop_class,
        affected_sop_instance_uid=sop_instance,
    )
    assert request == usual
    assert build_message(request) == build_message(usual)
    response = store_response(request)
    usual = CStoreRSP(
        message_id_being_responded_to=message_id,
        status=0,
        affected_sop_class_uid=sop_class,
        affected_sop_instance_uid=sop_instance,
    )
    assert response == usual
    assert build_message(response) == build_message(usual)
    changed = replace(response, status=0xA700)
    assert parse_message(build_message(changed)) == changed


@pytest.mark.parametrize(
    ("number", "uid"), [(1 << 16, "1.2"), (-1, "1.2"), (1, "1" * 65), (1, "1.2\n"), (1, "1.é")]
)
def test_the_short_way_refuses_the_same(number: int, uid: str) -> None:
    """Values that no command set can hold."""
    with pytest.raises(LocalProtocolError):
        store_request(number, "1.2.3", uid)


@settings(max_examples=80, deadline=None)
@given(all_messages, st.data())
def test_a_changed_command_set_is_refused_or_read(message: Message, data: st.DataObject) -> None:
    """After any change of a byte the result is a message or `RemoteProtocolError`."""
    changed = bytearray(build_message(message))
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse_message(changed)
    except RemoteProtocolError:
        return


def test_a_data_set_is_announced_by_anything_but_0101() -> None:
    """PS3.7 Table E.1-1, Command Data Set Type."""
    response = CFindRSP(message_id_being_responded_to=1, status=0xFF00)
    assert not response.has_data_set
    for number in (DATA_SET, 0, 0x0102):
        assert CFindRSP(
            message_id_being_responded_to=1, status=0xFF00, command_data_set_type=number
        ).has_data_set
