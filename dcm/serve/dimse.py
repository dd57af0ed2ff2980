"""The DIMSE services for a catalogue: query, retrieval, storage, commitment, verification."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from dcm.frozen import replace
from dcm.net.admission import Admission
from dcm.net.asked import FIND_MODELS, GET_MODELS, MOVE_MODELS
from dcm.net.get_scp import GetService
from dcm.net.limits import TimeLimits
from dcm.net.listener import Handler, Listener, OnFailure
from dcm.net.move_scp import MoveService
from dcm.net.query_scp import QueryService
from dcm.net.remote import Listen, Remote
from dcm.serve.consistent import ConsistentSink
from dcm.sinks import Head, Part, Refused, Sink
from dcm.store.catalogue import Catalogue
from dcm.wire import CFindRQ, CGetRQ, CMoveRQ

_NOT_AUTHORIZED: Final = 0x0124
_AT_ONCE: Final = 500
"""The number of UIDs looked up together."""


def dimse_listener(
    local: Listen,
    catalogue: Catalogue,
    sink: Sink | None,
    *,
    peers: Mapping[str, Remote] | None = None,
    limits: TimeLimits | None = None,
    admission: Admission | None = None,
    supports: Callable[[str], bool] | None = None,
    handler: Handler | None = None,
    on_failure: OnFailure | None = None,
) -> Listener:
    """Return a listener that serves the contents of a catalogue while its block runs.

    sink: stores received instances; the catalogue must include them then. None if nothing is
    stored.
    peers: nodes by AE title to which C-MOVE and storage commitment reports may be sent.
    admission: which associations to accept, apart from the services. supports: see `QueryService`.
    handler, on_failure: for stored instances; see `Listener`.
    """
    known = peers or {}
    models = frozenset((*FIND_MODELS, *MOVE_MODELS, *GET_MODELS))
    admitted = replace(
        admission or Admission(),
        services=models, relational=models, sending=True, storage=sink is not None,
    )  # fmt: skip
    return Listener(
        local,
        ConsistentSink(sink) if sink else _ReadOnly(),
        limits or TimeLimits(),
        handler,
        admission=admitted,
        on_failure=on_failure,
        peers=known,
        handlers={
            CFindRQ: QueryService(catalogue, local.ae_title, supports).answer,
            CMoveRQ: MoveService(catalogue, local, known).answer,
            CGetRQ: GetService(catalogue).answer,
        },
        held=_InCatalogue(catalogue),
    )


class _ReadOnly:
    """Rejects all instances, such as those that a peer stores on a context of its C-GET."""

    def begin(self, head: Head) -> Part:
        """Raise `Refused`."""
        raise Refused(_NOT_AUTHORIZED, f"{head.called_ae_title} is read-only")


class _InCatalogue:
    """The files of a catalogue, for storage commitment."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue: Final = catalogue

    def files(self, sop_instance_uids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the files of instances by SOP Instance UID."""
        found: dict[str, list[str]] = defaultdict(list)
        for begin in range(0, len(sop_instance_uids), _AT_ONCE):
            uids = "\\".join(sop_instance_uids[begin : begin + _AT_ONCE])
            for each in self._catalogue.instances({"SOPInstanceUID": uids}):
                found[each.instance.sop_instance_uid].append(each.instance.path)
        return found
