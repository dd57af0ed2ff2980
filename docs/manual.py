"""Manual pages and shell completion of `dcm` or `harness`, made of its parsers.

    python docs/manual.py PROGRAM FOLDER

FOLDER is laid out as /usr/share: man/man1, bash-completion/completions, zsh/site-functions and
fish/vendor_completions.d. The same source gives the same bytes: the date of the pages is SOURCE_DATE_EPOCH,
if it is set, and the width of the terminal makes no difference.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Final

import shtab
from argparse_manpage.manpage import Manpage

import dcm.cli
import harness.cli
from dcm import __version__
from dcm.cli.options import command_parser
from harness.cli import run_help

FILES: Final = frozenset({
    "dest", "file", "journal", "left", "page", "path", "remote", "right", "run", "server", "source", "spec",
    "target",
})  # fmt: skip
"""What the names of arguments are called that may be a file or a folder."""
FOLDERS: Final = frozenset(["dir", "folder"])
MACROS: Final = (".B ", ".RE", ".RS", ".SH", ".SS", ".TH ", ".TP")
"""What begins a line of a page that is not text."""
COMPLETIONS: Final = {
    "bash": "bash-completion/completions/{}",
    "zsh": "zsh/site-functions/_{}",
    "fish": "fish/vendor_completions.d/{}.fish",
}
"""Where each shell looks for the completion of a program."""


@dataclass(frozen=True)
class Program:
    """A program with commands."""

    name: str
    about: str
    commands: Mapping[str, str]
    parser_of: Callable[[str], argparse.ArgumentParser]
    passes_on: tuple[str, ...] = ()
    """Commands that take the options of `run` besides their own."""

    def whole(self) -> argparse.ArgumentParser:
        """Return a parser of all commands, for completion. The programs make none: that would be slow."""
        of_it = (
            f"`{self.name} COMMAND --help` explains a command, and so does {self.name}-COMMAND(1)."
        )
        parser = argparse.ArgumentParser(self.name, description=of_it)
        commands = parser.add_subparsers(metavar="COMMAND")
        for name, does in self.commands.items():
            parents = [self.parser_of(name)]
            if name in self.passes_on:
                parents.insert(0, self.parser_of("run"))
            commands.add_parser(name, help=does, parents=parents, conflict_handler="resolve")
        return parser


def of_dcm(name: str) -> argparse.ArgumentParser:
    """Return the parser of a command of dcm."""
    module = import_module(f"dcm.cli.{name}")
    parser = command_parser(name, module.__doc__ or "")
    module.add_arguments(parser)
    return parser


def of_harness(name: str) -> argparse.ArgumentParser:
    """Return the parser of a command of the harness; of `run`, what is not pytest's alone."""
    module = run_help if name == "run" else import_module(f"harness.cli.{name}")
    parser: argparse.ArgumentParser = module.make_parser()
    return parser


PROGRAMS: Final = {
    "dcm": Program(
        "dcm", "query, send, retrieve and receive DICOM objects", dcm.cli.COMMANDS, of_dcm
    ),
    "harness": Program(
        "harness",
        "integration tests for DICOM servers",
        harness.cli.COMMANDS,
        of_harness,
        passes_on=("matrix", "probe", "replay"),
    ),
}


def page(parser: argparse.ArgumentParser, name: str, does: str) -> str:
    """Return a manual page."""
    command, parser.prog = parser.prog, name
    # Attributes that Manpage looks for.
    vars(parser).update(man_short_description=does, version=__version__)
    program = command.partition(" ")[0]
    text = str(Manpage(parser, format="pretty"))
    text = text.replace("Generated Python Manual", f"{program} manual", 1)
    # The synopsis begins with the name of the page, or with the program if the parser has a usage of its own.
    named, rest = name.replace("-", "\\-"), command.removeprefix(program).lstrip()
    for found in (f".B {named}\n", f".B {program}\n{rest} "):
        text = text.replace(found, f".B {command}\n", 1)
    text = text.replace(f"\\fB{named}\\fR ", f"\\fB{command}\\fR ").replace(
        f"'{named} ", f"'{command} "
    )
    text = text.replace(".SH\nPOSITIONAL ARGUMENTS\n", ".SH\nCOMMANDS\n")
    return "".join(_as_meant(text.splitlines()))


def _as_meant(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a page: text is not taken for a macro, and what is indented is not filled."""
    for indented, some in groupby(lines, lambda each: each.startswith(" ")):
        if indented:
            yield "\n".join([".nf", *some, ".fi", ""])
        else:
            for line in some:
                text = line.startswith((".", "'")) and not line.startswith(MACROS)
                yield f"\\&{line}\n" if text else f"{line}\n"


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the completion of a program for a shell: commands, options, their values, and files."""
    _mark_files(parser)
    return shtab.complete(parser, shell) + "\n"


def _mark_files(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:  # noqa: SLF001
        named = str(action.metavar or action.dest).lower()
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                _mark_files(command)
        elif action.nargs != 0 and not action.choices and named in FILES | FOLDERS:
            vars(action)["complete"] = shtab.DIRECTORY if named in FOLDERS else shtab.FILE


def main(program: Program, folder: Path) -> None:
    """Write everything."""
    os.environ["TZ"] = "UTC"  # the date of SOURCE_DATE_EPOCH is local time otherwise
    time.tzset()
    os.environ["COLUMNS"] = "10000"  # what argparse breaks into lines would not be filled again
    name = program.name
    files = {
        where.format(name): completion(program.whole(), shell)
        for shell, where in COMPLETIONS.items()
    }
    files[f"man/man1/{name}.1"] = page(program.whole(), name, program.about)
    for command, does in program.commands.items():
        text = page(program.parser_of(command), f"{name}-{command}", does)
        files[f"man/man1/{name}-{command}.1"] = text
    for place, text in files.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main(PROGRAMS[sys.argv[1]], Path(sys.argv[2]))
