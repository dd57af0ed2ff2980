"""No value that must be removed is found anywhere in the bytes of the result."""

from pathlib import Path

import pytest
from deidentify.filled import Filled, Trace, filled

from dcm.deidentify import FileDeidentifier, make_deidentify_filter
from dcm.deidentify.options import OPTIONS
from dcm.deidentify.table import repeating, table
from dcm.store.layout import Layout

KEY = b"a key of the selftests"
LAYOUT = Layout("{SOPInstanceUID}.dcm")
ALONE = [name for name in OPTIONS if name != "clean-pixels"]
TOGETHER = ",".join(name for name in ALONE if name != "full-dates")
SYNTAXES = {
    "implicit": "1.2.840.10008.1.2",
    "explicit": "1.2.840.10008.1.2.1",
    "big-endian": "1.2.840.10008.1.2.2",
    "deflated": "1.2.840.10008.1.2.1.99",
}


def result_of(made: Filled, folder: Path, options: str = "") -> bytes:
    """De-identify a file, and return the written bytes."""
    source = folder / "source.dcm"
    source.write_bytes(made.data)
    through = make_deidentify_filter(options, key=KEY)
    done = FileDeidentifier(through, str(folder / "out"), LAYOUT).write(str(source))
    return Path(done.file).read_bytes()


def stays(trace: Trace, options: str) -> bool:
    """Return whether the table keeps a value with these options; the profile is not used."""
    if trace.where not in ("top", "middle", "inner"):
        return False
    row = table()[trace.tag]
    columns = {OPTIONS[name].column for name in options.split(",") if name}
    codes = {column: row.options[column] for column in columns if column in row.options}
    if "full-dates" in codes:
        return True
    if "modified-dates" in codes:
        return trace.vr == "TM"  # dates move by whole days
    if trace.vr == "SQ" and {"structured", "graphics"} & codes.keys():
        return True  # its items are cleaned one by one; codes stay
    return "K" in codes.values()


@pytest.mark.parametrize("options", ["", *ALONE, TOGETHER])
def test_no_value_that_must_go_is_left(options: str, tmp_path: Path) -> None:
    """At the top, in sequences, in private elements and in the file meta information."""
    made = filled()
    data = result_of(made, tmp_path, options)
    left = [trace for trace in made.traces if trace.found_by in data]
    assert [trace for trace in left if not stays(trace, options)] == []


@pytest.mark.parametrize("options", [*ALONE, TOGETHER])
def test_what_an_option_retains_is_there(options: str, tmp_path: Path) -> None:
    """A profile that removes everything must not pass."""
    made = filled()
    data = result_of(made, tmp_path, options)
    kept = [trace for trace in made.traces if stays(trace, options)]
    assert [trace for trace in kept if trace.found_by not in data] == []


@pytest.mark.parametrize("syntax", SYNTAXES.values(), ids=SYNTAXES)
def test_nothing_is_left_in_any_encoding(syntax: str, tmp_path: Path) -> None:
    """A deflated result is inflated for the search."""
    made = filled(syntax=syntax)
    data = result_of(made, tmp_path)
    if syntax == SYNTAXES["deflated"]:
        from pydicom import dcmread  # noqa: PLC0415
        from pydicom.uid import ExplicitVRLittleEndian  # noqa: PLC0415

        (tmp_path / "deflated.dcm").write_bytes(data)
        found = dcmread(tmp_path / "deflated.dcm")
        found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        found.save_as(tmp_path / "inflated.dcm")
        data += (tmp_path / "inflated.dcm").read_bytes()
    assert [trace for trace in made.traces if trace.found_by in data] == []


@pytest.mark.parametrize(
    ("character_set", "prefix", "codec"),
    [
        ("ISO_IR 100", "Grüße", "latin-1"),
        ("ISO_IR 192", "Grüße", "utf-8"),
        ("ISO_IR 144", "Привет", "iso8859-5"),
        ("GB18030", "山田", "gb18030"),
        ("\\ISO 2022 IR 87", "山田", "iso2022_jp"),
    ],
)
@pytest.mark.parametrize("options", ["", TOGETHER])
def test_nothing_is_left_of_texts_in_any_character_set(
    character_set: str, prefix: str, codec: str, options: str, tmp_path: Path
) -> None:
    """Neither in the character set of the object nor in UTF-8."""
    made = filled(character_set, prefix)
    data = result_of(made, tmp_path, options)
    texts = ("LT", "ST", "UT", "UC", "LO", "PN")
    kept = [trace for trace in made.traces if trace.vr in texts and stays(trace, options)]
    if not kept:
        assert prefix.encode(codec) not in data
        assert prefix.encode() not in data
    left = [trace for trace in made.traces if trace.found_by in data]
    assert [trace for trace in left if not stays(trace, options)] == []


def test_the_search_finds_what_is_not_removed(tmp_path: Path) -> None:
    """Each trace is found in the original: the search can fail."""
    made = filled()
    assert all(trace.found_by in made.data for trace in made.traces)
    rows = {trace.tag for trace in made.traces if trace.where == "top"}
    numeric = len(table()) - len(rows)
    assert numeric < 40, "nearly all rows of the table are filled"
    assert set(repeating()) == {"50xxxxxx", "60xx3000", "60xx4000"}
    data = result_of(made, tmp_path, "retain-uids")
    assert any(trace.found_by in data for trace in made.traces if trace.vr == "UI")
