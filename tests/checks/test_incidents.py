"""The breakages of the lab: right row, right severity, right cause, other causes ruled out; then the fix, proven.

Order does not matter: each test breaks the session's lab, heals it and leaves it healthy. The site file is that of the
drills, which differs from the lab's in how long is waited before something counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest

from lab.drill import site
from lab.incidents import BREAKAGES, database, staging_overgrown
from lab.place import Place
from runbook.model import Proof, Proven, Risk, Run, State
from tests.checks import commands
from tests.checks.commands import breached, healthy, proofs, record_of, states, told


@pytest.fixture
def lab(lab_place: Place) -> Iterator[Place]:
    """The session's lab, healthy before and after."""
    site.write(lab_place, "act")
    site.forget(lab_place)
    check_until(lab_place, healthy)
    yield lab_place
    for breakage in BREAKAGES.values():
        if breakage.is_broken(lab_place):
            breakage.heal(lab_place)
    check_until(lab_place, healthy, within=120)


def check(place: Place, *arguments: str) -> Run:
    return commands.check(place, *arguments, site=site.file(place))


def check_until(place: Place, wanted: Callable[[Run], bool], within: float = 60) -> Run:
    return commands.check_until(place, wanted, within=within, site=site.file(place))


@pytest.mark.parametrize("name", BREAKAGES)
def test_check_names_the_cause_and_the_fix_is_proven(lab: Place, name: str) -> None:
    truth = BREAKAGES[name].truth
    BREAKAGES[name].apply(lab)

    def named(run: Run) -> bool:
        return truth.row in breached(run) and Proof.CONFIRMED in proofs(record_of(run, truth.row)).values()

    run = check_until(lab, named, within=60)
    record = record_of(run, truth.row)
    assert breached(run) <= truth.rows, told(run)
    causes = proofs(record)
    confirmed = {cause for cause, proof in causes.items() if proof is Proof.CONFIRMED}
    assert len(confirmed) == 1, told(run)
    assert confirmed <= truth.causes, told(run)
    assert {proof for cause, proof in causes.items() if cause not in confirmed} <= {Proof.RULED_OUT}, told(run)
    assert record.actions == ()

    treated = check(lab, "--fix")
    after = record_of(treated, truth.row)
    if not truth.fixed:
        assert after.actions == ()
        return
    steps = [action.step for action in after.actions]
    assert steps, told(treated)
    assert all(truth.allows(step.operation, msgspec.json.encode(step).decode()) for step in steps), told(treated)
    assert after.verification is not None
    assert after.verification.proven is Proven.FIXED, told(treated)
    assert not breached(treated), told(treated)


def test_the_purge_archives_deletes_and_the_archive_can_be_read(lab: Place) -> None:
    """Whatever purges there were before: a lab that was purged a moment ago is purged again."""
    BREAKAGES["staging-overgrown"].apply(lab)
    overdue = "SELECT count(*) FROM tbae001_inscripcion WHERE fecha_actualizacion < localtimestamp - interval '90 days'"
    assert database.number(lab, overdue) == staging_overgrown.OVERDUE
    treated = check(lab, "STAGE-01", "--fix")
    record = record_of(treated, "STAGE-01")
    assert record.plan is not None
    assert record.plan.risk is Risk.HIGH
    assert record.actions, record.decision
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
