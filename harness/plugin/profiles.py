"""Profiles: named selections of cases, each in one file of the suites."""

from pathlib import Path

from harness.errors import ConfigError
from harness.suites import suites_folder


def read_profile(name: str, folder: Path | None = None) -> tuple[str, ...]:
    """Return the ids and patterns of a profile. Raises ConfigError where there is no such profile."""
    profiles = folder or suites_folder() / "profiles"
    try:
        lines = (profiles / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    except OSError:
        known = ", ".join(sorted(each.stem for each in profiles.glob("*.txt")))
        raise ConfigError(f"--profile {name}: there is none of this name, only {known}") from None
    words = (line.partition("#")[0].strip() for line in lines)
    return tuple(word for word in words if word)
