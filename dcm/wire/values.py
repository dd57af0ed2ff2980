"""The rules of single values, and reading them from bytes."""

from dcm.errors import LocalProtocolError, RemoteProtocolError

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
    within = 1 <= len(value) <= 16 and is_printable(value)
    if not within or "\\" in value or value.endswith(" "):
        raise LocalProtocolError(
            f"{what} is {value[:40]!r}: an AE title has 1 to 16 printable ASCII characters,"
            " no backslash, and no space at its end"
        )


def check_uid(what: str, value: str) -> None:
    """Refuse what cannot be a UID: 1 to 64 characters, no space (PS3.8 Annex F).

    Letters and leading zeros are against the rules too, but objects with such UIDs exist and are moved
    around; whether to accept one is for the service above to say (status 0117H, result 3).
    """
    if not 1 <= len(value) <= 64 or not is_printable(value) or " " in value:
        raise LocalProtocolError(
            f"{what} is {value[:70]!r}: a UID has 1 to 64 characters, and no space"
        )


def check_version_name(what: str, value: str) -> None:
    """Refuse what is not an implementation version name: 1 to 16 characters (PS3.7 D.3.3.2.3)."""
    if not 1 <= len(value) <= 16 or not is_printable(value) or value.endswith(" "):
        raise LocalProtocolError(f"{what} is {value[:40]!r}: 1 to 16 printable ASCII characters")


def check_context_id(value: int) -> None:
    """Refuse what is not a presentation context ID: odd, 1 to 255 (PS3.8 9.3.2.2)."""
    if not (1 <= value <= 255 and value % 2):
        raise LocalProtocolError(f"presentation context ID {value}: it must be odd, from 1 to 255")


class Reader:
    """Reads fields from the body of a PDU or item, one after the other.

    Raises `RemoteProtocolError`, naming `what`, where the body is too short for what it announces.
    """

    __slots__ = ("_at", "_body", "_what")

    def __init__(self, what: str, body: memoryview) -> None:
        self._what = what
        self._body = body
        self._at = 0

    def take(self, length: int) -> memoryview:
        """Return the next `length` bytes."""
        end = self._at + length
        if end > len(self._body):
            raise RemoteProtocolError(
                f"{self._what} is cut short: {length} bytes announced or needed at offset {self._at},"
                f" {len(self._body) - self._at} there"
            )
        taken = self._body[self._at : end]
        self._at = end
        return taken

    def number(self, length: int) -> int:
        """Return the next `length` bytes as an unsigned number, big endian."""
        return int.from_bytes(self.take(length), "big")

    def prefixed(self) -> memoryview:
        """Return a field that is preceded by its length, in two bytes."""
        return self.take(self.number(2))

    def text(self, field: memoryview) -> str:
        """Decode `field` without the spaces and zeros that pad it.

        Zeros are not allowed as padding here, but some peers pad with them (PS3.8 Annex F, note).
        """
        try:
            return bytes(field).decode("ascii").rstrip(" \0")
        except UnicodeDecodeError:
            raise RemoteProtocolError(
                f"{self._what} has text that is not ASCII: {bytes(field[:70])!r}"
            ) from None

    def rest(self) -> memoryview:
        """Return everything that is left."""
        return self.take(len(self._body) - self._at)

    @property
    def more(self) -> bool:
        """Whether anything is left."""
        return self._at < len(self._body)

    def end(self) -> None:
        """Refuse a body that is longer than its fields."""
        if self.more:
            left = len(self._body) - self._at
            raise RemoteProtocolError(f"{self._what} is {left} bytes longer than its fields")


def prefixed(text: str) -> bytes:
    """Encode a text with its length in two bytes before it."""
    return len(text).to_bytes(2, "big") + text.encode("ascii")
