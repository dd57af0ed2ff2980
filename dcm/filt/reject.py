"""A filter that rejects instances that match a selector."""

from typing import Final

from dcm.data.match import Attributes
from dcm.filt.base import Rejected
from dcm.filt.selector_text import read_selector
from dcm.filt.selectors import Selector, known_in, selected
from dcm.instances import Instance


def make_reject_filter(selector: Selector | str) -> "RejectFilter":
    """Return a filter that rejects instances matching a selector or its text. Raises `BadSelector`."""
    return RejectFilter(read_selector(selector) if isinstance(selector, str) else selector)


class RejectFilter:
    """Rejects instances that match a selector; see `dcm.filt.base.Filter`."""

    writes: Final[frozenset[str]] = frozenset()
    invertible: Final = True

    def __init__(self, selector: Selector) -> None:
        self._selector: Final = selector
        self.reads: Final = selector.targets

    def apply(self, instance: Instance, remarks: list[str] | None = None) -> Instance:  # noqa: ARG002
        """Return the instance, or raise `Rejected`; see `Filter.apply`."""
        if selected(self._selector, instance):
            raise Rejected(f"rejected by the filter: {self._selector}")
        return instance

    def forward(self, attributes: Attributes) -> Attributes | None:
        """See `Filter.forward`."""
        known = known_in(attributes, self.reads)
        return None if known is not None and self._selector.selects(known) else attributes

    def backward(self, attributes: Attributes) -> Attributes | None:
        """See `Filter.backward`."""
        return attributes
