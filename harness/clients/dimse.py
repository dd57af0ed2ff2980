"""The DIMSE client of the cases, based on pynetdicom, an independent implementation of the protocol."""

import contextlib
import io
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, build_role, evt, sop_class
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import A_ABORT_RQ

from harness.clients.checkpoint import ReactorCheckpoint
from harness.clients.client import Client
from harness.corpus import Sample

Root = Literal["patient", "study"]


class Status(int):
    """A status (PS3.7 C), shown in failures in hexadecimal, as in the standard."""

    def __repr__(self) -> str:
        return f"{self:#06x}"

    __str__ = __repr__


SUCCESS = Status(0x0000)
REFUSED = Status(0xA702)
"""Refused: out of resources, unable to perform sub-operations (PS3.4 C.4-2); in C-STORE, B.2-1."""
WARNING = Status(0xB000)
"""In C-STORE: coercion of data elements (PS3.4 Table B.2-1). In a retrieval: not all succeeded."""
CANCELLED = Status(0xFE00)
"""Matching or sub-operations terminated due to Cancel."""
C_STORE_RQ = 0x0001
"""The command field of a C-STORE request (PS3.7 E.1)."""
UNKNOWN_UID = "2.25.404"
"""A valid UID that identifies nothing."""
NO_RESPONSE = "no response: the association was aborted, or the time limit expired"

FIND, MOVE, GET = (
    {
        root: getattr(sop_class, f"{root.capitalize()}RootQueryRetrieveInformationModel{service}")
        for root in ("patient", "study")
    }
    for service in ("Find", "Move", "Get")
)
"""The information models of each service, by root (PS3.4 C.6)."""
Handlers = Iterable[tuple[Any, ...]]
Context = tuple[str, Sequence[str]]
"""Abstract syntax and transfer syntaxes of a presentation context."""
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
CT = [(CTImageStorage, [ExplicitVRLittleEndian])]
"""The storage context of objects that a case makes."""
UNASKED = frozenset((
    "SpecificCharacterSet", "QueryRetrieveLevel", "RetrieveAETitle", "InstanceAvailability",
    "StorageMediaFileSetID", "StorageMediaFileSetUID", "TimezoneOffsetFromUTC",
))  # fmt: skip
"""The attributes that a server may add to an answer without being asked (PS3.4 C.4.1.1.3.2)."""
UNIQUE_KEYS = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
"""The unique key of each level (PS3.4 C.6.1.1 and C.6.2.1)."""
LEVELS: dict[Root, tuple[str, ...]] = {
    "patient": tuple(UNIQUE_KEYS),
    "study": tuple(UNIQUE_KEYS)[1:],
}


@dataclass(frozen=True)
class Found:
    """The result of a C-FIND: the pending answers, and the final status (PS3.4 C.4.1)."""

    status: int
    datasets: list[Dataset]
    statuses: list[int]

    def complete(self) -> list[Dataset]:
        """Return the answers; fails the case unless the final status is Success."""
        assert self.status == SUCCESS, f"C-FIND ended with status {self.status:#06x}"
        return self.datasets


@dataclass(frozen=True)
class Retrieved:
    """The result of a C-MOVE or C-GET: final response, all responses, received objects (C-GET)."""

    status: int
    final: Dataset
    responses: list[Dataset]
    failed_uids: list[str]
    datasets: list[Dataset] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int | None]:
        """Completed, failed, warning and remaining sub-operations; None for an absent element."""
        return _counted(self.final)

    @property
    def ended(self) -> dict[str, int]:
        """The number of sub-operations with each result, from the final response; an absent count is 0."""
        return {name: self.counts[name] or 0 for name in ("completed", "failed", "warning")}

    @property
    def progress(self) -> list[dict[str, int | None]]:
        """The counts of each pending response, in order."""
        return [_counted(each) for each in self.responses[:-1]]


