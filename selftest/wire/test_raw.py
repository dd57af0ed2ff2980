"""PDUs that the standard forbids can be built, and valid ones are built the same."""

from wire.pair import IMPLICIT, VERIFICATION

from dcm.wire import (
    PDV,
    AssociateRQ,
    CEchoRQ,
    ImplementationClassUID,
    MaximumLength,
    PDataTF,
    PresentationContextRQ,
    build,
    build_message,
    raw,
)

CONTEXT = raw.context(1, VERIFICATION.encode(), [IMPLICIT.encode()])


def test_without_a_lie_the_bytes_are_those_of_the_values() -> None:
    """A lie is then the only difference from a valid PDU."""
    request = AssociateRQ(
        called_ae_title="ANY-SCP",
        calling_ae_title="RAW-SCU",
        user_information=(MaximumLength(16384), ImplementationClassUID("1.2.3")),
        presentation_contexts=(PresentationContextRQ(1, VERIFICATION, (IMPLICIT,)),),
    )
    items = [raw.application_context(), CONTEXT, raw.user_information()]
    assert raw.associate(1, items) == build(request)
    message = CEchoRQ(message_id=7)
    elements = [
        (0, 0x0002, VERIFICATION.encode() + b"\0"),
        (0, 0x0100, b"\x30\0"),
        (0, 0x0110, b"\7\0"),
        (0, 0x0800, b"\1\1"),
    ]
    assert raw.command_set(elements) == build_message(message)
    pdu = PDataTF((PDV(1, command=True, last=True, data=build_message(message)),))
    assert raw.p_data(raw.pdv(1, 3, build_message(message))) == build(pdu)


def test_every_length_can_lie() -> None:
    """The announced length is independent of the real one."""
    assert raw.pdu(4, b"ab", length=2**32 - 1) == b"\4\0\xff\xff\xff\xffab"
    assert raw.item(0x51, b"ab", length=0) == b"\x51\0\0\0ab"
    assert raw.pdv(2, 0xFF, b"ab", length=1) == b"\0\0\0\1\2\xffab"
    assert raw.pdv(1, 3, length=0) == b"\0\0\0\0\1\3"
    assert raw.p_data(length=9) == b"\4\0\0\0\0\x09"
    assert raw.command_set([(8, 0, b"odd")], group_length=1)[8:12] == b"\1\0\0\0"


def test_what_no_value_can_hold_is_built() -> None:
    """Even context IDs, reserved bytes, missing sub-items, titles of any bytes."""
    assert raw.context(2, b"", [])[4] == 2
    user = raw.user_information(maximum_length=None, implementation_class_uid=None)
    assert user == b"\x50\0\0\0"
    pdu = raw.associate(9, [], called=b"\xff" * 16, protocol_version=0, reserved=0xAA)
    assert (pdu[:2], pdu[6:10]) == (b"\x09\xaa", b"\0\0\xaa\xaa")
    assert (pdu[10:26], pdu[42:]) == (b"\xff" * 16, b"\xaa" * 32)
