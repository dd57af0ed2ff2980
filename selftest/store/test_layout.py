"""Path templates: their results for headers, their errors, and that no value leaves the folder."""

import asyncio
import os
import struct
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from net.files import make
from pydicom import dcmread

from dcm.data.header import Header, scan, scan_bytes
from dcm.outcome import Outcome
from dcm.store.directory import Directory
from dcm.store.layout import DEFAULT, Layout, LayoutError
from dcm.store.names import cut, file_name

UTF_8 = {0x00080005: (b"CS", b"ISO_IR 192")}
SOP = 0x00080018


def header(**values: str) -> Header:
    """Return a header with these values; a key may be a tag after an underscore, `_00100020`."""
    elements = {int(tag[1:], 16): (b"", value.encode()) for tag, value in values.items()}
    return Header("1.2.840.10008.1.2", 0, {}, UTF_8 | elements)


def path(template: str, **values: str) -> str:
    """Return the path that a layout gives for a header."""
    return Layout(template).path(header(**values))


def patient(template: str, value: str) -> str:
    """Return the path that a layout gives for a Patient ID."""
    return path(template, _00100020=value)


def test_path_has_the_values_of_its_fields() -> None:
    """The example of the documentation."""
    layout = Layout("{PatientID}/{StudyDate:%Y}/{SeriesNumber:03d|unknown}/{SOPInstanceUID}.dcm")
    found = header(_00100020="4711", _00080020="20240229", _00200011="2", _00080018="1.2.3")
    assert layout.path(found) == "4711/2024/002/1.2.3.dcm"
    assert layout.needs == ("PatientID", "StudyDate", "SeriesNumber", "SOPInstanceUID")


def test_scan_reads_what_a_layout_needs() -> None:
    """Values are read from an encoded data set, with its character set and VRs."""
    element = struct.Struct("<HH2sH")
    data = b"".join(
        element.pack(tag >> 16, tag & 0xFFFF, vr, len(value)) + value
        for tag, vr, value in (
            (0x00080005, b"CS", b"ISO_IR 100"),
            (0x00080016, b"UI", b"1.2.840.10008.5.1.4.1.1.2\0"),
            (0x00080018, b"UI", b"1.2.30"),
            (0x00100010, b"PN", b"M\xfcller^J\xf6rg"[:12].ljust(12)),
            (0x00110010, b"LO", b"US"),
            (0x00111001, b"DS", b"4.50"),
            (0x00111002, b"US", b"\x07\0"),
        )
    )
    layout = Layout("{PatientName}/{00111001:.1f}-{00111002:02d}")
    assert layout.needs == ("PatientName", "00111001", "00111002")
    assert layout.path(scan_bytes(data, layout.needs)) == "Müller^Jörg/4.5-07"


