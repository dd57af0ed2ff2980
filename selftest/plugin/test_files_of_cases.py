"""`harness run CASE` imports only the files that may contain the case."""

from pathlib import Path

import pytest

from harness.cli.run import files_that_name
from harness.suites import suites_folder


@pytest.mark.parametrize(
    ("asked", "files"),
    [
        (["CFIND-014"], ["query/test_find_matching.py"]),
        (["CFIND-026-c01"], ["query/test_find.py"]),
        (["Orthanc.test_findscu_counters"], ["query/test_find_orthanc.py"]),
        (
            ["CECHO-001", "CWEB-007"],
            ["association/test_echo.py", "dicomweb/test_web_media_types.py"],
        ),
    ],
    ids=["id", "with parameters", "covered", "two"],
)
def test_a_name_leads_to_its_files(asked: list[str], files: list[str]) -> None:
    """Ids, names of tests and what they cover are found in the files."""
    assert [
        str(Path(each).relative_to(suites_folder())) for each in files_that_name(asked)
    ] == files


@pytest.mark.parametrize(
    "asked", [[], ["CFIND-*"], ["CECHO-001", "CNONE-001"]], ids=["none", "pattern", "unknown"]
)
def test_what_is_not_found_so_is_looked_for_everywhere(asked: list[str]) -> None:
    """Patterns and near names need pytest, so all files are searched."""
    assert files_that_name(asked) == [str(suites_folder())]
