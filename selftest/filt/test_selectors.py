"""`dcm.filt.selectors`: which objects match, and the errors for invalid conditions."""

import re
import time
from pathlib import Path

import pytest
from filt.conftest import Make, made
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dcm.conf import Configuration
from dcm.conf_table import ConfigurationError
from dcm.filt.base import Rejected
from dcm.filt.compare import TooComplex, matched
from dcm.filt.edits import make_edit_filter
from dcm.filt.reject import make_reject_filter
from dcm.filt.selector_text import BadSelector, read_selector
from dcm.filt.selectors import Combination, selected
from dcm.instances import instance_of

__all__ = ["made"]


@pytest.fixture
def image(made: Make) -> str:
    """An image with various values."""
    path = made(
        PatientName="Doe^Jane", PatientID="A-1 x", StudyDate="20240229", StudyTime="103000",
        Modality="CT", SeriesDescription="Localizer, left", PatientAge="006M",
    )  # fmt: skip
    data_set = dcmread(path)
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data_set.SliceThickness = "1.50"
    data_set.AcquisitionDateTime = "20240229103000.5+0100"
    items = [Dataset(), Dataset()]
    for number, item in enumerate(items):
        item.RequestedProcedureID = f"R{number}"
    data_set.RequestAttributesSequence = Sequence(items)
    data_set.private_block(0x0019, "ACME", create=True).add_new(0x08, "DS", "7.5")
    data_set.StudyID = ""
    if "StationName" in data_set:
        del data_set.StationName
    data_set.save_as(path)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "Modality == CT", "Modality == ct", "Modality != MR", "! Modality == MR", "!Modality in MR, US",
        "Modality in MR, CT", "Modality in [MR, CT]", "Modality in (MR,'CT')", 'Modality in "MR","CT"',
        "Modality==CT", "  Modality   ==   CT  ", "0008,0060 == CT", "PatientName == doe^jane",
        "PatientName == Doe^Jane^^", "PatientName ~= ^Doe", "PatientName ~= (?i)JANE$",
        'PatientID == "A-1 x"', "PatientID == A-1 x", "PatientID ~= ^A-\\d", "SliceThickness == 1.5",
        "SliceThickness < 2", "SliceThickness <= 1.5", "SliceThickness >= 1.5e0", "SliceThickness > -3",
        "SliceThickness in 1, 1.5", "SliceThickness != 15", "Rows == 16", "Rows < 100",
        "InstanceNumber < 10", "StudyDate == 2024-02-29", "StudyDate == 20240229",
        "StudyDate >= 2024-02-29", "StudyDate < 20240301", "StudyDate == 2024", "StudyDate == 2024-02",
        "StudyDate > 2023", "StudyDate <= 2024", "StudyDate != 2025", "StudyTime == 10",
        "StudyTime == 10:30", "StudyTime >= 1030", "StudyTime < 11",
        "AcquisitionDateTime < 20240229093001+0000", "AcquisitionDateTime == 20240229",
        "PatientAge < 001Y", "PatientAge == 6M", "PatientAge > 20W", "ImageType == AXIAL",
        "ImageType in LOCALIZER, AXIAL", "! ImageType == LOCALIZER", "ImageType != LOCALIZER",
        "SOPClassUID == 1.2.840.10008.5.1.4.1.1.2", "TransferSyntaxUID == 1.2.840.10008.1.2.1",
        "RequestAttributesSequence.RequestedProcedureID == R1",
        "RequestAttributesSequence[0].RequestedProcedureID == R0",
        "! RequestAttributesSequence[0].RequestedProcedureID == R1", "**.RequestedProcedureID == R1",
        '(0019,"ACME",08) < 10', '(0019,"ACME",08) > 7', "StationName != X", "! StationName == X",
        "StationName == ''", "! StationName ~= .", "! StationName < Z", "StudyID == ",
        "! StudyID != ''", "StudyID in X, ''", "SeriesDescription == Localizer, left",
        'SeriesDescription in "Localizer, left", other',
    ],
)  # fmt: skip
def test_selected(text: str, image: str) -> None:
    """The negation does not match."""
    assert selected(read_selector(text), instance_of(image))
    opposite = text.strip()[1:] if text.strip().startswith("!") else f"! {text}"
    assert not selected(read_selector(opposite), instance_of(image))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PatientName == yamada^tarou", True), ("PatientName == 山田^太郎", True),
        ("PatientName == Yamada^Tarou=山田^太郎", True), ("PatientName == Yamada^Tarou=山田", False),
        ("PatientName ~= 太郎$", True), ("PatientName != Yamada^Tarou", False),
    ],
)  # fmt: skip
def test_names_of_several_groups(text: str, expected: bool, made: Make) -> None:
    """PS3.5 6.2.1: a value with one group is compared with each group."""
    path = made(PatientName="Yamada^Tarou=山田^太郎")
    assert selected(read_selector(text), instance_of(path)) is expected


