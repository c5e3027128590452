"""Rows judged again on recorded readings, look by look, without pytest and without asking anybody.

A row of a pack whose targets are fixtures of its own needs ``check --replay``: there pytest makes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from runbook import judging
from runbook.errors import SettingsError
from runbook.model import BREACHED, Finding, Verdict
from runbook.probes import Readings
from runbook.recording.looks import Look, Recording
from runbook.rows import Row
from runbook.site import Site
from runbook.targets.opening import KINDS, memory_of, open_target
from runbook.text import text


class Again(NamedTuple):
    """What a row says of one look: its verdict and, where it is breached, of each cause."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()

    @property
    def causes(self) -> tuple[str, ...]:
        """The names of the causes that are confirmed."""
        return tuple(finding.name for finding in self.findings if finding.proof == "confirmed")


def verdicts(record: Recording, row: Row, site: Site) -> Iterator[Verdict]:
    """What the row says of each look, oldest first. Raises SettingsError for a target that only a pack can make."""
    targets = _targets(row, site)
    for look in record.whole():
        yield judging.judge(row, targets, _readings(look), _overrides(row, site))


def judged(record: Recording, row: Row, site: Site) -> Iterator[Again]:
    """The same with the causes."""
    targets, overrides = _targets(row, site), _overrides(row, site)
    for look in record.whole():
        readings = _readings(look)
        verdict = judging.judge(row, targets, readings, overrides)
        broken = verdict.state in BREACHED
        yield Again(verdict, judging.diagnose(row, targets, readings, overrides) if broken else ())


def _targets(row: Row, site: Site) -> dict[str, Any]:
    return {name: _target(row, name, site) for name in row.all_targets()}


def _target(row: Row, name: str, site: Site) -> Any:
    if name == "history":
        return memory_of(site, open_target("prometheus", site))
    if name not in KINDS and name != "scripts":
        raise SettingsError(
            text("{row} asks {target}, which only its pack can make: use check --replay", row=row.id, target=name)
        )
    return open_target(name, site)


def _readings(look: Look) -> Readings:
    return Readings(record=look.readings, taken_at=look.ended_at)


def _overrides(row: Row, site: Site) -> Mapping[str, str | int | float]:
    return site.settings.limits.get(row.id, {})
