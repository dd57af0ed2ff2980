"""A catalogue of a few files, in memory: the plainest one there can be."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from threading import Lock

from pydicom import dcmread

from dcm.data.dictionary import keyword_of
from dcm.data.header import scan
from dcm.data.levels import Level
from dcm.data.match import Attributes, matches
from dcm.instances import FileInstance
from dcm.store.catalogue import Found


class MemoryCatalogue:
    """Knows what it is told of.

    keeps: whether it still knows of files that are gone.
    """

    keeps = False

    def __init__(self) -> None:
        self.rows: dict[str, tuple[Attributes, FileInstance, int]] = {}
        self._lock = Lock()

    def add(self, path: Path) -> None:
        """Read a file."""
        header = scan(path, ())
        kind = header.sop_class_uid, header.transfer_syntax_uid
        offset = header.data_set_offset
        instance = FileInstance(kind, header.sop_instance_uid, str(path), offset)
        data = dcmread(path, stop_before_pixels=True)
        known = {keyword_of(int(each.tag)): "" if each.is_empty else each.value for each in data}
        texts = {
            name: "\\".join(map(str, value)) if hasattr(value, "append") else str(value)
            for name, value in known.items()
        }
        with self._lock:
            self.rows[str(path)] = texts, instance, path.stat().st_size

    def find(
        self, query: Attributes, level: Level, *, limit: int | None = None, offset: int = 0
    ) -> Iterator[Attributes]:
        """Yield the answers; see `Catalogue.find`."""
        uniques = [each.unique_key for each in Level if each <= level]

        def found() -> Iterator[Attributes]:
            seen = set()
            for row, _, _ in [
                row for path, row in [*self.rows.items()] if self.keeps or Path(path).exists()
            ]:
                computed = self._computed(query, row)
                path = tuple(row.get(name, "") for name in uniques)
                if path not in seen and _matches(query, {**row, **computed}):
                    seen.add(path)
                    names = {*query, *uniques}
                    yield {name: {**row, **computed}.get(name, "") for name in names}

        return islice(found(), offset, None if limit is None else offset + limit)

    def _computed(self, query: Attributes, row: Attributes) -> dict[str, str]:
        found = {}
        rows = [each for each, _, _ in self.rows.values()]
        for of in Level:
            mine = [each for each in rows if each.get(of.unique_key) == row.get(of.unique_key)]
            for level in Level:
                name = f"NumberOf{of.name.title()}Related"
                name += {1: "Studies", 2: "Series", 3: "Instances"}.get(level, "")
                if name in query:
                    found[name] = str(len({each.get(level.unique_key) for each in mine}))
            if of is Level.STUDY and "ModalitiesInStudy" in query:
                found["ModalitiesInStudy"] = "\\".join(
                    sorted({str(e.get("Modality")) for e in mine})
                )
        return found

    def count(self, query: Attributes, level: Level) -> int:
        """Return how many match."""
        return sum(1 for _ in self.find(query, level))

    def instances(self, query: Attributes) -> Iterator[Found]:
        """Yield the instances that match."""
        for row, instance, size in [
            row for path, row in [*self.rows.items()] if self.keeps or Path(path).exists()
        ]:
            if _matches(query, row):
                path = (
                    str(row.get(each.unique_key, ""))
                    for each in (0, 1, 2)
                    for each in [Level(each)]
                )
                yield Found(instance, *path, size)


def _matches(query: Attributes, row: Attributes) -> bool:
    return matches(query, row)
