"""`dcm deidentify`: outcomes, report, key, names and exit status."""

import json
import stat
from pathlib import Path

import pytest
from pydicom import dcmread

from dcm.cli import main
from harness.corpus import Maker

Shown = pytest.CaptureFixture[str]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with two CT images of a patient, one below, a secondary capture, and a text file."""
    folder = tmp_path / "Mueller Anna"
    (folder / "below").mkdir(parents=True)
    maker = Maker("DEID-CLI")
    for number, path in enumerate((folder / "1.dcm", folder / "below" / "2.dcm"), 1):
        data_set = maker.instance(Modality="CT", number=number).dataset()
        data_set.PatientName, data_set.PatientID = "Mueller^Anna", "MUELLER-1970"
        data_set.StudyDescription = "CT for Mueller"
        data_set.save_as(path)
    capture = maker.instance(Modality="OT", number=3).dataset()
    capture.save_as(folder / "3.dcm")
    (folder / "README").write_text("This is not DICOM.\n")
    return folder


def files(folder: Path) -> list[Path]:
    """Return the files below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_folder_is_deidentified(source: Path, tmp_path: Path, capsys: Shown) -> None:
    """An image that may contain text is refused, and the command fails; originals do not change."""
    before = {path: path.read_bytes() for path in files(source)}
    out, key = tmp_path / "out", tmp_path / "key"
    assert main(["deidentify", str(source), "-o", str(out), "--key-file", str(key)]) == 1
    shown = capsys.readouterr()
    outcomes = {"1 refused", "2 de-identified", "1 passed over"}
    assert set(shown.out.strip().split(" | ")) == outcomes
    assert "3.dcm: refused" in shown.err
    assert {path: path.read_bytes() for path in files(source)} == before
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    found = files(out)
    assert len(found) == 2
    for path in found:
        data_set = dcmread(path)
        assert path.parts[-4:-2] == (data_set.PatientID, data_set.StudyInstanceUID)
        assert path.stem == data_set.SOPInstanceUID
        assert (
            b"mueller"
            not in path.read_bytes().lower() + str(path.relative_to(out)).lower().encode()
        )


def test_second_run_finds_all_there(source: Path, tmp_path: Path, capsys: Shown) -> None:
    """This needs the same key; without one, all is new, and the command says so."""
    words = ["deidentify", str(source / "1.dcm"), "-o", str(tmp_path / "out")]
    key = ["--key-file", str(tmp_path / "key")]
    assert main([*words, *key]) == 0
    assert main([*words, *key]) == 0
    assert capsys.readouterr().out.split("\n")[:2] == ["1 de-identified", "1 already there"]
    assert main(words) == 0
    assert "without --key-file" in capsys.readouterr().err
    assert len(files(tmp_path / "out")) == 2


def test_report_counts_attributes_and_has_no_values(source: Path, tmp_path: Path) -> None:
    """By attribute and action, for each file and in total; values are only included on request."""
    words = [
        "deidentify",
        str(source / "1.dcm"),
        str(source / "below"),
        "-o",
        str(tmp_path / "out"),
    ]
    report = tmp_path / "report.json"
    assert main([*words, "--report", str(report)]) == 0
    document = json.loads(report.read_text())
    assert document["attributes"]["PatientName"] == {"replaced": 2}
    assert document["attributes"]["StudyDescription"] == {"removed": 2}
    assert document["files"][0]["attributes"]["PatientName"] == {"replaced": 1}
    assert "Mueller^Anna" not in report.read_text()
    assert "MUELLER-1970" not in report.read_text()
    words[-1] = str(tmp_path / "again")
    assert main([*words, "--report", str(report), "--report-values"]) == 0
    values = json.loads(report.read_text())["files"][0]["values"]
    assert {"path": "PatientID", "action": "replaced", "value": "MUELLER-1970"} in values


def test_names_follow_the_layout(source: Path, tmp_path: Path) -> None:
    """They use the new values."""
    out = tmp_path / "out"
    words = [
        "deidentify",
        str(source / "1.dcm"),
        "-o",
        str(out),
        "--layout",
        "{Modality}/{PatientID}",
    ]
    assert main(words) == 0
    [path] = files(out)
    assert path.relative_to(out).parts == ("CT", dcmread(path).PatientID)


def test_options_and_regions_reach_the_filter(source: Path, tmp_path: Path) -> None:
    """They may be given on the command line and in files."""
    rules, words, out = tmp_path / "rules.toml", tmp_path / "words", tmp_path / "out"
    rules.write_text('[[rule]]\nmodality = "OT"\nblank = ["0,0,2,1"]\n')
    words.write_text("# our words\nfor\nspecial\n")
    status = main(
        [
            "deidentify", str(source), "-o", str(out), "--blank-rules", str(rules),
            "--safe-words", str(words), "--profile", "clean-descriptors,retain-uids",
            "--layout", "{SOPInstanceUID}",
        ]
    )  # fmt: skip
    assert status == 0
    found = {data_set.Modality: data_set for data_set in map(dcmread, files(out))}
    assert found["CT"].StudyDescription == "CT for"
    assert found["OT"].BurnedInAnnotation == "NO"
    assert found["OT"].SOPInstanceUID == dcmread(source / "3.dcm").SOPInstanceUID


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--profile", "all"], "unknown option 'all'"),
        (["--profile", "clean-faces"], "cannot be removed"),
        (["--blank", "1,2"], "is not a region"),
        (["--report-values"], "needs --report"),
        (["--layout", "{Nonsense}"], "Nonsense"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_done(
    words: list[str], error: str, source: Path, tmp_path: Path, capsys: Shown
) -> None:
    """The error says what is wrong."""
    assert main(["deidentify", str(source), "-o", str(tmp_path / "out"), *words]) == 2
    assert error in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_output_among_what_is_read_is_refused(source: Path, capsys: Shown) -> None:
    """Otherwise, results would be de-identified again."""
    assert main(["deidentify", str(source), "-o", str(source)]) == 2
    assert "contains the files to be de-identified" in capsys.readouterr().err


def test_files_that_are_broken_fail(tmp_path: Path, capsys: Shown) -> None:
    """They leave no output."""
    (tmp_path / "bad.dcm").write_bytes(b"no DICOM")
    words = ["deidentify", str(tmp_path / "bad.dcm"), "-o", str(tmp_path / "out")]
    assert main(words) == 1
    assert "bad.dcm: failed" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
