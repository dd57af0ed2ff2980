"""Character sets: names and texts in tags, for any set that a file uses, declares or omits."""

from typing import Final

import pytest
from pydicom import Dataset

from harness.cases import (
    Maker,
    Rest,
    Sample,
    Stored,
    Suite,
    error_of,
    file_of,
    orthanc_ids,
    single,
)

suite = Suite(level="product", needs="rest", ref="PS3.3 C.12.1.1.2")

SINGLE_BYTE: Final = (
    "c01",
    "c02",
    "c03-latin-3",
    "c03-latin-4",
    "c04",
    "c05",
    "c06",
    "c07",
    "c08",
    "c09",
)
MULTI_BYTE: Final = ("c11", "c14", "c15", "c16-gb18030", "c16-gbk", "c17")
DEFAULT: Final = "/tools/default-encoding"
CODE_PAGES: Final = {
    "Windows1251": ("cp1251", "Грудная клетка"),
    "Latin2": ("iso8859_2", "Hrudník - příčně"),
    "Greek": ("iso8859_7", "Θώρακας"),
    "Cyrillic": ("iso8859_5", "Грудная клетка"),
    "Japanese": ("shift_jis", "ｱｲｳ"),
    "Utf8": ("utf_8", "胸部"),
}
"""Orthanc's names of encodings, Python's codec, and a text."""


def tags_of(rest: Rest, sample: Sample) -> dict[str, str]:
    """Return the tags of a sample, by keyword."""
    tags: dict[str, str] = rest.json(f"{orthanc_ids(sample).path('instance')}/tags?simplify")
    return tags


def without_character_set(make: Maker, raw: bytes) -> bytes:
    """Return a file with the Series Description `raw` that declares no character set."""
    ds = make.instance(SeriesDescription="X" * len(raw)).dataset()
    ds.pop("SpecificCharacterSet", None)
    return file_of(ds).replace(b"X" * len(raw), raw)


@suite.case("CHS-001", covers="Orthanc.test_issue_95_encodings")
@pytest.mark.parametrize("name", SINGLE_BYTE)
def test_single_byte_sets(rest: Rest, stored: Stored, name: str) -> None:
    """A name in a single-byte set is returned in UTF-8, as it was written."""
    sample = stored.sample(name)

    assert tags_of(rest, sample)["PatientName"] == sample.properties["patient_name"]


@suite.case("CHS-002", covers=("Orthanc.test_issue_95_encodings", "Orthanc.test_gbk_alias"))
@pytest.mark.parametrize("name", MULTI_BYTE)
def test_multi_byte_sets(rest: Rest, stored: Stored, name: str) -> None:
    """A name in a multi-byte set, or with code extensions, is returned with all its groups."""
    sample = stored.sample(name)

    shown = tags_of(rest, sample)["PatientName"]

    assert shown.rstrip("=") == sample.properties["patient_name"]


@suite.case("CHS-003", covers="Orthanc.test_issue_95_encodings")
def test_first_set_of_two(rest: Rest, stored: Stored) -> None:
    """In a name with two code extensions, the group in the first set is returned as it was written."""
    sample = stored.sample("c12")

    shown = tags_of(rest, sample)["PatientName"]

    assert shown.split("=")[0] == "ﾔﾏﾀﾞ^ﾀﾛｳ"


@suite.case("CHS-004", ref="PS3.5 I.3, J.2, J.4, K.3", covers="Orthanc.test_issue_95_encodings")
@pytest.mark.parametrize("name", ["c14", "c15", "c16-gb18030", "c16-gbk", "c17"])
def test_text_of_several_lines(rest: Rest, stored: Stored, name: str) -> None:
    """A text of several lines that switches character sets is returned as it was written."""
    sample = stored.sample(name)

    shown = tags_of(rest, sample)["PatientComments"]

    assert shown == sample.properties["patient_comments"]


@suite.case(
    "CHS-005",
    ref="Orthanc REST API: GET /instances/{id}/content",
    covers="Orthanc.test_issue_95_encodings",
)
@pytest.mark.parametrize("name", ["c01", "c11", "c14", "c16-gb18030"])
def test_content_is_not_converted(rest: Rest, stored: Stored, name: str) -> None:
    """The content of an element has the bytes of the file, in its own character set."""
    sample = stored.sample(name)

    raw = rest.get(f"{orthanc_ids(sample).path('instance')}/content/PatientName").content

    assert raw.rstrip() == bytes.fromhex(sample.properties["patient_name_bytes"]).rstrip()


@suite.case("CHS-006", ref="PS3.3 C.12.1.1.2")
def test_item_with_a_set_of_its_own(rest: Rest, stored: Stored) -> None:
    """Text in an item with its own character set is decoded with that set."""
    sample = stored.sample("c18")

    tags = rest.json(f"{orthanc_ids(sample).path('instance')}/tags?simplify")

    assert tags["PatientName"] == sample.properties["patient_name"]
    item = single(tags["ProcedureCodeSequence"], "item")
    assert item["CodeMeaning"] == sample.properties["code_meaning"]


