"""Reports of a case that pytest has left behind: it ran elsewhere, or a server was found dead after it."""

from typing import Any

import pytest


def log_report(item: pytest.Item, place: int, report: pytest.TestReport) -> None:
    """Log `report` of `item`, which stands at `place` of the collection.

    A worker of xdist sends a report with the place of the case that it runs, and checks that both agree.
    """
    runner = _runner(item.config)
    running = getattr(runner, "item_index", None)
    if runner is not None:
        runner.item_index = place
    try:
        item.ihook.pytest_runtest_logreport(report=report)
    finally:
        if running is not None:
            runner.item_index = running


def _runner(config: pytest.Config) -> Any:
    """Return what runs cases in a worker of xdist; its module is loaded under another name there."""
    plugins = config.pluginmanager.get_plugins()
    return next((each for each in plugins if type(each).__name__ == "WorkerInteractor"), None)
