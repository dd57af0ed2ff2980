"""Modification within sequences: which items a path selects."""

from typing import Any

import pytest
from pydicom.dataset import Dataset

from harness.cases import (
    OUT_OF_RANGE,
    UNKNOWN_TAG,
    Maker,
    Rest,
    Sample,
    Stored,
    Suite,
    changed,
    copied,
    file_of,
    modules,
    orthanc_ids,
    refused,
)

SEQUENCES = "Orthanc Book: anonymization, sequences"

suite = Suite(level="product", needs=("rest", "orthanc>=1.9.4"), ref=SEQUENCES)


def nested(make: Maker, rest: Rest) -> Sample:
    """Store an object with three items, each of which has two items with two more inside."""

    def item(name: str, depth: int) -> Dataset:
        below = (
            {"ReferencedInstanceSequence": [item(f"{name}{each}", depth - 1) for each in (0, 1)]}
            if depth
            else {}
        )
        return modules.item(CodeMeaning=name, CodeValue="value", **below)

    sample = make.instance(ReferencedInstanceSequence=[item(str(each), 2) for each in (0, 1, 2)])
    rest.upload(sample.data)
    return sample


def meanings(ds: Dataset, keyword: str = "CodeMeaning") -> dict[str, Any]:
    """Return the value of an attribute in each item, by the item numbers of the path: `201`."""
    found: dict[str, Any] = {}

    def walk(items: list[Dataset], path: str) -> None:
        for number, each in enumerate(items):
            found[f"{path}{number}"] = each.get(keyword)
            walk(each.get("ReferencedInstanceSequence", []), f"{path}{number}")

    walk(ds.ReferencedInstanceSequence, "")
    return found


S = "ReferencedInstanceSequence"
paths = pytest.mark.parametrize(
    ("path", "items"),
    [
        pytest.param(f"{S}[0].CodeMeaning", {"0"}, id="first"),
        pytest.param(f"{S}[1].CodeMeaning", {"1"}, id="second"),
        pytest.param(f"{S}[2].CodeMeaning", {"2"}, id="last"),
        pytest.param(f"{S}[*].CodeMeaning", {"0", "1", "2"}, id="all"),
        pytest.param(f"{S}[1].{S}[0].CodeMeaning", {"10"}, id="first-of-second"),
        pytest.param(f"{S}[*].{S}[1].CodeMeaning", {"01", "11", "21"}, id="second-of-all"),
        pytest.param(f"{S}[2].{S}[*].CodeMeaning", {"20", "21"}, id="all-of-last"),
        pytest.param(f"{S}[2].{S}[0].{S}[1].CodeMeaning", {"201"}, id="third-level"),
        pytest.param("(0008,114A)[1].(0008,0104)", {"1"}, id="brackets"),
        pytest.param("0008-114a[1].0008-0104", {"1"}, id="tags"),
    ],
)


@suite.case("MODS-001", covers="Orthanc.test_modify_subsequences")
@paths
def test_attribute_is_replaced_in_the_items_named(
    rest: Rest, make: Maker, path: str, items: set[str]
) -> None:
    """Replace sets the attribute in the items that the path selects, and in no others; `*` selects all."""
    sample = nested(make, rest)
    before = meanings(sample.dataset())

    after = copied(rest, sample, "modify", Replace={path: "New"})

    assert meanings(after) == before | dict.fromkeys(items, "New")
    assert changed(sample.dataset(), after) == {S, "SOPInstanceUID"}
    assert set(meanings(after, "CodeValue").values()) == {"value"}


@suite.case("MODS-002", covers="Orthanc.test_modify_subsequences")
@paths
def test_attribute_is_removed_from_the_items_named(
    rest: Rest, make: Maker, path: str, items: set[str]
) -> None:
    """Remove removes the attribute from the items that the path selects, and from no others."""
    sample = nested(make, rest)
    before = meanings(sample.dataset())

    after = copied(rest, sample, "modify", Remove=[path])

    assert meanings(after) == before | dict.fromkeys(items)
    assert set(meanings(after, "CodeValue").values()) == {"value"}


@suite.case("MODS-003", covers="Orthanc.test_modify_subsequences")
def test_attribute_is_added_to_items(rest: Rest, make: Maker) -> None:
    """Replace with `*` adds an attribute to the items that lack it."""
    sample = nested(make, rest)

    after = copied(rest, sample, "modify", Replace={f"{S}[*].CodingSchemeDesignator": "NEW"})

    added = meanings(after, "CodingSchemeDesignator")
    assert {path for path, value in added.items() if value == "NEW"} == {"0", "1", "2"}


