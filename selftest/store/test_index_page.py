"""The program in the section on folders of `docs/dcm.md` is complete, and prints what is shown."""

import re
import subprocess
import sys
from pathlib import Path

from net.files import make

ROOT = Path(__file__).resolve().parents[2]


def test_program_of_the_page(tmp_path: Path) -> None:
    """It stores, queries and copies."""
    page = (ROOT / "docs/dcm.md").read_text()
    section = page.partition("## Folders: `dcm index`\n")[2].partition("\n## ")[0]
    [program] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (tmp_path / "scans").mkdir()
    make(tmp_path / "scans", 1).rename(tmp_path / "scans/1.dcm")
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["1 stored", "1.2.3.4.1 1", "1 stored"]
    assert len(list((tmp_path / "copy").glob("*.dcm"))) == 1
