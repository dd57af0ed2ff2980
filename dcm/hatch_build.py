"""Include manual pages and shell completion in the wheel, if `docs/manual.py` has created them.

They are made from the parsers, which a build does not import: `build.sh` first creates them in `dcm/share`,
and the sdist contains them. Called by hatchling.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Share(BuildHookInterface[Any]):
    """Adds the files in `share` to those installed below `sys.prefix`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Add the files, if they exist."""
        folder = Path(self.root) / "share"
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        build_data["shared_data"] |= {
            str(path): f"share/{path.relative_to(folder)}" for path in files
        }
        # Everything else goes into the package; if several prefixes match, the first counts.
        sources = self.build_config.sources
        of_package = dict(sources)
        sources.clear()
        sources |= {"share/": "share/", **of_package}
