"""DICOMweb, metadata in the DICOM JSON model (PS3.18 F), element by element."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset

from harness.cases import (
    DicomWeb,
    Sample,
    Stored,
    Suite,
    instance_path,
    json_value,
    json_values,
    single,
)

suite = Suite(needs="dicomweb.metadata")


HOLDERS = {"Value", "InlineBinary", "BulkDataURI"}
KINDS = ["t05", "t01-known-vr", "t06-nested-10", "h03-sr", "m01-native", "c11"]
IN_BLOCK = 0x00991000  # the private block of t05, with one element for each VR

# Table F.2.3-1. IS, DS, SV and UV are numbers or, since 2020, text.
NUMBERS = frozenset(("FL", "FD", "SL", "SS", "UL", "US"))
NUMBERS_OR_TEXT = frozenset(("DS", "IS", "SV", "UV"))
TEXTS = frozenset(
    ("AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
)
BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))

Model = dict[str, Any]


def metadata_of(web: DicomWeb, sample: Sample) -> Model:
    """Return the metadata of one object."""
    return single(web.metadata(instance_path(sample)), "data set")


def levels(model: Model) -> Iterator[Model]:
    """Yield the data set and every item in it."""
    yield model
    for element in model.values():
        if element.get("vr") == "SQ":
            for item in element.get("Value", ()):
                yield from levels(item)


def elements(model: Model) -> Iterator[tuple[str, Model]]:
    """Yield every element at every level with its tag."""
    for level in levels(model):
        yield from level.items()


def is_of_its_type(vr: str, each: object) -> bool:
    """Return whether a value has the JSON type of its VR (Table F.2.3-1)."""
    if vr in NUMBERS:
        return isinstance(each, (int, float)) and not isinstance(each, bool)
    if vr in NUMBERS_OR_TEXT:
        return isinstance(each, (int, float, str)) and not isinstance(each, bool)
    if vr == "AT":
        return isinstance(each, str) and bool(re.fullmatch(r"[0-9A-F]{8}", each))
    if vr in ("PN", "SQ"):
        return isinstance(each, dict)
    return vr in TEXTS and isinstance(each, str)


@suite.case("CWEB-301", ref="PS3.18 F.2.2 (2020b, 2025a)")
@pytest.mark.parametrize("name", KINDS)
def test_members_of_an_element(web: DicomWeb, stored: Stored, name: str) -> None:
    """Each element has a VR, at most one of Value, InlineBinary and BulkDataURI, and no other member."""
    model = metadata_of(web, stored.sample(name))

    for tag, element in elements(model):
        assert (tag, element.keys() - HOLDERS - {"vr"}) == (tag, set())
        assert re.fullmatch("[A-Z]{2}", element.get("vr", "")), (
            f"{tag} has the VR {element.get('vr')}"
        )
        assert sorted(element.keys() & HOLDERS)[1:] == []


@suite.case("CWEB-302", ref="PS3.18 F.2.2: ascending order; no Group Length (2020b, 2025a)")
@pytest.mark.parametrize("name", KINDS)
def test_elements_are_in_ascending_order(web: DicomWeb, stored: Stored, name: str) -> None:
    """At every level elements are in ascending order, named by eight hex digits, without group lengths."""
    model = metadata_of(web, stored.sample(name))

    for level in levels(model):
        tags = list(level)
        assert [tag for tag in tags if not re.fullmatch("[0-9A-F]{8}", tag)] == []
        assert tags == sorted(tags)
        assert [tag for tag in tags if tag.endswith("0000")] == []


@suite.case("CWEB-303", ref="PS3.18 F.2.5: null (2020b)")
def test_empty_value_among_others_is_null(web: DicomWeb, stored: Stored) -> None:
    """An empty value among others is null, so that the others keep their places."""
    sample = stored.instance(ImageType=["ORIGINAL", "PRIMARY", "", "AXIAL"])

    model = metadata_of(web, sample)

    assert json_values(model, "00080008") == ["ORIGINAL", "PRIMARY", None, "AXIAL"]


@suite.case("CWEB-304", ref="PS3.18 F.2.2, F.2.5: empty items, empty sequences (2020b)")
@pytest.mark.parametrize(
    ("element", "expected"),
    [(0x71, [None]), (0x70, ["nested", {}])],
    ids=["empty-sequence", "empty-item"],
)
def test_empty_sequence_and_item(
    web: DicomWeb, stored: Stored, element: int, expected: list[object]
) -> None:
    """A sequence without items has no values, and an item without elements is an empty object."""
    model = metadata_of(web, stored.sample("t05"))

    tag = f"{IN_BLOCK | element:08X}"
    items = json_values(model, tag) or [None]
    assert model.get(tag, {}).get("vr") == "SQ"
    assert [json_value(item, "00100020") if item else item for item in items] == expected


@suite.case("CWEB-305", ref="PS3.18 F.2.3, Table F.2.3-1 (2020b, 2024c)")
@pytest.mark.parametrize("name", ["t05", "h03-ko", "m01-native"])
def test_values_have_the_types_of_their_vr(web: DicomWeb, stored: Stored, name: str) -> None:
    """Each value is a number, a string or an object, as its VR requires."""
    model = metadata_of(web, stored.sample(name))

    wrong = [
        (tag, element.get("vr", ""), each)
        for tag, element in elements(model)
        for each in element.get("Value", ())
        if each is not None and not is_of_its_type(element.get("vr", ""), each)
    ]
    assert wrong == []


@suite.case("CWEB-306", ref="PS3.18 F.2.2: PN (2020b)")
@pytest.mark.parametrize(
    ("name", "groups"),
    [("c11", ["Alphabetic", "Ideographic", "Phonetic"]), ("h01-ct-1-1", ["Alphabetic"])],
    ids=["japanese", "latin"],
)
def test_person_name_has_its_groups(
    web: DicomWeb, stored: Stored, name: str, groups: list[str]
) -> None:
    """A person name has its component groups by name, except empty ones."""
    model = metadata_of(web, stored.sample(name))

    person = json_value(model, "00100010")
    assert sorted(person or ()) == groups
    assert "" not in person.values()


@suite.case("CWEB-307", ref="PS3.18 F.2.2, F.2.6, F.2.7 (2020b, 2025a)")
@pytest.mark.parametrize("name", ["t05", "t01-un", "m07"])
def test_binary_values_are_kept(web: DicomWeb, stored: Stored, name: str) -> None:
    """A binary value is in base64 or at a working URI, with the bytes that were stored."""
    sample = stored.sample(name)
    ds = Dataset(sample.dataset())
    model = metadata_of(web, sample)

    kept = {f"{each.tag:08X}": each.value for each in ds if each.VR in BINARY and each.value}
    assert kept
    assert [tag for tag in kept if tag not in model] == []
    assert [tag for tag in kept if not model[tag].keys() & {"InlineBinary", "BulkDataURI"}] == []
    assert {tag: web.binary(model[tag]) for tag in kept} == kept


@suite.case("CWEB-308", ref="PS3.18 10.4.1.1.2, F.2.4 (2020b)")
@pytest.mark.parametrize(
    "vrs",
    [
        pytest.param("AE AT CS DA LO PN SH TM UC UI", id="text"),
        pytest.param("DS FD FL IS SL SS UL US", id="numbers"),
        pytest.param("SV UV", id="64-bits"),
    ],
)
def test_multiple_values_are_complete(web: DicomWeb, stored: Stored, vrs: str) -> None:
    """Each element with several values, of every VR that allows them, has all of them in order."""
    sample = stored.sample("t05")
    elements = [each for each in sample.dataset() if each.VM > 1 and each.VR in vrs.split()]
    model = metadata_of(web, sample)

    found = {each.tag: json_values(model, f"{each.tag:08X}") for each in elements}
    assert [
        f"{each.VR} {[_number(each.VR, value) for value in found[each.tag]]}" for each in elements
    ] == [f"{each.VR} {[_in_json(each.VR, value) for value in each.value]}" for each in elements]
    assert {each.VR for each in elements} == {*vrs.split()}


def _in_json(vr: str, value: Any) -> Any:
    """Return a value as written in JSON; if numbers and strings are allowed, as a number."""
    if vr == "AT":
        return f"{value:08X}"
    if vr == "PN":
        return {"Alphabetic": str(value)}
    return _number(vr, str(value) if vr in ("DS", "IS") else value)


def _number(vr: str, value: Any) -> Any:
    """Return the number in a value of a numeric VR, if any; return any other value unchanged."""
    if vr not in NUMBERS | NUMBERS_OR_TEXT:
        return value
    try:
        return float(value) if vr in ("DS", "FD", "FL") else int(value)
    except (ValueError, TypeError):
        return value
