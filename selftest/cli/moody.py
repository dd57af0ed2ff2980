"""An archive based on pynetdicom that answers some queries and fails others."""

import contextlib
from collections.abc import Iterator

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

from dcm.net import DcmNode

OUT_OF_RESOURCES = 0xA700
Answers = Iterator[tuple[int, Dataset | None]]


def _find(event: evt.Event) -> Answers:
    asked = event.identifier
    images_of = asked.QueryRetrieveLevel == "IMAGE" and asked.get("StudyInstanceUID")
    if asked.get("PatientID") == "BAD" or images_of == "1.2.9":
        yield OUT_OF_RESOURCES, None
        return
    answer = Dataset()
    answer.QueryRetrieveLevel = asked.QueryRetrieveLevel
    answer.PatientID = asked.get("PatientID") or "GOOD"
    study = asked.get("StudyInstanceUID") or "1.2.1"
    answer.StudyInstanceUID, answer.SeriesInstanceUID = study, f"{study}.1"
    answer.SOPInstanceUID, answer.SOPClassUID = f"{study}.1.1", "1.2.840.10008.5.1.4.1.1.2"
    if asked.get("PatientID") == "LATER":
        answer.StudyDate = "20990101"
    yield 0xFF00, answer
    if asked.get("PatientID") == "LIMITED":
        yield OUT_OF_RESOURCES, None


def _get(_event: evt.Event) -> Iterator[int]:
    yield 0


@contextlib.contextmanager
def moody() -> Iterator[DcmNode]:
    """Run it: it has everything except the patient BAD and the images of the study 1.2.9.

    For the patient LIMITED it reports that there is more; LATER is from 2099, whatever the query.
    """
    server = AE("MOODY")
    for model in (
        PatientRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelGet,
    ):
        server.add_supported_context(model)
    handlers = [(evt.EVT_C_FIND, _find), (evt.EVT_C_GET, _get)]
    running = server.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield DcmNode("127.0.0.1", "MOODY", running.server_address[1])
    finally:
        running.shutdown()