class Dimse(Client):
    """A client based on pynetdicom."""

    def request_association(
        self,
        contexts: Iterable[Context],
        *,
        called: str | None = None,
        calling: str | None = None,
        handlers: Handlers = (),
        roles: Iterable[Any] = (),
    ) -> Association:
        """Request an association and return it, accepted or not; the caller ends it.

        `called` and `calling` replace the usual AE titles; `handlers` and `roles` are pynetdicom's.
        """
        entity = AE(ae_title=calling or self.calling)
        for limit in ("acse_timeout", "dimse_timeout", "network_timeout", "connection_timeout"):
            setattr(entity, limit, self.time_limit)
        for abstract_syntax, transfer_syntaxes in contexts:
            entity.add_requested_context(abstract_syntax, list(transfer_syntaxes))
        association = entity.associate(
            self.peer.host,
            self.peer.port,
            ae_title=called or self.called,
            ext_neg=list(roles),
            evt_handlers=[(evt.EVT_CONN_OPEN, _without_delay), *handlers],
            tls_args=None if self.tls is None else (self.tls.context, None),
        )
        association._reactor_checkpoint = ReactorCheckpoint()  # noqa: SLF001 - see its module
        return association

    @contextlib.contextmanager
    def associate(self, contexts: Iterable[Context], **options: Any) -> Iterator[Association]:
        """Request an association in the same way, and release it at the end of the block.

        Fails the case if the association is not established.
        """
        association = self.request_association(contexts, **options)
        assert association.is_established, (
            f"no association with {self.called} at {self.peer}: {_refusal(association)}"
        )
        try:
            yield association
        finally:
            if association.is_established:
                association.release()

    def echo(self, **titles: str | None) -> int:
        """Send a C-ECHO, return the status; `called` and `calling` as for `request_association`."""
        with self.associate([(sop_class.Verification, NATIVE)], **titles) as association:
            return _status(association.send_c_echo())

    def store(self, *objects: Sample, **titles: str | None) -> list[Status]:
        """Send each object in a C-STORE, in its own transfer syntax, and return the statuses in order."""
        contexts = dict.fromkeys((each.sop_class_uid, (each.transfer_syntax,)) for each in objects)
        with self.associate(contexts, **titles) as association:
            return [_status(association.send_c_store(each.dataset())) for each in objects]

    def store_as(
        self, sop_class_uid: str, sop_instance_uid: str, data_set: bytes, transfer_syntax: str
    ) -> int | None:
        """Send a data set unchanged in a C-STORE with this class and instance; return the status.

        Returns None if the association was aborted. Use this for objects that pynetdicom would
        refuse to send.
        """
        request = C_STORE()
        request.MessageID = 1
        request.AffectedSOPClassUID = sop_class_uid
        request.AffectedSOPInstanceUID = sop_instance_uid
        request.Priority = 0x0000
        request.DataSet = io.BytesIO(data_set)
        contexts = [(sop_class_uid, (transfer_syntax,))]
        pdus: list[Any] = []
        handlers = [(evt.EVT_PDU_RECV, lambda event: pdus.append(event.pdu))]
        with self.associate(contexts, handlers=handlers) as association:
            (context,) = association.accepted_contexts
            association._reactor_checkpoint.clear()  # noqa: SLF001 - as `send_c_store` does
            association.dimse.send_msg(request, context.context_id)
            _, response = association.dimse.get_msg(block=True)
            association._reactor_checkpoint.set()  # noqa: SLF001
        if response is None and any(isinstance(each, A_ABORT_RQ) for each in pdus):
            return None
        assert response is not None, NO_RESPONSE
        return int(response.Status)

    def store_all(self, objects: Iterable[Sample]) -> None:
        """Send each object; fails the case unless each response is Success."""
        refused = [str(status) for status in self.store(*objects) if status != SUCCESS]
        assert not refused, f"C-STORE was answered with {', '.join(refused)}"

    def find(self, level: str, *, root: Root = "study", **keys: Any) -> Found:
        """Send a C-FIND at `level` (PATIENT, STUDY, SERIES, IMAGE) with `keys` as identifier."""
        return self.find_with(_at(level, keys), FIND[root])

    def find_studies(self, **keys: Any) -> list[Dataset]:
        """Find studies in the study root; fails the case unless the final status is Success."""
        return self.find("STUDY", **keys).complete()

    def worklist(self, identifier: Dataset) -> Found:
        """Query the modality worklist (PS3.4 K)."""
        return self.find_with(identifier, sop_class.ModalityWorklistInformationFind)

    def find_with(self, identifier: Dataset, model: str, calling: str | None = None) -> Found:
        """Send `identifier` unchanged in a C-FIND of the information model `model`."""
        with self.associate([(model, NATIVE)], calling=calling) as association:
            responses = list(association.send_c_find(identifier, model))
        *pending, (final, _) = [(_status(status), dataset) for status, dataset in responses]
        datasets = [each for _, each in pending if each is not None]
        return Found(final, datasets, [status for status, _ in pending])

    def move(
        self, level: str, to: str, *, root: Root = "study", handlers: Handlers = (), **keys: Any
    ) -> Retrieved:
        """Send a C-MOVE with the destination `to`."""
        with self.associate([(MOVE[root], NATIVE)], handlers=handlers) as association:
            return _retrieved(association.send_c_move(_at(level, keys), to, MOVE[root]), [])

    def get(
        self,
        level: str,
        *,
        storage: Iterable[Context],
        root: Root = "study",
        answers: Iterable[int] = (),
        handlers: Handlers = (),
        **keys: Any,
    ) -> Retrieved:
        """Retrieve objects with C-GET, proposing the classes and transfer syntaxes in `storage`.

        `answers` are the statuses of our responses to the first C-STORE requests; the rest get
        Success. `handlers` are pynetdicom's, for a case that observes the messages.
        """
        received: list[Dataset] = []
        statuses = iter(answers)

        def keep(event: evt.Event) -> int:
            status = next(statuses, SUCCESS)
            if status == SUCCESS:
                received.append(received_with(event))
            return status

        contexts = list(storage)
        with self.associate(
            [(GET[root], NATIVE), *contexts],
            handlers=[(evt.EVT_C_STORE, keep), *handlers],
            roles=[build_role(uid, scp_role=True) for uid, _ in contexts],
        ) as association:
            return _retrieved(association.send_c_get(_at(level, keys), GET[root]), received)

    def get_instance(self, wanted: Sample) -> Dataset:
        """Get one object by C-GET, in its transfer syntax; fails the case if others arrive."""
        keys: dict[str, Any] = dict(unique_keys(wanted, "IMAGE"))
        retrieved = self.get("IMAGE", storage=[wanted.context], **keys)
        came = values(retrieved.datasets, "SOPInstanceUID")
        assert came == [wanted.sop_instance_uid], f"C-GET ended with status {retrieved.status:#06x}"
        return retrieved.datasets[0]