@pytest.mark.parametrize(
    ("template", "values", "expected"),
    [
        ("{StudyDate:%Y-%m-%d}", {"_00080020": "20240229"}, "2024-02-29"),
        ("{StudyDate:%y %j %G-W%V}", {"_00080020": "20240101"}, "24 001 2024-W01"),
        ("{StudyDate:%d.%m.%Y}", {"_00080020": "2024.02.29"}, "29.02.2024"),
        ("{StudyDate:100%% %Y}", {"_00080020": "20240229"}, "100% 2024"),
        ("{StudyDate:%Y}", {"_00080020": "09010203"}, "0901"),
        ("{StudyTime:%H%M}", {"_00080030": "1015"}, "1015"),
        ("{StudyTime:%H%M%S|%H}", {"_00080030": "1015"}, "%H"),
        ("{StudyTime:%H-%f}", {"_00080030": "101530.25"}, "10-250000"),
        ("{AcquisitionDateTime:%Y%m%d%H}", {"_0008002A": "20240229101530.5+0230"}, "2024022910"),
        ("{AcquisitionDateTime:%Y-%m|none}", {"_0008002A": "2024"}, "none"),
        ("{AcquisitionDateTime:%Y|none}", {"_0008002A": "2024"}, "2024"),
        ("{SeriesNumber:03d}", {"_00200011": " +7 "}, "007"),
        ("{SeriesNumber:d}", {"_00200011": "007"}, "7"),
        ("{SeriesNumber:04d}", {"_00200011": "-3"}, "-003"),
        ("{SeriesNumber:03d}", {"_00200011": "12345"}, "12345"),
        ("{SeriesNumber:03d|none}", {"_00200011": "seven"}, "none"),
        ("{SeriesNumber:03d|none}", {"_00200011": "1" * 5000}, "none"),
        ("{PatientWeight:.1f}", {"_00101030": "70.25"}, "70.2"),
        ("{PatientWeight:06.1f}", {"_00101030": "7e1"}, "0070.0"),
        ("{PatientWeight:03d|none}", {"_00101030": "70.0"}, "070"),
        ("{PatientWeight:03d|none}", {"_00101030": "70.5"}, "none"),
        ("{PatientName:upper}", {"_00100010": "Straße^ü"}, "STRASSE^Ü"),
        ("{PatientName:lower,.3}", {"_00100010": "DOE^JOHN"}, "doe"),
        ("{PatientName:.3,upper}", {"_00100010": "doe^john"}, "DOE"),
        ("{PatientID|PatientName|none}", {"_00100010": "Doe"}, "Doe"),
        ("{PatientID|PatientName|none}", {}, "none"),
        ("{PatientID|PatientName|No one knows}", {}, "No one knows"),
        ("{ PatientID | 'a|b}' }", None, None),
        ("{PatientID| PatientName | 'I D' }", {}, "I D"),
        ("{PatientID|''}x", {}, "x"),
        ("{PatientID|''}", {}, "unknown"),
        ("{PatientID}", {}, "unknown"),
        ("{PatientID|00100010:upper}", {"_00100010": "Doe"}, "DOE"),
        ("{{{PatientID}}}", {"_00100020": "4711"}, "{4711}"),
        ("{ImageType}", {"_00080008": "ORIGINAL\\PRIMARY"}, "ORIGINAL_PRIMARY"),
        ("{SeriesDate:%Y}", {"_00080021": "20240101\\20250101"}, "2024"),
    ],
)
def test_formats(template: str, values: dict[str, str] | None, expected: str | None) -> None:
    """Each kind of format, for valid and invalid values."""
    if values is None:
        with pytest.raises(LayoutError):
            Layout(template)
    else:
        assert path(template, **values) == expected


@pytest.mark.parametrize(
    ("template", "place", "words"),
    [
        ("", 0, "a component is empty"),
        ("/data/{PatientID}", 0, "the path must be relative"),
        ("{PatientID}//{StudyID}", 12, "a component is empty"),
        ("{PatientID}/", 12, "a component is empty"),
        ("../{PatientID}", 0, "\\.\\. is not possible"),
        ("{PatientID}/./{StudyID}", 12, "\\. is not possible"),
        (".{PatientID}", 0, "cannot begin with a dot"),
        ("{PatientID}.", 11, "cannot end with a dot"),
        ("aux/{PatientID}", 0, "aux cannot be the name of a folder"),
        ("{PatientID}\\{StudyID}", 11, "is not allowed in a file name"),
        ("{PatientID}/a\nb", 13, "is not allowed in a file name"),
        ("{PatientID}/image.dcm", 12, "all files would have the same name"),
        ("{PatientID", 0, "unclosed brace"),
        ("{PatientID|x", 0, "unclosed brace"),
        ("a}b{PatientID}", 1, "unmatched closing brace"),
        ("{}", 1, "a keyword is missing"),
        ("{PatientID|}", 11, "an alternative is missing"),
        ("{PatientID|'a}", 11, "a quote is not closed"),
        ("{PatientID|'a'b}", 14, "a text must end with its quote"),
        ("{PatientID|none|StudyID}", 15, "anything after a text would never be used"),
        ("{PatientID|a:b}", 11, "no DICOM element named 'a'"),
        ("{PatientID|a*b}", 12, "is not allowed in a file name"),
        ("{PatientID|Unknown}", 11, "write text in quotes"),
        ("{PatientID.upper}", 1, "no DICOM element named"),
        ("{PatintID}", 1, "did you mean PatientID?"),
        ("{PatientID:{x}}", 11, "is not allowed in braces"),
        ("{StudyDate:%Y/%m}", 13, "each component needs its own braces"),
        ("{StudyDate:%H}", 11, "%H is not a format for StudyDate, whose VR is DA"),
        ("{StudyDate:%Y%}", 11, "is not a format"),
        ("{StudyDate:%%}", 11, "does not use"),
        ("{StudyTime:%H:%M}", 11, "not allowed in a file name"),
        ("{StudyDate:03d}", 11, "is not a format"),
        ("{PatientID:%Y}", 11, "is not a format"),
        ("{PatientID:}", 11, "is not a format"),
        ("{PatientID:.0}", 11, "is not a format"),
        ("{PatientID|StudyDate:x}", 21, "is not a format"),
        ("{SeriesNumber:.1f}", 14, "is not a format"),
        ("{SeriesNumber:3d}", 14, "is not a format"),
        ("{PixelData}", 1, "only the header"),
        ("{TransferSyntaxUID}", 1, "only the header"),
        ("{00090000}", 1, "only the header"),
        ("{ReferencedStudySequence}", 1, "its VR is SQ"),
        ("{PatientID}" * 7, 0, "more than 6 fields"),
        ("{PatientID}" + "x" * 101, 11, "longer than 100"),
        ("ü" * 51 + "{PatientID}", 0, "100 bytes of text"),
        ("a/" * 12 + "{PatientID}", 24, "more than 12 components"),
    ],
)
def test_template_with_a_fault_is_refused_at_its_place(
    template: str, place: int, words: str
) -> None:
    """The error says what is wrong, and shows the position."""
    with pytest.raises(LayoutError, match=words) as caught:
        Layout(template)
    assert caught.value.place == place
    assert str(caught.value).splitlines()[-1] == f"  {' ' * place}^"


