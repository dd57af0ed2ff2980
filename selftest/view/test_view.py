"""Pages and sheets: their content, their look, and images that cannot be shown."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
from cli.conftest import Start
from PIL import Image
from view.crashing import lost
from view.test_pixels import RAMP, made, shown

from dcm.cli import main
from dcm.net import DcmNode
from dcm.processes import Processes
from dcm.view import CannotView, Look, view
from harness.corpus import corpus

Shown = pytest.CaptureFixture[str]


def test_page(folder: Path, tmp_path: Path, capsys: Shown) -> None:
    """Each image has a picture and text; one that cannot be shown has the reason, and fails."""
    page, report = tmp_path / "page.html", tmp_path / "report.json"
    words = ["view", str(folder), "-o", str(page), "--report", str(report)]
    assert main(words) == 1
    printed = capsys.readouterr()
    assert printed.out == "5 shown | 1 no image | 2 failed | 1 left: not DICOM\n"
    text = page.read_text()
    assert len(shown(page)) == 5
    assert "no image: Basic Text SR Storage" in text
    assert len(re.findall('class="picture none bad"', text)) == 2
    assert "32 \N{MULTIPLICATION SIGN} 32 \N{MIDDLE DOT} 1 mm" in text
    assert "C 40 W 400" in text
    assert "Image 1, frame 7 of 12" in text
    assert "6 pictures" not in text
    told = json.loads(report.read_text())
    assert not told["complete"]
    assert {each["path"] for each in told["files"] if each["outcome"] == "failed"} == {
        str(folder / "cut.dcm"),
        str(folder / "unknown.dcm"),
    }
    assert all(each in printed.err for each in ("cut.dcm: ", "unknown.dcm: "))


def test_sheet(folder: Path, tmp_path: Path) -> None:
    """A PNG image with the requested number of columns, and the pictures at their places."""
    sheet = tmp_path / "sheet.png"
    report = view([folder], sheet, Look(size=32, columns=3))
    assert not report.complete
    with Image.open(sheet) as image:
        image.load()
        assert image.mode == "RGB"
        assert image.width == 8 + 3 * 40
        assert image.height == 8 + 3 * (32 + 6 * 16 + 16)
        view([corpus["p03"].write(tmp_path)], tmp_path / "one.png", Look(size=32))
        with Image.open(tmp_path / "one.png") as one:
            picture = one.crop((8, 8, 40, 40))
            assert picture.tobytes() == corpus["p03"].frame(0).tobytes()


def test_order_and_every(tmp_path: Path) -> None:
    """Images are in the order of their numbers; on request only each Nth is shown."""
    for number in range(1, 11):
        values = RAMP * 0 + number
        ds = made(values.astype("u1"), InstanceNumber=str(number), SeriesNumber="1")
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        ds.save_as(tmp_path / f"{9 * number % 11}.dcm", enforce_file_format=True)
    page = tmp_path / "page.html"
    view([tmp_path], page)
    assert [int(each[0, 0]) for each in shown(page)] == [*range(1, 11)]
    view([tmp_path], page, Look(every=4))
    assert [int(each[0, 0]) for each in shown(page)] == [1, 5, 9]


def test_window_of_the_command(tmp_path: Path) -> None:
    """It replaces the window of the object, and is named."""
    path, page = corpus["p07"].write(tmp_path), tmp_path / "page.html"
    assert main(["view", str(path), "-o", str(page), "--window=-600.5,1500"]) == 0
    assert "C -600.5 W 1500" in page.read_text()


def test_large_image_is_a_jpeg(tmp_path: Path) -> None:
    """Its longer side has the requested size."""
    path, page = tmp_path / "image.dcm", tmp_path / "page.html"
    values = (RAMP.repeat(100, axis=1).repeat(800, axis=0)).astype("<u2")
    made(values).save_as(path, enforce_file_format=True)
    view([path], page, Look(size=100))
    assert "width=50 height=100" in page.read_text()
    assert "data:image/jpeg;base64," in page.read_text()


def test_what_was_there_stays_if_nothing_can_be_made(tmp_path: Path, capsys: Shown) -> None:
    """A page is replaced only by a complete one."""
    page = tmp_path / "page.html"
    page.write_text("before")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CannotView, match="no DICOM files in"):
        view([tmp_path / "empty"], page)
    assert main(["view", str(tmp_path / "empty"), "-o", str(page)]) == 1
    assert main(["view", str(tmp_path / "nothing"), "-o", str(page)]) == 2
    assert main(["view", str(tmp_path), "-o", str(tmp_path / "page.pdf")]) == 1
    assert "use the extension .html" in capsys.readouterr().err
    assert page.read_text() == "before"
    assert sorted(each.name for each in tmp_path.iterdir() if each.name != "dcm_conf.toml") == [
        "empty",
        "page.html",
    ]


def test_process_that_crashes_loses_one_result() -> None:
    """Another process takes over, and library output is not among the results."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    try:
        with Processes("view.crashing:halved", lost) as processes:
            assert [*processes.map(range(10))] == [0, -1, 1, -3, 2, -5, 3, -7, 4, -9]
    finally:
        sys.path.pop(0)


def test_result_of_a_query(archive: DcmNode, tmp_path: Path, start: Start) -> None:
    """`dcm query a ... | dcm view -o page.html` fetches and shows it, and leaves only the page."""
    page, temporary = tmp_path / "page.html", tmp_path / "temporary"
    temporary.mkdir()
    query = start("query", str(archive), "PatientID=CLI1")
    command = start(
        "view", "-o", page, stdin=query.stdout, env={**os.environ, "TMPDIR": str(temporary)}
    )
    out, err = command.communicate(timeout=60)
    assert (out, err, command.returncode) == ("3 shown\n", "", 0)
    assert page.read_text().count("<figure>") == 3
    assert [*temporary.iterdir()] == []
