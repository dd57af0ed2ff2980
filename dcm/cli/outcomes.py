"""What became of each instance: into the report, and on stderr what failed, but not in a million lines."""

from logging import INFO, WARNING
from typing import Final

from dcm.cli.logs import LOG
from dcm.net.outcome import InstanceResult, Outcome
from dcm.report import Report
from dcm.wire import readable

_MOST: Final = 20
_STORED: Final = Outcome.STORED.value


class Outcomes:
    """Tells of each outcome as it becomes known."""

    def __init__(self, report: Report) -> None:
        self._report: Final = report
        self._failures = 0

    def tell(self, result: InstanceResult) -> None:
        """Tell of an instance."""
        if result.outcome is Outcome.STORED and not LOG.isEnabledFor(INFO):  # as nearly all are
            self._add(_STORED, result, good=True)
            return
        outcome, words, stored = result.outcome.value, result.words, result.stored
        if not stored or result.outcome is Outcome.WARNING or LOG.isEnabledFor(INFO):
            what = readable(result.path) or result.sop_instance_uid
            line = f"{what}: {outcome}" + (f": {words}" if words else "")
            if not stored:
                self._fail(line)
            else:
                LOG.log(WARNING if result.outcome is Outcome.WARNING else INFO, "%s", line)
        self._add(outcome, result, good=stored)

    def pass_over(self, result: InstanceResult, why: str) -> None:
        """Tell of what was no instance, and is not missed."""
        LOG.warning("%s is passed over: %s", readable(result.path), why)
        self._add("passed over", result, good=True)

    def tell_commitment(self, result: InstanceResult, words: str, *, committed: bool) -> None:
        """Tell whether the peer answers for an instance."""
        outcome = "committed" if committed else "not committed"
        if not committed:
            self._fail(f"{readable(result.path)}: {outcome}: {words}")
        self._add(outcome, result._replace(words=words, status=None), good=committed)

    def trouble(self, words: str) -> None:
        """Tell what went wrong with the whole."""
        LOG.error("%s", words)
        self._report.problem(words)

    def end(self) -> None:
        """Say how many failures were not told of."""
        if self._failures > _MOST:
            LOG.error("and %d more; --report FILE lists all", self._failures - _MOST)

    def _fail(self, line: str) -> None:
        self._failures += 1
        if self._failures <= _MOST:
            LOG.error("%s", line)

    def _add(self, outcome: str, result: InstanceResult, *, good: bool) -> None:
        self._report.add(
            outcome,
            good=good,
            sop_instance_uid=result.sop_instance_uid,
            path=result.path,
            words=result.words,
            status=result.status,
        )