PIECES = st.sampled_from([
    *("{", "}", "{{", "|", ":", "/", "'", '"', ".", "..", "%", "%Y", "03d", ".8", "upper", "\\", "\0"),
    *("PatientID", "StudyDate", "SeriesNumber", "00091001", "SOPInstanceUID", "none", " ", "é"),
])  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join))
def test_any_template_is_parsed_or_refused(template: str) -> None:
    """Only `LayoutError` is raised, and accepted templates make safe paths."""
    try:
        layout = Layout(template)
    except LayoutError as error:
        assert 0 <= error.place <= len(template)  # noqa: PT017 - few are accepted
    else:
        assert_safe(layout.path(header()))


def assert_safe(relative: str) -> None:
    """Assert that a path stays below its folder and can be created in any file system."""
    for name in relative.split("/"):
        assert 0 < len(name.encode()) <= 255
        assert not name.startswith((".", " "))
        assert not name.endswith((".", " "))
        assert not set(name) & set('<>:"\\|?*')
        assert not any(unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") for each in name)
        assert unicodedata.is_normalized("NFC", name)
    assert os.path.normpath(f"/root/{relative}") == f"/root/{relative}"


ODD = st.text(st.sampled_from("./\\. ~_:Cc\0\x85é\u0301\u202e\u2028\ufb1d\u0344漢😀"), max_size=90)
LAYOUTS = [
    Layout("{PatientID}/{PatientName}"),
    Layout("a{PatientID}-{PatientName}{PatientID}.dcm"),
    Layout("{PatientID:.3}{PatientName:upper}/{PatientName:lower,.20|PatientID}"),
    DEFAULT,
]


@given(st.sampled_from(LAYOUTS), st.text() | ODD, st.text() | ODD)
@example(LAYOUTS[0], "..", "CON")
@example(LAYOUTS[1], "é" * 400, "😀" * 400)
@example(LAYOUTS[2], "\u0345" * 100, "ŉ" * 100)
def test_any_values_make_a_safe_path(layout: Layout, patient_id: str, name: str) -> None:
    """Whatever a file contains, its path stays below the folder."""
    values = {
        "_00100020": patient_id,
        "_00100010": name,
        "_0008103E": name,
        "_00080018": patient_id,
    }
    encoded = {k: v.encode(errors="replace").decode() for k, v in values.items()}
    found = layout.path(header(**encoded))
    assert_safe(found)
    assert found.count("/") == layout.template.count("/")


@given(st.text() | ODD, st.integers(20, 255))
def test_any_text_makes_a_safe_name(text: str, limit: int) -> None:
    """Safe text is not changed."""
    name = file_name(text, limit)
    assert len(name.encode()) <= limit
    assert file_name(name, limit) == name
    if name:
        assert_safe(name)


@given(st.text() | ODD, st.text() | ODD)
@example("A/B", "A_B")
@example("A/B", "A\\B")
@example(".A", "_A")
@example("é" * 200, "é" * 201)
def test_identifiers_that_differ_have_names_that_differ(one: str, other: str) -> None:
    """Two patients never share a folder because of characters that a name cannot contain."""
    one, other = (each.encode(errors="replace").decode() for each in (one, other))
    same = meant(one) == meant(other)
    layout = Layout("{PatientID}/{SOPInstanceUID}")
    folders = {
        layout.path(header(_00100020=each, _00080018="1.2")).partition("/")[0]
        for each in (one, other)
    }
    assert len(folders) == 1 if same else len(folders) == 2


def meant(text: str) -> str:
    """Return an identifier without insignificant padding, with its characters composed."""
    parts = (each.rstrip(" \0") for each in text.split("\\"))
    return unicodedata.normalize("NFC", "\\".join(parts)).strip() or "unknown"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("..", "__"),
        ("...", "_._"),
        ("a/b\\c:d", "a_b_c_d"),
        ("  a  ", "a"),
        ("Jr.", "Jr_"),
        ("CON", "_CON"),
        ("lpt1.dcm", "_lpt1.dcm"),
        ("console", "console"),
        ("e\u0301", "é"),
        ("a\u202egnp.exe", "a_gnp.exe"),
        ("म\u200cत", "म\u200cत"),
        ("\ud800", "_"),
        (" \0 ", "_"),
        ("   ", ""),
    ],
)
def test_names(text: str, name: str) -> None:
    """Replacements of characters that some file system lacks."""
    assert file_name(text) == name


