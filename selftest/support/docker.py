"""`run-docker.sh` as users run it, and the state of the engine as the `docker` command shows it."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.report.load import Run, load

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "run-docker.sh"
HIDDEN = not all(each.stat().st_mode & 0o001 for each in (ROOT, *ROOT.parents))
"""The checkout is in a folder that other users cannot enter, for example root's home."""
BUILDING = 1500  # seconds: the first time, all packages come from the network
RUNNING = 300


@dataclass(frozen=True)
class Docker:
    """The engine, queried through its own command."""

    def ask(self, *arguments: str) -> str:
        """Run `docker ARGUMENTS` and return its output."""
        done = subprocess.run(
            ["docker", *arguments], capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.strip()

    def containers_of(self, process: int) -> list[str]:
        """Return the containers started by the run with this process number."""
        rows = self.ask(
            *("ps", "--all", "--no-trunc", "--filter", "label=org.dicom-harness.owner"),
            *("--format", '{{.ID}} {{.Label "org.dicom-harness.owner"}}'),
        ).splitlines()
        pairs = [row.split(" ", 1) for row in rows]
        return [each for each, owner in pairs if owner.startswith(f"{process}@")]

    def layers(self, image: str) -> list[str]:
        """Return the layers of an image, the lowest first."""
        shown = self.ask("image", "inspect", "--format", '{{join .RootFS.Layers " "}}', image)
        return shown.split()


def run_docker(
    *arguments: str | Path,
    limit: float = RUNNING,
    prefix: Sequence[str] = (),
    script: Path = SCRIPT,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Run the script from another folder, as users do."""
    return subprocess.run(
        [*prefix, str(script), *map(str, arguments)],
        cwd="/",
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )


def run_in(folder: Path) -> Run:
    """Read the latest run folder below `folder`."""
    return load(folder / "latest")


def outcomes(folder: Path) -> dict[str, str]:
    """Return the outcome of each case by id."""
    return {each.full_id: each.outcome for each in run_in(folder).cases}


def image_name(checkout: Path, release: str) -> str:
    """Return the name that the script gives the harness image of a checkout."""
    script = '. docker/engine.sh && . docker/images.sh && image_name "$1"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", release],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()
