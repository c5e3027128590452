"""Every breakage is a real cause: its effect is seen from outside, and it is gone when it is healed."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from lab import orphans, supervision
from lab.errors import LabError
from lab.incidents import BREAKAGES, backups, database, program, queue, replicas, staging_overgrown, together
from lab.incidents.breakage import Breakage, await_effect
from lab.place import BACKUP_BUCKET, Place
from lab.services import CONSOLIDATION, PROCESSING, analysis, dashboard, leak, manual_query
from lab.topology import DEAD_LETTERS, QUEUE
from runbook.commands.catalogue import chosen_rows

CONTRACT = {
    "worker-down",
    "worker-stuck",
    "database-refuses",
    "too-few-consumers",
    "slow-query",
    "database-overload",
    "big-batch",
    "consolidation-down",
    "transaction-forgotten",
    "poison-messages",
    "backup-missing",
    "staging-overgrown",
}
OLDEST: LiteralString = """
SELECT extract(epoch FROM localtimestamp - min(fecha_actualizacion)) FROM tbae001_inscripcion
WHERE id_estatus_procesamiento IN (1, 2)"""
UNFINISHED: LiteralString = "SELECT count(*) FROM tbae001_inscripcion WHERE id_estatus_procesamiento IN (1, 2)"


@contextlib.contextmanager
def broken(place: Place, name: str) -> Iterator[Breakage]:
    """Broken meanwhile, twice as it may be; afterwards healed, twice too, and healthy within seconds."""
    breakage = BREAKAGES[name]
    assert not breakage.is_broken(place)
    breakage.apply(place)
    try:
        assert breakage.is_broken(place)
        breakage.apply(place)
        yield breakage
    finally:
        breakage.heal(place)
    breakage.heal(place)
    assert not breakage.is_broken(place)
    await_effect("el laboratorio vuelva a estar sano", lambda: healthy(place), patience=30)


def healthy(place: Place) -> bool:
    up_to_date = waiting_age(place) < 5 and messages(place) < 40
    return up_to_date and queue.consumers(place) == 2 == len(replicas.running(place))


def waiting_age(place: Place) -> float:
    """How long the oldest unfinished enrolment has waited, s."""
    return database.number(place, OLDEST)


def messages(place: Place, of: str = QUEUE) -> int:
    with queue.channel(place) as asking:
        return asking.queue_declare(of, passive=True).method.message_count


def grows(place: Place) -> None:
    """Raises where the queue has not some fifty more messages within seconds."""
    before = messages(place)
    await_effect("crezca la cola", lambda: messages(place) > before + 50)


def end_as_operator(place: Place, application: str) -> None:
    with psycopg.connect(place.conninfo("muses_operator"), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [application]
        )


def logged_errors(place: Place, words: str) -> list[dict[str, Any]]:
    lines = [
        json.loads(line) for log in place.logs.glob(f"{PROCESSING}-*.log") for line in log.read_text().splitlines()
    ]
    return [line for line in lines if line["level"] == "ERROR" and words in line.get("error_details", "")]


def test_all_are_there_with_their_words() -> None:
    assert BREAKAGES.keys() == CONTRACT
    assert all(name == breakage.name and breakage.breaks and breakage.expect for name, breakage in BREAKAGES.items())


def test_every_breakage_has_its_place_among_others() -> None:
    assert sorted(together.ORDER) == sorted(BREAKAGES)
    assert len(together.pairs()) == 65
    assert ("worker-stuck", "worker-down") not in together.pairs()


def test_the_truth_is_of_rows_and_causes_that_there_are() -> None:
    rows = {row.id: row for row in chosen_rows(())}
    for breakage in BREAKAGES.values():
        truth = breakage.truth
        for row, causes in {truth.row: truth.causes, **truth.also}.items():
            assert causes <= {cause.name for cause in rows[row].causes}
        assert truth.fixed is bool(truth.operations)


def test_a_healthy_lab_has_nothing_broken(lab_place: Place) -> None:
    await_effect("esté sano", lambda: healthy(lab_place), patience=30)
    assert [name for name, breakage in BREAKAGES.items() if breakage.is_broken(lab_place)] == []


@pytest.mark.parametrize("name", sorted(CONTRACT - {"too-few-consumers"}))
def test_a_lab_that_is_down_is_told_in_plain_words(lab_place: Place, name: str) -> None:
    dead = replace(lab_place.ports, postgres=1, amqp=1, management=1, storage=1)
    place = replace(lab_place, ports=dead, sockets=lab_place.home / "nowhere")
    with pytest.raises(LabError):
        BREAKAGES[name].is_broken(place)


def test_worker_down(lab_place: Place) -> None:
    with broken(lab_place, "worker-down"):
        states = {p.state for p in supervision.processes(lab_place) if p.group == PROCESSING}
        assert states == {"STOPPED"}
        assert queue.consumers(lab_place) == 0
        grows(lab_place)


def test_worker_stuck(lab_place: Place) -> None:
    with broken(lab_place, "worker-stuck") as breakage:
        assert len(replicas.running(lab_place)) == 2
        assert queue.consumers(lab_place) == 0
        assert database.sessions(lab_place, f"{PROCESSING}%") == 2
        grows(lab_place)
        for name in replicas.USUAL:
            supervision.restart(lab_place, name)
        await_effect("un reinicio la cure", lambda: not breakage.is_broken(lab_place) and messages(lab_place) < 40)


def test_database_refuses(lab_place: Place) -> None:
    before = len(logged_errors(lab_place, "too many connections"))
    with broken(lab_place, "database-refuses") as breakage:
        with pytest.raises(psycopg.OperationalError, match='too many connections for role "muses_app"'):
            psycopg.connect(lab_place.conninfo("muses_app"))
        await_effect(
            "los workers lo anoten", lambda: len(logged_errors(lab_place, "too many connections")) > before + 1
        )
        assert database.sessions(lab_place, f"{PROCESSING}%") == 0
        assert database.sessions(lab_place, f"{CONSOLIDATION}%") == 1
        assert database.sessions(lab_place, leak.LEAK, "idle") > 10
        grows(lab_place)
        end_as_operator(lab_place, leak.LEAK)
        await_effect("termine la fuga", lambda: not program.runs(lab_place, leak.LEAK))
        assert not breakage.is_broken(lab_place)
        await_effect("los workers se pongan al día", lambda: messages(lab_place) < 40, patience=30)


def test_too_few_consumers(lab_place: Place) -> None:
    with broken(lab_place, "too-few-consumers"):
        grows(lab_place)
        assert queue.consumers(lab_place) == 2
        supervision.start(lab_place, f"{PROCESSING}:replica-03", f"{PROCESSING}:replica-04")
        await_effect("cuatro réplicas basten", lambda: messages(lab_place) < 40, patience=30)


@pytest.mark.soak
def test_slow_query(lab_place: Place) -> None:
    with broken(lab_place, "slow-query") as breakage:
        await_effect("se acumule el retraso", lambda: waiting_age(lab_place) > 15, patience=60)
        with psycopg.connect(lab_place.conninfo("muses_operator"), autocommit=True) as connection:
            connection.execute(f"CREATE INDEX CONCURRENTLY ON {lab_place.schema}.tbmu002_persona (curp)")
        assert not breakage.is_broken(lab_place)
        await_effect("el índice la cure", lambda: waiting_age(lab_place) < 5)
    assert database.number(lab_place, "SELECT count(*) FROM tbmu002_persona") < 100_000


@pytest.mark.soak
def test_slow_query_is_healed_without_anybody_elses_index(lab_place: Place) -> None:
    with broken(lab_place, "slow-query"):
        await_effect("se acumule algún retraso", lambda: waiting_age(lab_place) > 3, patience=60)
    assert database.number(lab_place, "SELECT count(*) FROM tbmu002_persona") < 100_000


def test_database_overload(lab_place: Place) -> None:
    with broken(lab_place, "database-overload"):
        blocked = database.number(
            lab_place,
            """SELECT count(*) FROM pg_stat_activity AS waiter
            JOIN pg_stat_activity AS root ON root.pid = ANY(pg_blocking_pids(waiter.pid))
            WHERE root.application_name = %s AND root.state = 'idle in transaction'""",
            manual_query.MANUAL_QUERY,
        )
        assert blocked >= 2
        await_effect("se acumule el retraso", lambda: waiting_age(lab_place) > 4)
        end_as_operator(lab_place, manual_query.MANUAL_QUERY)
        await_effect("siga la consolidación", lambda: waiting_age(lab_place) < 4)
        await_effect("termine la consulta", lambda: not program.runs(lab_place, manual_query.MANUAL_QUERY))
        await_effect("termine el tablero", lambda: not program.runs(lab_place, dashboard.DASHBOARD))


def test_consolidation_down(lab_place: Place) -> None:
    with broken(lab_place, "consolidation-down"):
        assert database.sessions(lab_place, f"{CONSOLIDATION}%") == 0
        await_effect("se acumule el retraso", lambda: waiting_age(lab_place) > 2)


def test_transaction_forgotten(lab_place: Place) -> None:
    with broken(lab_place, "transaction-forgotten") as breakage:
        assert database.waiting_for_locks(lab_place, "%") == 0
        end_as_operator(lab_place, analysis.ANALYSIS)
        await_effect("termine el análisis", lambda: not program.runs(lab_place, analysis.ANALYSIS))
        assert not breakage.is_broken(lab_place)


def test_big_batch(lab_place: Place) -> None:
    with broken(lab_place, "big-batch"):
        waiting, at = database.number(lab_place, UNFINISHED), time.monotonic()
        assert waiting > 20_000
        await_effect("avance", lambda: database.number(lab_place, UNFINISHED) < waiting - 1_000)
        assert 1_000 / (time.monotonic() - at) < 1_000, "faster than a lot is worth showing"
        largest = database.number(
            lab_place,
            f"SELECT id_subsistema FROM ({UNFINISHED.replace('count(*)', '*')}) AS x GROUP BY 1 ORDER BY count(*) DESC",
        )
        assert largest == 4


def test_poison_messages(lab_place: Place) -> None:
    before = len(logged_errors(lab_place, "msgspec"))
    with broken(lab_place, "poison-messages"):
        assert messages(lab_place, DEAD_LETTERS) == 25
        assert len(logged_errors(lab_place, "msgspec")) == before + 25
        with queue.channel(lab_place) as channel:
            properties: Any = channel.basic_get(DEAD_LETTERS)[1]
        (death,) = properties.headers["x-death"]
        assert (death["reason"], death["queue"]) == ("rejected", QUEUE)


def test_backup_missing(lab_place: Place) -> None:
    with backups.storing(lab_place) as storage:
        assert age(storage) < timedelta(hours=1)
        with broken(lab_place, "backup-missing"):
            assert timedelta(hours=59) < age(storage) < timedelta(hours=61)
        newest = backups.published(storage)[0]
        assert age(storage) < timedelta(minutes=1)
        size = storage.head_object(Bucket=BACKUP_BUCKET, Key=newest.manifest["object"])["ContentLength"]
        assert (newest.manifest["bytes"], newest.manifest["verified"]) == (size, True)


def age(storage: Any) -> timedelta:
    """Of the newest published backup."""
    return datetime.now(UTC) - backups.published(storage)[0].finished_at


def test_staging_overgrown(lab_place: Place) -> None:
    overdue: LiteralString = """
    SELECT count(*) FROM tbae001_inscripcion JOIN tbae009_respuesta USING (uuid)
    WHERE fecha_actualizacion < localtimestamp - interval '90 days'"""
    with broken(lab_place, "staging-overgrown"):
        assert database.number(lab_place, overdue) == staging_overgrown.OVERDUE
    assert database.number(lab_place, overdue) == 0
    orphaned = "SELECT count(*) FROM tbae009_respuesta WHERE fecha_respuesta < localtimestamp - interval '90 days'"
    assert database.number(lab_place, orphaned) == 0


def test_the_breaking_programs_end_with_the_lab(lab_place: Place) -> None:
    """``lab down`` ends whatever carries the lab's mark: so must they."""

    def marked() -> bool:
        commands = (Path("/proc", str(pid), "cmdline").read_bytes() for pid in orphans.of(lab_place))
        return any(manual_query.__name__.encode() in command for command in commands)

    with broken(lab_place, "database-overload"):
        assert marked()
    assert not program.runs(lab_place, manual_query.MANUAL_QUERY)
