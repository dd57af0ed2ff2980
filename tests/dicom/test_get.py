"""C-GET with the remote as SCP: what comes back on the same association, and how it is counted."""

from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import build_role, evt

from harness.cases import GET, NATIVE, Dcmtk, Dimse, Retrieved, Stored, Suite, identifier_of, values

suite = Suite(needs=("dimse.store", "dimse.get.study"))


CT = [("1.2.840.10008.5.1.4.1.1.2", [ExplicitVRLittleEndian])]  # what made-to-order objects are
REFUSED, WARNING = 0xA702, 0xB000


# What is retrieved


@suite.case("CGET-001", ref="PS3.4 C.4.3.3.1", covers="CGet.test_success")
def test_study(dimse: Dimse, stored: Stored) -> None:
    """A C-GET at the STUDY level brings every instance of the study, counts them and ends with Success."""
    study = stored.study(PatientID="A", series=2, instances=2)
    stored.study(PatientID="B")

    retrieved = dimse.get("STUDY", storage=CT, StudyInstanceUID=study[0].study_instance_uid)

    expected = sorted(each.sop_instance_uid for each in study)
    assert values(retrieved.datasets, "SOPInstanceUID") == expected
    assert retrieved.status == 0x0000
    assert _counts(retrieved) == {"completed": 4, "failed": 0, "warning": 0}


@suite.case("CGET-002", ref="PS3.4 C.4.3.1.3.1")
@pytest.mark.parametrize(("level", "count"), [("SERIES", 2), ("IMAGE", 1)], ids=["series", "image"])
def test_lower_levels(dimse: Dimse, stored: Stored, level: str, count: int) -> None:
    """At the SERIES and IMAGE levels only the named series, or the named instance, is retrieved."""
    study = stored.study(series=2, instances=2)
    keys = {
        "StudyInstanceUID": study[0].study_instance_uid,
        "SeriesInstanceUID": study[0].series_instance_uid,
    }
    if level == "IMAGE":
        keys["SOPInstanceUID"] = study[0].sop_instance_uid

    retrieved = dimse.get(level, storage=CT, **keys)

    expected = sorted(each.sop_instance_uid for each in study[:count])
    assert values(retrieved.datasets, "SOPInstanceUID") == expected


@suite.case("CGET-003", ref="PS3.4 C.4.3.1.3.1", needs="dimse.get.patient")
def test_patient(dimse: Dimse, stored: Stored) -> None:
    """At the PATIENT level of the patient root all studies of the patient are retrieved."""
    one = stored.study(PatientID="A", study="1")
    two = stored.study(PatientID="A", study="2")
    stored.study(PatientID="B")

    retrieved = dimse.get("PATIENT", root="patient", storage=CT, PatientID="A")

    expected = sorted(each.sop_instance_uid for each in one + two)
    assert values(retrieved.datasets, "SOPInstanceUID") == expected


@suite.case(
    "CGET-004", ref="PS3.4 C.4.3.1.3.1", covers="Orthanc.test_getscu", level="should", needs="dcmtk"
)
def test_getscu_list_of_studies(dcmtk: Dcmtk, stored: Stored) -> None:
    """getscu, which takes no compression, gets two studies by a list of UIDs, the JPEG one decompressed."""
    plain, jpeg = stored.sample("p02"), stored.sample("p10-jpeg-gray")
    stored.study(PatientID="OTHER")

    files = dcmtk.get(
        "STUDY", f"StudyInstanceUID={plain.study_instance_uid}\\{jpeg.study_instance_uid}"
    )

    received = {str(each.SOPInstanceUID): each for each in map(dcmread, files)}
    assert {uid: str(each.file_meta.TransferSyntaxUID) for uid, each in received.items()} == {
        plain.sop_instance_uid: ExplicitVRLittleEndian,
        jpeg.sop_instance_uid: ExplicitVRLittleEndian,
    }


# How failures are accounted for


