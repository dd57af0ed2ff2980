"""A template encodes like `write_identifier`, byte for byte, or leaves the task to it."""

import pytest

from dcm.data.answer_template import Template
from dcm.data.identifier import write_identifier

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
CONSTANT = {"QueryRetrieveLevel": "STUDY", "RetrieveAETitle": "SERVE"}
KEYS = ["StudyDate", "PatientName", "StudyInstanceUID"]
ANSWERS = [
    {"StudyDate": "20240101", "PatientName": "A", "StudyInstanceUID": "1.2.3"},
    {"StudyDate": "", "PatientName": "Muller^Anna\\B", "StudyInstanceUID": "1.22.3"},
    {},
    {"PatientName": "x" * 0xFFFE},
]


@pytest.mark.parametrize("answer", ANSWERS, ids=["odd", "even", "empty", "longest"])
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT], ids=["implicit", "explicit"])
def test_encodes_as_the_writer_does(answer: dict[str, str], syntax: str) -> None:
    """With constants before, between and after the values."""
    for constant in (CONSTANT, {"SpecificCharacterSet": ""}, {"StudyID": "1"}, {}):
        template = Template.of(constant, KEYS, syntax)
        assert template is not None
        content = {**constant, **{name: answer.get(name, "") for name in KEYS}}
        assert template.fill(answer) == write_identifier(content, syntax)


@pytest.mark.parametrize(
    "value", ["Müller", "x" * 0xFFFF, [{"StudyID": "1"}]], ids=["latin", "too-long", "items"]
)
def test_leaves_what_is_not_short_ascii(value: object) -> None:
    """Other values need a character set, or another encoding."""
    template = Template.of(CONSTANT, KEYS, EXPLICIT)
    assert template is not None
    assert template.fill({"PatientName": value}) is None  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("keyword", "syntax"),
    [("Rows", EXPLICIT), ("RequestAttributesSequence", EXPLICIT), ("StudyID", BIG)],
)
def test_there_is_none_for_other_elements(keyword: str, syntax: str) -> None:
    """Numbers, sequences and big endian are left to the writer."""
    assert Template.of(CONSTANT, [keyword], syntax) is None
