"""The statements about layouts in `docs/layouts.md` are true, and its programs run."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from store.medium import FILES, make_medium

from dcm.conf import Configuration
from dcm.data.header import Header
from dcm.store.layout import DEFAULT, Layout, LayoutError

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "layouts.md").read_text()
ROWS = re.findall(r"^\| `(\{.*?)` \| `(.*?)` \|$", PAGE, re.MULTILINE)
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
HEADER = Header(
    "1.2.840.10008.1.2", 0, {},
    {
        0x00100020: (b"LO", b"4711"), 0x00080020: (b"DA", b"20240229"),
        0x00200011: (b"IS", b"7 "), 0x0008103E: (b"LO", b"T1 sag/cor"),
    },
)  # fmt: skip


def test_page_has_examples() -> None:
    """All of them are tested here."""
    assert (len(ROWS), len(PROGRAMS)) == (4, 2)


@pytest.mark.parametrize(("template", "path"), ROWS)
def test_layout_makes_the_path(template: str, path: str) -> None:
    """As the table shows."""
    assert Layout(template.replace("\\|", "|")).path(HEADER) == path


def test_error_is_as_shown() -> None:
    """With the position."""
    with pytest.raises(LayoutError) as caught:
        Layout("{PatintID}/{SOPInstanceUID}.dcm")
    assert "\n".join(f"    {line}" for line in str(caught.value).splitlines()) in PAGE


def test_configuration_can_be_used() -> None:
    """Unchanged."""
    [text] = re.findall(r"^    (\[local_dirs\..*?)\n\n", PAGE, re.DOTALL | re.MULTILINE)
    known = Configuration.parse(text.replace("\n    ", "\n"), "conf.toml")
    assert known.local_dirs["scans"].read_only


def test_programs(tmp_path: Path) -> None:
    """They print what the page says."""
    root = tmp_path / "medium"
    root.mkdir()
    make_medium(root)
    files = sorted(root.rglob("IM*"))
    (tmp_path / "image.dcm").write_bytes(files[0].read_bytes())
    with zipfile.ZipFile(tmp_path / "studies.zip", "w") as archive:
        for path in files:
            archive.write(path)
    shown = []
    for program in PROGRAMS:
        command = [sys.executable, "-W", "error", "-c", program]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        shown += done.stdout.splitlines()
    uid = FILES[r"DICOM\ST0\IM00"]
    assert shown[:2] == [f"NET/2024/{uid}.dcm", str(DEFAULT)]
    assert "1 patients | 1 studies | 2 series | 6 instances" in shown
    assert shown[-1] == "6 stored"
    assert len(list((tmp_path / "came").iterdir())) == 6