@suite.case("CGET-005", ref="PS3.4 C.4.3.3.1", covers="CGet.test_some_failure")
def test_some_refused(dimse: Dimse, stored: Stored) -> None:
    """Where we refuse one of two objects, the final status is B000 and the refusal is counted."""
    study = stored.study(instances=2)

    retrieved = dimse.get(
        "STUDY", storage=CT, answers=[REFUSED], StudyInstanceUID=study[0].study_instance_uid
    )

    assert retrieved.status == 0xB000
    assert _counts(retrieved) == {"completed": 1, "failed": 1, "warning": 0}


@suite.case("CGET-006", ref="PS3.4 C.4.3.3.1", covers="CGet.test_all_failure")
def test_all_refused(dimse: Dimse, stored: Stored) -> None:
    """Where we refuse all objects, the final status is A702 and nothing counts as completed."""
    study = stored.study(instances=2)

    retrieved = dimse.get(
        "STUDY", storage=CT, answers=[REFUSED] * 2, StudyInstanceUID=study[0].study_instance_uid
    )

    assert retrieved.status == 0xA702
    assert _counts(retrieved) == {"completed": 0, "failed": 2, "warning": 0}


@suite.case("CGET-007", ref="PS3.4 C.4.3.3.1", covers="CGet.test_warning")
def test_warning(dimse: Dimse, stored: Stored) -> None:
    """Where we store an object with a warning, the final status is B000 and the warning is counted."""
    (one,) = stored.study()

    retrieved = dimse.get(
        "STUDY", storage=CT, answers=[WARNING], StudyInstanceUID=one.study_instance_uid
    )

    assert retrieved.status == 0xB000
    assert _counts(retrieved) == {"completed": 0, "failed": 0, "warning": 1}


@suite.case(
    "CGET-008",
    ref="Orthanc Book: C-GET SCP",
    covers="CGet.test_missing",
    level="product",
    needs="orthanc>=1.8.1",
)
def test_missing_study(dimse: Dimse, stored: Stored) -> None:
    """A C-GET of a study that the server does not hold ends with C000 and counts nothing."""
    stored.study()

    retrieved = dimse.get("STUDY", storage=CT, StudyInstanceUID="2.25.404")

    assert retrieved.status == 0xC000
    assert _counts(retrieved) == {"completed": 0, "failed": 0, "warning": 0}


@suite.case("CGET-009", ref="PS3.4 C.4.3.1.5")
def test_remaining_is_counted_in_pending_responses_only(dimse: Dimse, stored: Stored) -> None:
    """Remaining sub-operations are counted down in pending responses, and absent from the final one."""
    study = stored.study(instances=3)

    retrieved = dimse.get("STUDY", storage=CT, StudyInstanceUID=study[0].study_instance_uid)

    *pending, final = [
        response.get("NumberOfRemainingSuboperations") for response in retrieved.responses
    ]
    assert final is None
    assert pending == sorted(set(pending), reverse=True)


@suite.case("CGET-010", ref="PS3.4 C.4.3.3.1", covers="CGet.test_cancel")
def test_cancel(dimse: Dimse, stored: Stored) -> None:
    """A C-CANCEL sent with the second of five objects ends the C-GET with FE00 and objects remaining."""
    study = stored.study(instances=5)
    identifier = identifier_of(
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study[0].study_instance_uid}
    )
    received: list[str] = []

    def cancel_at_the_second(event: Any) -> int:
        received.append(event.request.AffectedSOPInstanceUID)
        if len(received) == 2:
            event.assoc.send_c_cancel(1, query_model=GET["study"])
        return 0x0000

    with dimse.associate(
        [(GET["study"], NATIVE), *CT],
        handlers=[(evt.EVT_C_STORE, cancel_at_the_second)],
        roles=[build_role(uid, scp_role=True) for uid, _ in CT],
    ) as association:
        *_, (final, _) = association.send_c_get(identifier, GET["study"], msg_id=1)

    assert final.Status == 0xFE00
    counted = final.NumberOfCompletedSuboperations + final.NumberOfRemainingSuboperations
    assert (counted, final.NumberOfFailedSuboperations) == (5, 0)
    assert len(received) < 5


def _counts(retrieved: Retrieved) -> dict[str, int | None]:
    """Give the counts of sub-operations that every final response has."""
    return {name: retrieved.counts[name] for name in ("completed", "failed", "warning")}
