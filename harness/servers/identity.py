"""Who a server is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.model import AETitle, Version


@dataclass(frozen=True)
class Identity:
    """Who a server is: its product, its version and what was added to it."""

    product: str
    version: Version
    ae_title: AETitle
    plugins: Mapping[str, str] = field(default_factory=dict)
    executable: Path | None = None
    image: str | None = None
    """The container image that it was started from."""

    def as_json(self) -> dict[str, object]:
        """Return the identity for the record of a run."""
        return {
            "name": self.product,
            "version": str(self.version),
            "ae_title": self.ae_title,
            "plugins": dict(self.plugins),
            "executable": None if self.executable is None else str(self.executable),
            "image": self.image,
        }