def test_deflated_objects_are_looked_into(tmp_path: Path) -> None:
    """Like others."""
    from net.files import make  # noqa: PLC0415

    path = make(tmp_path, 1, DeflatedExplicitVRLittleEndian)
    assert selected(read_selector("PatientID == NET"), instance_of(path))


def test_edited_objects_are_what_they_became(image: str) -> None:
    """A selector after an edit is applied to its result."""
    edited = make_edit_filter({"Modality": "MR"}).apply(instance_of(image))
    assert selected(read_selector("Modality == MR"), edited)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "at character 1: expected [!] Attr op value"),
        ("!", "at character 2: expected a keyword, a tag"),
        ("Modality", "at character 9: expected an operator: == != <= >= ~= < > in"),
        ("Modality = CT", "at character 10: expected an operator: == != <= >= ~= < > in (== compares)"),
        ("Modaliti == CT", "1: there is no DICOM element named 'Modaliti'; did you mean Modality?"),
        ("StudyDate == yesterday", "at character 14: expected a date such as 2024-01-31"),
        ("SliceThickness < thin", "at character 18: expected a number"),
        ("SliceThickness in 1, thin", "expected a number"),
        ("PatientAge > old", "expected an age such as 042Y"),
        ("SliceThickness <", "expected a value"),
        ("Modality in", "at character 12: expected a list of values"),
        ("Modality in CT, 'MR", "a quote is not closed"),
        ("PatientName ~= (Doe", "at character 16: not a regular expression: missing )"),
        ("PatientName ~= D[oe", "at character 17: not a regular expression: unterminated character set"),
        ("PatientName ~= (a+)+$", "has nested repetitions"),
        ("PatientName ~= (a|b)*$", "has nested repetitions"),
        ("PatientName ~= " + ".*" * 12, "too many repetitions"),
        ("PatientName ~= " + "x" * 600, "an expression of 600 characters: the limit is 500"),
        ("PatientName[0].PatientID == 1", "PatientName is not a sequence"),
    ],
)  # fmt: skip
def test_faults_are_shown_where_they_are(text: str, said: str) -> None:
    """The error has what is allowed there."""
    with pytest.raises(BadSelector) as met:
        read_selector(text)
    assert said in str(met.value)


@pytest.mark.parametrize("pattern", [
    r"^a\d{2,4}[*+?]b", r"\(a+\)+", r"(abc)+", r"(ab?c)", r".*?x.*?", r"(?i)(?:ct|mr)$", r"[(]+a", r"a++b",
])  # fmt: skip
def test_harmless_expressions_are_allowed(pattern: str) -> None:
    """They look like nested repetitions, but are none."""
    matched(pattern, "abc")


@pytest.mark.parametrize("pattern", [".*.*.*x", "a*a*a*a*b", "(?:a?){3}a*a*b"])
def test_no_expression_takes_forever(pattern: str) -> None:
    """The longest text compared takes a few seconds at most; longer ones are refused."""
    for size in (20, 64, 150, 400, 2000, 20_000):
        begun = time.process_time()
        try:
            assert not matched(pattern, "a" * size)
        except TooComplex as error:
            assert re.search("so many repetitions|nested repetitions", str(error))  # noqa: PT017
        assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    "pattern",
    ["(?P<n>a+)+$", "(?>a+)+$", "(?i:a+)+$", "(?<!b)(a+)+", "(x)?(?(1)a+)+$", "(?#b)(a+)+"],
)
def test_repetitions_are_found_in_every_kind_of_group(pattern: str) -> None:
    """A repetition within a repetition is refused, however the group begins."""
    with pytest.raises(TooComplex, match="nested repetitions"):
        matched(pattern, "a")


