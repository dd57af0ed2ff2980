"""DICOMweb, storing: statuses, the report on each object, and the record of coercions."""

from typing import Any

import pytest
from pydicom.dataset import Dataset

from harness.cases import (
    Corpus,
    DicomWeb,
    Maker,
    Suite,
    differences,
    instance_path,
    json_value,
    json_values,
    single,
)

suite = Suite(needs="dicomweb.stow")


FAILED, STORED = "00081198", "00081199"  # Failed SOP Sequence, Referenced SOP Sequence
REFERENCED_CLASS, REFERENCED_INSTANCE = "00081150", "00081155"
FAILURE_REASON = "00081197"

# PS3.18 I.2.2: values of Failure Reason; A7, A9 and C are prefixes.
REASONS = {0x0110, 0x0111, 0x0112, 0x0117, 0x0119, 0x0122, 0x0124, 0x0131, 0x0213}
FAMILIES = {0xA7, 0xA9, *range(0xC0, 0xD0)}


def references(answer: dict[str, Any], tag: str) -> list[tuple[str, str]]:
    """Return class and instance of each item of a sequence of the response."""
    return sorted(
        (json_value(item, REFERENCED_CLASS) or "", json_value(item, REFERENCED_INSTANCE) or "")
        for item in json_values(answer, tag)
    )


def noted(received: Dataset) -> set[str]:
    """Return the keywords of the attributes that the object records as changed (PS3.3 C.12.1)."""
    return {
        element.keyword
        for item in received.get("OriginalAttributesSequence", ())
        for modified in item.get("ModifiedAttributesSequence", ())
        for element in modified
    }


@suite.case("CWEB-201", ref="PS3.18 10.5.3.1, Table 10.5.3-1: 202 (2020b, 2025a)")
def test_partial_success_has_its_status(web: DicomWeb, make: Maker) -> None:
    """If some of the objects are stored and others are not, the status is 202."""
    right, wrong = make.instance(PatientID="A"), make.instance(PatientID="B")

    answer = web.stow([right.data, wrong.data], study=right.study_instance_uid, expect=None)

    assert answer.status_code == 202


@suite.case("CWEB-202", ref="PS3.18 I.2.2: Failure Reason; Table I.1-1 (2020b)")
def test_failed_object_has_a_reason(web: DicomWeb, make: Maker) -> None:
    """An object that was not stored is listed with its SOP class and a reason from the standard."""
    right, wrong = make.instance(PatientID="A"), make.instance(PatientID="B", Modality="MR")

    answer = web.stow(
        [right.data, wrong.data], study=right.study_instance_uid, expect=(200, 202, 409)
    ).json()

    assert references(answer, FAILED) == [(wrong.sop_class_uid, wrong.sop_instance_uid)]
    reason = json_value(single(json_values(answer, FAILED), "failure"), FAILURE_REASON)
    assert isinstance(reason, int), f"the reason is {reason!r}"
    assert reason in REASONS or reason >> 8 in FAMILIES, f"reason {reason:#06x}"


@suite.case("CWEB-203", ref="PS3.18 10.5.1.1.1, Table 10.5.1-1: Studies; I.1 (2020b)")
def test_objects_of_several_studies_are_stored(web: DicomWeb, make: Maker) -> None:
    """A request that names no study stores objects of several studies, and reports on each."""
    mine = [
        make.instance(PatientID="A", Modality="CT"),
        make.instance(PatientID="B", Modality="MR"),
    ]

    answer = web.stow([each.data for each in mine], expect=200).json()

    expected = sorted((each.sop_class_uid, each.sop_instance_uid) for each in mine)
    assert (references(answer, STORED), json_values(answer, FAILED)) == (expected, [])
    for each in mine:
        part = single(web.wado(instance_path(each), transfer_syntax="*"), "part")
        assert part.dataset().get("SOPInstanceUID") == each.sop_instance_uid


@suite.case("CWEB-204", ref="PS3.18 10.5.2, 10.5.3: Original Attributes Sequence (2020b)")
@pytest.mark.parametrize("name", ["h01-ct-1-1", "h03-sr", "p12-jpeg-ls", "t05"])
def test_changes_are_noted_in_the_object(web: DicomWeb, corpus: Corpus, name: str) -> None:
    """Each attribute that the server changes on storage is in the object's Original Attributes Sequence."""
    sample = corpus[name]
    web.stow([sample.data])

    received = single(web.wado(instance_path(sample), transfer_syntax="*"), "part").dataset()
    told = noted(received) | {"OriginalAttributesSequence"}
    lines = differences(sample.dataset(), received, sample.picture)
    assert [line for line in lines if line.partition(":")[0] not in told] == []


@suite.case("CWEB-205", ref="PS3.18 10.5.3.1, Table 10.5.3-1: 400, 409 (2020b)")
def test_complete_failure_has_its_status(web: DicomWeb, make: Maker) -> None:
    """If no object is stored, the status is 400 or 409, and all objects are listed as failed."""
    wrong = [make.instance(PatientID="B", number=number) for number in (1, 2)]

    answer = web.stow([each.data for each in wrong], study="1.2.3", expect=(400, 409)).json()

    expected = sorted((each.sop_class_uid, each.sop_instance_uid) for each in wrong)
    assert (references(answer, FAILED), json_values(answer, STORED)) == (expected, [])
