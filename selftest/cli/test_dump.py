"""`dcm dump`: the content of files, in every format, on terminals, in pipes and in poor locales."""

import csv
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cli.conftest import Start
from pydicom import Dataset, dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dcm.cli import dump_work, main
from harness.corpus import corpus, make
from harness.corpus.part10 import file_of

Shown = pytest.CaptureFixture[str]
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
NAME = "Yamada^Tarou=山田^太郎"


def written(path: Path, **elements: object) -> Path:
    """Write an image."""
    path.write_bytes(make.instance(number=1, **elements).data)  # type: ignore[arg-type]
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, one of them truncated, in a folder with a text file and a DICOMDIR."""
    made = tmp_path / "folder"
    made.mkdir()
    written(made / "a.dcm", PatientName="Doe^Jane", PatientID="1")
    written(made / "b.dcm", PatientName="Doe^John", PatientID="2")
    (made / "cut.dcm").write_bytes(corpus["x04-cut-in-header"].data)
    (made / "README").write_text("This is not DICOM.\n")
    (made / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    return made


def test_one_file(tmp_path: Path, capsys: Shown) -> None:
    """There is no heading; values are pydicom's."""
    path = written(tmp_path / "a.dcm", PatientName="Doe^Jane")
    assert main(["dump", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("(0002,0000) UL FileMetaInformationGroupLength ")
    ds = dcmread(path)
    assert len(lines) == len(ds) + len(ds.file_meta)
    assert "(0010,0010) PN PatientName                         Doe^Jane" in lines
    assert lines[-1] == "(7FE0,0010) OW PixelData                           512 bytes"


def test_folder_with_one_broken_file(folder: Path, capsys: Shown) -> None:
    """Headings, the rest of the broken file, a note about what is not DICOM, exit status 1."""
    assert main(["dump", str(folder), "-i", "PatientName", "-i", "PixelData"]) == 1
    shown = capsys.readouterr()
    name = "(0010,0010) PN PatientName                         "
    pixels = "(7FE0,0010) OW PixelData                           512 bytes"
    cut = dcmread(io.BytesIO(corpus["x01"].data), force=True).PatientName
    assert shown.out.splitlines()[:-1] == [
        f"# {folder}/a.dcm", f"{name}Doe^Jane", pixels, "",
        f"# {folder}/b.dcm", f"{name}Doe^John", pixels, "",
        f"# {folder}/cut.dcm",
    ]  # fmt: skip
    assert shown.out.splitlines()[-1].startswith(name)
    assert cut
    assert f"{folder}/README: passed over: it is not a DICOM file" in shown.err
    assert f"{folder}/cut.dcm: it cannot be read completely: the file ends " in shown.err
    assert "DICOMDIR" not in shown.err


@pytest.mark.parametrize("name", ["README", "missing.dcm"])
def test_file_that_was_named_is_a_failure(name: str, folder: Path, capsys: Shown) -> None:
    """Any named file that cannot be shown is a failure; the others are shown."""
    assert main(["dump", str(folder / name), str(folder / "a.dcm"), "-i", "PatientID"]) == 1
    shown = capsys.readouterr()
    assert f"{folder}/{name}: " in shown.err
    assert shown.out.splitlines()[-1].endswith(" 1")


def test_extension_chooses(folder: Path, capsys: Shown) -> None:
    """The extension selects files within folders only."""
    (folder / "cut.dcm").unlink()
    written(folder / "other")
    assert main(["dump", str(folder), "-i", "PatientID", "--in-file-ext", "dcm"]) == 0
    shown = capsys.readouterr()
    assert shown.out.count("# ") == 2
    assert shown.err == ""


def test_json_is_one_array_of_dicom_json(folder: Path, capsys: Shown) -> None:
    """Several files are one document for pydicom; pixels are a URI, meta information is omitted."""
    assert main(["dump", str(folder), "--out-format", "json"]) == 1
    first, second, cut = json.loads(capsys.readouterr().out)
    expected = dcmread(folder / "a.dcm")
    uri = first["7FE00010"].pop("BulkDataURI")
    where = dict(part.split("=") for part in uri.partition("?")[2].split("&"))
    at, length = int(where["offset"]), int(where["length"])
    assert (folder / "a.dcm").read_bytes()[at : at + length] == expected.PixelData
    del first["7FE00010"], expected.PixelData
    assert Dataset.from_json(first) == Dataset.from_json(expected.to_json())
    assert second["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Doe^John"}]}
    assert "00100010" in cut
    assert "00020010" not in first


