"""The rules of single values."""

from dcm.errors import LocalProtocolError

Buffer = bytes | bytearray | memoryview


def is_printable(text: str) -> bool:
    """Return whether `text` holds nothing but printable ASCII characters, space among them."""
    return text.isascii() and text.isprintable()


def check_number(what: str, value: int, bits: int) -> None:
    """Refuse a number that does not fit into an unsigned field of `bits`."""
    if not 0 <= value < 1 << bits:
        raise LocalProtocolError(f"{what} is {value}: it must be from 0 to {(1 << bits) - 1}")


def check_ae_title(what: str, value: str) -> None:
    """Refuse what is not an AE title: 1 to 16 characters, not only spaces (PS3.8 9.3.2).

    Leading spaces do not count for the meaning, but an acceptor must return them (PS3.8 9.3.3), so they
    are kept; trailing spaces are padding and are not part of the value.
    """
    if not _is_name(value) or "\\" in value:
        raise LocalProtocolError(
            f"{what} is {value[:40]!r}: an AE title has 1 to 16 printable ASCII characters,"
            " no backslash, and no space at its end"
        )


def check_version_name(what: str, value: str) -> None:
    """Refuse what is not an implementation version name: 1 to 16 characters (PS3.7 D.3.3.2.3)."""
    if not _is_name(value):
        raise LocalProtocolError(f"{what} is {value[:40]!r}: 1 to 16 printable ASCII characters")


def check_uid(what: str, value: str) -> None:
    """Refuse what cannot be a UID: 1 to 64 characters, no space (PS3.8 Annex F).

    Letters and leading zeros are against the rules too, but objects with such UIDs exist and are moved
    around; whether to accept one is for the service above to say (status 0117H, result 3).
    """
    if not 1 <= len(value) <= 64 or not is_printable(value) or " " in value:
        raise LocalProtocolError(
            f"{what} is {value[:70]!r}: a UID has 1 to 64 characters, and no space"
        )


def check_context_id(value: int) -> None:
    """Refuse what is not a presentation context ID: odd, 1 to 255 (PS3.8 9.3.2.2)."""
    if not (1 <= value <= 255 and value % 2):
        raise LocalProtocolError(f"presentation context ID {value}: it must be odd, from 1 to 255")


def _is_name(text: str) -> bool:
    return 1 <= len(text) <= 16 and is_printable(text) and not text.endswith(" ")
