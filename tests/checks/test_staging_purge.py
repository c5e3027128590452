"""STAGE-01: why records lie past their time, and the purge as its remedy."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks.staging import check_staging_within_retention
from procedures.purge.facts import Purges, Staged, TableDue
from runbook import judging, policy
from runbook.errors import ProbeFailure
from runbook.model import Choice, Decision, Effect, Finding, Plan, Proof, Risk, State, Step
from runbook.probes import Readings
from runbook.rows import NoPlan, of
from runbook.settings import PolicySettings
from runbook.targets.postgres.structs import StagingTable
from runbook.text import text
from tests.checks import exchange, fakes
from tests.checks.exchange import DAY, REASON, Purge, due, purged, purges, run, staged
from tests.checks.fakes import Told

CHECK = check_staging_within_retention
CAUSES = ("purge_has_not_run", "purge_left_tables_out", "records_cannot_be_purged", "records_came_late")


def told(
    *tables: TableDue, ledger: Purges | None = None, exchange_tables: Staged | None = None, **answers: Any
) -> Purge:
    given = {"due": tables or (due(),), "purges": ledger or purges(), "staged": exchange_tables or staged()}
    return Purge(**{**given, **answers})


def findings(purge: Purge) -> dict[str, Finding]:
    return fakes.diagnosed(CHECK, purge=purge)


def planned(purge: Purge) -> list[Step]:
    treatment = of(CHECK).treatment
    assert treatment is not None
    return list(treatment.remedy(findings=findings(purge), purge=purge))


def reason(purge: Purge) -> str:
    with pytest.raises(NoPlan) as caught:
        planned(purge)
    return str(caught.value.reason)


class TestVerdict:
    """A table may have a retention of its own."""

    def verdict(self, age: timedelta, overdue: int, own: timedelta) -> Any:
        table = StagingTable(
            table=exchange.TABLE, rows=10, bytes=10, overdue=overdue, oldest=fakes.now() - age, null_times=0
        )
        purge = told()
        purge.retention = lambda table: own  # type: ignore[method-assign]
        return fakes.judged(CHECK, database=Told(staging=(table,)), purge=purge)

    def test_longer_than_that_of_all(self) -> None:
        found = self.verdict(200 * DAY, 7, own=365 * DAY)
        assert found.state is State.OK
        assert "none past its retention" in str(found.summary)

    def test_shorter_than_that_of_all(self) -> None:
        found = self.verdict(50 * DAY, 0, own=30 * DAY)
        assert found.state is State.WARNING
        assert "the oldest record is" in str(found.summary)


class TestCauses:
    """Each situation has its cause, and the others are ruled out."""

    @pytest.mark.parametrize(
        ("purge", "cause"),
        [
            pytest.param(told(), "purge_has_not_run", id="no purge ever ran"),
            pytest.param(
                told(due(age=98 * DAY), ledger=purges(run(9 * DAY))), "purge_has_not_run", id="the last is too long ago"
            ),
            pytest.param(
                told(ledger=purges(run(DAY, finished=False))), "purge_left_tables_out", id="the last one stopped"
            ),
            pytest.param(
                told(ledger=purges(run(DAY, purged(exchange.TABLE, REASON)))),
                "purge_left_tables_out",
                id="the last one left a table out",
            ),
            pytest.param(
                told(due(0, overdue=12, unprocessed={"RECIBIDO": 12}), ledger=purges(run(DAY))),
                "records_cannot_be_purged",
                id="never processed",
            ),
            pytest.param(
                told(due(0, overdue=3, held=3), ledger=purges(run(DAY))), "records_cannot_be_purged", id="on hold"
            ),
            pytest.param(told(due(50), ledger=purges(run(DAY))), "records_came_late", id="came after the last one"),
            pytest.param(told(ledger=purges(run(DAY, finished=False), at_work=True)), None, id="one is at work"),
            pytest.param(told(due(5, age=90.5 * DAY), ledger=purges(run(DAY))), None, id="due since the last one"),
        ],
    )
    def test_confirmed(self, purge: Purge, cause: str | None) -> None:
        proofs = fakes.proofs(findings(purge))
        assert set(proofs) == set(CAUSES)
        assert {name for name, proof in proofs.items() if proof is Proof.CONFIRMED} == ({cause} if cause else set())
        assert Proof.UNKNOWN not in proofs.values()

    def test_a_stopped_run_that_nobody_took_up_has_two_causes(self) -> None:
        proofs = fakes.proofs(findings(told(ledger=purges(run(9 * DAY, finished=False)))))
        assert proofs["purge_has_not_run"] is proofs["purge_left_tables_out"] is Proof.CONFIRMED

    def test_the_site_says_how_often_a_purge_should_run(self) -> None:
        purge = told(ledger=purges(run(9 * DAY)))
        found = fakes.diagnosed(CHECK, settings={"purge_every": 32 * DAY}, purge=purge)
        assert found["purge_has_not_run"].proof is Proof.RULED_OUT

    def test_a_refused_table_is_told_with_the_way_out(self) -> None:
        purge = told(ledger=purges(run(DAY, purged(exchange.TABLE, REASON))), exchange_tables=staged(REASON))
        found = findings(purge)["purge_left_tables_out"]
        assert found.advice == (REASON,)
        assert [e.source for e in found.evidence if e.statement == REASON] == ["purge_run", "pg_class"]

    def test_changed_rows_and_a_waiting_batch_are_evidence(self) -> None:
        waits = text("paused by {file}", file="/run/pause")
        purge = told(ledger=purges(run(DAY, purged(changed=4, waiting=waits), finished=False)))
        said = [str(e.statement) for e in findings(purge)["purge_left_tables_out"].evidence]
        assert "paused by /run/pause" in said
        assert "4 records had changed since they were archived, and stayed" in said

    def test_counts_by_status_are_evidence(self) -> None:
        stuck = due(5, overdue=19, unprocessed={"RECIBIDO": 12, "VALIDADO": 2}, timeless=3)
        found = findings(told(stuck))["records_cannot_be_purged"]
        assert found.proof is Proof.CONFIRMED
        assert str(found.summary).startswith("14 records")
        assert found.evidence[0].sample == ("RECIBIDO: 12", "VALIDADO: 2")
        assert "3 records have no time" in str(found.evidence[1].statement)
        assert "RECIBIDO, VALIDADO" in str(found.advice[0])

    def test_records_without_a_time_alone_are_no_cause(self) -> None:
        found = findings(told(due(5, timeless=3)))["records_cannot_be_purged"]
        assert found.proof is Proof.RULED_OUT
        assert any("3 records have no time" in str(e.statement) for e in found.evidence)


class TestRemedy:
    """The purge as one step, where it may and can do anything."""

    def test_one_step_that_destroys_and_says_the_way_back(self) -> None:
        (step,) = planned(told(due(100)))
        assert (step.target, step.operation, step.arguments) == ("purge", "purge", {})
        assert (step.risk, step.effect, step.undo) == (Risk.HIGH, Effect.DESTROY, None)
        assert step.fingerprint == {"run": None, "oldest": {exchange.TABLE: "2026-06-01"}}
        assert (step.touches, step.population) == (3, None)
        assert "100 records" in str(step.what)
        assert "restore-archive" in str(step.what)

    def test_a_table_with_nothing_due_is_not_touched(self) -> None:
        (step,) = planned(told(due(0), due(7, table="tbae009_respuesta")))
        assert step.touches == 2

    def test_what_is_too_much_to_count_in_time_is_purged_all_the_same(self) -> None:
        answers = {"staged": staged(), "purges": purges(), "due": fakes.failing(ProbeFailure.SLOW)}
        treatment = of(CHECK).treatment
        assert treatment is not None
        (step,) = treatment.remedy(findings={}, purge=Purge(**answers))
        assert step.touches == 3
        assert "3 tables" in str(step.what)

    @pytest.mark.parametrize(
        ("purge", "words"),
        [
            pytest.param(told(ledger=purges(run(DAY, finished=False), at_work=True)), "at work", id="at work"),
            pytest.param(told(due(0, overdue=4, held=4)), "No record may be purged", id="nothing qualifies"),
            pytest.param(told(exchange_tables=staged(REASON)), "has no primary key", id="the table is refused"),
            pytest.param(told(due(501)), "50.1% of it, and more than 50%", id="more than half of the table"),
        ],
    )
    def test_a_reason_to_do_nothing(self, purge: Purge, words: str) -> None:
        assert words in reason(purge)

    def test_a_run_that_is_gone_on_with_was_confirmed_when_it_began(self) -> None:
        assert planned(told(due(900), ledger=purges(run(DAY, finished=False))))


class TestPolicy:
    """What policy says of the step: it is of high risk, and destroys."""

    def decided(self, purge: Purge, **settings: Any) -> Decision:
        row, targets = of(CHECK), {"purge": purge, "database": Told()}
        found = judging.diagnose(row, targets, Readings(), {})
        plan = judging.plan(row, found, targets, Readings(), timedelta(minutes=1))
        assert isinstance(plan, Plan)
        assert plan.risk is Risk.HIGH
        now = policy.Circumstances(
            row="STAGE-01",
            fixing=True,
            local_time=fakes.now(),
            proofs=tuple(finding.proof for finding in found),
            attempts=(),
            spent=(),
            effects=tuple(step.effect for step in plan.steps),
            settings=PolicySettings(**settings),
        )
        return policy.decide(plan, now)

    @pytest.mark.parametrize(
        ("settings", "choice", "rule"),
        [
            pytest.param({}, Choice.ASK, "policy.high", id="a person is asked where nothing is said"),
            pytest.param({"low": "act", "medium": "act"}, Choice.ASK, "policy.high", id="high is not medium"),
            pytest.param({"high": "never"}, Choice.LEAVE, "policy.high", id="never"),
            pytest.param({"rows": {"STAGE-01": "act"}}, Choice.ACT, "policy.rows.STAGE-01", id="the row by name"),
            pytest.param(
                {"high": "act", "rows": {"STAGE-01": "never"}}, Choice.LEAVE, "policy.rows.STAGE-01", id="but"
            ),
            pytest.param({"high": "act", "max_touched": 2}, Choice.LEAVE, "policy.max_touched", id="too many tables"),
            pytest.param(
                {"high": "act", "max_percent": 10}, Choice.LEAVE, "policy.max_percent", id="of how many is not said"
            ),
        ],
    )
    def test_decision(self, settings: dict[str, Any], choice: Choice, rule: str) -> None:
        decision = self.decided(told(), **settings)
        assert (decision.choice, decision.rule) == (choice, rule)

    @pytest.mark.parametrize(
        ("purge", "rule"),
        [
            (told(due(0, overdue=4, held=4)), "plan"),
            (told(due(5, age=90.5 * DAY), ledger=purges(run(DAY))), "cause"),
        ],
        ids=["nothing to do", "no cause confirmed"],
    )
    def test_left(self, purge: Purge, rule: str) -> None:
        decision = self.decided(purge, high="act")
        assert (decision.choice, decision.rule) == (Choice.LEAVE, rule)
