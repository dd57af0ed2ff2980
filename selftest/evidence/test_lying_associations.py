"""Connections that break the rules are decoded as far as possible, and writing never fails."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dcm import wire
from dcm.wire import raw
from harness.evidence import dicom, exchange
from harness.evidence.data_set import data_set_text
from harness.evidence.dicom import Step, decode
from harness.evidence.redact import Redactor
from harness.relay import Direction, Tape

ASK, ANSWER = Direction.TO_SERVER, Direction.TO_CLIENT
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
REQUEST = wire.AssociateRQ(
    called_ae_title="ORTHANC",
    calling_ae_title="RAW",
    presentation_contexts=(wire.PresentationContextRQ(1, FIND, (ImplicitVRLittleEndian,)),),
    user_information=(wire.MaximumLength(16384), wire.ImplementationClassUID("1.2.3")),
)
ACCEPT = wire.AssociateAC(
    called_ae_title="ORTHANC",
    calling_ae_title="RAW",
    presentation_contexts=(wire.PresentationContextAC(1, 0, ImplicitVRLittleEndian),),
    user_information=(wire.MaximumLength(0), wire.ImplementationClassUID("1.2.4")),
)
OPENED = ((ASK, wire.build(REQUEST)), (ANSWER, wire.build(ACCEPT)))
COMMAND = wire.build_message(wire.CFindRQ(message_id=7, affected_sop_class_uid=FIND))
LEVEL = b"\x08\x00\x52\x00\x06\x00\x00\x00STUDY "
NONE = Redactor([])


def taped(*pieces: tuple[Direction, bytes], old: bool = False) -> Tape:
    """Put pieces on a tape."""
    tape = Tape("T-001")
    track = tape.add_track("r", "dicom", "peer", "target", tape.started - old)
    for direction, data in pieces:
        tape.add(track, direction, data)
    return tape


def steps(*pieces: tuple[Direction, bytes], old: bool = False) -> list[Step]:
    """Decode the recorded bytes."""
    tape = taped(*pieces, old=old)
    return decode(tape, tape.tracks[0], NONE)


def lines(*pieces: tuple[Direction, bytes], old: bool = False) -> list[str]:
    """Decode the recorded bytes after the negotiation, one line for each step."""
    return [step.line for step in steps(*OPENED, *pieces)[2:]]


def data(*pdvs: bytes, length: int | None = None) -> tuple[Direction, bytes]:
    """Make a P-DATA-TF of the client."""
    return ASK, raw.p_data(*pdvs, length=length)


def test_length_of_a_pdv_lies() -> None:
    """What precedes the false length is a message, what follows is shown as bytes."""
    found = steps(*OPENED, data(raw.pdv(1, 3, COMMAND), raw.pdv(1, 2, LEVEL, length=1)))[2:]
    assert [step.line.partition(" at byte ")[0] for step in found] == [
        "-> C-FIND-RQ #7 Study Root FIND, context 1,",
        "-> P-DATA-TF, 114 bytes",
    ]
    assert found[0].line.endswith(": its data set is missing")
    assert found[1].line.endswith(": at byte 94 of its body: a PDV says that it is 1 bytes long")
    assert "52 00 06 00 00 00 53 54" in found[1].details


def test_command_that_is_none_is_shown_element_by_element() -> None:
    """The reason, all elements before the error, and the data set that follows."""
    bad = COMMAND[:-10] + b"\0\0\0\x09\xff\xff\xff\x00\x01\x01"
    (found,) = steps(*OPENED, data(raw.pdv(1, 3, bad)), data(raw.pdv(1, 2, LEVEL)))[2:]
    assert (
        "-> message that cannot be decoded, context 1, data set of 14 bytes, at byte" in found.line
    )
    assert "unreadable command set: (0000,0900) declares 16777215 bytes" in found.line
    assert "(0000,0110) US MessageID = 7" in found.details
    assert "(0000,0900) US Status = (16777215 bytes, of which 2 are there)" in found.details
    assert "(0008,0052) CS QueryRetrieveLevel = STUDY" in found.details


def test_an_element_that_is_no_command_element_is_remarked() -> None:
    """Orthanc 1.10.1 sends its Failed SOP Instance UID List so; the response is still decoded."""
    elements = [
        (0, 0x0100, b"\x10\x80"),
        (0, 0x0120, b"\7\0"),
        (0, 0x0800, b"\1\1"),
        (0, 0x0900, b"\0\0"),
    ]
    command = raw.command_set([*elements, (8, 0x0058, b"1.2.3.4 ")])
    step = steps(*OPENED, (ANSWER, raw.p_data(raw.pdv(1, 3, command))))[-1]
    assert step.line.startswith("<- C-GET-RSP #7 0000H success, ")
    assert step.line.endswith(": its command set has (0008,0058), which is no command element")
    assert "1.2.3.4" in step.details


def test_data_set_without_a_command_and_a_context_that_is_not_accepted() -> None:
    """The error is noted; the next message is decoded."""
    echo = wire.build_message(wire.CEchoRQ(message_id=1))
    assert lines(data(raw.pdv(1, 2, LEVEL)), data(raw.pdv(5, 3, echo))) == [
        "-> no message, context 1, data set of 14 bytes, at byte 186: a data set without a command",
        "-> C-ECHO-RQ #1 Verification, context 5 (which was not accepted)",
    ]


def test_context_zero_and_a_header_that_is_cut() -> None:
    """No received byte is skipped."""
    echo = wire.build_message(wire.CEchoRQ(message_id=1))
    assert lines(data(raw.pdv(0, 3, echo)), (ASK, b"\x05\0\0")) == [
        "-> C-ECHO-RQ #1 Verification, context 0 (which was not accepted)",
        "-> A-RELEASE-RQ, 3 bytes at byte 260",
    ]


def test_character_set_that_is_none() -> None:
    """Texts are still shown."""
    bent = b"\x08\x00\x05\x00CS\x04\x00a\0b \x10\x00\x10\x00PN\x04\x00A^B "
    text = data_set_text(bent, len(bent), ExplicitVRLittleEndian, NONE)
    assert text.split("\n")[1] == "(0010,0010) PN PatientName = A^B"


def test_command_within_a_message() -> None:
    """The first message is incomplete, the second whole."""
    found = lines(data(raw.pdv(1, 3, COMMAND)), data(raw.pdv(1, 0, LEVEL)), data(raw.pdv(1, 3, COMMAND)),
                  data(raw.pdv(1, 2, LEVEL)))  # fmt: skip
    assert [line.rpartition(": ")[2] for line in found] == [
        "its data set does not end",
        "-> C-FIND-RQ #7 Study Root FIND, context 1, data set of 14 bytes",
    ]


def test_association_open_since_an_earlier_case_is_decoded() -> None:
    """Its contexts are unknown: the encoding is guessed from the bytes, with a note."""
    response = wire.CFindRSP(
        message_id_being_responded_to=7, status=0xFF00, command_data_set_type=1
    )
    explicit = b"\x08\x00\x52\x00CS\x06\x00STUDY "
    answer = raw.pdv(3, 3, wire.build_message(response)), raw.pdv(3, 2, explicit)
    (found,) = steps((ANSWER, raw.p_data(*answer)), old=True)
    assert found.line.startswith("<- C-FIND-RSP #7 FF00H pending: a match")
    assert "context 3 (its negotiation was not seen)" in found.line
    assert "(transfer syntax unknown, taken for explicit VR)" in found.details
    assert "(0008,0052) CS QueryRetrieveLevel = STUDY" in found.details


def test_wrong_items_do_not_hide_the_others() -> None:
    """An even context ID and a truncated item are noted, and all other items are shown."""
    items = (
        raw.application_context(b"1.2"),
        raw.context(2, b"1.2.3", [b"1.2.840.10008.1.2"]),
        raw.context(3, FIND.encode(), [b"1.2.840.10008.1.2"]),
        raw.user_information(raw.item(0x55, b"NAME", length=9)),
    )
    (found,) = steps((ASK, raw.associate(1, items)))
    assert found.line == "-> A-ASSOCIATE-RQ (RAW-SCU calls ANY-SCP), 1 context proposed"
    for part in (
        "application context name 1.2, which is not DICOM's",
        "presentation context ID 2: it must be odd",
        "context 3: 1.2.840.10008.5.1.4.1.2.2.1 (Study Root Query/Retrieve Information Model - FIND)",
        "maximum length 16384",
        "implementation version name NAME",
        "(it announces 9 bytes, 4 are there)",
    ):
        assert part in found.details


def test_user_identity_is_never_shown(tmp_path: Path) -> None:
    """Not its fields, not in a dump, not in the bytes, even if its lengths are false."""
    whole = wire.UserIdentityRQ(2, b"somebody", b"pass-code").body()
    for body in (whole, whole[:-3], whole + b"!"):
        item = raw.item(0x58, body)
        tape = taped((ASK, raw.associate(1, [raw.user_information(item)])))
        exchange.write_exchange(tape, tmp_path, NONE)
        text = (tmp_path / "exchange.txt").read_text()
        assert "user identity by username and passcode" in text or "item 58H" in text
        kept = (tmp_path / "dicom-1-to-server.bin").read_bytes()
        assert len(kept) == tape.size
        for secret in ("somebody", "pass-c"):
            assert secret.encode() not in kept
            assert secret not in text
            assert secret.encode()[:4].hex(" ") not in text


def test_bytes_that_are_not_kept_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text says where a file is truncated; everything is still decoded to the end."""
    monkeypatch.setattr(exchange, "MAX_KEPT", 100)
    pieces = (*OPENED, data(raw.pdv(1, 3, COMMAND)), data(raw.pdv(1, 2, LEVEL)))
    exchange.write_exchange(taped(*pieces), tmp_path, NONE)
    text = (tmp_path / "exchange.txt").read_text()
    assert "dicom-1-to-server.bin is truncated: 100 of 306 bytes." in text
    assert (tmp_path / "dicom-1-to-server.bin").stat().st_size == 100
    assert "C-FIND-RQ #7" in text


