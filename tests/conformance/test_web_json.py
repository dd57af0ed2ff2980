"""DICOMweb, metadata in the DICOM JSON model (PS3.18 F), element by element."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset

from harness.cases import DicomWeb, Sample, Stored, Suite, instance_path, json_value

suite = Suite(needs="dicomweb.metadata")


HOLDERS = {"Value", "InlineBinary", "BulkDataURI"}
KINDS = ["t05", "t01-known-vr", "t06-nested-10", "h03-sr", "m01-native", "c11"]
IN_BLOCK = 0x00991000  # the private block of t05, with one element for each VR

# Table F.2.3-1. IS, DS, SV and UV are numbers, or since 2020 text.
NUMBERS = frozenset(("FL", "FD", "SL", "SS", "UL", "US"))
NUMBERS_OR_TEXT = frozenset(("DS", "IS", "SV", "UV"))
TEXTS = frozenset(
    ("AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
)
BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))

Model = dict[str, Any]


def metadata_of(web: DicomWeb, sample: Sample) -> Model:
    """Give the metadata of one object."""
    [found] = web.metadata(instance_path(sample))
    return found


def levels(model: Model) -> Iterator[Model]:
    """Give the data set and every item in it."""
    yield model
    for element in model.values():
        if element.get("vr") == "SQ":
            for item in element.get("Value", ()):
                yield from levels(item)


def elements(model: Model) -> Iterator[tuple[str, Model]]:
    """Give every element at every level with its tag."""
    for level in levels(model):
        yield from level.items()


def is_of_its_type(vr: str, each: object) -> bool:
    """Say whether a value has the type of JSON that its VR has (Table F.2.3-1)."""
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
    """Each element has its VR and at most one of a value, a binary one and a URI, and nothing else."""
    model = metadata_of(web, stored.sample(name))

    for tag, element in elements(model):
        assert (tag, element.keys() - HOLDERS - {"vr"}) == (tag, set())
        assert re.fullmatch("[A-Z]{2}", element["vr"])
        assert len(element.keys() & HOLDERS) <= 1


@suite.case("CWEB-302", ref="PS3.18 F.2.2: ascending order; no Group Length (2020b, 2025a)")
@pytest.mark.parametrize("name", KINDS)
def test_order_at_every_level(web: DicomWeb, stored: Stored, name: str) -> None:
    """At every level elements stand in ascending order, named by eight digits, and none is a group length."""
    model = metadata_of(web, stored.sample(name))

    for level in levels(model):
        tags = list(level)
        assert tags == sorted(f"{int(tag, 16):08X}" for tag in tags)
        assert [tag for tag in tags if tag.endswith("0000")] == []


@suite.case("CWEB-303", ref="PS3.18 F.2.5: null (2020b)")
def test_empty_value_among_others(web: DicomWeb, stored: Stored) -> None:
    """A value without content among others is null, and holds the place of its neighbours."""
    sample = stored.instance(ImageType=["ORIGINAL", "PRIMARY", "", "AXIAL"])

    model = metadata_of(web, sample)

    assert model["00080008"]["Value"] == ["ORIGINAL", "PRIMARY", None, "AXIAL"]


@suite.case("CWEB-304", ref="PS3.18 F.2.2, F.2.5: empty items, empty sequences (2020b)")
@pytest.mark.parametrize(
    ("element", "expected"),
    [(0x71, [None]), (0x70, ["nested", {}])],
    ids=["empty-sequence", "empty-item"],
)
def test_empty_items(web: DicomWeb, stored: Stored, element: int, expected: list[object]) -> None:
    """A sequence without items has no value, and an item without elements is an empty object."""
    model = metadata_of(web, stored.sample("t05"))

    sequence = model[f"{IN_BLOCK | element:08X}"]
    items = sequence.get("Value") or [None]
    assert sequence["vr"] == "SQ"
    assert [json_value(item, "00100020") if item else item for item in items] == expected


@suite.case("CWEB-305", ref="PS3.18 F.2.3, Table F.2.3-1 (2020b, 2024c)")
@pytest.mark.parametrize("name", ["t05", "h03-ko", "m01-native"])
def test_types_of_values(web: DicomWeb, stored: Stored, name: str) -> None:
    """Values are numbers, texts and objects of JSON as their VR says."""
    model = metadata_of(web, stored.sample(name))

    wrong = [
        (tag, element["vr"], each)
        for tag, element in elements(model)
        for each in element.get("Value", ())
        if each is not None and not is_of_its_type(element["vr"], each)
    ]
    assert wrong == []


@suite.case("CWEB-306", ref="PS3.18 F.2.2: PN (2020b)")
@pytest.mark.parametrize(
    ("name", "groups"),
    [("c11", ["Alphabetic", "Ideographic", "Phonetic"]), ("h01-ct-1-1", ["Alphabetic"])],
    ids=["japanese", "latin"],
)
def test_groups_of_a_name(web: DicomWeb, stored: Stored, name: str, groups: list[str]) -> None:
    """A name has its component groups by their names, and none that is empty."""
    model = metadata_of(web, stored.sample(name))

    [person] = model["00100010"]["Value"]
    assert sorted(person) == groups
    assert "" not in person.values()


@suite.case("CWEB-307", ref="PS3.18 F.2.2, F.2.6, F.2.7 (2020b, 2025a)")
@pytest.mark.parametrize("name", ["t05", "t01-un", "m07"])
def test_binary_values(web: DicomWeb, stored: Stored, name: str) -> None:
    """A binary value is in base64 or behind a URI that works, byte by byte as it was stored."""
    sample = stored.sample(name)
    ds = Dataset(sample.dataset())
    model = metadata_of(web, sample)

    kept = {f"{each.tag:08X}": each.value for each in ds if each.VR in BINARY and each.value}
    assert kept
    assert [tag for tag in kept if not model[tag].keys() & {"InlineBinary", "BulkDataURI"}] == []
    assert {tag: web.binary(model[tag]) for tag in kept} == kept


@suite.case("CWEB-308", ref="PS3.18 10.4.1.1.2, F.2.4 (2020b)")
def test_several_values(web: DicomWeb, stored: Stored) -> None:
    """Every value of an element with several is there, in order, in the private block of its creator."""
    model = metadata_of(web, stored.sample("t05"))

    assert model["00990010"] == {"vr": "LO", "Value": ["DICOM-HARNESS"]}
    block = {each["vr"]: each.get("Value") for tag, each in model.items() if each.get("Value")
             if IN_BLOCK <= int(tag, 16) < IN_BLOCK | 0x70}  # fmt: skip
    assert block["AE"] == ["FIRST", "SECOND"]
    assert block["AT"] == ["00100010", "7FE00010"]
    assert block["SL"] == [-(2**31), 2**31 - 1]
    assert block["US"] == [0, 2**16 - 1]
    assert block["PN"] == [{"Alphabetic": "One^Name"}, {"Alphabetic": "Two^Name"}]
