"""Tables of results that were measured side by side."""

import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from measuring import Cost, Invalid

Work = Callable[[], Cost]


@dataclass
class Row:
    """One table: the work of each program; the first one is the reference."""

    title: str
    programs: dict[str, Work]
    images: int = 0
    size: int = 0
    minus: "Row | None" = None
    """Subtracted before CPU times are compared: the same programs with nothing to do."""
    costs: dict[str, list[Cost | None]] = field(default_factory=dict)

    def once(self) -> None:
        """Run each program once."""
        for name, work in self.programs.items():
            try:
                cost = work()
            except Invalid as invalid:
                print(f"  invalid: {self.title}: {name}: {invalid}", file=sys.stderr)
                cost = None
            self.costs.setdefault(name, []).append(cost)

    def show(self) -> None:
        """Print the table."""
        print(f"\n{self.title}")
        print(f"  {'':18}{'wall s':>8}{'x':>7}{'CPU s':>8}{'x':>7}", end="")
        print(f"{'images/s':>10}{'MB/s':>7}{'peak MB':>9}{'valid':>7}")
        reference = self._cpu_less(next(iter(self.programs)))
        first = self.costs[next(iter(self.programs))]
        for name, costs in self.costs.items():
            valid = [cost for cost in costs if cost]
            if not valid:
                print(f"  {name:18}{'-':>8}{'':>53}{0:>5}/{len(costs)}")
                continue
            wall = statistics.median(cost.wall for cost in valid)
            cpu = statistics.median(cost.cpu for cost in valid)
            ratio = _median(a.wall / b.wall for a, b in zip(costs, first, strict=True) if a and b)
            cpu_ratio = _median(
                a / b for a, b in zip(self._cpu_less(name), reference, strict=True) if a and b
            )
            speed = f"{self.images / wall:>10.0f}{self.images * self.size / wall / 1e6:>7.0f}"
            memory = max(cost.memory for cost in valid)
            print(
                f"  {name:18}{wall:>8.2f}{ratio:>7.2f}{cpu:>8.3f}{cpu_ratio:>7.2f}"
                f"{speed if self.images else '':>17}{memory:>9.0f}{len(valid):>5}/{len(costs)}"
            )

    def _cpu_less(self, name: str) -> list[float]:
        off = 0.0
        if self.minus:
            off = statistics.median(cost.cpu for cost in self.minus.costs[name] if cost)
        return [max(0.0, cost.cpu - off) if cost else 0.0 for cost in self.costs[name]]


def _median(values: Iterator[float]) -> float:
    return statistics.median(list(values) or [float("nan")])


def measure(rows: Sequence[Row], rounds: int, only: Sequence[str]) -> None:
    """Run all programs once, then all again, and so on."""
    for row in rows:
        if only:
            first = next(iter(row.programs))
            row.programs = {
                n: w for n, w in row.programs.items() if n == first or n in only or ">" in n
            }
    for _ in range(rounds):
        for row in rows:
            row.once()
    for row in rows:
        row.show()
    sys.stdout.flush()
