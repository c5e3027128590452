"""Counters of the server as rates since an earlier check, or since they count. Pure but for the past."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks import _counting
from checks._counting import Grown
from runbook.limits import Limits
from runbook.model import State
from runbook.text import Text, percent, size, text

if TYPE_CHECKING:
    from datetime import datetime

    from runbook.history import History
    from runbook.targets.postgres.health_structs import Counters, Server


def judge_deadlocks(server: Server, history: History, limits: Limits) -> None:
    """Each database by its deadlocks per hour."""
    for counted in _named(server):
        grown = _grown("DB-15", counted.database, counted.deadlocks, counted.counted_since, server, history, limits)
        if grown is not None:
            words = text(
                "{database}: {count} deadlocks in {span}", database=counted.database, count=grown.grown, span=grown.span
            )
            limits.judge(grown.per_hour, of=counted.database, summary=words)


def judge_rollbacks(server: Server, history: History, limits: Limits) -> None:
    """Each database by the share of its transactions that were rolled back."""
    for counted in _named(server):
        name = counted.database
        undone = _grown("DB-16", f"{name} rollbacks", counted.rollbacks, counted.counted_since, server, history, limits)
        done = _grown("DB-16", f"{name} commits", counted.commits, counted.counted_since, server, history, limits)
        if undone is not None and done is not None:
            _judge_share(name, undone, undone.grown + done.grown, limits)


def _judge_share(name: str, undone: Grown, all: float, limits: Limits) -> None:
    share = 100 * undone.grown / all if all else 0.0
    words = text(
        "{database}: {share} of {all} transactions in {span} were undone",
        database=name,
        share=percent(round(share, 1)),
        all=f"{all:,.0f}",
        span=undone.span,
    )
    if all < limits.number("least_transactions"):
        limits.hold(State.OK, of=name, summary=words)
    else:
        limits.judge(share, of=name, summary=words)


def judge_temporary(server: Server, history: History, limits: Limits) -> None:
    """Each database by what it writes to temporary files in an hour."""
    for counted in _named(server):
        grown = _grown("DB-17", counted.database, counted.temp_bytes, counted.counted_since, server, history, limits)
        if grown is not None:
            words = text(
                "{database}: {size} went to temporary files in {span}",
                database=counted.database,
                size=size(grown.grown),
                span=grown.span,
            )
            limits.judge(grown.per_hour, of=counted.database, summary=words)


def judge_checkpoints(server: Server, history: History, limits: Limits) -> None:
    """The share of the checkpoints that the WAL, or a person, asked for."""
    found = server.checkpoints
    forced = _grown("DB-18", "requested", found.requested, found.counted_since, server, history, limits)
    timed = _grown("DB-18", "timed", found.timed, found.counted_since, server, history, limits)
    if forced is None or timed is None:
        return
    said = _checkpoints(forced, timed, found.max_wal_size)
    count = forced.grown + timed.grown
    if count < limits.number("least_checkpoints"):
        limits.hold(State.OK, of="server", summary=said)
    else:
        limits.judge(100 * forced.grown / count, of="server", summary=said)


def _checkpoints(forced: Grown, timed: Grown, max_wal_size: int) -> Text:
    return text(
        "{forced} of {count} checkpoints in {span} were asked for, most because the WAL was full (max_wal_size {size})",
        forced=round(forced.grown),
        count=round(forced.grown + timed.grown),
        span=forced.span,
        size=size(max_wal_size),
    )


def _named(server: Server) -> list[Counters]:
    """The databases that somebody works in: what all share, and what others are copied from, has no work of its own."""
    return [counted for counted in server.counters if counted.database not in ("", "template1")]


def _grown(
    row: str, name: str, value: int, since: datetime | None, server: Server, history: History, limits: Limits
) -> Grown | None:
    """Since an earlier check, else since the counters were reset."""
    return _counting.of(row, name, value, history, limits) or _counting.since_reset(value, since, server.now)
