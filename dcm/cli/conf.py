"""`dcm conf`: edit the configuration, or show it.

Without an option, opens $VISUAL or $EDITOR, and again until the file can be used. What is in use is replaced
only then.
"""

import os
import shlex
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from dcm.cli.logs import LOG
from dcm.cli.session import configuration_path
from dcm.cli.usage import UsageError
from dcm.conf import TEMPLATE, Configuration
from dcm.conf_table import ConfigurationError

_EDITORS: Final = ("sensible-editor", "nano", "vi")


def add_arguments(parser: ArgumentParser) -> None:
    """Say what to show instead of editing."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--path", action="store_true", help="print where the configuration is")
    group.add_argument("--show", action="store_true", help="print it")
    group.add_argument("--show-default", action="store_true", help="print the one to begin with")


def run(arguments: Namespace) -> int:
    """Print or edit."""
    path, _ = configuration_path(arguments)
    if arguments.path:
        print(path)
    elif arguments.show_default:
        print(TEMPLATE, end="")
    elif arguments.show:
        if not path.exists():
            raise UsageError(f"there is no {path} yet: `dcm conf` makes one")
        print(path.read_text(encoding="utf-8-sig"), end="")
    else:
        return _edit(path.resolve())
    return 0


def _edit(path: Path) -> int:
    """Edit a copy, and put it in place once it can be used."""
    editor = _editor()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.stem}.draft{path.suffix}")
    if path.exists():
        shutil.copy2(path, draft)
    else:
        draft.touch(mode=0o600)  # it may come to hold passwords
        draft.write_text(TEMPLATE, encoding="utf-8")
    while True:
        if status := subprocess.run([*editor, str(draft)], check=False).returncode:
            draft.unlink()
            LOG.error("%s ended with status %s: %s stays as it is", editor[0], status, path)
            return 1
        try:
            Configuration.read(draft)
        except ConfigurationError as error:
            LOG.error("%s", error)
            if not _again():
                LOG.error("%s stays as it is; what you wrote is in %s", path, draft)
                return 1
        else:
            draft.replace(path)
            return 0


def _editor() -> list[str]:
    """Give the editor that the user has chosen, else one that is here."""
    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    try:
        words = shlex.split(chosen or next(filter(shutil.which, _EDITORS), ""))
    except ValueError as error:
        raise UsageError(f"$EDITOR is {chosen!r}: {error}") from error
    if not words or shutil.which(words[0]) is None:
        named = f"the editor {words[0]} is not here" if words else "there is no editor here"
        raise UsageError(f"{named}: name one in $EDITOR")
    return words


def _again() -> bool:
    """Ask whether to go on, where there is somebody to ask."""
    if not sys.stdin.isatty():
        return False
    print("Edit again? [Y/n] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    return bool(answer) and not answer.strip().lower().startswith("n")