@suite.case("MODS-004", covers="Orthanc.test_modify_subsequences")
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(f"{S}[3].CodeMeaning", id="item"),
        pytest.param(f"{S}[0].{S}[9].CodeMeaning", id="item-of-first"),
        pytest.param("ReferencedStudySequence[0].CodeMeaning", id="sequence"),
    ],
)
def test_remove_beyond_the_last_item(rest: Rest, make: Maker, path: str) -> None:
    """Removing an attribute from a missing item or sequence changes nothing."""
    sample = nested(make, rest)

    after = copied(rest, sample, "modify", Remove=[path])

    assert changed(sample.dataset(), after) == {"SOPInstanceUID"}


@suite.case("MODS-005", covers="Orthanc.test_modify_subsequences")
@pytest.mark.parametrize("path", [S, "0008,114a"])
def test_sequence_is_removed_whole(rest: Rest, make: Maker, path: str) -> None:
    """Removing a sequence removes it with its items."""
    sample = nested(make, rest)

    after = copied(rest, sample, "modify", Remove=[path])

    assert S not in after
    assert changed(sample.dataset(), after) == {S, "SOPInstanceUID"}


@suite.case("MODS-006", covers="Orthanc.test_modify_subsequences")
def test_uid_within_an_item(rest: Rest, make: Maker) -> None:
    """A UID within an item is replaced without Force, since it does not identify the object."""
    items = [modules.item(StudyInstanceUID="1.2.1"), modules.item(StudyInstanceUID="1.2.2")]
    sample = make.instance(RelatedSeriesSequence=items)
    rest.upload(sample.data)

    after = copied(
        rest, sample, "modify", Replace={"RelatedSeriesSequence[0].StudyInstanceUID": "1.3"}
    )

    found = [each.StudyInstanceUID for each in after.RelatedSeriesSequence]
    assert found == ["1.3", "1.2.2"]
    assert after.StudyInstanceUID == sample.study_instance_uid


@suite.case(
    "MODS-007",
    covers="Orthanc.test_modify_sequence",
    ref="Orthanc REST API: POST /instances/{id}/modify",
)
@pytest.mark.parametrize("character_set", [None, "ISO_IR 100"], ids=["ascii", "latin-1"])
def test_sequence_is_inserted(rest: Rest, stored: Stored, character_set: str | None) -> None:
    """Replace with a list of objects inserts a sequence, including nested ones and text."""
    text = "plain" if character_set is None else "\u00e9l\u00e8ve"
    sample = stored.instance(character_set=character_set)
    items = [
        {"StudyDescription": text, "ReferencedInstanceSequence": [{"CodeMeaning": "inner"}]},
        {"StudyDescription": "second"},
    ]

    after = copied(rest, sample, "modify", Replace={"ReferencedStudySequence": items})
    uploaded = rest.upload(file_of(after))

    assert rest.json(f"{uploaded['Path']}/content/ReferencedStudySequence") == ["0", "1"]
    one, other = after.ReferencedStudySequence
    assert (one.StudyDescription, other.StudyDescription) == (text, "second")
    assert one.ReferencedInstanceSequence[0].CodeMeaning == "inner"
    path = orthanc_ids(sample).path("instance")
    rest.get(f"{path}/content/ReferencedStudySequence", expect=404)


@suite.case(
    "MODS-008",
    covers="Orthanc.test_modify_sequence",
    ref="Orthanc REST API: POST /instances/{id}/modify",
)
def test_sequence_is_replaced_whole(rest: Rest, make: Maker) -> None:
    """Replacing a sequence with a list replaces all its items, even if the list is empty."""
    sample = nested(make, rest)

    one = copied(rest, sample, "modify", Replace={S: [{"CodeMeaning": "only"}]})
    none = copied(rest, sample, "modify", Replace={S: []})

    assert meanings(one) == {"0": "only"}
    assert list(none[S].value) == []


@suite.case("MODS-009")
@pytest.mark.parametrize(
    ("path", "answer"),
    [
        pytest.param(f"{S}[x].CodeMeaning", (400, OUT_OF_RANGE), id="letter"),
        pytest.param(f"{S}[-1].CodeMeaning", (400, OUT_OF_RANGE), id="negative"),
        pytest.param("[0].CodeMeaning", (400, OUT_OF_RANGE), id="no-sequence"),
        pytest.param(f"{S}[1", (500, UNKNOWN_TAG), id="unfinished"),
        pytest.param(f"{S}[0]", (500, UNKNOWN_TAG), id="no-attribute"),
        pytest.param("", (500, UNKNOWN_TAG), id="empty"),
    ],
)
@pytest.mark.parametrize("argument", ["Replace", "Remove"])
def test_malformed_path_is_refused(
    rest: Rest, make: Maker, path: str, answer: tuple[int, int], argument: str
) -> None:
    """A malformed path is rejected with its specific error."""
    status, code = answer
    sample = nested(make, rest)
    request = {argument: {path: "x"} if argument == "Replace" else [path]}

    instance = orthanc_ids(sample).path("instance")
    refused(rest, f"{instance}/modify", request, status=status, code=code)
