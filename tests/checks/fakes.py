"""Targets that say what a test tells them, with the real structs: what a row makes of it is what is tested."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook.errors import ProbeError, ProbeFailure
from runbook.limits import Limits
from runbook.model import Finding, Proof
from runbook.rows import Check, of
from runbook.targets.logs.logs import ErrorGroup, ErrorGroups
from runbook.targets.postgres.structs import (
    Blocker,
    Connections,
    ExchangeLatency,
    IndexProposal,
    RoleUse,
    Session,
)
from runbook.targets.rabbitmq.broker import Consumer, Queue
from runbook.targets.workers.replicas import Replica, Service, counted
from runbook.text import text

PROCESSING = "servicio-procesamiento-inicial"
CONSOLIDATION = "servicio-consolidacion"
QUEUE = "muses.recepcion"
MINUTE = timedelta(minutes=1)
#: Just below what warns.
LATENCY = ExchangeLatency(
    table="tbae001_inscripcion",
    finished=100,
    mean=timedelta(seconds=800),
    slowest=timedelta(seconds=900),
    unfinished=0,
    oldest_unfinished=None,
    null_times=0,
)


class Told:
    """A target whose probes give what they are told, whatever they are asked; an error is raised."""

    def __init__(self, **answers: Any) -> None:
        self._answers = {"usual": ProbeError("logs", ProbeFailure.BLIND, "nothing of yesterday is kept"), **answers}

    def __getattr__(self, name: str) -> Any:
        if name not in self._answers:
            raise AttributeError(name)
        answer = self._answers[name]

        def probe(*args: object, **kwargs: object) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        return probe


class Workers(Told):
    """The process manager, with the service names of the lab."""

    processing, consolidation, queue = PROCESSING, CONSOLIDATION, QUEUE
    max_replicas, connections_per_replica, max_connections = 8, 1, None

    def services(self) -> tuple[Service, ...]:
        """The services told, or as the replicas told have them."""
        told = self._answers.get("services")
        return counted(self.replicas()) if told is None else told


class NoHistory:
    """A history that holds the samples it is given, for every object."""

    elsewhere: Any = None

    def __init__(self, *samples: tuple[datetime, float]) -> None:
        self._samples = samples

    def samples(self, row: str, object: str, since: timedelta) -> tuple[tuple[datetime, float], ...]:
        return self._samples


def now() -> datetime:
    return datetime.now(UTC)


def limits(check: Check, **settings: Any) -> Limits:
    """The row's own numbers, some of them overridden."""
    row = of(check)
    return Limits(row.threshold, {**row.settings, **settings})


def judged(check: Check, *, settings: Mapping[str, Any] | None = None, **targets: Any) -> Any:
    """The verdict of a check on these targets."""
    given = limits(check, **settings or {})
    check(limits=given, **targets)
    return given.verdict()


def diagnosed(check: Check, *, settings: Mapping[str, Any] | None = None, **targets: Any) -> dict[str, Finding]:
    """The finding of every cause of the row, by name."""
    found = {}
    for cause in of(check).causes:
        asked = {name: targets[name] for name in cause.targets}
        if "limits" in cause.diagnosis.__code__.co_varnames[: cause.diagnosis.__code__.co_argcount]:
            asked["limits"] = limits(check, **settings or {})
        found[cause.name] = cause.diagnosis(**asked)
    return found


def proofs(findings: Mapping[str, Finding]) -> dict[str, Proof]:
    return {name: finding.proof for name, finding in findings.items()}


def failing(kind: Any, target: str = "database") -> ProbeError:
    return ProbeError(target, kind, text("It failed on purpose"))


def line(at_start: int, at_end: int, span: timedelta = MINUTE, count: int = 13) -> tuple[tuple[datetime, int], ...]:
    """Samples of a queue that goes straight from one depth to another, up to now."""
    step, start = span / (count - 1), now() - span
    return tuple((start + n * step, round(at_start + (at_end - at_start) * n / (count - 1))) for n in range(count))


def queue(*depths: tuple[datetime, int], **changes: Any) -> Queue:
    """The lab's queue, at work and empty unless told otherwise."""
    samples = depths or line(0, 0)
    messages = samples[-1][1]
    plain: dict[str, Any] = {
        "name": QUEUE,
        "messages": messages,
        "ready": messages,
        "unacknowledged": 0,
        "consumers": 2,
        "arrival_rate": 20.0,
        "acknowledge_rate": 20.0,
        "growth_per_minute": 0.0,
        "window": samples[-1][0] - samples[0][0],
        "samples": samples,
    }
    return Queue(**{**plain, **changes})


