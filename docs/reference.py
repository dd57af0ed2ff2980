"""Write `reference.md`: the public names of the toolkit, with signatures and docstrings.

    python docs/reference.py

It reads the source and imports nothing of it. A selftest fails if the page is not up to date.
"""

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference.md"
PACKAGES = ("dcm.net", "dcm.data", "dcm.filt", "dcm.sync")
HEAD = """\
# Reference

The public names of `dcm`, made from the docstrings by `python docs/reference.py`. [The API](api.md) shows how
they are used together. Times are in seconds, sizes in bytes; PS3.x are the parts of the DICOM standard.
"""

_FIELD = re.compile(r"^([a-z_]+(?:, [a-z_]+)*): ", re.MULTILINE)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def page() -> str:
    """Return the text of the page."""
    parts = [HEAD]
    for package in PACKAGES:
        tree = _parse(package)
        parts += [f"## {package}\n", _text(ast.get_docstring(tree))]
        for name, module in sorted(_exports(tree), key=lambda each: each[0].lower()):
            parts += _describe(name, _parse(module).body)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def _parse(module: str) -> ast.Module:
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def _exports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each name that a package exports, and its module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("dcm."):
            yield from ((alias.name, str(node.module)) for alias in node.names)


def _describe(name: str, body: list[ast.stmt]) -> Iterator[str]:
    for place, node in enumerate(body):
        if isinstance(node, ast.ClassDef) and node.name == name:
            yield from _class(node)
        elif isinstance(node, _Function) and node.name == name:
            yield f"### {name}\n\n{_code(_signature(node))}\n"
            yield _text(ast.get_docstring(node))
        elif name in _assigned(node):
            yield f"### {name}\n\n{_code(ast.unparse(node))}\n"
            yield _text(_string(body[place + 1 : place + 2]))


def _class(node: ast.ClassDef) -> Iterator[str]:
    bases = ", ".join(map(ast.unparse, node.bases)).replace("Frozen", "")
    yield f"### {node.name}" + (f" ({bases})\n" if bases else "\n")
    methods = [each for each in node.body if isinstance(each, _Function)]
    made = [each for each in methods if each.name == "__init__"]
    if made:
        yield _code(f"{node.name}{_signature(made[0]).removeprefix('def __init__')}") + "\n"
    yield _text(ast.get_docstring(node))
    for place, each in enumerate(node.body):
        if any(not name.startswith("_") for name in _assigned(each)):
            words = _string(node.body[place + 1 : place + 2])
            yield f"- `{ast.unparse(each)}`" + (f"\n  {words}" if words else "")
    yield ""
    for method in methods:
        if not method.name.startswith("_"):
            yield f"{_code(_signature(method))}\n"
            yield _text(ast.get_docstring(method))


def _assigned(node: ast.stmt) -> list[str]:
    targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
    return [each.id for each in targets if isinstance(each, ast.Name)]


def _string(nodes: list[ast.stmt]) -> str:
    """Return the text of a statement that is only a string, such as the docstring of a field."""
    value = nodes[0].value if nodes and isinstance(nodes[0], ast.Expr) else None
    return " ".join(str(value.value).split()) if isinstance(value, ast.Constant) else ""


def _signature(node: _Function) -> str:
    node.args.args = [each for each in node.args.args if each.arg not in ("self", "cls")]
    decorators = [ast.unparse(each) for each in node.decorator_list]
    result = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    if any(each.endswith("property") for each in decorators):
        return f"{node.name}{result}"
    kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    if any(each.endswith("asynccontextmanager") for each in decorators):
        kind = "async with"
    return f"{kind} {node.name}({ast.unparse(node.args)}){result}"


def _code(line: str) -> str:
    return textwrap.fill(line, 100, initial_indent="    ", subsequent_indent=" " * 8)


def _text(docstring: str | None) -> str:
    """Return a docstring as Markdown: what describes one field or parameter becomes an item of a list."""
    paragraphs = (docstring or "").split("\n\n")
    for place, each in enumerate(paragraphs):
        if _FIELD.match(each):
            paragraphs[place] = re.sub(r"\n(?!- )", "\n  ", _FIELD.sub(r"- `\1`: ", each))
    return "\n\n".join(paragraphs) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
