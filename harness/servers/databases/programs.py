"""Runs the programs of a database server: as an ordinary user, without our environment.

PostgreSQL and MariaDB refuse to run as root. If the harness does, they run as `nobody`.
"""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import ServerError
from harness.servers.guard import Guard

TIME_LIMIT = 60.0  # seconds


def user() -> pwd.struct_passwd | None:
    """Return the user that a database runs as, or None if that is the user of this process."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def as_user() -> dict[str, Any]:
    """Return the options of `subprocess` that run a program as that user."""
    owner = user()
    if owner is None:
        return {}
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


def new_folder(name: str, guard: Guard) -> Path:
    """Create a temporary folder that only the user of the databases may access.

    Raises ServerError if that user could not reach it.
    """
    place = Path(tempfile.gettempdir())
    require_reachable(place / "harness", "change its mode, or set TMPDIR to another folder")
    folder = Path(tempfile.mkdtemp(prefix=f"harness-{name}-", dir=place))
    guard.watch_folder(folder)
    hand_over(folder)
    return folder


def hand_over(path: Path) -> None:
    """Make the user of the databases own a file or folder."""
    owner = user()
    if owner is not None:
        os.chown(path, owner.pw_uid, owner.pw_gid)


def write_secret(file: Path, text: str) -> None:
    """Write a file that only the user of the databases may read."""
    file.touch(mode=0o600)
    file.write_text(text)
    hand_over(file)


def require_reachable(path: Path, advice: str) -> None:
    """Raise ServerError with `advice` if the user of the databases cannot reach `path`.

    That user must be allowed to enter each folder above it.
    """
    other = user()
    if other is None:
        return
    for folder in path.parents:
        about = folder.stat()
        if about.st_uid != other.pw_uid and not about.st_mode & 0o001:
            raise ServerError(
                f"{path} cannot be accessed by the user {other.pw_name}, as which root runs databases, "
                f"because {folder} is closed to others: {advice}"
            )


def run_program(
    command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, given: str = ""
) -> str:
    """Run a program to its end as the user of the databases, and return its output.

    Raises ServerError with the last lines of its output if it fails. It does not inherit our
    environment, since there are variables for everything that a connection needs.
    """
    name = Path(command[0]).name
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command,
            input=given,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", **(environment or {})},
            **as_user(),
        )
    except OSError as error:
        raise ServerError(f"{command[0]} cannot be run: {error}") from error
    except subprocess.TimeoutExpired:
        raise ServerError(f"{name} did not finish within {TIME_LIMIT:g} s") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise ServerError(f"{name} failed with exit code {done.returncode}: {' | '.join(said)}")
    return done.stdout
