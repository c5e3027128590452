"""What the rows of the database's upkeep say of what they judge. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks import _upkeep
from checks._found import confirmed, ruled_out, unknown
from runbook.limits import Limits
from runbook.model import Finding, State
from runbook.text import Quantity, Text, percent, text

if TYPE_CHECKING:
    from runbook.targets.postgres.health_structs import Sequence, Sequences, Server
    from runbook.targets.postgres.load_structs import FrozenAge, HorizonHolder, TableDebt

#: Transactions after which one who does not say since when he holds the rows is in the way.
MANY = 1_000_000


def aged(age: FrozenAge) -> Text:
    """How far a database is, and how long it has left where the pace is known."""
    given = {"database": age.database, "age": f"{age.age:,}", "kind": age.kind, "left": f"{age.stops_at - age.age:,}"}
    if age.left is None:
        return text("{database} is {age} transactions old ({kind}); writing stops after {left} more", **given)
    return text(
        "{database} is {age} transactions old ({kind}); writing stops after {left} more, in {time} at the pace since "
        "the last checkpoint",
        time=age.left,
        **given,
    )


def held(found: _upkeep.Upkeep) -> Finding:
    """Who holds the oldest rows; not known where that could not be read."""
    facts = tuple(_upkeep.evidence(found))
    wrong = hindrance(found)
    if wrong is not None:
        return confirmed(wrong.summary, *facts, advice=wrong.advice)
    if found.unread:
        return unknown(text("Not all that may hold rows could be looked at"), *facts)
    return ruled_out(text("Nobody holds old rows: VACUUM FREEZE only has to run"), *facts)


def hindrance(upkeep: _upkeep.Upkeep) -> _upkeep.Trouble | None:
    """What keeps rows of any table from being cleaned and frozen; None where nothing does."""
    found, holder = upkeep.vacuuming, next(filter(_is_in_the_way, upkeep.horizon), None)
    blocked = next((worker for worker in found.workers if worker.blocked_by), None) if found else None
    if found and not (found.enabled and found.counted):
        said = text("Autovacuum is switched off")
    elif holder is not None:
        said = _holds(holder)
    elif blocked is not None:
        said = text("The vacuum of {table} (pid {pid}) waits for a lock", table=blocked.table, pid=str(blocked.pid))
    elif found and found.busy >= found.most_workers:
        said = text("All autovacuum workers are busy")
    else:
        return None
    return _upkeep.Trouble(said, (_upkeep.ended(holder),) if holder else (_upkeep.BY_HAND,))


def _is_in_the_way(holder: HorizonHolder) -> bool:
    """For long, or of many transactions where nobody knows since when."""
    return holder.age >= MANY if holder.since is None else holder.since >= _upkeep.HELD


def _holds(holder: HorizonHolder) -> Text:
    given = {"holder": _upkeep.named(holder), "kind": holder.kind, "age": f"{holder.age:,}"}
    if holder.since is None:
        return text("{holder} ({kind}) holds rows that are {age} transactions old", **given)
    return text(
        "{holder} ({kind}) holds rows that are {age} transactions old, for {since}", since=holder.since, **given
    )


def due(debt: TableDebt) -> Text:
    """How many dead rows a table has beyond what its own options let it have."""
    return text(
        "{table} has {dead} that are dead beside {live}: {times} times its threshold",
        table=f"{debt.schema}.{debt.table}",
        dead=Quantity(debt.dead, "rows"),
        live=Quantity(debt.live, "rows"),
        times=round(debt.dead / max(1.0, debt.threshold), 1),
    )


def judge_sequences(found: Sequences, limits: Limits) -> None:
    """Each of the fullest; those that are hidden from us make the row UNKNOWN."""
    for sequence in found.fullest:
        limits.judge(sequence.percent, of=sequence.name, summary=_filled(sequence))
    if found.hidden:
        names = ", ".join(found.hidden)
        words = text("{names}: GRANT SELECT ON ALL SEQUENCES, see muses-runbook grants", names=names)
        limits.cannot_see(words)
    others = found.count - len(found.fullest) - len(found.hidden)
    if others or not found.count:
        said = text("Sequences that have used less than half of their numbers: {count}", count=others)
        limits.hold(State.OK, of="*", summary=said)


def judge_checksums(server: Server, limits: Limits) -> None:
    """Each database; what was seen last so long ago that it was dealt with is told, and breaches nothing."""
    for counted in server.counters:
        failures, failed_at = counted.checksum_failures, counted.checksum_failed_at
        name = counted.database or "pg_global"
        if failures is None:
            limits.cannot_see(text("{database} does not count wrong checksums", database=name))
        elif failures and failed_at and server.now - failed_at > limits.span("forgotten_after"):
            said = text("{database}: the last wrong page was read at {time}", database=name, time=failed_at)
            limits.hold(State.OK, of=name, summary=said)
        else:
            said = text(
                "{database}: {failures} wrong, the last at {time}", database=name, failures=failures, time=failed_at
            )
            limits.judge(failures, of=name, summary=said if failures else None)


def _filled(sequence: Sequence) -> Text:
    given = {"sequence": sequence.name, "share": percent(round(sequence.percent, 1)), "left": f"{sequence.left:,}"}
    if sequence.narrow:
        return text("{sequence} has used {share} of what its column can hold: {left} left", **given)
    return text("{sequence} has used {share} of its numbers: {left} left", **given)
