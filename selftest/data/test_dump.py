r"""`dcm.data.dump`: lines for elements, their selection, and templates."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydicom import Dataset

from dcm.data.chosen import Choice
from dcm.data.content import Content
from dcm.data.dictionary import UnknownElement
from dcm.data.dump import Style, lines, shortened
from dcm.data.dump_json import file_uri, json_text
from dcm.data.element_path import BadPath, ElementPath
from dcm.data.table import Table
from dcm.data.template import BadTemplate, Template
from harness.corpus import corpus, make
from harness.corpus.part10 import file_of

READABLE = [id_ for id_ in corpus if not id_.startswith(("x", "h08"))]


def nested() -> Content:
    """An image with two items in a sequence, each with a sequence, and private elements."""
    made = make.instance(number=1, PatientName="Doe^Jane", PatientID="4711").dataset()
    made.ReferencedSeriesSequence = [Dataset(), Dataset()]
    for number, series in enumerate(made.ReferencedSeriesSequence):
        series.SeriesInstanceUID = f"1.2.{number}"
        series.ReferencedSOPSequence = [Dataset()]
        series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = f"1.2.{number}.3"
    made.PatientComments = "first\r\nsecond\x1b[31m"
    made.add_new(0x00091001, "LO", "secret")
    made.add_new(0x00090010, "LO", "NOBODY")
    return Content.of_bytes(file_of(made))


def chosen(*include: str, **more: object) -> list[str]:
    """Return the lines of `nested` for a selection, without the widths of columns."""
    content = nested()
    choice = Choice(include=tuple(map(ElementPath.of, include)), **more)  # type: ignore[arg-type]
    return [re.sub("  +", " ", line.strip()) for line in lines(content, choice.of(content))]


def test_lines_are_aligned_and_nested() -> None:
    """Tag, VR, keyword and value, items below their sequence, file meta information first."""
    content = nested()
    found = [*lines(content, Choice().of(content))]
    assert found[0].startswith("(0002,0000) UL FileMetaInformationGroupLength ")
    at = found.index("(0008,1115) SQ ReferencedSeriesSequence            2 items")
    assert found[at + 1 : at + 6] == [
        "  [0]",
        "    (0008,1199) SQ ReferencedSOPSequence           1 item",
        "      [0]",
        "        (0008,1155) UI ReferencedSOPInstanceUID    1.2.0.3",
        "    (0020,000E) UI SeriesInstanceUID               1.2.0",
    ]
    assert "(0009,0010) LO (private creator)                   NOBODY" in found
    assert "(0010,0010) PN PatientName                         Doe^Jane" in found
    assert any(line.endswith("1.2.840.10008.1.2.1 (Explicit VR Little Endian)") for line in found)


def test_nothing_of_a_value_steers_a_terminal() -> None:
    """Control characters are replaced by their pictures."""
    assert chosen("PatientComments") == ["(0010,4000) LT PatientComments first␍␊second␛[31m"]


@pytest.mark.parametrize(
    ("include", "shown"),
    [
        (["PatientID"], ["PatientID 4711"]),
        (["0010,0020"], ["PatientID 4711"]),
        (["0x0010,0x0020"], ["PatientID 4711"]),
        (["(0010,0020)", "StudyID"], ["PatientID 4711", "StudyID 1"]),
        (["0002,0010"], ["TransferSyntaxUID 1.2.840.10008.1.2.1 (Explicit VR Little Endian)"]),
        (
            ["ReferencedSeriesSequence[1].SeriesInstanceUID"],
            ["ReferencedSeriesSequence 2 items", "[1]", "SeriesInstanceUID 1.2.1"],
        ),
        (
            ["ReferencedSeriesSequence[*].ReferencedSOPSequence[0].0008,1155"],
            [
                "ReferencedSeriesSequence 2 items",
                *("[0]", "ReferencedSOPSequence 1 item", "[0]", "ReferencedSOPInstanceUID 1.2.0.3"),
                *("[1]", "ReferencedSOPSequence 1 item", "[0]", "ReferencedSOPInstanceUID 1.2.1.3"),
            ],
        ),
        (["ReferencedSeriesSequence[7].SeriesInstanceUID"], []),
        (["PatientWeight"], []),
    ],
)
def test_include_chooses_by_keyword_tag_and_path(include: list[str], shown: list[str]) -> None:
    """The ancestors of a nested element are shown, its siblings are not."""
    assert [re.sub(r"^\(.{9}\) .. ", "", line) for line in chosen(*include)] == shown


def test_path_without_an_item_is_that_of_all_items() -> None:
    """It is equivalent to `[*]`."""
    path = "ReferencedSeriesSequence{}.SeriesInstanceUID"
    assert chosen(path.format("")) == chosen(path.format("[*]"))
    assert len(chosen(path.format(""))) == 5


def test_other_limits() -> None:
    """Group, keyword, private and exclude; include overrides the first three, exclude all."""
    by_group = chosen(groups=frozenset((0x10,)))
    assert by_group
    assert all(line.startswith("(0010,") for line in by_group)
    assert chosen("StudyID", groups=frozenset((0x10,))) == [*by_group, "(0020,0010) SH StudyID 1"]
    uids = chosen(keyword=re.compile("^SeriesInstanceUID$"))
    assert [line.split()[-1] for line in uids if "UI" in line][:2] == ["1.2.0", "1.2.1"]
    assert len(uids) == 1 + 2 + 3
    assert not any("private" in line for line in chosen(private=False))
    assert chosen("0009,1001", private=False) == ["(0009,1001) LO (private) secret"]
    without = chosen(exclude=(ElementPath.of("SeriesInstanceUID"), ElementPath.of("StudyID")))
    assert not any("SeriesInstanceUID" in line or "StudyID" in line for line in without)
    assert chosen("StudyID", exclude=(ElementPath.of("StudyID"),)) == []
    one = chosen(exclude=(ElementPath.of("ReferencedSeriesSequence[0].SeriesInstanceUID"),))
    assert sum("SeriesInstanceUID" in line for line in one) == 2


@pytest.mark.parametrize("id_", READABLE)
def test_header_scan_and_walk_choose_the_same(id_: str, tmp_path: Path) -> None:
    """The fast path to some elements and the walk over all give the same lines."""
    path = tmp_path / "made.dcm"
    path.write_bytes(corpus[id_].data)
    keys = (
        "PatientName",
        "StudyDate",
        "Rows",
        "SOPClassUID",
        "WindowCenter",
        "SpecificCharacterSet",
    )
    paths = tuple(map(ElementPath.of, keys))
    content = Content.of_bytes(corpus[id_].data)
    with Choice(include=paths).reading(path) as (fast, entries):
        found = [*lines(fast, entries)]
    assert found == [*lines(content, Choice(include=paths).of(content))]
    assert any("PatientName" in line for line in found)


class Counting:
    """A source that counts the bytes read from it."""

    def __init__(self, data: bytes) -> None:
        self.count = 0
        self._data = data

    def read(self, offset: int, size: int) -> bytes:
        """Return a slice."""
        self.count += len(self._data[offset : offset + size])
        return self._data[offset : offset + size]


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
def test_pixels_are_not_read_unless_asked_for(syntax: str) -> None:
    """For pixels of 2 MB only the length is shown; with `bulk`, also the first bytes."""
    sample = make.instance(number=1, rows=1000, columns=1000, transfer_syntax=syntax)
    source = Counting(sample.data)
    content = Content.of_file(source)
    *_, line = lines(content, Choice().of(content))
    assert line.endswith(" OW PixelData                           2000000 bytes")
    assert len(sample.data) > 2_000_000
    assert source.count < 60_000
    json_text(content, content.entries(), bulk=file_uri("image.dcm"))
    assert source.count < 120_000
    *_, line = lines(content, Choice().of(content), Style(bulk=True))
    assert re.search(r" 2000000 bytes:( [0-9a-f]{2}){16} \.\.\.$", line)


def test_nothing_behind_the_last_wanted_element_is_read() -> None:
    """A file that is broken after it gives the wanted elements, as with a header scan."""
    content = Content.of_bytes(corpus["x04-cut-in-header"].data)
    paths = ("PatientName", "ReferencedImageSequence[0].ReferencedSOPInstanceUID")
    (line,) = lines(content, Choice(include=tuple(map(ElementPath.of, paths))).of(content))
    assert "PatientName" in line


def test_long_values_are_shortened_to_the_width() -> None:
    """Shortened values end with three dots; wide characters take two columns."""
    content = nested()
    path = (ElementPath.of("SOPInstanceUID"),)
    (line,) = lines(content, Choice(include=path).of(content), Style(width=80))
    assert len(line) == 80
    assert line.endswith("...")
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abc..."
    assert shortened("山田太郎", 8) == "山田太郎"
    assert shortened("山田太郎", 7) == "山田..."


def test_template() -> None:
    """Fields, widths, and braces and tabs as text."""
    content = nested()
    template = Template.of(r"{file}\t{path}|{keyword:12}|{length:>5}|{value:.3}|{{{vr}}}")
    choice = Choice(include=tuple(map(ElementPath.of, ("PatientID", "PatientName"))))
    shown = [*lines(content, choice.of(content), Style(template=template), file="a.dcm")]
    assert shown == [
        "a.dcm\tPatientName|PatientName |    8|Doe|{PN}",
        "a.dcm\tPatientID|PatientID   |    4|471|{LO}",
    ]
    template = Template.of("{path} {depth}")
    path = ElementPath.of("ReferencedSeriesSequence[1].SeriesInstanceUID")
    shown = [*lines(content, Choice(include=(path,)).of(content), Style(template=template))]
    assert shown == ["ReferencedSeriesSequence 0", f"{path} 1"]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "}",
        "{value",
        "{value.__class__}",
        "{value!r}",
        "{0}",
        "{value:{length}}",
        "{elem}",
        "\\x",
    ],
)
def test_templates_are_texts_with_fields_and_nothing_else(text: str) -> None:
    """Format strings that would run code are refused."""
    with pytest.raises(BadTemplate):
        Template.of(text)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", BadPath), ("PatientID..Rows", BadPath), ("PatientName[x]", BadPath), ("PatientName[0]", BadPath),
        ("NoSuchThing", UnknownElement), ("ReferencedSeriesSequence[0]SeriesInstanceUID", BadPath),
    ],
)  # fmt: skip
def test_bad_paths(text: str, error: type[Exception]) -> None:
    """They are errors."""
    with pytest.raises(error):
        ElementPath.of(text)


def test_json_of_chosen_elements() -> None:
    """DICOM JSON (PS3.18 F.2), and URIs in place of pixels."""
    content = nested()
    paths = ("PatientID", "ReferencedSeriesSequence[1].SeriesInstanceUID", "PixelData", "0002,0010")
    choice = Choice(include=tuple(map(ElementPath.of, paths)))
    found = json.loads(json_text(content, choice.of(content), bulk=file_uri("/data/a b.dcm")))
    uri = found.pop("7FE00010")
    series = [{}, {"0020000E": {"vr": "UI", "Value": ["1.2.1"]}}]
    assert found == {
        "00020010": {"vr": "UI", "Value": ["1.2.840.10008.1.2.1"]},
        "00081115": {"vr": "SQ", "Value": series},
        "00100020": {"vr": "LO", "Value": ["4711"]},
    }
    where = re.fullmatch(r"file:///data/a%20b\.dcm\?offset=(\d+)&length=512", uri["BulkDataURI"])
    assert where is not None
    data = make.instance(number=1).data
    assert content.data_set()[-512:] == data[-512:]


def test_json_has_uris_for_long_binary_values_that_are_no_pixels() -> None:
    """The limit is 1024 bytes; shorter values are in the text."""
    made = make.instance(number=1).dataset()
    made.EncapsulatedDocument = bytes(1026)
    made.add_new(0x00091001, "OB", bytes(1024))
    content = Content.of_bytes(file_of(made))
    found = json.loads(json_text(content, content.entries(), bulk=file_uri("a.dcm")))
    assert found["00420011"]["BulkDataURI"].endswith("&length=1026")
    assert len(found["00091001"]["InlineBinary"]) == 1368


@pytest.mark.parametrize("id_", READABLE)
def test_json_is_that_of_pydicom(id_: str) -> None:
    """For all samples: pydicom reads the same values from our JSON as from the file."""
    content = Content.of_bytes(corpus[id_].data)
    found = json.loads(json_text(content, content.entries()))
    expected: Mapping[str, object] = corpus[id_].dataset().to_json_dict()
    assert found.keys() == expected.keys()
    read = Dataset.from_json(json.dumps(found))
    for element in Dataset.from_json(json.dumps(expected)):
        if element.VR not in ("PN", "UN", "LT") and not element.tag.is_private:
            assert read[element.tag].value == element.value or element.tag == 0x7FE00010


def test_rows_of_a_table() -> None:
    """A cell for each path: empty if there is no element, several values joined by backslashes."""
    table = Table.of(
        ["PatientID", "ReferencedSeriesSequence[*].SeriesInstanceUID", "PatientWeight", "Rows",
         "ReferencedSeriesSequence", "PixelData"]
    )  # fmt: skip
    content = nested()
    row = table.row(content, table.choice.of(content))
    assert row == ["4711", r"1.2.0\1.2.1", None, "16", "2 items", "512 bytes"]
