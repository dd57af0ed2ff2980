"""Declarations of the fields of PDUs and items, from which they are built, read and checked."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, ClassVar, Final, NamedTuple, Self

from dcm.errors import RemoteProtocolError
from dcm.frozen import Frozen
from dcm.wire.values import check_number, check_uid, check_version_name


class Reader:
    """Reads fields from the body of a PDU or item, one after the other.

    Raises `RemoteProtocolError`, which names `what`, if the body is too short.
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
                f"{self._what} is truncated: {length} bytes declared or needed at offset {self._at},"
                f" {len(self._body) - self._at} there"
            )
        taken = self._body[self._at : end]
        self._at = end
        return taken

    def number(self, length: int) -> int:
        """Return the next `length` bytes as an unsigned number, big endian."""
        return int.from_bytes(self.take(length), "big")

    def prefixed(self) -> memoryview:
        """Return a field that is preceded by its length in two bytes."""
        return self.take(self.number(2))

    def text(self, field: memoryview) -> str:
        """Decode `field` without its padding of spaces or zeros.

        Padding with zeros is not allowed here, but some peers do it (PS3.8 Annex F, note).
        """
        try:
            return bytes(field).decode("ascii").rstrip(" \0")
        except UnicodeDecodeError:
            raise RemoteProtocolError(
                f"{self._what} contains text that is not ASCII: {bytes(field[:70])!r}"
            ) from None

    def rest(self) -> memoryview:
        """Return everything that is left."""
        return self.take(len(self._body) - self._at)

    @property
    def more(self) -> bool:
        """Whether anything is left."""
        return self._at < len(self._body)

    def end(self) -> None:
        """Raise `RemoteProtocolError` if anything is left."""
        if self.more:
            left = len(self._body) - self._at
            raise RemoteProtocolError(f"{self._what} is {left} bytes longer than its fields")


class Kind(NamedTuple):
    """How one kind of field is checked, built and read."""

    check: Callable[[str, Any], None]
    build: Callable[[Any], bytes]
    read: Callable[[Reader], Any]


def _number(length: int) -> Kind:
    return Kind(
        lambda what, value: check_number(what, value, 8 * length),
        lambda value: value.to_bytes(length, "big"),
        lambda reader: reader.number(length),
    )


def _prefixed(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _check_length(what: str, value: bytes) -> None:
    check_number(f"length of {what}", len(value), 16)


def _check_uids(what: str, value: Iterable[str]) -> None:
    for uid in value:
        check_uid(what, uid)


def _build_uids(uids: Iterable[str]) -> bytes:
    return _prefixed(b"".join([_prefixed(uid.encode()) for uid in uids]))


def _read_uids(reader: Reader) -> tuple[str, ...]:
    inner, found = Reader("list of UIDs", reader.prefixed()), []
    while inner.more:
        found.append(inner.text(inner.prefixed()))
    return tuple(found)


_FLAG: Final = Kind(
    lambda *_: None, lambda value: bytes((value,)), lambda reader: reader.number(1) == 1
)
_UID: Final = Kind(
    check_uid,
    lambda value: _prefixed(value.encode()),
    lambda reader: reader.text(reader.prefixed()),
)
_PREFIXED: Final = Kind(_check_length, _prefixed, lambda reader: bytes(reader.prefixed()))
_REST: Final = Kind(lambda *_: None, bytes, lambda reader: bytes(reader.rest()))


def _whole_text(check: Callable[[str, str], None]) -> Kind:
    return Kind(check, str.encode, lambda reader: reader.text(reader.rest()))


UInt8 = Annotated[int, _number(1)]
UInt16 = Annotated[int, _number(2)]
UInt32 = Annotated[int, _number(4)]
Flag = Annotated[bool, _FLAG]
"""A byte: 1 is true, everything else is false."""
WholeUID = Annotated[str, _whole_text(check_uid)]
WholeVersionName = Annotated[str, _whole_text(check_version_name)]
PrefixedUID = Annotated[str, _UID]
PrefixedUIDs = Annotated[tuple[str, ...], Kind(_check_uids, _build_uids, _read_uids)]
PrefixedData = Annotated[bytes, _PREFIXED]
"""Bytes that are preceded by their length in two bytes, as in all types named Prefixed."""
Rest = Annotated[bytes, _REST]


class Fields(Frozen):
    """A PDU or item that consists of fields in sequence; their annotations define how each is encoded.

    RESERVED: the number of bytes before the first field, which are sent as zeros and never tested.
    ORDER: the names of the fields as encoded, if that differs from the order of the annotations.
    EXTENSIBLE: whether later versions of the standard may add fields at the end.
    """

    TYPE: ClassVar[int]
    RESERVED: ClassVar[int] = 0
    ORDER: ClassVar[tuple[str, ...]] = ()
    EXTENSIBLE: ClassVar[bool] = False
    _kinds: ClassVar[dict[str, Kind]]

    def __init_subclass__(cls, *, secret: Iterable[str] = ()) -> None:
        super().__init_subclass__(secret=secret)
        kinds: dict[str, Any] = {
            name: getattr(each, "__metadata__", ()) for name, each in cls.__annotations__.items()
        }
        cls._kinds = {name: kinds[name][0] for name in cls.ORDER or kinds if kinds[name]}

    def __post_init__(self) -> None:
        for name, kind in self._kinds.items():
            kind.check(f"{name} of {type(self).__name__}", getattr(self, name))

    def body(self) -> bytes:
        """Return the bytes after the header."""
        fields = [kind.build(getattr(self, name)) for name, kind in self._kinds.items()]
        return bytes(self.RESERVED) + b"".join(fields)

    @classmethod
    def parse(cls, body: memoryview) -> Self:
        """Read the bytes after the header: the inverse of `body`. Raises `ProtocolError`."""
        reader = Reader(cls.__name__, body)
        reader.take(cls.RESERVED)
        found = cls(**{name: kind.read(reader) for name, kind in cls._kinds.items()})
        if not cls.EXTENSIBLE:
            reader.end()
        return found
