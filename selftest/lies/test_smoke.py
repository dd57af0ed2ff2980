"""The smoke profile: a few cases that notice what all cases together notice."""

import fnmatch
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.liar import group

from harness.errors import ConfigError
from harness.plugin.selecting import read_profile

ROOT = Path(__file__).resolve().parents[2]
GROUPS = sorted(
    path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if "test" not in path.stem
)


@pytest.mark.parametrize("name", [each for each in GROUPS if group(f"lies.{each}").smoke])
def test_each_lie_is_noticed_by_the_smoke_profile(name: str) -> None:
    """Each lie is noticed by a case of the profile; a new lie needs one, too."""
    chosen = read_profile("smoke")

    unseen = {
        lie.name
        for lie in group(f"lies.{name}").lies
        if not any(
            fnmatch.fnmatchcase(case.partition("[")[0], each)
            for case in lie.fails
            for each in chosen
        )
    }
    assert unseen == set()


def test_unknown_profile_is_told_with_those_there_are() -> None:
    """A misspelled profile is reported with the existing ones."""
    with pytest.raises(ConfigError, match="--profile smoky; choose from robustness, smoke"):
        read_profile("smoky")


def test_the_profile_selects_its_cases_and_no_others() -> None:
    """Each line names an existing case."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", "cases", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    everything = {each["id"] for each in json.loads(done.stdout)}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests", "--profile=smoke", "--collect-only", "-q"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    assert set(read_profile("smoke")) <= everything
    collected = [line for line in done.stdout.splitlines() if "::" in line]
    assert len(read_profile("smoke")) <= len(collected) < 200