def test_only_so_many_messages_have_details(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand messages have a line each; only the first and the failed ones have details."""
    monkeypatch.setattr(dicom, "MAX_DETAILED", 2)
    statuses = (0, 0, 0, 0xC000)
    answers = (wire.CEchoRSP(message_id_being_responded_to=1, status=each) for each in statuses)
    found = steps(
        *OPENED,
        *((ANSWER, raw.p_data(raw.pdv(1, 3, wire.build_message(each)))) for each in answers),
    )
    assert [bool(step.details) for step in found[2:]] == [True, True, False, True]


def test_big_values_are_shown_by_their_length() -> None:
    """This includes values beyond the decoding limit, and encapsulated pixels."""
    pixels = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\x04\0\0\0abcd"
    pixels += b"\xfe\xff\xdd\xe0\0\0\0\0"
    text = data_set_text(pixels, len(pixels), "1.2.840.10008.1.2.4.50", NONE)
    assert text.split("\n") == [
        "(7FE0,0010) OB PixelData:",
        "  fragment: (0 bytes)",
        "  fragment: (4 bytes)",
    ]
    native = b"\xe0\x7f\x10\x00OW\0\0\0\0\1\0" + bytes(65536)
    text = data_set_text(native[:16384], len(native), ExplicitVRLittleEndian, NONE)
    assert text == "(7FE0,0010) OW PixelData = (65536 bytes)"


SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
    None,
)
GOOD = (
    b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 192"
    b"\x10\x00\x10\x00PN\x04\x00Zo\xc3\xab\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff"
)


@given(noise=st.binary(max_size=60), at=st.integers(0, 40), syntax=st.sampled_from(SYNTAXES))
@settings(max_examples=300, deadline=None)
def test_any_data_set_is_shown(noise: bytes, at: int, syntax: str | None) -> None:
    """No bytes make it fail."""
    bent = GOOD[:at] + noise + GOOD[at:]
    assert data_set_text(bent, len(bent), syntax, NONE)


SPOKEN = b"".join(
    (OPENED[0][1], raw.p_data(raw.pdv(1, 3, COMMAND), raw.pdv(1, 2, LEVEL)), raw.pdu(5, bytes(4)))
)


@given(
    edits=st.lists(st.tuples(st.integers(0, len(SPOKEN) - 1), st.integers(0, 255)), max_size=6),
    end=st.integers(0, len(SPOKEN)),
    step=st.integers(1, 300),
)
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_stream_is_written(
    tmp_path: Path, edits: list[tuple[int, int]], end: int, step: int
) -> None:
    """Changed, truncated and in pieces of any size: there is always a text."""
    bent = bytearray(SPOKEN)
    for at, value in edits:
        bent[at] = value
    bent = bent[:end]
    pieces = [(ASK, bytes(bent[at : at + step])) for at in range(0, len(bent), step)]
    exchange.write_exchange(taped(*pieces, OPENED[1]), tmp_path, NONE)
    assert "A-ASSOCIATE-AC" in (tmp_path / "exchange.txt").read_text()
