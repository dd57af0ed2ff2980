"""The recipes for continuous integration: their syntax, and the commands in them."""

import email
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.docker import ROOT, RUNNING, Docker, outcomes

from harness.plugin.selecting import read_profile

RECIPES = ROOT / "docs/recipes"


def _commands(recipe: str) -> list[str]:
    """Return the commands of a recipe, one per line."""
    if recipe == "github":
        job = _yaml("github.yml")["jobs"]["smoke"]
        return [step["run"] for step in job["steps"] if "run" in step]
    if recipe == "gitlab":
        job = _yaml("gitlab.yml")["dicom-smoke"]
        return [*job["before_script"], *job["script"]]
    return (RECIPES / "autopkgtest/dicom-smoke").read_text().splitlines()


def _yaml(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((RECIPES / name).read_text()))


@pytest.mark.parametrize(
    ("name", "events"),
    [("github.yml", {"push", "pull_request"}), ("compatibility.yml", {"push", "schedule"})],
)
def test_workflow_of_github_has_what_github_asks_for(name: str, events: set[str]) -> None:
    """Events, and jobs with a runner and steps that either run or use something."""
    flow = _yaml(name)

    assert set(flow[True]) == events  # YAML 1.1 parses `on` as a truth value
    for job in flow["jobs"].values():
        assert job["runs-on"] == "ubuntu-latest"
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])


def test_matrix_has_each_python_and_both_ends_of_the_packages() -> None:
    """From the first version that pyproject.toml allows to the last of its classifiers."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [
        each.rpartition(" ")[2] for each in project["classifiers"] if ":: Python :: 3." in each
    ]
    job = _yaml("compatibility.yml")["jobs"]["selftests"]
    matrix = job["strategy"]["matrix"]
    assert matrix["python"] == named
    assert project["requires-python"] == f">={named[0]}"
    assert matrix["packages"] == ["highest"]
    assert matrix["include"] == [{"python": named[0], "packages": "lowest-direct"}]
    [tests] = [step["run"] for step in job["steps"] if "pytest" in step.get("run", "")]
    assert [
        each for each in tests.split() if "selftest" in each and not (ROOT / each).is_dir()
    ] == []


def test_job_of_gitlab_has_what_gitlab_asks_for() -> None:
    """An image, a script, and the report in the run folder."""
    job = _yaml("gitlab.yml")["dicom-smoke"]

    assert job["image"] == "debian:bookworm"
    assert job["artifacts"]["reports"]["junit"] == "dicom-harness/runs/*/junit.xml"


def test_stanza_of_autopkgtest_names_its_test() -> None:
    """The file that `Tests` names exists and is executable, and the restrictions are known ones."""
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
    """They use an existing script of the checkout, in valid shell syntax."""
    commands = _commands(recipe)
    subprocess.run(["sh", "-n"], input="\n".join(commands), text=True, timeout=30, check=True)

    calls = [shlex.split(each) for each in commands if each.startswith("./run-")]
    assert len(calls) == 1
    assert (ROOT / calls[0][0]).is_file()
    assert calls[0][calls[0].index("--profile") + 1] == "smoke"


@pytest.mark.slow  # builds images
@pytest.mark.usefixtures("one_at_a_time")
def test_command_of_the_workflow_as_it_stands(images: Docker, tmp_path: Path) -> None:
    """The command for GitHub's runner is run here, except for the place of the run folder."""
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


def test_debian_folder_names_what_is_there() -> None:
    """The rules copy existing folders, and the autopkgtest stanza names an existing test."""
    folder = RECIPES / "debian"
    rules = (folder / "rules").read_text()
    (parts,) = (line.split("=")[1] for line in rules.splitlines() if line.startswith("PARTS ="))
    root = RECIPES.parents[1]
    assert [part for part in parts.split() if not (root / part).is_dir()] == []
    stanza = email.message_from_string((folder / "tests/control").read_text())
    assert os.access(folder / "tests" / stanza["Tests"], os.X_OK)
    assert os.access(folder / "rules", os.X_OK)
    source, package = (folder / "control").read_text().strip().split("\n\n")
    assert email.message_from_string(source)["Source"] == "dicom-harness"
    assert email.message_from_string(package)["Package"] == "dicom-harness"
