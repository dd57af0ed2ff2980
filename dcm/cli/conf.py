"""`dcm conf`: edit or show the configuration.

Without options, opens a copy in $VISUAL or $EDITOR. The configuration is replaced only if the edited copy is
valid; otherwise you are asked whether to edit again. If not, the copy is kept, and edited further next time.
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
    """Add the options that print something instead of editing."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--path", action="store_true", help="print the path of the configuration")
    group.add_argument("--show", action="store_true", help="print the configuration")
    group.add_argument(
        "--show-default", action="store_true", help="print the configuration to start with"
    )


def run(arguments: Namespace) -> int:
    """Print or edit."""
    path = Path(configuration_path(arguments)[0])
    if arguments.path:
        print(path)
    elif arguments.show_default:
        print(TEMPLATE, end="")
    elif arguments.show:
        if not path.exists():
            raise UsageError(f"{path} does not exist yet: run `dcm conf` to create it")
        print(path.read_text(encoding="utf-8-sig"), end="")
    else:
        return _edit(path.resolve())
    return 0


def _edit(path: Path) -> int:
    """Edit a copy, and replace the configuration by it once it is valid.

    A draft kept by an earlier command is edited further; it is removed only when it replaces the
    configuration.
    """
    editor = _editor()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.stem}.draft{path.suffix}")
    kept = draft.exists()
    if kept:
        LOG.warning("continuing with the kept draft %s; remove it to start again", draft)
    elif path.exists():
        shutil.copy2(path, draft)
    else:
        draft.touch(mode=0o600)  # it may contain passwords
        draft.write_text(TEMPLATE, encoding="utf-8")
    while True:
        if status := subprocess.run([*editor, str(draft)], check=False).returncode:
            LOG.error("%s exited with status %s: %s is unchanged", editor[0], status, path)
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
                LOG.error("%s is unchanged; your draft is in %s", path, draft)
                return 1
            kept = True
        else:
            draft.replace(path)
            return 0


def _editor() -> list[str]:
    """Return the command of the user's editor, or of one that is installed."""
    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    try:
        words = shlex.split(chosen or next(filter(shutil.which, _EDITORS), ""))
    except ValueError as error:
        raise UsageError(f"$EDITOR is {chosen!r}: {error}") from error
    if not words or shutil.which(words[0]) is None:
        named = f"the editor {words[0]} is not installed" if words else "no editor is installed"
        raise UsageError(f"{named}: set $EDITOR")
    return words


def _again() -> bool:
    """Ask whether to edit again; without a terminal, do not."""
    if not sys.stdin.isatty():
        return False
    print("Edit again? [Y/n] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    return bool(answer) and not answer.strip().lower().startswith("n")
