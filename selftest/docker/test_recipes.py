"""The recipes for continuous integration: their syntax, and what they call."""

import email
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.docker import ROOT, RUNNING, Docker, outcomes

from harness.plugin.selecting import read_profile

RECIPES = ROOT / "docs/recipes"


def _commands(recipe: str) -> list[str]:
    """Give the commands of a recipe, one a line."""
    if recipe == "github":
        job = _yaml("github.yml")["jobs"]["smoke"]
        return [step["run"] for step in job["steps"] if "run" in step]
    if recipe == "gitlab":
        job = _yaml("gitlab.yml")["dicom-smoke"]
        return [*job["before_script"], *job["script"]]
    return (RECIPES / "autopkgtest/dicom-smoke").read_text().splitlines()


def _yaml(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((RECIPES / name).read_text()))


def test_workflow_of_github_has_what_github_asks_for() -> None:
    """Events, and jobs with a runner and steps that either run or use something."""
    flow = _yaml("github.yml")

    assert set(flow[True]) == {"push", "pull_request"}  # YAML 1.1 takes `on` for a truth value
    for job in flow["jobs"].values():
        assert job["runs-on"] == "ubuntu-latest"
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])


def test_job_of_gitlab_has_what_gitlab_asks_for() -> None:
    """An image, a script, and a report where the run folder is."""
    job = _yaml("gitlab.yml")["dicom-smoke"]

    assert job["image"] == "debian:bookworm"
    assert job["artifacts"]["reports"]["junit"] == "dicom-harness/runs/*/junit.xml"


def test_stanza_of_autopkgtest_names_its_test() -> None:
    """The file that `Tests` names is there and can be run, and the restrictions are known ones."""
    stanza = email.message_from_string((RECIPES / "autopkgtest/control").read_text())

    script = RECIPES / "autopkgtest" / stanza["Tests"]
    assert script.stat().st_mode & 0o111
    assert {*re.split(r",\s*", stanza["Restrictions"])} <= {
        "allow-stderr",
        "needs-internet",
        "skip-not-installable",
    }
    assert "orthanc" in re.split(r",\s*", stanza["Depends"])


@pytest.mark.parametrize("recipe", ["github", "gitlab", "autopkgtest"])
def test_recipes_run_the_smoke_profile(recipe: str) -> None:
    """By a script of the checkout that is there, in the shell's own grammar."""
    commands = _commands(recipe)
    subprocess.run(["sh", "-n"], input="\n".join(commands), text=True, timeout=30, check=True)

    calls = [shlex.split(each) for each in commands if each.startswith("./run-")]
    assert len(calls) == 1
    assert (ROOT / calls[0][0]).is_file()
    assert calls[0][calls[0].index("--profile") + 1] == "smoke"


@pytest.mark.slow  # images are built
@pytest.mark.usefixtures("one_at_a_time")
def test_command_of_the_workflow_as_it_stands(images: Docker, tmp_path: Path) -> None:
    """What GitHub's runner is told to do is done here, but for the place of the run folder."""
    command = next(each for each in _commands("github") if each.startswith("./run-"))
    command = command.replace("${{ matrix.release }}", "bookworm")

    done = subprocess.run(
        ["sh", "-c", f'{command} --runs "$1"', "sh", str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUNNING,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert {key.partition("-")[0] for key in outcomes(tmp_path)} == {
        each.partition("-")[0] for each in read_profile("smoke")
    }
