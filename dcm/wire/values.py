"""Check single values."""

from dcm.errors import LocalProtocolError

Buffer = bytes | bytearray | memoryview


def is_printable(text: str) -> bool:
    """Return whether `text` contains only printable ASCII characters, including spaces."""
    return text.isascii() and text.isprintable()


def check_number(what: str, value: int, bits: int) -> None:
    """Raise `LocalProtocolError` for a number that does not fit into an unsigned field of `bits`."""
    if not 0 <= value < 1 << bits:
        raise LocalProtocolError(f"{what} is {value}, but must be from 0 to {(1 << bits) - 1}")


def check_ae_title(what: str, value: str) -> None:
    """Raise `LocalProtocolError` unless it is an AE title: 1 to 16 characters, not all spaces (PS3.8 9.3.2).

    Leading spaces are not significant, but an acceptor must return them (PS3.8 9.3.3), so they are kept.
    Trailing spaces are padding and not part of the value.
    """
    if not _is_name(value) or "\\" in value:
        raise LocalProtocolError(
            f"{what} is {value[:40]!r}: an AE title has 1 to 16 printable ASCII characters,"
            " without backslash or trailing space"
        )


def check_version_name(what: str, value: str) -> None:
    """Raise `LocalProtocolError` unless it is a version name: 1 to 16 characters (PS3.7 D.3.3.2.3)."""
    if not _is_name(value):
        raise LocalProtocolError(f"{what} is {value[:40]!r}: 1 to 16 printable ASCII characters")


def check_uid(what: str, value: str) -> None:
    """Raise `LocalProtocolError` unless it can be a UID: 1 to 64 characters, no spaces (PS3.8 Annex F).

    Letters and leading zeros are not allowed either, but objects with these UIDs exist. The service decides
    whether to accept them (status 0117H, result 3).
    """
    if not 1 <= len(value) <= 64 or not is_printable(value) or " " in value:
        raise LocalProtocolError(
            f"{what} is {value[:70]!r}: a UID has 1 to 64 characters, and no space"
        )


def check_context_id(value: int) -> None:
    """Raise `LocalProtocolError` unless it is a presentation context ID: odd, 1 to 255 (PS3.8 9.3.2.2)."""
    if not (1 <= value <= 255 and value % 2):
        raise LocalProtocolError(f"presentation context ID {value}: it must be odd, from 1 to 255")


def _is_name(text: str) -> bool:
    return 1 <= len(text) <= 16 and is_printable(text) and not text.endswith(" ")
