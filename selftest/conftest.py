"""What holds for all selftests: signals, what is left out unless asked for, and the order of the files."""

import signal
from typing import Any

import hypothesis
import pytest

# A shell that runs the tests in the background lets them ignore Ctrl-C, `nohup` the end of a terminal.
# What they start would ignore it too, and could not be ended so. A handler is not inherited.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda _number, _frame: None)

# How long an example takes says nothing on a computer that does much else.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")

LEFT_OUT = pytest.StashKey[int]()
WORKER_LEFT_OUT = "selftests_left_out"

LONGEST_FIRST = (
    "selftest/lies/test_lies.py",
    "selftest/docker/test_run_docker.py",
    "selftest/conformance/test_faults.py",
    "selftest/containers/test_contract.py",
    "selftest/matrix/test_command.py",
    "selftest/containers/test_suites.py",
    "selftest/plugin/test_endings.py",
)
"""Files that take long, the longest first: with `--dist loadfile` no worker begins one at the end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option that `run-tests.sh --all` passes on."""
    parser.addoption("--all", action="store_true", help="run the slow selftests too")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the order of the files when they are distributed to workers."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is slow, unless it is asked for; put the files that take long first."""
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
    """Hear from a worker of xdist what it left out: each worker collects the same."""
    left_out = getattr(node, "workeroutput", {}).get(WORKER_LEFT_OUT)
    if left_out:
        node.config.stash[LEFT_OUT] = left_out


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how much was left out."""
    left_out = config.stash.get(LEFT_OUT, 0)
    if left_out:
        terminalreporter.write_line(
            f"{left_out} slow selftests were left out: ./run-tests.sh --all runs them too"
        )
