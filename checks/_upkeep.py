"""Whether what the server must clean, freeze and hand on keeps up, and who is in the way. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from checks._found import fact
from checks._lock_tree import brief, cut, ended_by_a_person, literal
from runbook.errors import ProbeError
from runbook.model import Evidence
from runbook.text import Quantity, Text, percent, size, text

if TYPE_CHECKING:
    from runbook.targets.postgres.database import Database
    from runbook.targets.postgres.load_structs import (
        FrozenAge,
        HorizonHolder,
        Replication,
        Slot,
        Standby,
        TableDebt,
        Vacuuming,
    )

T = TypeVar("T")
#: The tables that the consolidation reads and writes.
OURS = re.compile(r"tb(?:ae|mu)\d")
#: Fewer dead rows than this cost nobody anything.
FEW = 10_000
#: Whoever holds the horizon for less than this is at ordinary work.
HELD = timedelta(minutes=5)
BY_HAND = text("Switch autovacuum on, or run VACUUM on the table when the load is low")


@dataclass(frozen=True)
class Upkeep:
    """What was read; what could not be is None and stands in ``unread`` with the reason."""

    vacuuming: Vacuuming | None
    ages: tuple[FrozenAge, ...]
    horizon: tuple[HorizonHolder, ...]
    replication: Replication | None
    unread: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Trouble:
    """Why it is the cause, in words, and what a person may do."""

    summary: Text
    advice: tuple[Text, ...]


def look(database: Database) -> Upkeep:
    """Read all of it; what fails is told and does not hide the rest."""
    unread: list[Evidence] = []

    def tried(read: Callable[[], T], instead: T, source: str) -> T:
        try:
            return read()
        except ProbeError as error:
            unread.append(fact(error.said, source))
            return instead

    return Upkeep(
        tried(database.vacuuming, None, "pg_stat_all_tables"),
        tried(database.frozen_ages, (), "pg_database"),
        tried(database.horizon, (), "pg_stat_activity"),
        tried(database.replication, None, "pg_stat_replication"),
        tuple(unread),
    )


def trouble(upkeep: Upkeep, *, dead: float, writes_left: timedelta) -> Trouble | None:
    """What is bad enough to be the cause: writing is about to stop, or a table of ours is mostly dead rows.

    ``dead`` is the percentage of a table's rows, ``writes_left`` the time.
    """
    for age in upkeep.ages:
        if age.left is not None and age.left <= writes_left and age.age > age.freezes_at:
            return Trouble(_stops(age), _advice(upkeep))
    for debt in upkeep.vacuuming.debts if upkeep.vacuuming else ():
        share = 100 * debt.dead / max(1, debt.dead + debt.live)
        if OURS.match(debt.table) and debt.dead >= FEW and share >= dead:
            why = _why(upkeep, debt)
            if why is not None:
                return Trouble(why, _advice(upkeep))
    return None


def _why(upkeep: Upkeep, debt: TableDebt) -> Text | None:
    """Why nobody cleans the table; None where somebody soon will."""
    found, holder = upkeep.vacuuming, _holder(upkeep)
    given = {"table": debt.table, "dead": Quantity(debt.dead, "rows"), "live": Quantity(debt.live, "rows")}
    if found is None:
        return None
    if not (found.enabled and found.counted and debt.enabled):
        return text("{table} has {dead} that are dead beside {live}: autovacuum is switched off for it", **given)
    if holder is not None:
        return text(
            "{table} has {dead} that are dead beside {live}: they cannot be removed while {holder} ({kind}) is open, "
            "for {since} now",
            holder=named(holder),
            kind=holder.kind,
            since=holder.since,
            **given,
        )
    if found.busy >= found.most_workers:
        return text("{table} has {dead} that are dead beside {live}: all autovacuum workers are busy", **given)
    if any(worker.table == debt.table and worker.blocked_by for worker in found.workers):
        return text("{table} has {dead} that are dead beside {live}: its vacuum waits for a lock", **given)
    return None


def _holder(upkeep: Upkeep) -> HorizonHolder | None:
    """The oldest that holds our rows, if it has done so for long; a slot or a standby does not say since when."""
    ours = [holder for holder in upkeep.horizon if holder.here and holder.since is not None and holder.since >= HELD]
    return ours[0] if ours else None


def _stops(age: FrozenAge) -> Text:
    return text(
        "The server stops writing in {left} at this pace: database {database} is {age} transactions old ({kind}) and "
        "nothing freezes it",
        left=age.left,
        database=age.database,
        age=age.age,
        kind=age.kind,
    )


def _advice(upkeep: Upkeep) -> tuple[Text, ...]:
    holder = _holder(upkeep)
    return (BY_HAND,) if holder is None else (ended(holder),)


def ended(holder: HorizonHolder) -> Text:
    """What a person does about one who holds the rows."""
    if holder.kind == "prepared transaction":
        return ended_by_a_person(holder.name, holder.role)
    if holder.kind == "slot":
        command = f"SELECT pg_drop_replication_slot({literal(holder.name)})"
        return text("Ask who fetches slot {slot}; where nobody does: {command}", slot=holder.name, command=command)
    return text("Ask {holder} to end its transaction: see who it is below", holder=named(holder))


def evidence(upkeep: Upkeep) -> Iterator[Evidence]:
    """What stands out; what is in order is left out, except that it was looked at."""
    yield from upkeep.unread
    if upkeep.vacuuming is not None:
        yield from _vacuuming(upkeep.vacuuming)
    yield from map(_age, upkeep.ages[:1])
    held = [holder for holder in upkeep.horizon if holder.since is None or holder.since >= HELD]
    if held:
        lines = (f"{h.kind} {h.pid or ''} {named(h)} [{h.state}, {h.age}] {cut(h.query)}" for h in held)
        yield fact(text("The oldest rows that somebody may still want hold back the cleaning"), "backend_xmin", lines)
    if upkeep.replication is not None:
        yield from map(_slot, (slot for slot in upkeep.replication.slots if not slot.active))
        yield from map(_standby, (standby for standby in upkeep.replication.standbys if standby.replay_bytes))


def _vacuuming(found: Vacuuming) -> Iterator[Evidence]:
    if not (found.enabled and found.counted):
        yield fact(text("Autovacuum is switched off"), "autovacuum")
    said = text(
        "{tables} are due for cleaning, {busy} of {most} autovacuum workers are at work",
        tables=Quantity(len(found.debts), "tables"),
        busy=found.busy,
        most=found.most_workers,
    )
    yield fact(said, "pg_stat_all_tables", map(_debt, found.debts))
    for worker in found.workers:
        if worker.blocked_by:
            pid = str(worker.pid)
            blocked = text("The vacuum of {table} (pid {pid}) waits for a lock", table=worker.table, pid=pid)
            yield fact(blocked, "pg_stat_progress_vacuum")


def _debt(debt: TableDebt) -> str:
    last = f"{debt.last:%Y-%m-%d %H:%MZ}" if debt.last else "—"
    return f"{debt.schema}.{debt.table}: {debt.dead} / {debt.live}, > {debt.threshold:.0f}, VACUUM {last}"


def _age(age: FrozenAge) -> Evidence:
    share = percent(round(100 * age.age / age.stops_at, 1))
    if age.left is None:
        said = text(
            "Database {database} is {share} of the way to where writing stops", database=age.database, share=share
        )
    else:
        said = text(
            "Database {database} is {share} of the way to where writing stops: {left} at this pace if nothing freezes",
            database=age.database,
            share=share,
            left=age.left,
        )
    return fact(said, f"datfrozenxid ({age.kind})")


def _slot(slot: Slot) -> Evidence:
    said = text(
        "Nobody fetches replication slot {slot}: the server keeps {size} of WAL for it ({status})",
        slot=slot.name,
        size=size(slot.kept_bytes or 0),
        status=slot.wal_status or "—",
    )
    since = (brief(slot.inactive_for),) if slot.inactive_for is not None else ()
    return fact(said, "pg_replication_slots", since)


def _standby(standby: Standby) -> Evidence:
    said = text(
        "Standby {standby} is {size} behind, {lag}",
        standby=standby.application or standby.client,
        size=size(standby.replay_bytes or 0),
        lag=standby.replay_lag,
    )
    return fact(said, "pg_stat_replication")


def named(holder: HorizonHolder) -> str:
    """The holder as people know it."""
    return holder.name or holder.role or str(holder.pid or "—")
