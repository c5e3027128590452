"""The ten breakages of the lab: right row, right severity, right cause, other causes ruled out; then the fix, proven.

Order does not matter: each test breaks the session's lab, heals it and leaves it healthy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab.incidents import BREAKAGES, database, staging_overgrown
from lab.place import Place
from runbook.model import Proof, Proven, Risk, Run, State
from tests.checks.commands import breached, check, check_until, healthy, proofs, record_of, states, told


@dataclass(frozen=True)
class Expected:
    """What ``check`` must say of a breakage: its row, the confirmed cause, and whether policy lets it be fixed."""

    row: str
    cause: str | None
    fixed: bool
    operations: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()


QUEUE_AND_ETL = frozenset({"ETL-02"})
EXPECTED = {
    "worker-down": Expected("QUEUE-01", "initial_processing_is_down", True, frozenset({"start"})),
    "worker-stuck": Expected("QUEUE-01", "worker_is_not_consuming", True, frozenset({"restart"})),
    "database-refuses": Expected(
        "DB-01", "sessions_are_leaked", True, frozenset({"end_session"}), frozenset({"QUEUE-01", "ETL-01", "ETL-02"})
    ),
    "too-few-consumers": Expected("QUEUE-01", "too_few_consumers", True, frozenset({"scale"})),
    "slow-query": Expected(
        "ETL-01", "queries_are_slow", True, frozenset({"create_index", "analyze"}), frozenset({"ETL-02", "INDEX-05"})
    ),
    "database-overload": Expected(
        "ETL-01", "database_is_overloaded", True, frozenset({"end_session"}), frozenset({"ETL-02"})
    ),
    "big-batch": Expected("ETL-01", "batch_is_very_large", False, also=frozenset({"ETL-02"})),
    "poison-messages": Expected("QUEUE-02", "messages_are_poisoned", False),
    "backup-missing": Expected(
        "BACKUP-01", "backup_did_not_begin", True, frozenset({"backup"}), frozenset({"BACKUP-04"})
    ),
    # Which of the two depends on whether another test of the session has purged the lab before.
    "staging-overgrown": Expected(
        "STAGE-01", "purge_has_not_run|records_came_late", True, frozenset({"purge"}), frozenset({"ARCH-01"})
    ),
}


@pytest.fixture
def lab(lab_place: Place) -> Iterator[Place]:
    """The session's lab, healthy before and after."""
    check_until(lab_place, healthy)
    yield lab_place
    for breakage in BREAKAGES.values():
        if breakage.is_broken(lab_place):
            breakage.heal(lab_place)
    check_until(lab_place, healthy, within=120)


def test_every_breakage_has_its_expectation() -> None:
    assert set(EXPECTED) == set(BREAKAGES)


@pytest.mark.parametrize("name", EXPECTED)
def test_check_names_the_cause_and_the_fix_is_proven(lab: Place, name: str) -> None:
    expected = EXPECTED[name]
    BREAKAGES[name].apply(lab)

    def seen(run: Run) -> bool:
        return expected.row in breached(run)

    run = check_until(lab, seen, within=60)
    record = record_of(run, expected.row)
    assert breached(run) <= {expected.row} | expected.also, told(run)
    causes = proofs(record)
    if expected.cause:
        confirmed = [cause for cause in expected.cause.split("|") if causes[cause] is Proof.CONFIRMED]
        assert len(confirmed) == 1, told(run)
        del causes[confirmed[0]]
    assert set(causes.values()) <= {Proof.RULED_OUT}, told(run)
    assert record.actions == ()

    treated = check(lab, "--fix")
    after = record_of(treated, expected.row)
    if not expected.fixed:
        assert after.actions == ()
        return
    assert {action.step.operation for action in after.actions} <= expected.operations, told(treated)
    assert after.actions, told(treated)
    assert after.verification is not None
    assert after.verification.proven is Proven.FIXED, told(treated)


def test_the_purge_archives_deletes_and_the_archive_can_be_read(lab: Place) -> None:
    """Whatever purges there were before: a lab that was purged a moment ago is purged again."""
    BREAKAGES["staging-overgrown"].apply(lab)
    overdue = "SELECT count(*) FROM tbae001_inscripcion WHERE fecha_actualizacion < localtimestamp - interval '90 days'"
    assert database.number(lab, overdue) == staging_overgrown.OVERDUE
    treated = check(lab, "STAGE-01", "--fix")
    record = record_of(treated, "STAGE-01")
    assert record.plan is not None
    assert record.plan.risk is Risk.HIGH
    (action,) = record.actions
    assert action.after["tables"]["tbae001_inscripcion"]["deleted"] == staging_overgrown.OVERDUE, told(treated)
    assert record.verification is not None
    assert record.verification.proven is Proven.FIXED, told(treated)
    assert database.number(lab, overdue) == 0
    archived = check(lab, "ARCH-01", "ARCH-02")
    assert states(archived) == {"ARCH-01": State.OK, "ARCH-02": State.OK}, told(archived)


def test_the_database_refuses_so_nothing_is_scaled(lab: Place) -> None:
    BREAKAGES["database-refuses"].apply(lab)
    run = check_until(lab, lambda run: {"QUEUE-01", "DB-01"} <= breached(run))
    record = record_of(run, "QUEUE-01")
    causes = proofs(record)
    assert causes.pop("database_refuses_the_workers") is Proof.CONFIRMED, told(run)
    assert set(causes.values()) <= {Proof.RULED_OUT}, told(run)
    assert record.plan is not None
    assert record.plan.steps == ()
    treated = check(lab, "--fix")
    queue = record_of(treated, "QUEUE-01")
    assert not [action for action in queue.actions if action.step.operation == "scale"]
    assert queue.verification is not None
    assert queue.verification.proven is Proven.FIXED, told(treated)


@pytest.mark.soak
def test_a_large_batch_says_when_it_will_be_done(lab: Place) -> None:
    BREAKAGES["big-batch"].apply(lab)
    run = check_until(lab, lambda run: "ETL-01" in breached(run))
    plan = record_of(run, "ETL-01").plan
    assert plan is not None
    assert plan.steps == ()
    assert plan.reason is not None
    assert any(type(value).__name__ == "Instant" for value in plan.reason.values.values()), plan.reason
