"""Setup of all selftests: signals, slow tests, and the order of the files."""

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import trustme  # noqa: F401 - pytester unloads its tests' imports; `cryptography` cannot load twice

# A shell that runs the tests in the background makes them ignore Ctrl-C, `nohup` a closed terminal.
# Their children would inherit that, and could not be ended this way. A handler is not inherited.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda _number, _frame: None)

# The duration of an example means nothing on a busy computer.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")

LEFT_OUT = pytest.StashKey[int]()
WORKER_LEFT_OUT = "selftests_left_out"

LONGEST_FIRST = (
    "selftest/lies/test_lies.py",
    "selftest/docs/test_harness_commands.py",
    "selftest/docker/test_run_docker.py",
    "selftest/conformance/test_faults.py",
    "selftest/containers/test_contract.py",
    "selftest/docs/test_commands.py",
    "selftest/matrix/test_command.py",
    "selftest/containers/test_suites.py",
    "selftest/plugin/test_endings.py",
)
"""Slow files, the slowest first: with `--dist loadfile` no worker starts one at the end."""

MEMORY = Path("/dev/shm")  # noqa: S108


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Provide a folder; for tests that kill a writing process, not on a FUSE file system.

    fuse-overlayfs, on which some Docker installations keep containers, reports an input/output
    error for a file whose writer was killed, and does not support files without a name.
    """
    if request.node.get_closest_marker("kills") and file_system(tmp_path).startswith("fuse"):
        with tempfile.TemporaryDirectory(dir=MEMORY) as name:
            yield Path(name)
    else:
        yield tmp_path


def file_system(path: Path) -> str:
    """Return the type of the file system of a folder."""
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    over = [(where, kind) for where, kind in mounts if path.is_relative_to(where)]
    return max(over, key=lambda each: len(each[0]))[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option that `run-tests.sh --all` passes on."""
    parser.addoption("--all", action="store_true", help="run the slow selftests too")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the order of the files when they are distributed to workers."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect slow tests unless they are requested; put the slowest files first."""
    slow = [each for each in items if each.get_closest_marker("slow")]
    if slow and not config.option.all:
        config.hook.pytest_deselected(items=slow)
        items[:] = [each for each in items if each not in slow]
        config.stash[LEFT_OUT] = len(slow)
        if hasattr(config, "workeroutput"):
            config.workeroutput[WORKER_LEFT_OUT] = len(slow)
    place = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(place)))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Get the number of deselected tests from an xdist worker: each worker collects the same."""
    left_out = getattr(node, "workeroutput", {}).get(WORKER_LEFT_OUT)
    if left_out:
        node.config.stash[LEFT_OUT] = left_out


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the number of deselected tests."""
    left_out = config.stash.get(LEFT_OUT, 0)
    if left_out:
        terminalreporter.write_line(
            f"{left_out} slow selftests were left out: ./run-tests.sh --all runs them too"
        )
