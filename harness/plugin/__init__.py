"""The pytest plugin: options, selection, fixtures, outcomes, the run folder.

The process started by the user registers a `Controller`, which writes the run folder; each process
that runs cases registers a `Worker`, which manages the servers. Without xdist, one process does
both.

There is no entry point for the plugin: pytest would load it wherever the harness is installed.
`harness run` loads it with `-p harness.plugin`, and our suites with `pytest_plugins` in their
conftest.py.
PYTEST_DONT_REWRITE: this module has no assertions, and a conftest.py may import it before pytest
does.
"""

import os
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

if "harness.clients" not in sys.modules:  # already imported if no cases are run
    pytest.register_assert_rewrite("harness.clients")

from harness.errors import HarnessError
from harness.plugin import collector, options, selecting
from harness.plugin.controller import Controller
from harness.plugin.interrupt import Interruption
from harness.plugin.watched import watched_by_another
from harness.servers.guard import Guard

MARKERS = (
    "case(info): set by harness.case.case: the identity of the case",
    "needs(*needs): set by harness.case.needs: what the case needs",
    "configured(variant): set by harness.case.configured: the configuration of the remote",
    "shows(topic): set by Suite.case: a case whose result `harness probe` shows",
    "read_only: the case only reads from a server, and stores nothing",
    "thorough: set by harness.case.thorough: the case runs only with --all, or by name",
    "apart(suite): set by harness.case.apart: the case runs only with --suite",
)
WARNINGS = (
    "error",
    # Some cases deliberately use values that these libraries warn about.
    "ignore::UserWarning:pydicom",
    "ignore::UserWarning:pynetdicom",
    # Sockets that pynetdicom leaves open when its peer dies are closed during a later, unrelated
    # case.
    "ignore:unclosed <socket:ResourceWarning",
    # Figures are written to pytest's JUnit file as to ours, whether or not its schema allows them.
    "ignore:record_property is incompatible with junit_family:pytest.PytestWarning",
)
PYTEST_SUMMARY = "fE"  # the default of `-r`: a line for each failure and error at the end
ORDERS = "harness_orders"  # the key of the controller's PID and the run folder, sent to a worker
WRONG_USE = "harness_wrong_use"  # the key of the reason why a worker runs nothing
CONTROLLER = pytest.StashKey[Controller]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare options and ini settings."""
    options.add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Allow only one worker for an attached server: two would delete each other's objects.

    Temporary files of cases (`tmp_path`) go into a folder that is removed at the end of the run.
    pytest would keep those of the last three runs in /tmp, where they are not needed: evidence is
    in the run folder.
    """
    if config.option.basetemp is None and not hasattr(config, "workerinput"):
        config.option.basetemp = tempfile.mkdtemp(prefix="harness-")
        guard = Guard()  # removes it even if this process is killed
        guard.watch_folder(Path(config.option.basetemp))
        config.add_cleanup(guard.close)
    _take_cases(config)
    if getattr(config.option, "reportchars", None) == PYTEST_SUMMARY:
        config.option.reportchars = ""  # ours has each failure, and does not cut the reason
    attached = config.getoption("--server") or config.getoption("harness_config")
    if attached and getattr(config.option, "numprocesses", None):
        config.option.numprocesses = 0
        config.option.dist, config.option.tx = "no", []  # undo what xdist may have set already


def _take_cases(config: pytest.Config) -> None:
    """Take arguments that are not files as names of cases: `harness run --remote qrscp CFIND-014`."""
    names = [each for each in config.args if selecting.names_cases(each)]
    if names:
        config.args = [each for each in config.args if each not in names] or [
            str(config.invocation_params.dir)
        ]
        config.option.harness_cases = [*config.option.harness_cases, *names]


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and register the plugins for the role of this process."""
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
        # A process that only distributes cases does not import the libraries, and starts a second
        # earlier.
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
    """Send an xdist worker the process ID of its controller and the path of the run folder."""
    if CONTROLLER in node.config.stash:
        folder = node.config.stash[CONTROLLER].folder.path
        node.workerinput[ORDERS] = (os.getpid(), str(folder))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Receive the reason why an xdist worker ran nothing."""
    said = getattr(node, "workeroutput", {}).get(WRONG_USE)
    if said is not None and CONTROLLER in node.config.stash:
        node.config.stash[CONTROLLER].wrong_use = said


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    """Select the requested cases, add keywords for -k, and limit their time."""
    profile = config.getoption("harness_profile")
    config.stash[selecting.COLLECTED] = selecting.Collected.of(items)
    try:
        asked = [] if profile is None else selecting.read_profile(profile)
        asked += config.getoption("harness_cases")
        selecting.check(items, config.getini("harness_needs"))
        set_aside = (
            []
            if asked
            else selecting.set_aside(
                items,
                config.getoption("harness_suites"),
                everything=config.getoption("harness_all"),
            )
        )
        config.stash[selecting.COLLECTED].offered = len(items)
        left_out = set_aside + selecting.narrow(items, asked, config.getoption("harness_levels"))
    except HarnessError as error:
        output = getattr(config, "workeroutput", None)
        if output is None:
            raise pytest.UsageError(str(error)) from error
        output[WRONG_USE] = str(error)  # xdist makes an internal error of an exception in a worker
        items.clear()
        left_out = []
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    # The limit applies to the case itself; the harness has its own limits for its part.
    limit = config.getoption("--case-limit")
    for item, info in selecting.cases_of(items):
        item.extra_keyword_matches.update(selecting.names_of(item, info))
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(limit, method="signal", func_only=True))
    yield  # sort after every other plugin that sorts or shuffles
    selecting.put_longest_first(items)
