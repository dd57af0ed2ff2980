"""The outcomes of the files that a sender has, by their number."""

from typing import TypeAlias

from dcm.outcome import InstanceResult, OnResult, Outcome, Report

__all__ = ["InstanceResult", "OnResult", "Outcome", "Report", "Results"]

# Names from before there was one report.
StoreReport: TypeAlias = Report
MoveReport: TypeAlias = Report
RetrieveReport: TypeAlias = Report


class Results:
    """Outcomes as they become known, by the number of the file; each is passed on at once to `told`."""

    def __init__(self, told: OnResult | None = None) -> None:
        self._found: dict[int, InstanceResult] = {}
        self._told = told

    def __contains__(self, number: int) -> bool:
        return number in self._found

    def __getitem__(self, number: int) -> InstanceResult:
        return self._found[number]

    def add(self, number: int, result: InstanceResult) -> None:
        """Keep the one outcome of a file."""
        assert number not in self._found
        self._found[number] = result
        if self._told is not None:
            self._told(result)

    def report(self) -> Report:
        """Return all outcomes, in the order in which the files were given."""
        return Report(self._found[number] for number in sorted(self._found))