def replica(
    number: int = 1, state: str = "RUNNING", since: timedelta | None = timedelta(hours=1), **changes: Any
) -> Replica:
    plain: dict[str, Any] = {
        "service": PROCESSING,
        "name": f"{PROCESSING}:replica-{number:02d}",
        "running": state == "RUNNING",
        "state": state,
        "since": since,
        "pid": 100 + number if state == "RUNNING" else None,
    }
    return Replica(**{**plain, **changes})


def replicas(*running: int, declared: int = 8, **others: Any) -> tuple[Replica, ...]:
    """The declared replicas, of which those with these numbers run and the others never did."""
    return tuple(
        replica(number) if number in running else replica(number, "STOPPED", None, **others)
        for number in range(1, declared + 1)
    )


def consumer(number: int) -> Consumer:
    name = f"{PROCESSING}:replica-{number:02d}"
    return Consumer(
        queue=QUEUE,
        tag=f"ctag{number}",
        connection=f"127.0.0.1:{5000 + number} -> 127.0.0.1:5672",
        user="muses_app",
        client=name,
        prefetch=20,
        unacknowledged=0,
    )


def errors(
    *groups: ErrorGroup, lines: int = 100, last_line_at: datetime | None = None, service: str = PROCESSING
) -> ErrorGroups:
    return ErrorGroups(
        service=service,
        lines=lines,
        errors=sum(group.count for group in groups),
        since=now() - 5 * MINUTE,
        until=now(),
        last_line_at=last_line_at or now(),
        groups=groups,
    )


def group(kind: str, *, ago: timedelta = timedelta(seconds=1), count: int = 10) -> ErrorGroup:
    return ErrorGroup(
        shape=f"a {kind} error",
        count=count,
        first=now() - ago - MINUTE,
        last=now() - ago,
        replicas=("replica-01",),
        kind=kind,  # type: ignore[arg-type]
        sample=tuple(f"line {number}" for number in range(8)),
    )


def connections(held: int = 4, limit: int | None = 20, **changes: Any) -> Connections:
    """The lab's server: 100 connections, of which the services' role holds some and has a limit of its own."""
    role = RoleUse(role="muses_app", limit=limit, used=held, idle=0, by_application={f"{PROCESSING}:replica-01": held})
    plain: dict[str, Any] = {
        "max_connections": 100,
        "reserved": 3,
        "used": held + 5,
        "roles": (role,),
        "database_limit": None,
        "database_used": held + 2,
    }
    return Connections(**{**plain, **changes})


def session(pid: int = 1, state: str = "idle", since: timedelta = timedelta(minutes=1), **changes: Any) -> Session:
    plain: dict[str, Any] = {
        "pid": pid,
        "backend_start": now() - timedelta(hours=1),
        "role": "muses_app",
        "application": "reporte-matricula",
        "client": "127.0.0.1",
        "database": "sep_muses",
        "state": state,
        "state_changed_at": now() - since,
        "since": since,
        "transaction_age": since if "transaction" in state or state == "active" else None,
        "query_age": since if state == "active" else None,
        "waiting": None,
        "wait_event_type": None,
        "wait_event": None,
        "query": "SELECT count(*) FROM tbmu006_inscripcion",
        "query_id": str(pid),
        "blocked_by": (),
        "own": False,
    }
    return Session(**{**plain, **changes})


def blocker(state: str = "idle in transaction", wait: timedelta = MINUTE, **changes: Any) -> Blocker:
    root = session(99, state, 2 * MINUTE, application="consulta-manual", **changes)
    return Blocker(session=root, waiting=4, longest_wait=wait, relations=("tbmu006_inscripcion",))


def proposal(
    *, proven: bool = True, statement: str = "SELECT id_persona FROM tbmu002_persona WHERE curp = $1"
) -> IndexProposal:
    return IndexProposal(
        table="tbmu002_persona",
        table_oid=16400,
        columns=("curp",),
        name="tbmu002_persona_curp_idx",
        statement=statement,
        cost_before=24_000.0,
        cost_after=8.5 if proven else 23_000.0,
        proven=proven,
        method="sample of 30000 rows",
        bytes_estimate=20_000_000,
    )