def is_failure(status: int) -> bool:
    """Return whether a status is a failure: Axxx, Cxxx, 01xx or 02xx, except warnings (PS3.7 C)."""
    return status >> 12 in (0xA, 0xC) or (status >> 8 in (1, 2) and status not in (0x0107, 0x0116))


def _counted(response: Dataset) -> dict[str, int | None]:
    return {
        name: response.get(f"NumberOf{name.capitalize()}Suboperations")
        for name in ("completed", "failed", "warning", "remaining")
    }


def instance_uids(samples: Iterable[Sample]) -> list[str]:
    """Return the SOP Instance UIDs of objects, sorted."""
    return sorted(str(each.sop_instance_uid) for each in samples)


def unique_keys(instance: Sample, level: str, root: Root = "study") -> dict[str, str]:
    """Return the unique keys of an instance, from the root of the information model to `level`."""
    known = {
        "PATIENT": instance.patient_id,
        "STUDY": instance.study_instance_uid,
        "SERIES": instance.series_instance_uid,
        "IMAGE": instance.sop_instance_uid,
    }
    levels = LEVELS[root][: LEVELS[root].index(level) + 1]
    return {UNIQUE_KEYS[each]: known[each] for each in levels}


def identifier_of(keys: dict[str, Any]) -> Dataset:
    """Make an identifier from keywords and values.

    An empty value requests the attribute (PS3.4 C.2.2.2.3).
    """
    identifier = Dataset()
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return identifier


def values(datasets: Iterable[Dataset], keyword: str) -> list[str]:
    """Return the value of an element in each data set as text, sorted; empty if missing."""
    found = (each.get(keyword) for each in datasets)
    return sorted("" if value is None else str(value) for value in found)


def several(dataset: Dataset, keyword: str) -> list[str]:
    """Return all values of an element as strings; an empty list if it is absent or empty."""
    value = dataset.get(keyword)
    if value in (None, ""):
        return []
    return [str(each) for each in value] if isinstance(value, MultiValue) else [str(value)]


def _at(level: str, keys: dict[str, Any]) -> Dataset:
    return identifier_of({"QueryRetrieveLevel": level, **keys})


def received_with(event: evt.Event) -> Dataset:
    """Return the object received in a C-STORE request, with its file meta information."""
    dataset = event.dataset
    dataset.file_meta = event.file_meta
    return dataset


def _status(response: Dataset) -> Status:
    assert "Status" in response, NO_RESPONSE
    return Status(response.Status)


def _retrieved(
    answers: Iterable[tuple[Dataset, Dataset | None]], received: list[Dataset]
) -> Retrieved:
    responses = list(answers)
    final, identifier = responses[-1]
    failed = [] if identifier is None else several(identifier, "FailedSOPInstanceUIDList")
    return Retrieved(
        _status(final),
        final,
        [response for response, _ in responses],
        failed,
        received,
    )


def _refusal(association: Association) -> str:
    if association.is_rejected:
        answer = association.acceptor.primitive
        return f"rejected, result {answer.result}, source {answer.result_source}, reason {answer.diagnostic}"
    return (
        "aborted" if association.is_aborted else "the connection failed or no context was accepted"
    )


def _without_delay(event: evt.Event) -> None:
    # pynetdicom leaves Nagle's algorithm on, which costs 40 ms or more for each message.
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
