"""Decide whether a build of the harness contains the toolkit; called by hatchling. docs/dcm.md says why.

A checkout has the toolkit, so a wheel built from it contains both halves. An sdist is made without it, so a
wheel built from an sdist, as releases are, requires the toolkit's distribution in the same version.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface


class Wheel(MetadataHookInterface):
    """The metadata of whatever is built."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Require the toolkit if it is not in this tree; else its command comes from here."""
        metadata["scripts"] = {"harness": "harness.cli:main"}
        if (Path(self.root) / "dcm").is_dir():
            metadata["scripts"]["dcm"] = "dcm.__main__:command"
        else:
            metadata["dependencies"].append(f"dicom-dcm=={metadata['version']}")


class Build(BuildHookInterface[Any]):
    """What is put in besides the files of the tree."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Let an sdist require the toolkit: it is made where that is. Put the files of `share` into a wheel.

        Those are manual pages and completion, which `docs/manual.py` makes of the parsers; no build imports
        these. `build.sh` makes them first, and the sdist has them.
        """
        if self.target_name == "sdist":
            build_data["dependencies"].append(f"dicom-dcm=={self.metadata.version}")
            return
        folder = Path(self.root) / "share"
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        build_data["shared_data"] |= {
            str(path): f"share/{path.relative_to(folder)}" for path in files
        }