@suite.case(
    "CHS-007",
    ref="Orthanc configuration: DefaultEncoding",
    covers="Orthanc.test_googlecode_issue_32",
)
@pytest.mark.parametrize("encoding", CODE_PAGES)
def test_default_encoding(rest: Rest, make: Maker, encoding: str) -> None:
    """A file that does not declare its character set is read in the default encoding."""
    codec, text = CODE_PAGES[encoding]
    with rest.setting(DEFAULT, encoding):
        path = rest.upload(without_character_set(make, text.encode(codec)))["Path"]

        shown = rest.json(f"{path}/tags?simplify")["SeriesDescription"]

    assert shown == text


@suite.case(
    "CHS-008",
    ref="Orthanc configuration: DefaultEncoding",
    covers="Orthanc.test_googlecode_issue_32",
)
def test_other_default_encoding_reads_other_text(rest: Rest, make: Maker) -> None:
    """The same bytes are another text in another default encoding."""
    raw = CODE_PAGES["Windows1251"][1].encode("cp1251")
    with rest.setting(DEFAULT, "Latin1"):
        path = rest.upload(without_character_set(make, raw))["Path"]

        shown = rest.json(f"{path}/tags?simplify")["SeriesDescription"]

    assert shown == raw.decode("latin-1")


@suite.case(
    "CHS-009",
    ref="Orthanc REST API: PUT /tools/default-encoding",
    covers="Orthanc.test_googlecode_issue_32",
)
@pytest.mark.parametrize("name", ["nope", ""], ids=["unknown", "empty"])
def test_unknown_default_encoding_is_refused(rest: Rest, name: str) -> None:
    """An unknown encoding is rejected, and the default is unchanged."""
    before = rest.get(DEFAULT).text

    status, _ = error_of(rest.put(DEFAULT, name, expect=None))

    assert status == 400
    assert rest.get(DEFAULT).text == before


@suite.case(
    "CHS-010",
    ref="Orthanc REST API: PUT /tools/default-encoding",
    covers="Orthanc.test_googlecode_issue_32",
)
def test_default_encoding_is_read_back(rest: Rest) -> None:
    """The answer to a change is the name of the encoding, and so is the answer to the next request."""
    before = rest.get(DEFAULT).text
    try:
        assert rest.put(DEFAULT, "Windows1251").text == "Windows1251"
        assert rest.get(DEFAULT).text == "Windows1251"
    finally:
        rest.put(DEFAULT, before)


@suite.case(
    "CHS-011",
    ref="PS3.3 C.12.1.1.2; Orthanc: release notes of 1.12.9",
    covers="Orthanc.test_encodings_iso_ir13",
)
@pytest.mark.parametrize("term", ["ISO_IR 13", "ISO_IR 100", "ISO_IR 192", "GB18030"])
def test_backslash_separates_values(rest: Rest, make: Maker, term: str) -> None:
    """The backslash between values is kept, even if the character set has a yen sign in its place."""
    ds = make.instance(ImageType=["ORIGINAL", "PRIMARY", "M", "DIS2D"]).dataset()
    ds.SpecificCharacterSet = term
    path = rest.upload(file_of(ds))["Path"]

    shown = rest.json(f"{path}/tags?simplify")["ImageType"]

    assert shown == "ORIGINAL\\PRIMARY\\M\\DIS2D"


@suite.case("CHS-012", covers="Orthanc.test_bitbucket_issue_141")
@pytest.mark.parametrize("name", ["c01", "c04", "c14"])
def test_main_tags_are_in_utf_8(rest: Rest, stored: Stored, name: str) -> None:
    """The main tags of a patient and the answer to a search are in UTF-8."""
    sample = stored.sample(name)
    shown = sample.properties["patient_name"]

    patient = rest.json(orthanc_ids(sample).path("patient"))["MainDicomTags"]["PatientName"]

    assert patient.rstrip("=") == shown
    assert rest.find("Patient", {"PatientName": shown}) == [orthanc_ids(sample).patient]


@suite.case("CHS-013", covers="Orthanc.test_encodings")
@pytest.mark.parametrize(
    ("term", "text"), [("ISO_IR 100", "Étude complémentaire"), ("ISO_IR 101", "Zażółć gęślą jaźń")]
)
@pytest.mark.parametrize("question", ["tags?simplify", "simplified-tags"])
def test_text_within_sequences(
    rest: Rest, make: Maker, term: str, text: str, question: str
) -> None:
    """Text in the character set of the data set is returned in UTF-8, at the top and two sequences deep."""
    ds = make.instance(StudyDescription="").dataset()
    ds.SpecificCharacterSet = term
    ds.StudyDescription = text
    code, item = Dataset(), Dataset()
    code.CodeMeaning = text
    item.ConceptNameCodeSequence = [code]
    ds.ContentSequence = [item]
    path = rest.upload(file_of(ds))["Path"]

    tags = rest.json(f"{path}/{question}")

    assert tags["StudyDescription"] == text
    below = single(single(tags["ContentSequence"], "item")["ConceptNameCodeSequence"], "code")
    assert below["CodeMeaning"] == text
