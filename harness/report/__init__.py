"""Reports of a run, made from its folder only: the page, JUnit, and the text for the terminal."""

from pathlib import Path

from harness.report.load import Run, load


def write_reports(folder: Path) -> Run:
    """Write `report.html` and `junit.xml` into the run folder, and return the run that was read.

    Raises `ConfigError` if the folder holds no run that can be read.
    """
    # Imported here, since most processes read reports at most: templates cost a tenth of a second.
    from harness.report import html, junit  # noqa: PLC0415

    run = load(folder)
    html.write(run, folder / "report.html")
    junit.write(run, folder / "junit.xml")
    return run
