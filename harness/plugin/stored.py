"""Objects for a case on the remote: made as requested or taken from the corpus, then stored."""

from collections.abc import Callable, Sequence
from typing import Any

from harness.corpus import Maker, Sample, corpus
from harness.corpus.picture import Picture


class Stored:
    """Stores objects on the remote, and returns them for comparison."""

    def __init__(self, make: Maker, store: Callable[[Sequence[Sample]], None]) -> None:
        self._make = make
        self._store = store

    def instance(self, **elements: Any) -> Sample:
        """Make one object with these elements, and store it."""
        made = self._make.instance(**elements)
        self._store([made])
        return made

    def image(self, picture: Picture, **how: Any) -> Sample:
        """Make a Secondary Capture with the picture, as `Maker.image` does, and store it."""
        made = self._make.image(picture, **how)
        self._store([made])
        return made

    def study(self, *, series: int = 1, instances: int = 1, **elements: Any) -> tuple[Sample, ...]:
        """Make a study of `series` x `instances` objects with these elements, and store it."""
        made = self._make.study(series=series, instances=instances, **elements)
        self._store(made)
        return made

    def sample(self, name: str) -> Sample:
        """Store one sample of the corpus."""
        found = corpus[name]
        self._store([found])
        return found

    def group(self, name: str) -> tuple[Sample, ...]:
        """Store the samples of the corpus whose ids begin with `name`."""
        found = corpus.group(name)
        self._store(found)
        return found

    def these(self, *samples: Sample) -> tuple[Sample, ...]:
        """Store objects that the case made itself."""
        self._store(samples)
        return samples
