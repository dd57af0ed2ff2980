"""The counterpart of `wire`: an acceptor whose answers are determined by the case."""

import contextlib
import itertools
import socket
from typing import Final

from dcm.wire import (
    AssociateAC,
    AssociateRQ,
    Connection,
    RoleSelection,
    TransportOpened,
    answer_contexts,
)
from harness.clients.wire import UNLIMITED, Association, Line, ProtocolBroken, due, user_information
from harness.model import Endpoint


class WireScp(contextlib.AbstractContextManager["WireScp"]):
    """Listens on a port of its own; a context manager, which also closes the accepted connections."""

    def __init__(self, time_limit: float) -> None:
        self.time_limit: Final = time_limit
        self._socket: Final = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.endpoint: Final = Endpoint("127.0.0.1", self._socket.getsockname()[1])
        self._lines: Final[list[Line]] = []

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        for line in self._lines:
            line.close()

    def take(self) -> Line:
        """Wait for a connection, and return it before anything is sent."""
        self._socket.settimeout(self.time_limit)
        try:
            taken, _ = self._socket.accept()
        except TimeoutError as error:
            raise ProtocolBroken(f"nobody connected to us in {self.time_limit:g} s") from error
        line = Line(taken, self.time_limit)
        self._lines.append(line)
        return line


def asked(line: Line) -> Association:
    """Wait for the association request; `accept` answers it."""
    association = Association(line, Connection("acceptor", UNLIMITED))
    association.send(TransportOpened())
    due(AssociateRQ, association.event())
    return association


def accept(association: Association, *, maximum_length: int = 16384) -> Association:
    """Accept everything proposed: each context with its first transfer syntax, and the roles."""
    request = association.connection.request
    assert request is not None  # `asked` has received it
    contexts = request.presentation_contexts
    answers = (
        answer_contexts([each], {each.abstract_syntax: each.transfer_syntaxes}) for each in contexts
    )
    association.send(
        AssociateAC(
            called_ae_title=request.called_ae_title,
            calling_ae_title=request.calling_ae_title,
            presentation_contexts=tuple(itertools.chain.from_iterable(answers)),
            user_information=user_information(maximum_length, request.items(RoleSelection)),
            reserved=request.reserved,
        )
    )
    return association
