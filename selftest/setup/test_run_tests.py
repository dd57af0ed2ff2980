"""`run-tests.sh` and `.ci/run`: every step runs, and none hides another's failure."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Checkout

ROOT = Path(__file__).parents[2]
STEPS = ["format", "lint", "types", "shell", "selftests", "suites"]


def _table(output: str) -> dict[str, str]:
    """Read the lines `step  outcome  seconds` at the end of the output."""
    rows = (re.fullmatch(r"  (\w+) +(ok|FAILED) +\d+ s", line) for line in output.splitlines())
    return {row[1]: row[2] for row in rows if row}


@pytest.mark.parametrize("script", ["run-tests.sh", ".ci/run"])
def test_all_steps_run_in_order(ready: "Checkout", script: str) -> None:
    """The table names each step, and the run succeeds if all do."""
    done = ready.run(script)

    assert done.returncode == 0
    assert _table(done.stdout) == dict.fromkeys(STEPS, "ok")
    assert [
        call.split()[0] for call in ready.calls("environment-python", "shellcheck", "harness")
    ] == [
        "environment-python",
        "environment-python",
        "environment-python",
        "shellcheck",
        "environment-python",
        "harness",
    ]


@pytest.mark.parametrize(
    ("pattern", "step"),
    [
        ("*'ruff format'*", "format"),
        ("*'ruff check'*", "lint"),
        ("*mypy*", "types"),
        ("*pytest*", "selftests"),
    ],
)
def test_one_failing_step_fails_the_run_at_its_end(
    ready: "Checkout", pattern: str, step: str
) -> None:
    """A failed step is named, and the later ones still run."""
    ready.stand_in("environment-python", f'case "$*" in {pattern}) exit 1 ;; esac')

    done = ready.run("run-tests.sh")

    assert done.returncode == 1
    assert _table(done.stdout) == dict.fromkeys(STEPS, "ok") | {step: "FAILED"}


def test_failing_suites_fail_the_run(ready: "Checkout") -> None:
    """A failure of the suites counts like that of any step."""
    done = ready.run("run-tests.sh", VERDICT="1")

    assert done.returncode == 1
    assert _table(done.stdout) == dict.fromkeys(STEPS, "ok") | {"suites": "FAILED"}


@pytest.mark.skipif(Path("/usr/sbin/Orthanc").exists(), reason="this computer has an Orthanc")
def test_suites_without_orthanc_do_not_pass(ready: "Checkout") -> None:
    """Suites that ran against the embedded server are not a test of Orthanc."""
    shutil.rmtree(ready.root / ".orthanc")
    ready.stand_in("apt-get", "exit 100")

    done = ready.run("run-tests.sh")

    assert done.returncode == 1
    assert _table(done.stdout)["suites"] == "FAILED"


def test_arguments_are_for_the_selftests_alone(ready: "Checkout") -> None:
    """`--all` and `-k relay` apply to the selftests; all suites run."""
    ready.run("run-tests.sh", "--all", "-k", "relay")

    assert ready.calls("environment-python")[-1].endswith(
        "-m pytest selftest -n 3 --dist loadfile --all -k relay"
    )
    assert ready.calls("harness") == ["harness run"]


def test_the_real_scripts_are_clean() -> None:
    """The shell linter finds nothing in them and in the files that they source."""
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    scripts = ["run-local.sh", "run-tests.sh", ".ci/run"]
    checked = subprocess.run(
        [shellcheck, "--external-sources", "--check-sourced", *scripts],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
