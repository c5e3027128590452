"""Incidents: the breaches of one environment that hang together in time, told from the history and stored nowhere.

An incident begins with the first run that sees a breach (WARNING or CRITICAL at the run's end, not waived), takes in
every row that breaches while it lasts, and ends when each of its rows was judged again and is not breached. UNKNOWN
neither begins nor ends one, and SKIPPED does not either: what was not looked at is not mended. A run over some of the
rows says nothing of the others.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from runbook.history import KEPT, History, Judged, Kept
from runbook.model import BREACHED, State, worst

_SAYS_NOTHING = (State.UNKNOWN, State.SKIPPED)


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """What was broken from ``began`` to ``ended`` (None: it lasts), with the rows in the order in which they broke.

    ``id`` is ``ENV-20261125T031200Z``: the environment and the start of the first run that saw it. ``worst`` is the
    worst state of any of its rows at any time; ``runs`` are those that judged one of them, to the one that ended it.
    """

    id: str
    environment: str
    began: datetime
    ended: datetime | None
    rows: tuple[str, ...]
    worst: State
    runs: tuple[str, ...]


class _Look(msgspec.Struct, kw_only=True):
    """One run's word on the rows it judged; ``run`` is empty where the history does not know it."""

    run: str
    began: datetime
    ended: datetime
    rows: dict[str, Judged] = {}


def incidents(history: History, since: timedelta) -> tuple[Incident, ...]:
    """Those that lasted until less than ``since`` ago or still last, oldest first. Raises HistoryError."""
    after = datetime.now(UTC) - since
    return tuple(one for one in _told(_looks(history), history.environment) if one.ended is None or one.ended >= after)


def current(history: History) -> Incident | None:
    """The one that still lasts; None where there is none. Raises HistoryError."""
    return next((one for one in incidents(history, timedelta(0)) if one.ended is None), None)


def last_judged(history: History, incident: Incident) -> dict[str, Judged]:
    """Each row's newest judgement that says something, no later than the incident's end. Raises HistoryError."""
    now, rows = datetime.now(UTC), frozenset(incident.rows)
    ends_at = incident.ended or now
    judged = (one for one in history.troubled(now - incident.began) if one.row in rows and one.at <= ends_at)
    return {one.row: one for one in judged if one.final not in _SAYS_NOTHING}


def proven_fixed(history: History, incident: Incident) -> bool:
    """Whether it ended because every row was found in order: a breach that somebody accepted is not mended."""
    ends = last_judged(history, incident).values()
    return incident.ended is not None and all(one.final is State.OK for one in ends)


def is_breach(judged: Judged) -> bool:
    """Whether the row was broken at the run's end and nobody answers for it."""
    return judged.final in BREACHED and not judged.waived


def _looks(history: History) -> list[_Look]:
    """What each run since the first broken one said, in the order in which they ended."""
    kept = history.kept(KEPT)
    first = next((run.started_at for run in kept if run.worst in BREACHED), None)
    if first is None:
        return []
    since = datetime.now(UTC) - first + timedelta(seconds=1)
    return sorted(_by_run(history.troubled(since), kept), key=lambda look: look.ended)


def _by_run(verdicts: Iterable[Judged], kept: tuple[Kept, ...]) -> Iterable[_Look]:
    """The verdicts of each run together; of two on one row the later counts."""
    known, starts = {run.id: run for run in kept}, [run.started_at for run in kept]
    looks: dict[str, _Look] = {}
    for one in verdicts:
        id = one.run or _run_at(one.at, kept, starts)
        look = looks.setdefault(id or one.at.isoformat(), _look(id, known.get(id), one.at))
        look.rows[one.row] = one
    return looks.values()


def _look(id: str, run: Kept | None, at: datetime) -> _Look:
    return _Look(run=id, began=run.started_at if run else at, ended=run.ended_at if run else at)


def _run_at(at: datetime, kept: tuple[Kept, ...], starts: list[datetime]) -> str:
    """The run that a verdict of an earlier version's file belongs to: the last one that had begun."""
    place = bisect_right(starts, at) - 1
    return kept[place].id if place >= 0 and at <= kept[place].ended_at else ""


def _told(looks: Iterable[_Look], environment: str) -> Iterator[Incident]:
    lasting: Incident | None = None
    broken: dict[str, bool] = {}  # the rows of the incident that lasts, and whether each is breached
    for look in looks:
        found = [row for row, one in look.rows.items() if is_breach(one)]
        if lasting is None and not found:
            continue
        broken.update(dict.fromkeys(found, True))
        broken.update((row, False) for row in look.rows.keys() & broken.keys() if _is_over(look.rows[row]))
        lasting = _seen(lasting or _begun(look, environment), look, found, tuple(broken))
        if not any(broken.values()):
            yield msgspec.structs.replace(lasting, ended=look.ended)
            lasting, broken = None, {}
    if lasting is not None:
        yield lasting


def _is_over(one: Judged) -> bool:
    return one.final not in _SAYS_NOTHING and not is_breach(one)


def _begun(look: _Look, environment: str) -> Incident:
    id = f"{environment}-{look.began.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return Incident(id=id, environment=environment, began=look.began, ended=None, rows=(), worst=State.SKIPPED, runs=())


def _seen(incident: Incident, look: _Look, found: list[str], rows: tuple[str, ...]) -> Incident:
    states = (incident.worst, *(look.rows[row].final for row in found))
    concerns = look.run and not look.rows.keys().isdisjoint(rows)
    runs = (*incident.runs, look.run) if concerns else incident.runs
    return msgspec.structs.replace(incident, rows=rows, worst=worst(states), runs=runs)
