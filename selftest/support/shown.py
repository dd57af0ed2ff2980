"""The commands that the documentation shows: found in its pages, checked against the parsers."""

import argparse
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from dcm.net import DcmNode

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "dcm/README.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md") if path.stem != "reference"),
)  # fmt: skip

CONFIGURATION = "dcm.toml"

_OURS = re.compile(
    r"(?:\$ )?((?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?"
    r"(?:dcm|harness|\./(?:run|build|try)[-a-z]*\.sh|\./generate_config\.py|python3?|pytest)(?: .*)?)"
)
_EMBEDDED = re.compile(r"(?:ExecStart=\S*/|\* \* \*  )(dcm .*)")
_INLINE = re.compile(r"`((?:dcm|harness) [a-z][^`]*)`")
_REMARK = re.compile(r"(?:\s{3,}(?!-)|\s+# ).*")
_SYNOPSIS = re.compile(r"(?:^|\s)(?:\[|\.\.\.)|…")


@dataclass(frozen=True)
class Shown:
    """A command of this project as a page shows it."""

    page: str
    line: int
    text: str
    prints: bool = False
    """Whether its output follows; another test compares that."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_synopsis(self) -> bool:
        """Whether it shows only the form, with brackets or dots as placeholders."""
        return _SYNOPSIS.search(self.text) is not None

    @property
    def parts(self) -> list[list[str]]:
        """The words of each command of a pipe, without environment settings."""
        commands: list[list[str]] = [[]]
        for word in shlex.split(self.text):
            if word == "|":
                commands.append([])
            elif commands[-1] or not re.match(r"[A-Z_]+=", word):
                commands[-1].append(word)
        return commands


@cache
def blocks() -> tuple[Shown, ...]:
    """Find the commands on lines of their own."""
    return tuple(each for page in PAGES for each in _of_page(page))


def _of_page(page: str) -> Iterator[Shown]:
    language = None
    lines = (ROOT / page).read_text().splitlines()
    for number, line in enumerate(lines, 1):
        if line.startswith("```"):
            language = line[3:] if language is None else None
        elif (language is None and line.startswith("    ")) or language in ("ini", "dockerfile"):
            indented = line.strip()
            found = _OURS.fullmatch(indented) or _EMBEDDED.search(indented)
            if found:
                text = _REMARK.sub("", found[1])
                yield Shown(page, number, text, prints=indented.startswith("$ "))


@cache
def inline() -> tuple[Shown, ...]:
    """Find the commands in sentences and tables."""
    return tuple(
        Shown(page, number, found.replace("\\|", "|"))
        for page in PAGES
        for number, line in enumerate((ROOT / page).read_text().splitlines(), 1)
        for found in _INLINE.findall(line)
    )


@cache
def options() -> tuple[Shown, ...]:
    """Find the options in sentences and tables, with or without a command."""
    return tuple(
        Shown(page, number, option)
        for page in PAGES
        for number, line in enumerate((ROOT / page).read_text().splitlines(), 1)
        for quoted in re.findall(r"`([^`]+)`", line)
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", quoted)
    )


@cache
def known_options() -> set[str]:
    """Return every option of every command of this project."""
    parsers = [
        program.parser_of(command)
        for program in _manual().PROGRAMS.values()
        for command in program.commands
    ]
    return set().union(*map(_known, parsers))


def troubles(words: Sequence[str], *, whole: bool) -> list[str]:
    """Describe what is wrong with a command: its options, and all of its words if it is `whole`."""
    program, *rest = words
    name = Path(program).name
    if name in ("dcm", "harness"):
        return _of_program(name, rest, whole=whole)
    script = (
        program if program.startswith("./") else next((each for each in rest if "." in each), "")
    )
    if script and (ROOT / script).is_file():
        known = help_of(script)
    elif program.startswith("./"):
        return [f"there is no {program}"]
    else:
        known, rest = "", [each for each in rest if each != "-m"]
    known += run_options().format_help()
    return [f"there is no option {each}" for each in _options(rest) if each not in known]


@cache
def help_of(script: str) -> str:
    """Return the option help of a script, or its text if the options are described there."""
    if script.endswith(".sh"):
        return (ROOT / script).read_text()
    command = [sys.executable, ROOT / script, "--help"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _of_program(name: str, words: Sequence[str], *, whole: bool) -> list[str]:
    program = _manual().PROGRAMS[name]
    command = next((each for each in words if each in program.commands), None)
    if command is None:
        known = {"--help", "--version", "--debug", "--config", "COMMAND"}
        return [] if known & {*words} else [f"there is no command in {words}"]
    parser: argparse.ArgumentParser = program.parser_of(command)
    rest = list(words[words.index(command) + 1 :])
    if command == "run":
        parser.add_argument("-h", "--help", action="store_true")
    known = _known(parser)
    if command in program.passes_on:
        known |= _known(run_options())
    found = [f"there is no option {each}" for each in _options(rest) if each not in known]
    if found or not whole or "--help" in rest:
        return found
    try:
        _, others = parser.parse_known_args(rest)
    except SystemExit:
        return [f"{parser.prog} does not take these words"]
    passed_on = command == "run" or command in program.passes_on
    return [f"nothing takes {each}" for each in others if not passed_on]


def _known(parser: argparse.ArgumentParser) -> set[str]:
    """Return the options of a parser and its subparsers."""
    names = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            names = names.union(*map(_known, action.choices.values()))
    return names


def _options(words: Sequence[str]) -> Iterator[str]:
    """Yield the options among words, also parts of a synopsis: `[-s`, `SOURCE]`, `--a|--b`."""
    quoted = False
    for word in words:
        for each in word.strip("[]()").split("|"):
            if not quoted and re.match(r"--?[A-Za-z]", each):
                yield each.partition("=")[0].rstrip("],.")
        quoted = word == "--wrap"


@cache
def run_options() -> argparse.ArgumentParser:
    """Return the parser of `harness run`."""
    parser: argparse.ArgumentParser = _manual().PROGRAMS["harness"].parser_of("run")
    return parser


@cache
def _manual() -> ModuleType:
    found = importlib.util.spec_from_file_location("manual", ROOT / "docs" / "manual.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["manual"] = module  # needed by dataclasses
    found.loader.exec_module(module)
    return module


def configure(folder: Path, nodes: Mapping[str, DcmNode]) -> None:
    """Write a configuration of the toolkit with these nodes."""
    text = "".join(
        f'[remote_nodes.{name}]\nhost = "{node.host}"\nae_title = "{node.ae_title}"\nport = {node.port}\n'
        for name, node in nodes.items()
    )
    (folder / CONFIGURATION).write_text(text)


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of shown commands: this checkout's `dcm`, and a configuration."""
    path = folder / "bin"
    path.mkdir(exist_ok=True)
    (path / "dcm").write_text(f'#!/bin/sh\nexec {sys.executable} -m dcm "$@"\n')
    (path / "dcm").chmod(0o755)
    return {
        **os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{path}:{os.environ['PATH']}",
        "DCM_CONFIG_PATH": str(folder / CONFIGURATION), "XDG_STATE_HOME": str(folder / "state"),
    }  # fmt: skip
