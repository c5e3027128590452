"""Where ``muses-runbook tune`` has its measures from: the history, a stored run, a record."""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from runbook import site_file
from runbook.commands import recorded
from runbook.commands.report import folder_of
from runbook.limits import Threshold, number
from runbook.model import Measure, State, Verdict
from runbook.recording import judged
from runbook.recording.looks import Recording, of_run
from runbook.rows import Row
from runbook.site import open_site
from runbook.text import Quantity
from runbook.tuning.stretches import Points

HISTORY = "history"


class Measured(NamedTuple):
    """The measures by object, oldest first; ``left_out`` are objects that the row judges by other limits."""

    objects: dict[str, Points]
    left_out: tuple[str, ...]


def of_history(row: Row, now: Threshold, settings: Path | None, env: str | None, since: timedelta) -> Measured:
    """What runs measured since then. Raises HistoryError."""
    kept = open_site(site_file.load(settings), env).history.measures(since, row.id)
    found = [_Found(one.object, one.at, one.value, _fits(one.value, one.state, now)) for one in kept]
    strange = {one.object for one in found if not one.fits}  # a value that fits by chance is no better than the others
    return _sorted_out(one._replace(fits=one.object not in strange) for one in found)


def of_record(source: str, row: Row, now: Threshold, settings: Path | None, env: str | None) -> Measured:
    """What the row measures in each look of a record. Raises ReportError, SettingsError for a run there is not."""
    site = open_site(site_file.load(settings), env, record=())
    verdicts = judged.verdicts(_record(source, settings, env), row, site)
    return _sorted_out(one for verdict in verdicts for one in _amounts(verdict, now))


def _record(source: str, settings: Path | None, env: str | None) -> Recording:
    if Path(source).is_file():
        return recorded.load(Path(source))
    folder = Path(source) if Path(source).is_dir() else folder_of(source, settings, env)
    return of_run(importlib.import_module("reports").read(folder))


class _Found(NamedTuple):
    object: str
    at: datetime
    value: float
    fits: bool


def _amounts(verdict: Verdict, now: Threshold) -> Iterable[_Found]:
    for measure in verdict.measures:
        if isinstance(measure.value, Quantity):
            yield _Found(measure.object, verdict.judged_at, measure.value.value, _is_by(measure, measure.value, now))


def _sorted_out(found: Iterable[_Found]) -> Measured:
    """The measures that fit, by object, and the objects that have none."""
    series: dict[str, dict[datetime, float]] = defaultdict(dict)
    objects: dict[str, None] = {}
    for one in found:
        objects[one.object] = None
        if one.fits:
            series[one.object].setdefault(one.at, one.value)
    kept = {object: tuple(points.items()) for object, points in series.items()}
    return Measured(kept, tuple(object for object in objects if object not in kept))


def _is_by(measure: Measure, value: Quantity, now: Threshold) -> bool:
    """Whether a measure is of what the row's threshold is about, even where no number decided: others are besides."""
    shown = [limit.value if isinstance(limit, Quantity) else None for limit in (measure.warning, measure.critical)]
    own = [None if limit is None else number(limit) for limit in (now.warning, now.critical)]
    return shown in (own, [None, None]) and (measure.direction, value.unit) == (now.direction, now.unit)


def _fits(value: float, state: State, now: Threshold) -> bool:
    """Whether what was kept of a measure is what the threshold says of it: the history keeps no limits."""
    return state not in (State.OK, State.WARNING, State.CRITICAL) or now.state(value) is state