def test_json_of_an_image_is_small_unless_bulk_is_asked_for(tmp_path: Path, capsys: Shown) -> None:
    """A CT slice of 0.5 MB is a few kilobytes of JSON; with bulk data, the pixels are included."""
    path = written(tmp_path / "ct.dcm", rows=512, columns=512)
    assert main(["dump", str(path), "--out-format", "json"]) == 0
    assert len(capsys.readouterr().out) < 8000
    assert main(["dump", str(path), "--out-format", "json", "--with-bulk"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert Dataset.from_json(found).PixelData == dcmread(path).PixelData


def test_json_of_a_deflated_file_has_no_offsets(tmp_path: Path, capsys: Shown) -> None:
    """The URI names the element instead."""
    sample = make.instance(number=1, transfer_syntax=DeflatedExplicitVRLittleEndian)
    path = tmp_path / "deflated.dcm"
    path.write_bytes(sample.data)
    assert main(["dump", str(path), "--out-format", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["7FE00010"]["BulkDataURI"] == f"file://{path}#PixelData"


def test_json_of_nothing_is_an_empty_array(folder: Path, capsys: Shown) -> None:
    """It is also a failure."""
    assert main(["dump", str(folder / "README"), "--out-format", "json"]) == 1
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("group", ["0010", "10", "0x0010", "0X10"])
def test_group_is_hexadecimal(group: str, folder: Path, capsys: Shown) -> None:
    """With and without 0x."""
    assert main(["dump", str(folder / "a.dcm"), "-g", group]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 3
    assert all(line.startswith("(0010,") for line in lines)


def test_template(folder: Path, capsys: Shown) -> None:
    """One line for each element, without headings."""
    words = ["-i", "PatientID", "--plain-fmt", r"{file}\t{keyword:11}={value}"]
    assert main(["dump", str(folder / "a.dcm"), str(folder / "b.dcm"), *words]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{folder}/a.dcm\tPatientID  =1", f"{folder}/b.dcm\tPatientID  =2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-g", "wrong"], "'wrong' is not a group"),
        (["-i", "PatientNam"], "did you mean PatientName?"),
        (["-i", "A["], "is not the path of an element"),
        (["--kw-regex", "("], "is not a regular expression"),
        (["--plain-fmt", "{value.__class__}"], "is invalid at character 1"),
        (
            ["--plain-fmt", "{value}", "--out-format", "json"],
            "--plain-fmt applies only to plain output",
        ),
        (["--out-format", "csv", "-g", "10"], "--group cannot be used for a table"),
    ],
)
def test_what_cannot_be_asked(words: Sequence[str], said: str, folder: Path, capsys: Shown) -> None:
    """One sentence, exit status 2, and nothing on stdout."""
    assert main(["dump", str(folder / "a.dcm"), *words]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_csv(folder: Path, capsys: Shown) -> None:
    """A column for each path, a row for each file, quoted where needed."""
    written(folder / "c.dcm", PatientName='A, "B"', PatientID="3")
    (folder / "cut.dcm").unlink()
    ds = dcmread(folder / "b.dcm")
    ds.ReferencedImageSequence = [Dataset(), Dataset()]
    for number, item in enumerate(ds.ReferencedImageSequence):
        item.ReferencedSOPInstanceUID = f"1.2.{number}"
    (folder / "b.dcm").write_bytes(file_of(ds))
    columns = ["PatientName", "ReferencedImageSequence[*].ReferencedSOPInstanceUID", "0028,0010"]
    words = [word for column in columns for word in ("-i", column)]
    assert main(["dump", str(folder), "--out-format", "csv", *words]) == 0
    assert [*csv.reader(io.StringIO(capsys.readouterr().out))] == [
        ["File", *columns],
        [f"{folder}/a.dcm", "Doe^Jane", "", "16"],
        [f"{folder}/b.dcm", "Doe^John", r"1.2.0\1.2.1", "16"],
        [f"{folder}/c.dcm", 'A, "B"', "", "16"],
    ]


def test_parquet(folder: Path, tmp_path: Path, capsys: Shown) -> None:
    """Numbers are numbers; an invalid one is null and a failure, a missing one is null."""
    parquet = pytest.importorskip("pyarrow.parquet")
    ds = dcmread(folder / "b.dcm")
    ds.InstanceNumber, ds.PatientWeight = 7, 70.5
    (folder / "b.dcm").write_bytes(
        file_of(ds).replace(b"\x20\0\x13\0IS\2\0007 ", b"\x20\0\x13\0IS\2\0x ")
    )
    (folder / "cut.dcm").unlink()
    keys = ("PatientName", "Rows", "PatientWeight", "InstanceNumber", "ImageType")
    words = ["--out-format", "parquet", *(word for key in keys for word in ("-i", key))]
    to = tmp_path / "made.parquet"
    assert main(["dump", str(folder), *words, "-o", str(to)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "InstanceNumber is 'x', which is not a number" in shown.err
    table = parquet.read_table(to)
    assert [str(each) for each in table.schema.types] == [
        "string", "string", "int64", "double", "int64", "string",
    ]  # fmt: skip
    kind = r"ORIGINAL\PRIMARY\AXIAL"
    assert table.to_pydict() == {
        "File": [f"{folder}/a.dcm", f"{folder}/b.dcm"],
        "PatientName": ["Doe^Jane", "Doe^John"], "Rows": [16, 16], "PatientWeight": [None, 70.5],
        "InstanceNumber": [1, None], "ImageType": [kind, kind],
    }  # fmt: skip


def test_parquet_into_a_pipe(folder: Path, start: Start) -> None:
    """It is written sequentially."""
    parquet = pytest.importorskip("pyarrow.parquet")
    arguments = ("dump", folder / "a.dcm", "--out-format", "parquet", "-i", "PatientID")
    out, err = start(*arguments, text=False).communicate(timeout=60)
    assert err == b""
    assert parquet.read_table(io.BytesIO(out)).to_pydict()["PatientID"] == ["1"]


def test_output_file_gets_its_name_once_it_is_complete(folder: Path, capsys: Shown) -> None:
    """A failure during writing leaves the existing file unchanged."""
    to = folder.parent / "out.csv"
    to.write_text("before")
    assert (
        main(["dump", str(folder), "--out-format", "csv", "-i", "NoSuchThing", "-o", str(to)]) == 2
    )
    assert to.read_text() == "before"
    path = str(folder / "a.dcm")
    assert main(["dump", path, "--out-format", "csv", "-i", "PatientID", "-o", str(to)]) == 0
    assert to.read_text() == f"File,PatientID\n{path},1\n"
    assert sorted(each.name for each in folder.parent.iterdir() if each.is_file()) == [
        "dcm_conf.toml", "out.csv",
    ]  # fmt: skip


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Enough numbered files for processes to be started."""
    folder = tmp_path / "many"
    folder.mkdir()
    data = make.instance(number=1, PatientID="NUMBER").data
    assert data.count(b"NUMBER") == 1
    for number in range(dump_work._ALONE + 555):
        (folder / f"{number:06}.dcm").write_bytes(data.replace(b"NUMBER", b"%06d" % number))
    return folder


@pytest.mark.parametrize("form", ["plain", "csv", "json"])
def test_many_files_stay_in_order(many: Path, form: str, start: Start) -> None:
    """Two processes give the same output as none, with a message for each broken file."""
    (many / "002222.dcm").write_bytes(corpus["x04-cut-in-header"].data)
    shown = []
    for jobs in ("1", "2"):
        process = start(
            "dump", many, "--out-format", form, "-i", "PatientID", "-i", "0028,1199", "--jobs", jobs
        )
        shown.append((*process.communicate(timeout=60), process.returncode))
    assert shown[0] == shown[1]
    out, err, status = shown[0]
    assert "000000" in out
    assert "002554" in out
    assert (status, err.count("\n")) == (1, 1)


def test_closed_pipe_ends_quietly(many: Path) -> None:
    """As in `dcm dump ... | head`, with and without processes; none is left running."""
    for jobs in ("1", "2"):
        process = subprocess.Popen(
            [sys.executable, "-m", "dcm", "dump", many, "--jobs", jobs],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().startswith("# ")
        process.stdout.close()
        assert process.stderr is not None
        with process.stderr as err:
            assert err.read() == ""  # EOF only comes once no process has it open
        assert process.wait(timeout=60) == 141


def test_processes_end_with_the_one_that_started_them(many: Path) -> None:
    """They end even if the main process is killed while it writes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dcm", "dump", many, "--jobs", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout as out, process.stderr as err:
        while f"/{dump_work._ALONE + 50:06}.dcm" not in out.readline():
            pass
        process.kill()
        assert process.wait(timeout=60) == -9
        assert err.read() == ""  # EOF only comes once no process has it open


def test_one_element_is_read_without_pydicom(folder: Path) -> None:
    """Importing pydicom takes longer than reading thousands of files."""
    program = (
        "import sys; from dcm.cli import main; "
        f"status = main(['dump', {str(folder / 'a.dcm')!r}, '-i', 'PatientID']); "
        "sys.exit(status or any(each in sys.modules for each in ('pydicom', 'numpy', 'pyarrow')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, capture_output=True)


def on_terminal(
    words: Sequence[object], columns: int, *, status: int = 0, **environment: str
) -> str:
    """Run the command on a terminal of a given width, and return its output."""
    ours, theirs = pty.openpty()
    settings = {**os.environ, "TERM": "xterm", **environment}
    settings.pop("COLUMNS", None)
    stty = ["stty", "-opost", "columns", str(columns)]
    subprocess.run(stty, stdin=theirs, check=True, timeout=10)
    process = subprocess.Popen(
        [sys.executable, "-m", "dcm", *map(str, words)], stdout=theirs, env=settings
    )
    os.close(theirs)
    shown = b""
    try:
        while some := os.read(ours, 1 << 16):
            shown += some
    except OSError:  # this is how a terminal signals its end
        pass
    os.close(ours)
    assert process.wait(timeout=60) == status
    return shown.decode()


def test_terminal_has_colours_and_a_width(folder: Path) -> None:
    """A long value is shortened to the width; in a pipe it is not."""
    words = ["dump", folder / "a.dcm", "-i", "SOPInstanceUID"]
    uid = str(dcmread(folder / "a.dcm").SOPInstanceUID)
    plain = on_terminal(words, 80, NO_COLOR="1")
    assert "\x1b" not in plain
    assert len(plain.rstrip("\n")) == 80
    assert plain.endswith("...\n")
    assert on_terminal(words, 200, NO_COLOR="1").endswith(f"{uid}\n")
    coloured = on_terminal(words, 80)
    assert coloured.startswith("\x1b[36m(0008,0018)\x1b[0m \x1b[2mUI\x1b[0m SOPInstanceUID ")
    assert "\x1b" not in on_terminal(words, 80, TERM="dumb")


@pytest.mark.parametrize(
    ("form", "shows"),
    [
        ("plain", lambda out: "Yamada^Tarou=??^??" in out),
        ("csv", lambda out: "Yamada^Tarou=??^??" in out),
        ("json", lambda out: "山田^太郎" in str(json.loads(out))),
    ],
)
def test_locale_without_the_characters(
    form: str, shows: Callable[[str], bool], tmp_path: Path, start: Start
) -> None:
    """Question marks and a warning; in JSON, escapes that lose nothing."""
    path = written(tmp_path / "a.dcm", PatientName=NAME, character_set="ISO_IR 192")
    process = start(
        "dump", path, "-i", "PatientName", "--out-format", form, env={**os.environ, **ASCII}
    )
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert shows(out)
    assert ("they are shown as ?" in err) is (form != "json")
