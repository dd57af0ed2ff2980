"""Storage (PS3.4 Annex B): what Success guarantees, the statuses, and the attributes that are kept."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pynetdicom.dsutils import encode

from harness.cases import (
    SUCCESS,
    UNKNOWN_UID,
    WARNING,
    Corpus,
    Dimse,
    Maker,
    Party,
    Retrieved,
    Sample,
    Suite,
    instance_uids,
    is_failure,
    unique_keys,
    values,
)

suite = Suite(needs=("dimse.store", "dimse.get.study"))


WARNINGS = {WARNING, 0xB006, 0xB007}
GENERAL_FAILURES = {0x0110, 0x0117, 0x0122, 0x0124, 0x0210, 0x0211, 0x0212}
"""Failures of C-STORE in PS3.7 9.1.1.1.9; PS3.4 Table B.2-1 has those of storage, and WARNINGS."""


# The guarantee of Success


@suite.case("CONST-001", ref="PS3.4 B.2.2 (2020b)", needs="server.crash")
def test_success_outlives_a_crash(dimse: Dimse, make: Maker, crash: Callable[[], None]) -> None:
    """Instances answered with Success survive a crash of the server."""
    study = make.study(instances=3)
    dimse.store_all(study)

    crash()

    came = values(_study_of(dimse, study[0]).datasets, "SOPInstanceUID")
    assert came == instance_uids(study)


@suite.case("CONST-010", ref="PS3.4 B.2.2 (2020b)", needs="server.restart")
def test_success_outlives_a_restart(dimse: Dimse, make: Maker, remote: Party) -> None:
    """Instances answered with Success survive a regular shutdown and restart."""
    study = make.study(instances=3)
    dimse.store_all(study)

    with remote.stopped():
        pass

    came = values(_study_of(dimse, study[0]).datasets, "SOPInstanceUID")
    assert came == instance_uids(study)


@suite.case("CONST-002", ref="PS3.4 B.2.2 (2020b)")
def test_success_can_be_retrieved_at_once(dimse: Dimse, make: Maker) -> None:
    """An instance can be retrieved as soon as its C-STORE is answered, before the next of its study."""
    one, two = make.study(instances=2)

    found = []
    for sample in (one, two):
        dimse.store_all([sample])
        found.append(values(_study_of(dimse, sample).datasets, "SOPInstanceUID"))

    assert found == [instance_uids([one]), instance_uids([one, two])]


# The response to objects that cannot be stored


def _of_another_class(dataset: Dataset) -> bytes:
    dataset.SOPClassUID = MRImageStorage
    return _encoded(dataset)


def _of_another_instance(dataset: Dataset) -> bytes:
    dataset.SOPInstanceUID = UNKNOWN_UID
    return _encoded(dataset)


def _without_identifiers(dataset: Dataset) -> bytes:
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        delattr(dataset, keyword)
    return _encoded(dataset)


def _cut_short(dataset: Dataset) -> bytes:
    return _encoded(dataset)[:300]


def _encoded(dataset: Dataset) -> bytes:
    encoded = encode(dataset, is_implicit_vr=False, is_little_endian=True)
    assert encoded is not None
    return encoded


WRONG = pytest.mark.parametrize(
    "spoil",
    [_of_another_class, _of_another_instance, _without_identifiers],
    ids=["class", "instance", "no-identifiers"],
)


@suite.case("CONST-003", ref="PS3.4 B.2.3 (2020b)")
@WRONG
def test_status_is_a_status_of_storage(
    dimse: Dimse, make: Maker, spoil: Callable[[Dataset], bytes]
) -> None:
    """A data set that contradicts its C-STORE request is answered with a status of the service."""
    status = _store(dimse, make.instance(), spoil)

    known = status is None or status in {SUCCESS, *WARNINGS} or _is_failure_of_storage(status)
    assert known, f"status {status:#06x}"


@suite.case("CONST-004", ref="PS3.4 B.2.2 (2020b)")
@WRONG
def test_instance_is_there_only_if_accepted(
    dimse: Dimse, make: Maker, spoil: Callable[[Dataset], bytes]
) -> None:
    """An instance whose data set contradicts its C-STORE can be retrieved only if it was accepted."""
    sample = make.instance()
    other = make.instance(number=2)
    dimse.store_all([other])

    status = _store(dimse, sample, spoil)

    accepted = status == SUCCESS or status in WARNINGS
    expected = [other.sop_instance_uid, *([sample.sop_instance_uid] if accepted else [])]
    classes = (sample.sop_class_uid, MRImageStorage)
    found = dimse.get(
        "STUDY",
        storage=[(each, [ExplicitVRLittleEndian]) for each in classes],
        **unique_keys(sample, "STUDY"),
    )
    assert values(found.datasets, "SOPInstanceUID") == sorted(expected)


@suite.case("CONST-009", ref="PS3.4 B.2.3 (2020b)", level="should", waits=3)
def test_unreadable_data_set_is_a_failure(dimse: Dimse, make: Maker) -> None:
    """A data set truncated within an element is answered by a failure or an abort."""
    status = _store(replace(dimse, time_limit=3.0), make.instance(), _cut_short)

    assert status is None or is_failure(status), f"status {status:#06x}"


# The attributes that are kept


@suite.case("CONST-005", ref="PS3.4 B.4.1.1 (2020b)")
@pytest.mark.parametrize("name", ["h03-sr", "h03-ko", "m01-native"], ids=["sr", "ko", "us"])
def test_all_attributes_of_a_class_are_kept(dimse: Dimse, corpus: Corpus, name: str) -> None:
    """A document, a key object selection and a multi-frame image are returned with every attribute."""
    sample = corpus[name]

    dimse.store_all([sample])

    received = [each.to_json_dict() for each in _study_of(dimse, sample).datasets]
    assert received == [sample.dataset().to_json_dict()]


@suite.case("CONST-006", ref="PS3.8 E.1 (2020b)")
def test_object_beyond_many_pdus_is_kept(dimse: Dimse, make: Maker) -> None:
    """An object of dozens of PDUs is returned with every pixel."""
    sample = make.instance(rows=512, columns=600)

    dimse.store_all([sample])

    received = dimse.get_instance(sample)
    assert received.get("PixelData") == sample.dataset().PixelData, "the pixels differ"


@suite.case("CONST-007", ref="PS3.4 B.4.1.3 (2020b)")
@pytest.mark.parametrize(
    ("keyword", "other"),
    [("PatientName", "Other^Name"), ("PatientID", "OTHER"), ("StudyDate", "19991231")],
)
def test_success_means_that_nothing_was_coerced(
    dimse: Dimse, make: Maker, keyword: str, other: str
) -> None:
    """An instance that contradicts its study is returned as it was sent, unless there was a warning."""
    dimse.store_all([make.instance(PatientID="A", number=1)])
    sample = make.instance(PatientID="A", number=2)
    dataset = sample.dataset()
    setattr(dataset, keyword, other)

    status = dimse.store_as(
        sample.sop_class_uid, sample.sop_instance_uid, _encoded(dataset), ExplicitVRLittleEndian
    )

    received = dimse.get_instance(sample)
    if status == SUCCESS:
        assert received.to_json_dict() == dataset.to_json_dict()
    else:
        assert status in WARNINGS, f"status {'none' if status is None else hex(status)}"


@suite.case("CONST-008", ref="PS3.3 C.7.1.1 (2020b)")
@pytest.mark.parametrize(
    "keyword", ["PatientID", "PatientName", "StudyDate", "AccessionNumber", "StudyID"]
)
def test_empty_value_of_type_2_is_no_fault(dimse: Dimse, make: Maker, keyword: str) -> None:
    """An object with an empty value of Type 2 is stored, and returned with the empty value."""
    sample = make.instance(**{keyword: ""})

    dimse.store_all([sample])

    received = dimse.get_instance(sample)
    assert (keyword in received, str(received.get(keyword, ""))) == (True, "")


def _is_failure_of_storage(status: int) -> bool:
    return status in GENERAL_FAILURES or status >> 8 in {0xA7, 0xA9} or status >> 12 == 0xC


def _store(dimse: Dimse, sample: Sample, spoil: Callable[[Dataset], bytes]) -> int | None:
    """Store an object as modified by `spoil`; return the status, or None if aborted."""
    return dimse.store_as(
        sample.sop_class_uid,
        sample.sop_instance_uid,
        spoil(sample.dataset()),
        ExplicitVRLittleEndian,
    )


def _study_of(dimse: Dimse, sample: Sample) -> Retrieved:
    """Retrieve the study of an object, in the transfer syntax in which it was sent."""
    return dimse.get("STUDY", storage=[sample.context], **unique_keys(sample, "STUDY"))
