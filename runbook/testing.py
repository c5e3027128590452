"""Records as tests: what rows say of readings that were taken once, judged in a test without any server.

Record an incident with ``check --watch --record``, put the file beside the test, and say what must be found in it. The
test fails when a threshold, a check or a diagnosis changes its mind about that night.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from runbook import rows, site_file
from runbook.commands import catalogue, recorded
from runbook.model import State, Verdict
from runbook.recording.judged import Again, judged
from runbook.site import Site, open_site


class Recorded:
    """A record, or the run's JSON, and the site whose settings and limits judge it.

    ``limits`` are numbers of rows on top of the site's: ``{"ETL-01": {"warning": "10 min"}}``. Raises ReportError for a
    file that is no record, SettingsError for a bad site file.
    """

    def __init__(
        self,
        file: Path,
        *,
        settings: Path,
        env: str | None = None,
        limits: Mapping[str, Mapping[str, str | int | float]] | None = None,
    ) -> None:
        self._record = recorded.load(file)
        self._site = _with_limits(open_site(site_file.load(settings), env, record=()), limits or {})
        self._known: dict[str, tuple[Again, ...]] = {}
        catalogue.load_rows(self._site.settings)

    def looks(self, row: str) -> tuple[Again, ...]:
        """Verdict and findings of each look, oldest first. Raises SettingsError for a row there is not."""
        if row not in self._known:
            self._known[row] = tuple(judged(self._record, rows.find(row), self._site))
        return self._known[row]

    def states(self, row: str) -> tuple[State, ...]:
        """The states the row went through, each once, in the order of time."""
        found = [again.verdict.state for again in self.looks(row)]
        return tuple(state for place, state in enumerate(found) if place == 0 or found[place - 1] is not state)

    def first(self, row: str, state: State) -> Verdict | None:
        """The first verdict with that state; None where there is none."""
        return next((again.verdict for again in self.looks(row) if again.verdict.state is state), None)

    def causes(self, row: str) -> frozenset[str]:
        """The names of all causes that were confirmed in any look."""
        return frozenset(cause for again in self.looks(row) for cause in again.causes)


def _with_limits(site: Site, limits: Mapping[str, Mapping[str, str | int | float]]) -> Site:
    known = site.settings.limits
    merged = {row: {**known.get(row, {}), **numbers} for row, numbers in limits.items()}
    return replace(site, settings=msgspec.structs.replace(site.settings, limits={**known, **merged}))
