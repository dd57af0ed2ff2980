"""The pytest plugin: options, selection, fixtures, outcomes, the run folder.

The process that the user starts registers a `Controller`, which writes the run folder; each process that
runs cases registers a `Worker`, which has the servers. Without xdist one process is both.

No entry point names the plugin: pytest would load it wherever the harness is installed. `harness run` asks
for it by `-p harness.plugin`, our suites by `pytest_plugins` in their conftest.py.
PYTEST_DONT_REWRITE: this module has no assertions, and a conftest.py may import it before pytest does.
"""

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

if "harness.clients" not in sys.modules:  # it may be, where no cases are run
    pytest.register_assert_rewrite("harness.clients")

from harness.errors import HarnessError
from harness.plugin import collector, options, selecting
from harness.plugin.controller import Controller
from harness.plugin.interrupt import Interruption
from harness.plugin.watched import watched_by_another

MARKERS = (
    "case(info): made by harness.case.case: who the case is",
    "needs(*needs): made by harness.case.needs: what it needs",
    "configured(variant): made by harness.case.configured: how the remote is set up",
    "shows(topic): made by Suite.case: what `harness probe` shows is of these cases",
    "read_only: the case asks a server, and stores nothing in it",
)
WARNINGS = (
    "error",
    # Values that a library of the standard finds odd are what some cases are about.
    "ignore::UserWarning:pydicom",
    "ignore::UserWarning:pynetdicom",
    # What pynetdicom leaves open when its peer dies is closed some cases later, none of which is to blame.
    "ignore:unclosed <socket:ResourceWarning",
    # Figures go into JUnit's file of pytest as they go into ours, whatever its schema says of them.
    "ignore:record_property is incompatible with junit_family:pytest.PytestWarning",
)
ORDERS = "harness_orders"  # the key under which a worker is told whose it is, and the run folder
WRONG_USE = "harness_wrong_use"  # the key under which a worker says why it runs nothing
CONTROLLER = pytest.StashKey[Controller]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare options and ini settings."""
    options.add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Keep an attached server to one worker: two would empty it under each other's hands."""
    attached = config.getoption("--server") or config.getoption("harness_config")
    if attached and getattr(config.option, "numprocesses", None):
        config.option.numprocesses = 0
        config.option.dist, config.option.tx = "no", []  # what xdist may have made of it already


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and register what this process is to do."""
    for line in MARKERS:
        config.addinivalue_line("markers", line)
    plugins = config.pluginmanager
    for line in WARNINGS:
        config.addinivalue_line("filterwarnings", line)
    plugins.register(collector, "harness-collector")
    try:
        asked = options.read_options(config)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from error
    worker_input = getattr(config, "workerinput", None)
    distributes = bool(getattr(config.option, "numprocesses", None)) and worker_input is None
    if not distributes or config.option.collectonly:
        # A process that only distributes cases is spared the libraries, and begins a second earlier.
        from harness.plugin import fixtures  # noqa: PLC0415

        plugins.register(fixtures, "harness-fixtures")
    if worker_input is not None:
        from harness.plugin import beside  # noqa: PLC0415

        parent, folder = worker_input[ORDERS]
        beside.end_with_parent(parent)
        beside.register(config, asked, Path(folder))
    elif not config.option.collectonly:
        controller = Controller(config, asked)
        config.stash[CONTROLLER] = controller
        plugins.register(controller, "harness-controller")
        if not distributes:
            plugins.register(Interruption(), "harness-interruption")
        watched = watched_by_another(controller)
        if watched is not None:
            plugins.register(watched, "harness-watched")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist whose it is, and where the run folder is."""
    if CONTROLLER in node.config.stash:
        folder = node.config.stash[CONTROLLER].folder.path
        node.workerinput[ORDERS] = (os.getpid(), str(folder))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear from a worker of xdist why it ran nothing."""
    said = getattr(node, "workeroutput", {}).get(WRONG_USE)
    if said is not None and CONTROLLER in node.config.stash:
        node.config.stash[CONTROLLER].wrong_use = said


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    """Select the asked cases, let -k find them by what they cover, and limit their time."""
    config.stash[selecting.COLLECTED] = len(items)
    profile = config.getoption("harness_profile")
    try:
        asked = [] if profile is None else selecting.read_profile(profile)
        left_out = selecting.narrow(
            items,
            [*asked, *config.getoption("harness_cases")],
            config.getoption("harness_levels"),
            config.getini("harness_needs"),
        )
    except HarnessError as error:
        output = getattr(config, "workeroutput", None)
        if output is None:
            raise pytest.UsageError(str(error)) from error
        output[WRONG_USE] = str(error)  # of an exception in a worker xdist makes an internal error
        items.clear()
        left_out = []
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    # The limit is for the case itself: what the harness does around it has limits of its own.
    limit = config.getoption("--case-limit")
    for item, info in selecting.cases_of(items):
        item.extra_keyword_matches.update(selecting.names_of(item, info))
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(limit, method="signal", func_only=True))
    yield  # whatever else sorts or shuffles them
    selecting.put_longest_first(items)
