"""The kinds of servers that the harness can start, found by listing a folder."""

import difflib
import importlib
import importlib.util
import pkgutil
import sys
from dataclasses import replace
from pathlib import Path

from harness.errors import ConfigError
from harness.servers import products
from harness.servers.container import ContainerLimits
from harness.servers.product import Build, Product, Spec

OPTIONS = {"plugins": "--plugins", "overrides": "--with", "limits": "--memory", "image": "--image"}


def names() -> list[str]:
    """Return the names of all products, without importing their modules."""
    return sorted(each.name.replace("_", "-") for each in pkgutil.iter_modules(products.__path__))


def product(name: str) -> Product:
    """Return a product by name, or by the path of a user's file. Raises ConfigError for others."""
    if name.endswith(".py"):
        return _own(Path(name))
    if name not in names():
        nearest = difflib.get_close_matches(name, names(), n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise ConfigError(f"--remote {name}: unknown server{hint}\n{listing()}")
    module = importlib.import_module(f"{products.__name__}.{name.replace('-', '_')}")
    found: Product = module.PRODUCT
    return found


def listing() -> str:
    """Return the values that --remote accepts, one per line."""
    kinds = {name: product(name) for name in names()}
    lines = [(name + each.argument, each.summary) for name, each in kinds.items()]
    lines.append(("FILE.py", "your own adapter: see docs/adding-a-server.md"))
    return "\n".join(["--remote accepts", *(f"  {spec:22} {text}" for spec, text in sorted(lines))])


def find(spec: str, asked: Spec | None = None) -> Build:
    """Find the server that `spec` names: `dcmqrscp`, `orthanc:trixie`, `./my_server.py`.

    Raises ConfigError if it, or one of its options, is not supported, ServerNotFound if something
    must be installed first.
    """
    name, colon, argument = spec.partition(":")
    kind = product(name)
    asked = asked or Spec()
    fits = bool(kind.argument and argument) if colon else not kind.argument.startswith(":")
    if not fits:
        raise ConfigError(f"--remote {spec}: write {name}{kind.argument}\n{listing()}")
    for field, option in OPTIONS.items():
        if getattr(asked, field) != getattr(Spec(), field) and option not in kind.heeds:
            able = ", ".join(each for each in names() if option in product(each).heeds)
            raise ConfigError(f"{option} needs one of {able}, not {name}")
    found = kind.find(replace(asked, argument=argument if colon else None))
    if asked.limits != ContainerLimits() and found.image is None:
        raise ConfigError("--memory and --cpus limit a container: use them with --image")
    return found


def _own(path: Path) -> Product:
    """Load an adapter from the user's file, which may import modules from the same folder."""
    if not path.is_file():
        raise ConfigError(f"--remote {path} does not exist")
    name = f"adapter in {path.stem}"  # not that of any module that others import
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"--remote {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent.absolute()))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(
            f"--remote {path}: cannot load it: {type(error).__name__}: {error}"
        ) from error
    finally:
        sys.path.remove(str(path.parent.absolute()))
    found = getattr(module, "PRODUCT", None)
    if not isinstance(found, Product):
        raise ConfigError(
            f"--remote {path}: an adapter must define PRODUCT = Product(...), see docs/adding-a-server.md"
        )
    return found
