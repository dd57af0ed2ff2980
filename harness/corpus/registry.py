"""The corpus: samples by id, made on first use and checked against the catalogue."""

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from harness.corpus.sample import Draft, Sample
from harness.errors import CorpusError
from harness.suites import database_folder


@dataclass(frozen=True)
class Recipe:
    """How a named sample is made, and its purpose."""

    id: str
    purpose: str
    draft: Callable[[], Draft]

    def make(self) -> Sample:
        """Make the sample; the same bytes every time."""
        return self.draft().finish(self.id, self.purpose)


class Corpus(Mapping[str, Sample]):
    """All samples by id. The first part of an id suffices if it is unambiguous: `p06`."""

    def __init__(self, recipes: Mapping[str, Recipe], *, verify: bool = True) -> None:
        self._recipes = recipes
        self._verify = verify
        self._made: dict[str, Sample] = {}

    def __getitem__(self, id: str) -> Sample:  # noqa: A002 - as in the catalogue
        """Return the sample; raises `CorpusError` if there is none or if its bytes have changed."""
        name = self._resolve(id)
        if name not in self._made:
            sample = self._recipes[name].make()
            if self._verify:
                verify(sample)
            self._made[name] = sample
        return self._made[name]

    def __contains__(self, id: object) -> bool:  # noqa: A002
        return id in self._recipes

    def __iter__(self) -> Iterator[str]:
        return iter(self._recipes)

    def __len__(self) -> int:
        return len(self._recipes)

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all samples, in order, without making any."""
        return tuple(self._recipes)

    def group(self, prefix: str) -> tuple[Sample, ...]:
        """Return all samples whose id starts with `prefix`; raises `CorpusError` if none does."""
        found = tuple(self[id] for id in self._recipes if id.startswith(prefix))  # noqa: A001
        if not found:
            raise CorpusError(f"no sample's id starts with {prefix!r}{self._near(prefix)}")
        return found

    def _resolve(self, id: str) -> str:  # noqa: A002
        if id in self._recipes:
            return id
        longer = [name for name in self._recipes if name.startswith(f"{id}-")]
        if len(longer) == 1:
            return longer[0]
        if longer:
            raise CorpusError(f"{id!r} matches several samples: {', '.join(longer)}")
        raise CorpusError(f"unknown sample {id!r}{self._near(id)}")

    def _near(self, id: str) -> str:  # noqa: A002
        near = difflib.get_close_matches(id, self._recipes, n=3, cutoff=0.5)
        return f"; similar: {', '.join(near)}" if near else "; see corpus.ids()"


@cache
def read_database(name: str) -> Any:
    """Read a JSON file of `database/`; raises `CorpusError` if it cannot be read."""
    path = database_folder() / name
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} cannot be read: {error!r}") from error


def catalogue() -> Mapping[str, Mapping[str, Any]]:
    """Return the catalogue: entries by sample id."""
    entries: dict[str, dict[str, Any]] = read_database("catalogue.json")["samples"]
    return entries


def verify(sample: Sample) -> None:
    """Compare the bytes with the catalogue's checksum; raises `CorpusError` if they differ."""
    entry = catalogue().get(sample.id)
    if entry is None:
        raise CorpusError(f"{sample.id} is not in the catalogue: run database/generate.py --update")
    if entry["sha256"] != sample.sha256:
        raise CorpusError(
            f"{sample.id} differs from the catalogue (sha256 {sample.sha256[:12]}, not "
            f"{entry['sha256'][:12]}): a different pydicom or numpy, or a changed recipe; "
            "see database/generate.py --check"
        )
