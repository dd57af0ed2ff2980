"""Write `public-api.txt`: what programs, adapters, cases and scripts may rest on, a line each.

    python docs/public_api.py

Names and signatures are read from the source by griffe, and options of commands from the parsers. A selftest
fails if the file is not up to date, and shows which lines changed: `compatibility.md` says what such a change
needs.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import griffe

ROOT: Final = Path(__file__).resolve().parents[1]
FILE: Final = ROOT / "docs" / "public-api.txt"
HEAD: Final = """\
# The public interface, made by `python docs/public_api.py`. compatibility.md says what a change of it needs.
# A line is a class with its bases, a field or property with its type, a function with its signature, or an
# option of a command.
"""
PACKAGES: Final = (
    "dcm.data",
    "dcm.deidentify",
    "dcm.filt",
    "dcm.net",
    "dcm.sort",
    "dcm.sync",
    "dcm.view",
    "harness.cases",
)
"""Everything that these export is public."""
NAMES: Final = {
    "dcm.conf": ("Configuration", "LocalDir", "UnknownNode", "default_path"),
    "dcm.filt.uids": ("read_key",),
    "dcm.instances": ("FileInstance", "Instance", "MemoryInstance", "UnusableInstance", "instance_of"),
    "dcm.opening": ("NotAPlace", "Opener"),
    "dcm.route.forwarder": ("Forwarder", "Plan"),
    "dcm.route.spool": ("Spool", "SpoolInUse"),
    "dcm.store.directory": ("Directory", "NoFolder"),
    "dcm.store.layout": ("DEFAULT", "Layout", "LayoutError"),
    "dcm.store.media": ("MediaPlace",),
    "dcm.store.node": ("NodePlace",),
    "dcm.store.place": ("Ability", "CannotDo", "Place"),
    "dcm.store.web": ("WebPlace",),
    "dcm.store.zipped": ("ZipPlace",),
    "harness.errors": ("ServerNotFound",),
    "harness.model": ("AETitle", "Credentials", "Endpoint", "Port", "Version"),
    "harness.servers.adapter": ("ENVIRONMENT", "Adapter"),
    "harness.servers.launcher": ("DATA", "Launch", "Seat"),
    "harness.servers.product": ("IN_IMAGE", "Build", "Product", "Role", "Spec"),
}  # fmt: skip
"""Of other modules, these are."""
SPECIAL: Final = frozenset(
    f"__{name}__"
    for name in (
        "init", "call", "iter", "next", "aiter", "anext", "enter", "aenter", "len", "getitem", "contains",
        "bool", "eq", "lt", "add",
    )
)  # fmt: skip
"""Methods without a name of their own that people use."""
LONGEST: Final = 60
"""Characters of the value of a constant that is shown."""


def text() -> str:
    """Return what the file should say."""
    return HEAD + "".join(f"{line}\n" for line in (*_python(), *_commands()))


def _python() -> Iterator[str]:
    loader = griffe.GriffeLoader(search_paths=[ROOT], allow_inspection=False)
    for package in ("dcm", "harness"):
        loader.load(package)
    loader.resolve_aliases(external=False)
    for module in sorted({*PACKAGES, *NAMES}):
        found = loader.modules_collection[module]
        for name in sorted(NAMES.get(module) or _exported(found), key=str.lower):
            yield from _described(found.members[name], f"{module}.{name}")


def _exported(module: griffe.Object | griffe.Alias) -> Iterator[str]:
    """Yield what `__all__` of a module has; without one, what is imported or made there."""
    if module.exports is not None:
        yield from map(str, module.exports)
        return
    for name, member in module.members.items():
        if not name.startswith("_") and not isinstance(_final(member), griffe.Module):
            yield name


def _final(member: griffe.Object | griffe.Alias) -> griffe.Object | None:
    """Return what a name stands for; None if that cannot be read from the source, as of `A, B = ...`."""
    try:
        return member.final_target if isinstance(member, griffe.Alias) else member
    except griffe.AliasResolutionError:
        return None


def _described(member: griffe.Object | griffe.Alias, name: str) -> Iterator[str]:
    found = _final(member)
    if isinstance(found, griffe.Class):
        bases = ", ".join(map(str, found.bases))
        yield f"class {name}({bases})" if bases else f"class {name}"
        yield from _members(found, name)
    elif isinstance(found, griffe.Function):
        yield f"{_kind(found)}{name}{_signature(found)}"
    elif isinstance(found, griffe.Attribute):
        yield _attribute(found, name)
    else:
        yield name


def _members(of: griffe.Class, name: str) -> Iterator[str]:
    """Yield fields in their order, since values are made by it, then properties and methods by name."""
    fields, others = [], []
    for each, member in of.all_members.items():
        found = _final(member)
        if found is None or found.path.startswith("dcm.frozen."):
            continue
        if each.startswith("_") and each not in SPECIAL:
            continue
        lines = list(_described(found, f"{name}.{each}"))
        is_field = isinstance(found, griffe.Attribute) and "property" not in found.labels
        (fields if is_field else others).append((each, lines))
    for _, lines in (*fields, *sorted(others)):
        yield from lines


def _attribute(found: griffe.Attribute, name: str) -> str:
    kind = f": {_line(found.annotation)}" if found.annotation is not None else ""
    if "property" in found.labels:
        return f"{name}{kind}  # property"
    # What `__init__` assigns is no default.
    value = _line(found.value) if found.value and found.labels != {"instance-attribute"} else ""
    return f"{name}{kind} = {value}" if 0 < len(value) <= LONGEST else f"{name}{kind}"


def _kind(found: griffe.Function) -> str:
    decorators = {str(each.value).rpartition(".")[2] for each in found.decorators}
    for decorator, words in (("asynccontextmanager", "async with "), ("contextmanager", "with ")):
        if decorator in decorators:
            return words
    return "async " if "async" in found.labels else ""


def _signature(found: griffe.Function) -> str:
    taken = [each for each in found.parameters if each.name not in ("self", "cls")]
    parts: list[str] = []
    for place, each in enumerate(taken):
        if each.kind is griffe.ParameterKind.keyword_only and not any(
            "*" in part for part in parts
        ):
            parts.append("*")
        stars = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}
        part = stars.get(each.kind, "") + each.name
        if each.annotation is not None:
            part += f": {_line(each.annotation)}"
        if each.default is not None and each.kind not in stars:
            part += f" = {_line(each.default)}"
        parts.append(part)
        last = taken[place + 1].kind if place + 1 < len(taken) else None
        positional = griffe.ParameterKind.positional_only
        if each.kind is positional and last is not positional:
            parts.append("/")
    result = f" -> {_line(found.returns)}" if found.returns is not None else ""
    labels = "".join(
        f"  # {each}" for each in ("classmethod", "staticmethod") if each in found.labels
    )
    return f"({', '.join(parts)}){result}{labels}"


def _line(value: object) -> str:
    return " ".join(str(value).split())


def _commands() -> Iterator[str]:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from manual import PROGRAMS  # noqa: PLC0415 - a sibling, and no package
    finally:
        sys.path.pop(0)
    for program in PROGRAMS.values():
        for command in program.commands:
            yield from _options(f"$ {program.name} {command}", program.parser_of(command))


def _options(command: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for name, below in action.choices.items():
                yield from _options(f"{command} {name}", below)
        elif action.help != argparse.SUPPRESS:
            named = action.metavar or action.dest.upper()
            value = "|".join(map(str, action.choices)) if action.choices else named
            takes = "" if action.nargs == 0 else f" {value}"
            many = {"*": " ...", "+": " ...", "?": " (may be left out)"}.get(str(action.nargs), "")
            yield f"{command} {', '.join(action.option_strings)}{takes}{many}".replace("  ", " ")


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
