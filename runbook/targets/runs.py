"""The acting runs of this environment, as the journal tells of them: which were killed, and how far they got."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from runbook.acting import locks
from runbook.acting.copies import journal_file
from runbook.acting.journal import verify
from runbook.acting.killed import Killed, killed
from runbook.acting.settling import traced
from runbook.errors import JournalError, ProbeError, ProbeFailure
from runbook.probes import probe
from runbook.site import Site
from runbook.targets.base import Target
from runbook.targets.run_structs import BegunStep, KilledRun


class Runs(Target):
    """The acting runs of one environment on this machine."""

    kind: ClassVar[str] = "runs"

    def __init__(self, name: str, site: Site) -> None:
        super().__init__(name)
        self._site = site

    @probe()
    def acted(self) -> bool:
        """Whether any run ever acted on this machine. Reads only."""
        return journal_file(self._site.state_folder).exists()

    @probe(deadline=timedelta(seconds=10))
    def killed(self) -> tuple[KilledRun, ...]:
        """The runs that have no end, oldest first, each step held against its target; empty when all have one.

        A run that acts just now is none of them. Raises ProbeError where the journal cannot be read or trusted.
        """
        name, folder = self._site.environment.name, self._site.state_folder
        acting = locks.is_held(name, folder)  # before the journal is read: a run that ends meanwhile has its end there
        try:
            found = killed(verify(journal_file(folder)), name)
        except JournalError as error:
            raise ProbeError(self.name, ProbeFailure.BROKEN, error.said) from error
        return tuple(self._seen(one) for one in (found[:-1] if acting else found))

    def _seen(self, one: Killed) -> KilledRun:
        steps = tuple(
            BegunStep(number=begun.number, row=begun.row, what=begun.what, seen=trace.seen, said=trace.said)
            for begun, trace in traced(one, self._site)
        )
        return KilledRun(run=one.run, at=one.at, done=one.done, begun=steps, proven=one.proven, procedure=one.procedure)
