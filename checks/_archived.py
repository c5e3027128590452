"""Whether the archive keeps up with what is to go, and whether what is in it can be read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from runbook import clock
from runbook.limits import Limits
from runbook.model import State
from runbook.text import Quantity, Text, size, text

if TYPE_CHECKING:
    from procedures.purge.facts import Staged, TableDue
    from runbook.targets.s3.archive_probes import Sampled
    from runbook.targets.s3.archives import Archived


def newest_of(staged: Staged, table: str, archived: Iterable[Archived]) -> datetime | None:
    """When the newest batch of a table was published; None where there is none that can be read."""
    named = (staged.database, staged.schema, table)
    times = [
        batch.published_at
        for batch in archived
        if batch.manifest is not None
        and (batch.manifest.database, batch.manifest.schema, batch.manifest.table) == named
    ]
    return max(times, default=None)


def recent(published: Mapping[str, datetime | None], limits: Limits) -> dict[str, datetime]:
    """The tables of which a batch came within the limit: they have no gap, whatever is due by now."""
    limit = limits.threshold and limits.threshold.warning
    patience = limit if isinstance(limit, timedelta) else timedelta(0)
    now = clock.now()
    return {table: at for table, at in published.items() if at is not None and now - at <= patience}


def tell_recent(table: str, published: datetime, limits: Limits) -> None:
    """Keep that a table has no gap."""
    said = text("{table}: the newest batch is {ago} old", table=table, ago=clock.now() - published)
    limits.hold(State.OK, of=table, summary=said)


def judge_gap(due: TableDue, published: datetime | None, limits: Limits) -> None:
    """Judge for how long records have been due without any batch coming. Where nothing is due there is no gap."""
    named = {"table": due.table}
    since = due.due_since
    if since is None:
        nothing = text("{table}: nothing is to be archived", **named)
        limits.hold(State.OK, of=due.table, summary=nothing)
        return
    gap = max(clock.now() - max(since, published or since), timedelta(0))
    records = Quantity(due.qualifying, "records")
    said = text("{table}: {records} are due, and no batch has come for {gap}", **named, records=records, gap=gap)
    if published is None:
        said = text(
            "{table}: {records} are due for {gap}, and nothing was ever archived", **named, records=records, gap=gap
        )
    limits.judge(gap, of=due.table, summary=said)


def tell_unreadable(staged: Staged, archived: Iterable[Archived], limits: Limits) -> None:
    """A manifest of ours that cannot be read publishes nothing; row ARCH-02 says what to do."""
    ours = f"{staged.database}/{staged.schema}."
    for batch in archived:
        if batch.manifest is None and ours in batch.key:
            said = text("The manifest {key} cannot be read: {reason}", key=batch.key, reason=batch.problem)
            limits.hold(State.WARNING, of=batch.key, summary=said)


def judge_sample(batch: Sampled, limits: Limits) -> None:
    """Judge one batch that was read back."""
    state = State.OK if batch.damage is None else State.CRITICAL
    if batch.damage is None and batch.depth == "unread":
        state = State.SKIPPED
    limits.hold(state, of=batch.key, value=size(batch.bytes), summary=_said(batch))


def _said(batch: Sampled) -> Text:
    if batch.damage is not None:
        return _damage(batch)
    if batch.depth == "decoded":
        rows = Quantity(batch.rows, "rows")
        return text("{key}: read back whole, {rows}, {size}", key=batch.key, rows=rows, size=size(batch.bytes))
    known = {"key": batch.key, "size": size(batch.bytes)}
    if batch.depth == "hashed":
        return text("{key}: the object is what was written, {size}; encrypted with age, it was not opened", **known)
    return text("{key}: too large for a check, {size}: `muses-runbook run verify-archive` reads it", **known)


def _damage(batch: Sampled) -> Text:
    seen = {"key": batch.key, "reason": batch.reason}
    match batch.damage:
        case "manifest":
            return text("{key}: the manifest cannot be read: {reason}", **seen)
        case "gone":
            return text("{key}: its object {reason} is gone", **seen)
        case "size":
            return text("{key}: its object has another size: {reason}", **seen)
        case "hash":
            return text("{key}: its object is not what was written: {reason}", **seen)
        case "compression":
            return text("{key}: its object cannot be decompressed: {reason}", **seen)
        case _:
            return text("{key}: it holds other rows than the manifest says: {reason}", **seen)
