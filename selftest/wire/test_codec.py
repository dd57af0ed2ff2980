"""PDUs and items: built according to the standard, and read back unchanged."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire.strategies import pdus, requests

from dcm.errors import AbortReason, LocalProtocolError, RemoteProtocolError
from dcm.frozen import replace
from dcm.wire import (
    PDU,
    PDV,
    AssociateAC,
    AssociateRQ,
    Connection,
    ImplementationClassUID,
    ImplementationVersionName,
    Limits,
    MaximumLength,
    PresentationContextAC,
    PresentationContextRQ,
    RawItem,
    RoleSelection,
    UserIdentityRQ,
    build,
    parse,
    raw,
    split_pdvs,
)

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT = "1.2.840.10008.1.2"
CONTEXT = raw.context(1, VERIFICATION.encode(), [IMPLICIT.encode()])

# An A-ASSOCIATE-RQ put together by hand from PS3.8 Tables 9-11 to 9-15, D.1-1 and PS3.7
# Tables D.3-1, D.3-7.
BY_HAND = bytes.fromhex(
    "0100 000000a5"  # type, reserved, length 165
    "0001 0000"  # protocol version, reserved
    "4f5254 48414e43 20202020 20202020 20"  # ORTHANC
    "54455354 20202020 20202020 20202020"  # TEST
    + "00"
    * 32
    + "1000 0015 312e322e3834302e31303030382e332e312e312e31"  # 1.2.840.10008.3.1.1.1
    "2000 002e 05000000"  # presentation context 5
    "3000 0011 312e322e3834302e31303030382e312e31"  # 1.2.840.10008.1.1
    "4000 0011 312e322e3834302e31303030382e312e32"  # 1.2.840.10008.1.2
    "5000 0012"
    "5100 0004 00004000"  # maximum length 16384
    "5200 0006 312e322e3334"  # 1.2.34
)


def request(**changes: object) -> AssociateRQ:
    """Return the request of `BY_HAND`, or a similar one."""
    values = {
        "called_ae_title": "ORTHANC",
        "calling_ae_title": "TEST",
        "presentation_contexts": (PresentationContextRQ(5, VERIFICATION, (IMPLICIT,)),),
        "user_information": (MaximumLength(16384), ImplementationClassUID("1.2.34")),
    }
    return AssociateRQ(**(values | changes))  # type: ignore[arg-type]


def test_request_is_built_as_by_hand() -> None:
    """Every byte of an A-ASSOCIATE-RQ is as in the tables of the standard."""
    assert build(request()) == BY_HAND
    assert parse(BY_HAND) == request()


@settings(max_examples=100, deadline=None)
@given(pdus)
def test_parse_is_the_inverse_of_build(pdu: PDU) -> None:
    """Reading returns the same value, and building it again the same bytes."""
    data = build(pdu)
    assert parse(data) == pdu
    assert build(parse(data)) == data


@settings(max_examples=100, deadline=None)
@given(pdus, st.data())
def test_a_pdu_cut_short_or_changed_is_refused_or_read(pdu: PDU, data: st.DataObject) -> None:
    """After any change or truncation the result is a value or `RemoteProtocolError`."""
    whole = bytearray(build(pdu))
    at = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(RemoteProtocolError):
        parse(whole[:at])
    whole[at] = data.draw(st.integers(0, 255))
    try:
        parse(whole)
    except RemoteProtocolError:
        return
    with contextlib.suppress(LocalProtocolError):  # a value without AE titles cannot be sent
        build(parse(whole))


@settings(max_examples=20, deadline=None)
@given(requests)
def test_reserved_bytes_are_not_tested(pdu: AssociateRQ) -> None:
    """A peer may put anything into reserved fields (PS3.8 9.3.1)."""
    data = bytearray(build(pdu))
    data[1] = 0xFF
    data[8:10] = b"\xff\xff"
    data[42:74] = b"\xff" * 32
    read = parse(data)
    assert isinstance(read, AssociateRQ)
    assert replace(read, reserved=bytes(32)) == pdu


def test_the_reserved_field_is_read_and_sent_back() -> None:
    """An acceptor returns bytes 43 to 74 unchanged (PS3.8 9.3.3)."""
    data = bytearray(BY_HAND)
    data[42:74] = bytes(range(32))

    read = parse(data)

    assert isinstance(read, AssociateRQ)
    assert read.reserved == bytes(range(32))
    assert build(read) == data


def test_unknown_items_are_kept_and_mean_nothing() -> None:
    """Items of a later edition are harmless at any level (PS3.8 9.3.1)."""
    context = raw.context(1, VERIFICATION.encode(), [IMPLICIT.encode()])
    longer = raw.item(0x20, context[4:] + raw.item(0x99, b"sub-item"))
    pdu = raw.associate(
        1,
        [
            raw.application_context(),
            raw.item(0x77, b"item"),
            longer,
            raw.user_information(raw.item(0x88, b"user item")),
        ],
    )
    read = parse(pdu)
    assert isinstance(read, AssociateRQ)
    assert read.presentation_contexts == (PresentationContextRQ(1, VERIFICATION, (IMPLICIT,)),)
    assert read.other_items == (RawItem(0x77, b"item"),)
    assert read.items(RawItem) == (RawItem(0x88, b"user item"),)


def test_padding_of_uids_and_titles_is_not_part_of_them() -> None:
    """Receivers are tolerant: trailing zeros and spaces are padding (PS3.8 Annex F)."""
    pdu = raw.associate(
        1,
        [
            raw.application_context(),
            raw.context(3, VERIFICATION.encode() + b"\0", [IMPLICIT.encode() + b" "]),
            raw.user_information(),
        ],
        called=b"ORTHANC".ljust(16, b"\0"),
    )
    read = parse(pdu)
    assert isinstance(read, AssociateRQ)
    assert read.called_ae_title == "ORTHANC"
    assert read.presentation_contexts == (PresentationContextRQ(3, VERIFICATION, (IMPLICIT,)),)


def test_leading_spaces_of_a_title_are_kept() -> None:
    """An acceptor must return the title as received (PS3.8 9.3.3)."""
    pdu = request(called_ae_title="  ORTHANC")
    assert parse(build(pdu)) == pdu


def test_titles_in_an_answer_are_not_tested() -> None:
    """The title fields of an A-ASSOCIATE-AC may contain anything (PS3.8 9.3.3)."""
    items = [raw.application_context(), raw.user_information()]
    read = parse(raw.associate(2, items, called=bytes(16), calling=b"\xff" * 16))
    assert isinstance(read, AssociateAC)
    assert (read.called_ae_title, read.calling_ae_title) == ("", "")


def test_a_wrong_version_name_is_kept_as_it_came() -> None:
    """A name that is only used in logs must not cost the association."""
    for name in (b"", b"x" * 17, b"\xe4"):
        items = [raw.application_context(), CONTEXT, raw.user_information(raw.item(0x55, name))]
        read = parse(raw.associate(1, items))
        assert isinstance(read, AssociateRQ)
        assert read.items(RawItem) == (RawItem(0x55, name),)


def test_secrets_are_never_shown() -> None:
    """User name, passcode and token are never in a log."""
    shown = repr(UserIdentityRQ(2, b"the-user", b"the-passcode"))
    assert "the-" not in shown


def test_maximum_length_of_a_peer_who_states_none_is_the_usual_one() -> None:
    """Without the item a cautious default is used."""
    assert request().maximum_length == 16384
    assert request(user_information=(MaximumLength(0),)).maximum_length == 0
    assert request(user_information=()).maximum_length == 16384


@pytest.mark.parametrize(
    ("field", "title"),
    [
        (b" " * 16, ""),
        (b"\0" * 16, ""),
        (b"ORTHANC\0\x7f\x01\xe9abcde", "ORTHANC"),
        (b"ORTHANC\0an old one"[:16], "ORTHANC"),
        (b" ORTHANC".ljust(16), " ORTHANC"),
        ("RADIOLOGÍA".encode("latin-1").ljust(16), ""),
        (bytes.fromhex("C0B36049FC7F") + b" " * 10, ""),
        (b"BACK\\SLASH".ljust(16), ""),
    ],
)
@pytest.mark.parametrize("side", ["called", "calling"])
def test_ae_title_is_read_up_to_nul_and_empty_if_it_is_none(
    side: str, field: bytes, title: str
) -> None:
    """The acceptor can then reject the request with the reason, and need not abort."""
    both = {"called": b"A".ljust(16), "calling": b"B".ljust(16), side: field}
    read = parse(raw.associate(1, [raw.application_context(), CONTEXT], **both))
    assert isinstance(read, AssociateRQ)
    assert getattr(read, f"{side}_ae_title") == title


@pytest.mark.parametrize("side", ["called", "calling"])
def test_request_with_an_empty_ae_title_is_not_sent(side: str) -> None:
    """Only a peer can have sent it (PS3.8 9.3.2)."""
    wrong = request(**{f"{side}_ae_title": ""})
    with pytest.raises(LocalProtocolError, match=f"{side} AE title"):
        build(wrong)
    with pytest.raises(LocalProtocolError, match=f"{side} AE title"):
        Connection("requestor").send(wrong)


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("called AE title", {"called_ae_title": " " * 16}),
        ("called AE title", {"called_ae_title": "SEVENTEEN LETTERS"}),
        ("calling AE title", {"calling_ae_title": "BACK\\SLASH"}),
        ("calling AE title", {"calling_ae_title": "MÜLLER"}),
        ("application context name", {"application_context_name": ""}),
        ("protocol version", {"protocol_version": 1 << 16}),
        ("at least one presentation context", {"presentation_contexts": ()}),
        (
            "same ID",
            {"presentation_contexts": (PresentationContextRQ(5, VERIFICATION, (IMPLICIT,)),) * 2},
        ),
    ],
)
def test_a_request_checks_itself(what: str, changes: dict[str, object]) -> None:
    """An error of ours is raised where the request is made."""
    with pytest.raises(LocalProtocolError, match=what):
        request(**changes)


@pytest.mark.parametrize(
    "make",
    [
        lambda: PresentationContextRQ(2, VERIFICATION, (IMPLICIT,)),
        lambda: PresentationContextRQ(257, VERIFICATION, (IMPLICIT,)),
        lambda: PresentationContextRQ(1, "1" * 65, (IMPLICIT,)),
        lambda: PresentationContextRQ(1, VERIFICATION, ()),
        lambda: PresentationContextRQ(1, VERIFICATION, ("1.2 3",)),
        lambda: PresentationContextAC(1, 0),
        lambda: PresentationContextAC(-1, 1),
        lambda: MaximumLength(1 << 32),
        lambda: RoleSelection("", scu=True, scp=True),
        lambda: ImplementationVersionName("SEVENTEEN LETTERS"),
        lambda: PDV(0, command=True, last=True, data=b""),
        lambda: RawItem(256, b""),
        lambda: UserIdentityRQ(1, bytes(1 << 16)),
        lambda: build(request(other_items=(RawItem(0x99, bytes(1 << 16)),))),
    ],
)
def test_values_check_themselves(make: object) -> None:
    """Values that no field of a PDU can hold are refused before sending."""
    with pytest.raises(LocalProtocolError):
        make()  # type: ignore[operator]


def with_items(*items: bytes, kind: int = 1) -> bytes:
    """Return a request with these items after its application context."""
    return raw.associate(kind, [raw.application_context(), *items])


def with_user_item(item: bytes) -> bytes:
    """Return a request with this user information."""
    return with_items(CONTEXT, raw.user_information(item))


@pytest.mark.parametrize(
    ("what", "pdu"),
    [
        ("even context ID", with_items(raw.context(2, b"1.2", [b"1.3"]))),
        ("the same context ID twice", with_items(CONTEXT, CONTEXT)),
        ("no context", with_items()),
        ("129 contexts", with_items(*(raw.context(n % 256, b"1.2", [b"1"]) for n in range(1, 259, 2)))),
        ("no transfer syntax", with_items(raw.context(1, b"1.2"))),
        ("UID of 65 characters", with_items(raw.context(1, b"1" * 65, [b"1.3"]))),
        ("UID that is not ASCII", with_items(raw.context(1, b"1.\xb2", [b"1.3"]))),
        ("no abstract syntax", with_items(raw.item(0x20, b"\1\0\0\0" + raw.item(0x40, b"1.2")))),
        ("no application context", raw.associate(1, [CONTEXT])),
        ("two application contexts", with_items(raw.application_context(), CONTEXT)),
        ("item longer than the PDU", with_items(raw.item(0x20, b"\1\0\0\0", length=5))),
        ("item header cut short", with_items(CONTEXT, b"\x50\0\0")),
        ("sub-item longer than its item", with_user_item(raw.item(0x52, b"1", length=9))),
        ("maximum length of 3 bytes", with_user_item(raw.item(0x51, bytes(3)))),
        ("role selection cut short", with_user_item(raw.item(0x54, b"\0\x031.2\1"))),
        ("fixed fields cut short", raw.pdu(1, bytes(67))),
        ("rejection of 3 bytes", raw.pdu(3, bytes(3))),
        ("release of 5 bytes", raw.pdu(5, bytes(5))),
        ("abort of no bytes", raw.pdu(7)),
        ("accepted context without a syntax", with_items(raw.item(0x21, b"\1\0\0\0"), kind=2)),
        ("P-DATA without a PDV", raw.p_data()),
        ("PDV of one byte", raw.p_data(raw.pdv(1, 3, length=1))),
        ("PDV longer than its PDU", raw.p_data(raw.pdv(1, 3, b"ab", length=5))),
        ("PDV header cut short", raw.p_data(b"\0\0\0\2\1")),
        ("PDV on an even context", raw.p_data(raw.pdv(2, 3, b"ab"))),
        ("length of the PDU too long", raw.pdu(7, bytes(4), length=5)),
        ("length of the PDU too short", raw.pdu(7, bytes(4), length=3)),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(what: str, pdu: bytes) -> None:
    """A peer's error is a `RemoteProtocolError`, and is answered by a provider's abort."""
    with pytest.raises(RemoteProtocolError) as caught:
        parse(pdu)
    assert (caught.value.source, caught.value.reason) == (2, 6), what


def test_a_pdv_without_room_for_its_header_is_never_given() -> None:
    """Not even if the following bytes could be taken for it."""
    for length in (0, 1):
        pdvs = split_pdvs(memoryview(raw.pdv(1, 3, b"data", length=length)))
        with pytest.raises(RemoteProtocolError, match=f"{length} bytes long"):
            next(pdvs)


def test_an_unknown_type_is_answered_as_such() -> None:
    """The abort says that the PDU was not recognized (PS3.8 9.3.8)."""
    for kind in (0, 8, 255):
        with pytest.raises(RemoteProtocolError) as caught:
            parse(raw.pdu(kind, bytes(4)))
        assert caught.value.reason is AbortReason.UNRECOGNIZED_PDU


def test_items_are_limited() -> None:
    """Neither very many items nor a huge identity is accepted."""
    crowd = with_items(*[raw.item(0x99)] * 50, CONTEXT, raw.user_information())
    identity = raw.item(0x58, b"\1\0" + (200).to_bytes(2, "big") + bytes(200) + b"\0\0")
    secret = with_items(CONTEXT, raw.user_information(identity))
    assert parse(crowd)
    assert parse(secret)
    with pytest.raises(RemoteProtocolError, match="more than 20 items"):
        parse(crowd, Limits(items=20))
    with pytest.raises(RemoteProtocolError, match="exceeds the limit of 100"):
        parse(secret, Limits(user_identity=100))
