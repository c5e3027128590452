"""What the probes of the database's load say in a test: a database at leisure unless told otherwise."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from runbook.targets.postgres.health_structs import Archive, Counters, Server, Setting
from runbook.targets.postgres.load_structs import (
    Checkpoints,
    FrozenAge,
    HorizonHolder,
    Load,
    Lot,
    Pace,
    Replication,
    Slot,
    Standby,
    TableDebt,
    Throughput,
    Vacuuming,
    Waits,
    WaitShare,
)
from tests.checks.fakes import MINUTE, now

TABLE = "tbae001_inscripcion"
EVERY = timedelta(seconds=10)


def share(
    sessions: float, kind: str = "CPU", event: str = "", application: str = "tablero", query: str = "SELECT $1"
) -> WaitShare:
    return WaitShare(application=application, role="muses_app", kind=kind, event=event, query=query, sessions=sessions)


def load(*shares: WaitShare, hidden: int = 0, checkpoints: dict[str, Any] | None = None, **throughput: Any) -> Load:
    done: dict[str, Any] = {
        "span": timedelta(seconds=1),
        "transactions": 40,
        "rollbacks": 0,
        "blocks_hit": 9_990,
        "blocks_read": 10,
        "temp_files": 0,
        "temp_bytes": 0,
        "wal_bytes": 1_000,
        "total_blocks_hit": 0,
        "total_blocks_read": 0,
        "total_temp_files": 0,
        "total_temp_bytes": 0,
        "counted_since": None,
    }
    made: dict[str, Any] = {
        "timed": 100,
        "requested": 1,
        "last_at": now(),
        "now": now(),
        "counted_since": now() - 500 * MINUTE,
        "write_time": timedelta(0),
        "timeout": 5 * MINUTE,
        "max_wal_size": 1 << 30,
    }
    return Load(
        waits=Waits(
            looks=10,
            span=timedelta(seconds=1),
            sessions=sum(share.sessions for share in shares),
            hidden=hidden,
            shares=shares,
        ),
        throughput=Throughput(**{**done, **throughput}),
        checkpoints=Checkpoints(**{**made, **(checkpoints or {})}),
    )


def debt(dead: int = 400_000, live: int = 100_000, table: str = TABLE, **changes: Any) -> TableDebt:
    plain: dict[str, Any] = {"schema": "muses_dev", "threshold": 20_050.0, "enabled": True, "last": None}
    return TableDebt(table=table, live=live, dead=dead, **{**plain, **changes})


def vacuuming(*debts: TableDebt, **changes: Any) -> Vacuuming:
    plain: dict[str, Any] = {
        "enabled": True,
        "counted": True,
        "most_workers": 3,
        "workers": (),
        "counted_since": None,
    }
    return Vacuuming(debts=debts, **{**plain, **changes})


def holder(since: timedelta | None = 90 * MINUTE, kind: str = "session", **changes: Any) -> HorizonHolder:
    plain: dict[str, Any] = {
        "name": "reporte-matricula",
        "pid": 77,
        "role": "muses_app",
        "database": "sep_muses",
        "here": True,
        "state": "idle in transaction",
        "age": 5_000,
        "query": "SELECT count(*) FROM tbmu006_inscripcion",
    }
    return HorizonHolder(kind=kind, since=since, **{**plain, **changes})


def frozen(age: int, per_second: float | None, kind: str = "xid") -> FrozenAge:
    return FrozenAge(
        database="sep_muses",
        kind=kind,
        age=age,
        freezes_at=200_000_000,
        stops_at=2_144_483_647,
        per_second=per_second,
        paced_over=4 * MINUTE,
    )


def slot(**changes: Any) -> Slot:
    plain: dict[str, Any] = {
        "name": "respaldo_viejo",
        "kind": "physical",
        "database": "",
        "active": False,
        "pid": None,
        "wal_status": "extended",
        "kept_bytes": 42_000_000_000,
        "safe_bytes": None,
        "xmin_age": None,
        "inactive_for": timedelta(days=3),
        "reason": "",
    }
    return Slot(**{**plain, **changes})


def standby(**changes: Any) -> Standby:
    plain: dict[str, Any] = {
        "application": "replica-1",
        "client": "192.0.2.9",
        "state": "streaming",
        "sync_state": "async",
        "slot": "",
        "sent_bytes": 0,
        "flush_bytes": 0,
        "replay_bytes": 9_000_000,
        "flush_lag": timedelta(0),
        "replay_lag": timedelta(seconds=42),
        "xmin_age": None,
    }
    return Standby(**{**plain, **changes})


def replication(*slots: Slot, standbys: tuple[Standby, ...] = ()) -> Replication:
    return Replication(slots=slots, standbys=standbys, kept_at_most=None)


def pace(*finished: int, waiting: int = 0, table: str = TABLE) -> Pace:
    """The intervals up to now; as many as are finished stood ready besides those that wait."""
    done = finished or (0,) * 30
    ready = tuple(waiting + sum(done[number:]) for number in range(len(done)))
    return Pace(table=table, every=EVERY, finished=done, waiting=ready, unfinished=waiting)


def lot(records: int, day: int = 1, subsystem: int | None = 4, table: str = TABLE, *, today: bool = False) -> Lot:
    return Lot(table=table, subsystem_id=subsystem, day=date(2026, 11, day), today=today, records=records)


#: Nothing to wait for, nothing to clean, nobody behind, no past.
QUIET: dict[str, Any] = {
    "load": load(share(1.0)),
    "vacuuming": vacuuming(),
    "frozen_ages": (frozen(1_000_000, 5.0),),
    "horizon": (),
    "replication": replication(),
    "lots": (),
    "pace": (pace(),),
}


def server(**changes: Any) -> Server:
    """A server at leisure that has run for an hour, with the lab's database and one that all share."""
    plain: dict[str, Any] = {
        "version": 170_010,
        "version_name": "17.10",
        "started_at": now() - 60 * MINUTE,
        "now": now(),
        "took": timedelta(milliseconds=5),
        "checksums": True,
        "longest_wait": timedelta(0),
        "oldest_transaction": timedelta(0),
        "longest_idle": timedelta(0),
        "counters": (counters(database=""), counters()),
        "archive": archive(),
        "checkpoints": load().checkpoints,
        "ages": (frozen(1_000_000, 5.0),),
        "replication": replication(),
        "prepared": (),
        "settings": (),
    }
    return Server(**{**plain, **changes})


def counters(**changes: Any) -> Counters:
    plain: dict[str, Any] = {
        "database": "sep_muses",
        "commits": 100_000,
        "rollbacks": 100,
        "deadlocks": 2,
        "temp_bytes": 1_000_000,
        "checksum_failures": 0,
        "checksum_failed_at": None,
        "counted_since": None,
    }
    return Counters(**{**plain, **changes})


def archive(**changes: Any) -> Archive:
    plain: dict[str, Any] = {
        "enabled": True,
        "last_archived_at": now() - 300 * MINUTE,
        "failed": 0,
        "last_failed": "",
        "last_failed_at": None,
        "ready": 0,
        "segment_bytes": 16 << 20,
    }
    return Archive(**{**plain, **changes})


def setting(name: str = "shared_buffers", value: str = "1048576", **changes: Any) -> Setting:
    plain: dict[str, Any] = {
        "shown": "8GB",
        "unit": "8kB",
        "kind": "integer",
        "source": "configuration file",
        "pending_restart": False,
    }
    return Setting(name=name, value=value, **{**plain, **changes})
