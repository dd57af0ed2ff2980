"""C-GET with the remote as SCP: the objects on the same association, and the counts."""

from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import build_role, evt

from harness.cases import (
    CANCELLED,
    CT,
    GET,
    NATIVE,
    REFUSED,
    SUCCESS,
    UNKNOWN_UID,
    WARNING,
    Dcmtk,
    Dimse,
    Retrieved,
    Stored,
    Suite,
    identifier_of,
    instance_uids,
    unique_keys,
    values,
)

suite = Suite(needs=("dimse.store", "dimse.get.study"))


# The objects


@suite.case("CGET-001", ref="PS3.4 C.4.3.3.1", covers="CGet.test_success")
def test_get_study(dimse: Dimse, stored: Stored) -> None:
    """A C-GET at the STUDY level sends every instance of the study, counts them and ends with Success."""
    study = stored.study(PatientID="A", series=2, instances=2)
    stored.study(PatientID="B")

    retrieved = dimse.get("STUDY", storage=CT, StudyInstanceUID=study[0].study_instance_uid)

    assert values(retrieved.datasets, "SOPInstanceUID") == instance_uids(study)
    assert _end(retrieved) == {"status": "0x0000", "completed": 4, "failed": 0, "warning": 0}


@suite.case("CGET-002", ref="PS3.4 C.4.3.1.3.1")
@pytest.mark.parametrize(("level", "count"), [("SERIES", 2), ("IMAGE", 1)], ids=["series", "image"])
def test_get_series_and_instance(dimse: Dimse, stored: Stored, level: str, count: int) -> None:
    """A C-GET at the SERIES or IMAGE level sends the named series or instance only."""
    study = stored.study(series=2, instances=2)

    retrieved = dimse.get(level, storage=CT, **unique_keys(study[0], level))

    assert values(retrieved.datasets, "SOPInstanceUID") == instance_uids(study[:count])


@suite.case("CGET-003", ref="PS3.4 C.4.3.1.3.1", needs="dimse.get.patient")
def test_get_patient(dimse: Dimse, stored: Stored) -> None:
    """A C-GET at the PATIENT level of the Patient Root sends all studies of the patient."""
    one = stored.study(PatientID="A", study="1")
    two = stored.study(PatientID="A", study="2")
    stored.study(PatientID="B")

    retrieved = dimse.get("PATIENT", root="patient", storage=CT, PatientID="A")

    assert values(retrieved.datasets, "SOPInstanceUID") == instance_uids(one + two)


@suite.case(
    "CGET-004",
    ref="PS3.4 C.4.3.1.3.1",
    covers="Orthanc.test_getscu",
    level="should",
    needs=("dcmtk", "dimse.store.compressed"),
)
def test_getscu_list_of_studies(dcmtk: Dcmtk, stored: Stored) -> None:
    """getscu, which accepts no compression, receives a list of two studies; the JPEG one is decompressed."""
    plain, jpeg = stored.sample("p02"), stored.sample("p10-jpeg-gray")
    stored.study(PatientID="OTHER")

    files = dcmtk.get(
        "STUDY", f"StudyInstanceUID={plain.study_instance_uid}\\{jpeg.study_instance_uid}"
    )

    received = {str(each.get("SOPInstanceUID")): each for each in map(dcmread, files)}
    assert {uid: each.file_meta.get("TransferSyntaxUID") for uid, each in received.items()} == {
        plain.sop_instance_uid: ExplicitVRLittleEndian,
        jpeg.sop_instance_uid: ExplicitVRLittleEndian,
    }


# Failures


@suite.case("CGET-005", ref="PS3.4 C.4.3.3.1", covers="CGet.test_some_failure")
def test_get_with_some_refused(dimse: Dimse, stored: Stored) -> None:
    """If we reject one of two objects, the C-GET ends with B000 and counts it as failed."""
    study = stored.study(instances=2)

    retrieved = dimse.get(
        "STUDY", storage=CT, answers=[REFUSED], StudyInstanceUID=study[0].study_instance_uid
    )

    assert _end(retrieved) == {"status": "0xb000", "completed": 1, "failed": 1, "warning": 0}