def test_long_values_are_cut_and_stay_different() -> None:
    """A long name keeps the text of the template, and a digest replaces what was cut."""
    one, other = (patient("a{PatientID}.dcm", "é" * 300 + end) for end in "xy")
    assert one != other
    assert one.startswith("aéé")
    assert one.endswith(".dcm")
    assert 225 < len(one.encode()) <= 238
    assert cut("é" * 20, 21).startswith("é" * 5 + "~")


def test_longest_value_is_cut_first() -> None:
    """A short value is not shortened because another one is long."""
    found = path(
        "{SeriesNumber:03d}-{PatientName}-{StudyID}/{SOPInstanceUID}",
        _00200011="7", _00100010="x" * 400, _00200010="S" * 16, _00080018="1.2",
    )  # fmt: skip
    folder = found.partition("/")[0]
    assert folder.startswith("007-xxx")
    assert folder.endswith("-" + "S" * 16)
    assert len(folder) == 255


def test_sop_instance_uid_may_stand_only_in_the_file_meta_information() -> None:
    """Files of this kind exist, and have a path like others."""
    found = Header("1.2.840.10008.1.2", 0, {0x00020003: (b"UI", b"1.2.3\0")}, {})
    assert Layout("{SOPInstanceUID}.dcm").path(found) == "1.2.3.dcm"


@pytest.mark.parametrize("template", ["{PatientID}.dcm", "{PatientName}/{Modality}/x{StudyID}.dcm"])
def test_instances_with_one_path_are_both_kept(tmp_path: Path, template: str) -> None:
    """In a directory, even with long names; a copy is not kept twice."""
    layout = Layout(template)
    (tmp_path / "files").mkdir()
    files = [make(tmp_path / "files", number, study=f"1.2.77.{number}") for number in range(3)]
    for path in files:
        image = dcmread(path)
        image.PatientID, image.StudyID = "é" * 32, "é" * 8
        image.SpecificCharacterSet = "ISO_IR 192"
        image.save_as(path)

    async def run() -> None:
        place = Directory(tmp_path / "here", None, layout.path, needs=layout.needs, create=True)
        async with place, place.writer() as writer:
            for path in (*files, files[0]):
                await writer.put(path)
            report = await writer.finish()
            assert report.counts() == {Outcome.STORED: 3, Outcome.ALREADY_THERE: 1}

    asyncio.run(run())
    kept = [path for path in (tmp_path / "here").rglob("*.dcm") if path.is_file()]
    assert {scan(path).sop_instance_uid for path in kept} == {
        scan(path).sop_instance_uid for path in files
    }
    assert len({path.parent for path in kept}) == 1
    assert len(kept) == 3


def test_default_layout() -> None:
    """Patient, study, series and instance; and names for missing values."""
    assert DEFAULT.path(header(
        _00100020="4711", _0020000D="1.2", _00200011="3", _0008103E="t1 sag", _00080018="1.2.4",
    )) == "4711/1.2/003-t1 sag/1.2.4.dcm"  # fmt: skip
    assert DEFAULT.path(header()) == "unknown/unknown/000-unnamed/unknown.dcm"


def test_layouts_are_values() -> None:
    """Equal templates are equal layouts."""
    assert Layout(DEFAULT.template) == DEFAULT
    assert str(DEFAULT) == DEFAULT.template
