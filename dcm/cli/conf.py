"""`dcm conf`: edit the configuration, or show it.

Without an option, opens $VISUAL or $EDITOR, and again until the file is valid. Only then is the configuration
replaced; a draft that you leave is kept, and edited further the next time.
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
    """Add the options that show something instead of editing."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--path", action="store_true", help="print where the configuration is")
    group.add_argument("--show", action="store_true", help="print it")
    group.add_argument("--show-default", action="store_true", help="print the one to begin with")


def run(arguments: Namespace) -> int:
    """Print or edit."""
    path = Path(configuration_path(arguments)[0])
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
    """Edit a copy, and put it in place once it can be used.

    A draft that an earlier command has kept is edited further, and is only removed when it is put in place.
    """
    editor = _editor()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.stem}.draft{path.suffix}")
    kept = draft.exists()
    if kept:
        LOG.warning("going on with %s, which was kept; remove it to begin anew", draft)
    elif path.exists():
        shutil.copy2(path, draft)
    else:
        draft.touch(mode=0o600)  # it may come to hold passwords
        draft.write_text(TEMPLATE, encoding="utf-8")
    while True:
        if status := subprocess.run([*editor, str(draft)], check=False).returncode:
            LOG.error("%s ended with status %s: %s stays as it is", editor[0], status, path)
            if kept:
                LOG.error("the draft %s is kept", draft)
            else:
                draft.unlink()
            return 1
        try:
            Configuration.read(str(draft))
        except ConfigurationError as error:
            LOG.error("%s", error)
            if not _again():
                LOG.error("%s stays as it is; what you wrote is in %s", path, draft)
                return 1
            kept = True
        else:
            draft.replace(path)
            return 0


def _editor() -> list[str]:
    """Return the words of the user's editor, else of one that is installed."""
    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    try:
        words = shlex.split(chosen or next(filter(shutil.which, _EDITORS), ""))
    except ValueError as error:
        raise UsageError(f"$EDITOR is {chosen!r}: {error}") from error
    if not words or shutil.which(words[0]) is None:
        named = f"the editor {words[0]} is not installed" if words else "no editor is installed"
        raise UsageError(f"{named}: name one in $EDITOR")
    return words


def _again() -> bool:
    """Ask whether to edit again; not without a terminal."""
    if not sys.stdin.isatty():
        return False
    print("Edit again? [Y/n] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    return bool(answer) and not answer.strip().lower().startswith("n")