@suite.case("CGET-006", ref="PS3.4 C.4.3.3.1", covers="CGet.test_all_failure")
def test_get_with_all_refused(dimse: Dimse, stored: Stored) -> None:
    """If we reject all objects, the C-GET ends with A702 and counts none as completed."""
    study = stored.study(instances=2)

    retrieved = dimse.get(
        "STUDY", storage=CT, answers=[REFUSED] * 2, StudyInstanceUID=study[0].study_instance_uid
    )

    assert _end(retrieved) == {"status": "0xa702", "completed": 0, "failed": 2, "warning": 0}


@suite.case("CGET-007", ref="PS3.4 C.4.3.3.1", covers="CGet.test_warning")
def test_get_with_a_warning(dimse: Dimse, stored: Stored) -> None:
    """If we store an object with a warning, the C-GET ends with B000 and counts the warning."""
    (one,) = stored.study()

    retrieved = dimse.get(
        "STUDY", storage=CT, answers=[WARNING], StudyInstanceUID=one.study_instance_uid
    )

    assert _end(retrieved) == {"status": "0xb000", "completed": 0, "failed": 0, "warning": 1}


@suite.case(
    "CGET-008",
    ref="Orthanc Book: C-GET SCP",
    covers="CGet.test_missing",
    level="product",
    needs="orthanc>=1.8.1",
)
def test_get_of_an_unknown_study(dimse: Dimse, stored: Stored) -> None:
    """A C-GET of a study that the server does not have ends with C000 and counts nothing."""
    stored.study()

    retrieved = dimse.get("STUDY", storage=CT, StudyInstanceUID=UNKNOWN_UID)

    assert _end(retrieved) == {"status": "0xc000", "completed": 0, "failed": 0, "warning": 0}


@suite.case("CGET-009", ref="PS3.4 C.4.3.1.5")
def test_final_response_of_a_get_has_no_remaining(dimse: Dimse, stored: Stored) -> None:
    """The final response of a C-GET that was not cancelled has no Number of Remaining Sub-operations."""
    study = stored.study(instances=3)

    retrieved = dimse.get("STUDY", storage=CT, StudyInstanceUID=study[0].study_instance_uid)

    assert retrieved.status == SUCCESS
    remaining = retrieved.counts["remaining"]
    assert remaining is None, f"{remaining} sub-operations remain, it says"


@suite.case("CGET-010", ref="PS3.4 C.4.3.3.1", covers="CGet.test_cancel")
def test_cancel_ends_a_get(dimse: Dimse, stored: Stored) -> None:
    """A C-CANCEL at the second of five objects ends the C-GET with FE00 before all objects are sent."""
    study = stored.study(instances=5)
    identifier = identifier_of(
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study[0].study_instance_uid}
    )
    received: list[str] = []

    def cancel_at_the_second(event: Any) -> int:
        received.append(event.request.AffectedSOPInstanceUID)
        if len(received) == 2:
            event.assoc.send_c_cancel(1, query_model=GET["study"])
        return SUCCESS

    with dimse.associate(
        [(GET["study"], NATIVE), *CT],
        handlers=[(evt.EVT_C_STORE, cancel_at_the_second)],
        roles=[build_role(uid, scp_role=True) for uid, _ in CT],
    ) as association:
        *_, (final, _) = association.send_c_get(identifier, GET["study"], msg_id=1)

    assert final.get("Status") == CANCELLED
    assert len(received) < len(study), "every object was sent"
    # The object during which we cancelled may or may not be counted. "If present, the Remaining
    # sub-operations count shall contain the number of C-STORE sub-operations that were not
    # initiated" (C.4.3.3.1).
    completed = final.get("NumberOfCompletedSuboperations")
    assert completed in (len(received) - 1, len(received))
    left = len(study) - completed
    assert final.get("NumberOfRemainingSuboperations", left) == left


def _end(retrieved: Retrieved) -> dict[str, str | int | None]:
    """Return the final status, and the counts that every final response has."""
    counts = {name: retrieved.counts[name] for name in ("completed", "failed", "warning")}
    return {"status": f"{retrieved.status:#06x}", **counts}
