"""Lies about pynetdicom's qrscp, about what it does right and dcmqrscp does not."""

from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage
from support.lies import Group, SeededLie
from support.messages import Message, MessageLie, before, final, of, present, where

from dcm.wire import CFindRQ, CGetRSP, CStoreRQ
from harness.relay import Direction


def _store(message: Message) -> Message:
    """Send an invented C-STORE on the second context, which is that of CT."""
    asked, dataset = Dataset(), Dataset()
    asked.AffectedSOPClassUID = dataset.SOPClassUID = CTImageStorage
    asked.AffectedSOPInstanceUID = dataset.SOPInstanceUID = "2.25.9"
    asked.CommandField, asked.MessageID, asked.Priority = CStoreRQ.COMMAND_FIELD, 99, 0
    asked.CommandDataSetType = 1
    asked.add_new(0x00000000, "UL", 0)
    return Message(message.context_id + 2, asked, dataset)


GROUP = Group(
    "services_qrscp",
    sample=("CONQM-012", "CONRT-033"),
    lies=(
        SeededLie(
            "a question mark is a byte",
            "remote.dicom",
            MessageLie(
                where(of(CFindRQ.COMMAND_FIELD), present(AccessionNumber="Gr????e")),
                Direction.TO_SERVER,
            ),
            frozenset({"CONQM-012"}),
        ),
        SeededLie(
            "a C-STORE comes without the role",
            "remote.dicom",
            MessageLie(before(final(CGetRSP.COMMAND_FIELD), _store)),
            frozenset({"CONRT-033"}),
        ),
    ),
    crosswise=False,
    options=("--remote", "qrscp"),
    smoke=False,
)
