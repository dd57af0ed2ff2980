"""Reports of a run, made from its folder alone: the HTML page, JUnit XML, and terminal text."""

from pathlib import Path

from harness.report.load import Run, load


def write_reports(folder: Path) -> Run:
    """Write `report.html` and `junit.xml` into the run folder, and return the run that was read.

    Raises `ConfigError` if the folder has no readable run.
    """
    # Imported here: templates take a tenth of a second to load, and few processes write reports.
    from harness.report import html, junit  # noqa: PLC0415

    run = load(folder)
    html.write(run, folder / "report.html")
    junit.write(run, folder / "junit.xml")
    return run