@pytest.mark.parametrize(
    "pattern", ["(?P<n>a)(?P=n)+", "(?i)a+", "(?P<n>a|b)c+", "(x)?(?(1)a|b)", "a(?=b+)"]
)
def test_groups_without_repetition_may_repeat(pattern: str) -> None:
    """What does not nest is compared."""
    assert not matched(pattern, "-")


def read(text: str) -> Configuration:
    """Parse a configuration."""
    return Configuration.parse(text, "some.toml")


def test_selectors_of_the_configuration(image: str) -> None:
    """By name, or as text, in nested combinations."""
    known = read("""
        [selectors.chest]
        all_of = ["thin", "Modality in CT, MR"]
        none_of = ["localizer"]
        [selectors.thin]
        attr = "SliceThickness"
        op = "<"
        rvalue = 2
        [selectors.localizer]
        attr = "SeriesDescription"
        op = "~="
        rvalue = "(?i)scout"
        invert = false
        [selectors.some]
        any_of = ["chest", "PatientID == nobody"]
        [selectors.listed]
        attr = "Modality"
        op = "in"
        rvalue = ["CT", "US"]
        [selectors.station]
        attr = "StationName"
        op = "!="
        rvalue = "X"
        reject_missing = true
        [selectors.no_station]
        attr = "StationName"
        op = "=="
        rvalue = "X"
        invert = true
        reject_missing = true
    """)
    instance = instance_of(image)
    for name in ("chest", "thin", "some", "listed", "Modality == CT"):
        assert selected(known.selector(name), instance), name
    for name in ("localizer", "station", "no_station", "Modality == MR"):
        assert not selected(known.selector(name), instance), name
    assert isinstance(known.selectors["some"], Combination)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("attr = 'Modality'", "selectors.a.rvalue is missing"),
        ("rvalue = 1", "selectors.a.attr is missing"),
        ("attr='Modality'\nop='='\nrvalue='x'", "selectors.a.op is '='; expected one of == != "),
        ("attr='Modality'\nop='in'\nrvalue='x'", "rvalue is 'x'; expected a list for `in`"),
        ("attr='Modality'\nrvalue=['x']", "expected a list for `in`, and a single value for all others"),
        ("attr='Modality'\nrvalue=true", "selectors.a.rvalue is True; expected a text or a number"),
        ("attr='Modaliti'\nrvalue='x'", "selectors.a: 'Modaliti', at character 1: there is no DICOM element"),
        ("attr='Rows'\nrvalue='x'", "selectors.a.rvalue is 'x'; expected a number"),
        ("attr='Rows'\nrvalue=1\nall_of=['b']", "either a comparison (attr, op, rvalue) or a combination"),
        ("attr='PatientName'\nop='~='\nrvalue='(a'", "selectors.a: rvalue is '(a': not a regular expression"),
        ("all_of=['a']", "selectors.a: it refers to itself: a -> a"),
        ("all_of='a'", "all_of is 'a'; expected a list of texts"),
        ("any_of=['nobody']", "selectors.a: selector 'nobody', at character 1: there is no DICOM element"),
        ("attribute='x'", "selectors.a.attribute is not known (did you mean attr?)"),
    ],
)  # fmt: skip
def test_faults_in_the_configuration(text: str, said: str) -> None:
    """Each names the file and the key."""
    with pytest.raises(ConfigurationError) as met:
        read(f"[selectors.a]\n{text}")
    assert said in str(met.value)
    assert str(met.value).startswith("some.toml: selectors.a")


def test_reject_filter(image: str) -> None:
    """Selected objects are rejected with a reason; for query results, known attributes decide."""
    reject = make_reject_filter("Modality in CT, SR")
    with pytest.raises(Rejected, match="Modality in CT, SR"):
        reject.apply(instance_of(image))
    assert make_reject_filter("Modality == SR").apply(instance_of(image)).path == image
    assert reject.forward({"Modality": "CT"}) is None
    assert reject.forward({"Modality": "MR"}) == {"Modality": "MR"}
    assert reject.forward({"PatientID": "1"}) == {"PatientID": "1"}
    assert (reject.reads, reject.writes, reject.invertible) == ({"Modality"}, set(), True)
    nested = make_reject_filter("RequestAttributesSequence[1].RequestedProcedureID == R1")
    items = [{"RequestedProcedureID": "R0"}, {"RequestedProcedureID": "R1"}]
    assert nested.forward({"RequestAttributesSequence": items}) is None
    assert nested.forward({"RequestAttributesSequence": items[:1]}) is not None
