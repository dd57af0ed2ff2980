"""The common part of all items of association PDUs, and presentation contexts (PS3.8 9.3.2, 9.3.3).

Each item is a frozen value that is checked when it is created. `body()` returns its bytes after the item
header, `parse()` is the inverse. Items of unknown types are kept as `RawItem` and ignored (PS3.8 9.3.1).
"""

from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import ClassVar, Final, Protocol, Self

from dcm.errors import LocalProtocolError, RemoteProtocolError
from dcm.frozen import Frozen
from dcm.wire.declared import Reader
from dcm.wire.limits import Limits
from dcm.wire.values import check_context_id, check_number, check_uid

APPLICATION_CONTEXT: Final = 0x10
ABSTRACT_SYNTAX: Final = 0x30
TRANSFER_SYNTAX: Final = 0x40
USER_INFORMATION: Final = 0x50


class ContextResult(IntEnum):
    """An acceptor's answer to a proposed presentation context (PS3.8 9.3.3.2)."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


class Item(Protocol):
    """Any item of a list."""

    @property
    def TYPE(self) -> int:  # noqa: N802 - a constant of most items
        """The item type."""

    def body(self) -> bytes:
        """Return the bytes after the item header."""


class RawItem(Frozen):
    """An item of unknown type, or one that is kept as it was received."""

    TYPE: int
    data: bytes

    def __post_init__(self) -> None:
        check_number("item type", self.TYPE, 8)

    def body(self) -> bytes:
        """Return the bytes after the item header."""
        return self.data


class PresentationContextRQ(Frozen):
    """A proposed presentation context (PS3.8 9.3.2.2)."""

    TYPE: ClassVar[int] = 0x20
    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]

    def __post_init__(self) -> None:
        check_context_id(self.context_id)
        check_uid(f"abstract syntax of context {self.context_id}", self.abstract_syntax)
        for uid in self.transfer_syntaxes:
            check_uid(f"transfer syntax of context {self.context_id}", uid)
        if not self.transfer_syntaxes:
            raise LocalProtocolError(f"context {self.context_id} proposes no transfer syntax")

    def body(self) -> bytes:
        """Return the bytes after the item header."""
        syntaxes = [RawItem(TRANSFER_SYNTAX, uid.encode()) for uid in self.transfer_syntaxes]
        abstract = RawItem(ABSTRACT_SYNTAX, self.abstract_syntax.encode())
        return bytes((self.context_id, 0, 0, 0)) + build_items((abstract, *syntaxes))

    @classmethod
    def parse(cls, body: memoryview, limits: Limits) -> Self:
        """Read the bytes after the item header: the inverse of `body`."""
        reader = Reader("presentation context item", body)
        context_id = reader.take(4)[0]
        uids: dict[int, list[str]] = {ABSTRACT_SYNTAX: [], TRANSFER_SYNTAX: []}
        for kind, data in split_items(reader.rest(), limits):
            if kind in uids:
                uids[kind].append(reader.text(data))
        if len(uids[ABSTRACT_SYNTAX]) != 1:
            raise RemoteProtocolError(
                f"context {context_id} has {len(uids[ABSTRACT_SYNTAX])} abstract syntaxes, not one"
            )
        return cls(context_id, uids[ABSTRACT_SYNTAX][0], tuple(uids[TRANSFER_SYNTAX]))


class PresentationContextAC(Frozen):
    """The acceptor's answer to one presentation context (PS3.8 9.3.3.2).

    The transfer syntax of a context that is not accepted has no meaning: it may be any text, empty or
    missing (None).
    """

    TYPE: ClassVar[int] = 0x21
    context_id: int
    result: int
    transfer_syntax: str | None = None

    def __post_init__(self) -> None:
        check_context_id(self.context_id)
        check_number(f"result of context {self.context_id}", self.result, 8)
        if self.accepted:
            check_uid(f"transfer syntax of context {self.context_id}", self.transfer_syntax or "")

    @property
    def accepted(self) -> bool:
        """Whether the context was accepted and can be used."""
        return self.result == ContextResult.ACCEPTANCE

    def body(self) -> bytes:
        """Return the bytes after the item header."""
        syntax = self.transfer_syntax
        items = () if syntax is None else (RawItem(TRANSFER_SYNTAX, syntax.encode("ascii")),)
        return bytes((self.context_id, 0, self.result, 0)) + build_items(items)

    @classmethod
    def parse(cls, body: memoryview, limits: Limits) -> Self:
        """Read the bytes after the item header: the inverse of `body`."""
        reader = Reader("presentation context item", body)
        context_id, _, result, _ = reader.take(4)
        items = split_items(reader.rest(), limits)
        syntaxes = [reader.text(data) for kind, data in items if kind == TRANSFER_SYNTAX]
        if result == ContextResult.ACCEPTANCE and len(syntaxes) != 1:
            raise RemoteProtocolError(
                f"context {context_id} is accepted with {len(syntaxes)} transfer syntaxes, not one"
            )
        return cls(context_id, result, syntaxes[0] if syntaxes else None)


def build_items(items: Iterable[Item]) -> bytes:
    """Encode items, each with its header: type, a reserved byte, length in two bytes."""
    parts: list[bytes] = []
    for item in items:
        kind, body = item.TYPE, item.body()
        check_number(f"length of the item of type {kind:02x}H", len(body), 16)
        parts += (bytes((kind, 0)), len(body).to_bytes(2, "big"), body)
    return b"".join(parts)


def split_items(data: memoryview, limits: Limits) -> Iterator[tuple[int, memoryview]]:
    """Yield type and body of each item, without those nested in it."""
    reader = Reader("list of items", data)
    count = 0
    while reader.more:
        count += 1
        if count > limits.items:
            raise RemoteProtocolError(f"there are more than {limits.items} items on one level")
        kind, _ = reader.take(2)
        yield kind, reader.prefixed()
