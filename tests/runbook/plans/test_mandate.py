"""What was approved runs as it was approved, or not at all: on two tanks whose levels move in between."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from runbook.acting import journal
from runbook.errors import JournalError, PlanError
from runbook.model import Choice, Effect, Outcome, Plan, Proven, Risk, Run, State, Step
from runbook.plans import mandate
from runbook.plans.approving import Standing
from runbook.plans.mandate import Mandate, applied_once, differences
from runbook.site import Site
from runbook.targets.base import operation
from runbook.targets.workers.workers import Workers
from runbook.text import text
from tests.runbook.fakes import Tank, drain_step, tank_row
from tests.runbook.plans import planning
from tests.runbook.plans.planning import SOON, applied, approved, planned, two_tanks
from tests.runbook.targets.servers_postgres import until

#: The site's hour now.
HOUR = datetime.now(ZoneInfo("America/Mexico_City")).hour


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return planning.site_for(tmp_path, planning.by_hmac(tmp_path, changed="rest"))


@pytest.fixture
def strict(tmp_path: Path) -> Site:
    return planning.site_for(tmp_path, planning.by_hmac(tmp_path))


def rules(run: Run) -> dict[str, str]:
    return {record.row: record.decision.rule for record in run.records if record.decision}


def drained(tanks: dict[str, Tank]) -> list[int]:
    return [tank.drained for tank in tanks.values()]


def test_what_was_approved_is_done_and_proven_and_the_journal_names_its_hash(site: Site, tmp_path: Path) -> None:
    tanks = two_tanks()
    plan = approved(planned(site, tanks), site)
    assert drained(tanks) == [0, 0]
    run = applied(plan, site, tanks)
    assert drained(tanks) == [1, 1]
    for record in run.records:
        assert record.decision is not None
        assert (record.decision.choice, record.decision.by) == (Choice.ACT, "ana")
        assert "ana: ticket 4711" in str(record.decision.reason)
        assert record.verification is not None
        assert record.verification.proven is Proven.FIXED
    intents = [entry for entry in journal.verify(tmp_path / "journal.jsonl") if entry.kind == "intent"]
    assert [entry.body["plan"] for entry in intents] == [plan.hash, plan.hash]


def test_what_changed_is_refused_and_listed_and_the_rest_runs(site: Site) -> None:
    tanks = two_tanks()
    plan = approved(planned(site, tanks), site)
    tanks["TANK-01"].current = 26
    run = applied(plan, site, tanks)
    assert drained(tanks) == [0, 1]
    assert rules(run) == {"TANK-01": mandate.CHANGED, "TANK-02": mandate.RULE}
    [refused] = [record for record in run.records if record.row == "TANK-01"]
    assert refused.decision is not None
    assert "tank.drain: fingerprint.level 25 → 26" in str(refused.decision.reason)


def test_or_nothing_runs_where_the_site_says_so(strict: Site) -> None:
    tanks = two_tanks()
    plan = approved(planned(strict, tanks), strict)
    tanks["TANK-01"].current = 26
    run = applied(plan, strict, tanks)
    assert drained(tanks) == [0, 0]
    assert rules(run) == {"TANK-01": mandate.CHANGED, "TANK-02": "policy.approval.changed"}


@pytest.mark.parametrize(
    ("meddle", "words"),
    [
        pytest.param(lambda tank: setattr(tank, "current", 3), "in order again", id="healed by itself"),
        pytest.param(lambda tank: setattr(tank, "answers", False), "cannot be seen", id="blind"),
        pytest.param(lambda tank: setattr(tank, "current", 26), "Changed since", id="changed"),
    ],
)
def test_a_row_that_is_not_as_it_was_does_not_run(site: Site, meddle: Any, words: str) -> None:
    tanks = {"TANK-01": Tank(25)}
    plan = approved(planned(site, tanks), site)
    meddle(tanks["TANK-01"])
    [record] = applied(plan, site, tanks).records
    tanks["TANK-01"].release.set()
    assert tanks["TANK-01"].drained == 0
    assert record.decision is not None
    assert record.decision.choice is Choice.LEAVE
    assert words in str(record.decision.reason)


def test_a_target_that_changes_after_the_comparison_is_refused_by_its_operation(site: Site) -> None:
    tanks = two_tanks()
    plan = approved(planned(site, tanks), site)
    tanks["TANK-01"].on_drain = lambda: setattr(tanks["TANK-02"], "current", 31)
    run = applied(plan, site, tanks)
    [late] = [record for record in run.records if record.row == "TANK-02"]
    assert [action.outcome for action in late.actions] == [Outcome.REFUSED]
    assert drained(tanks) == [1, 0]


def test_a_row_that_the_plan_does_not_name_never_acts_even_where_policy_lets_it(tmp_path: Path) -> None:
    site = planning.site_for(tmp_path, planning.by_hmac(tmp_path, changed="rest"), medium="act")
    tanks = two_tanks()
    plan = approved(planned(site, {"TANK-02": tanks["TANK-02"]}), site)
    run = applied(plan, site, tanks)
    assert drained(tanks) == [0, 1]
    assert rules(run)["TANK-01"] == mandate.RULE


def test_a_row_of_the_plan_that_is_not_there_any_more_holds_the_others_back(strict: Site) -> None:
    tanks = two_tanks()
    plan = approved(planned(strict, tanks), strict)
    run = applied(plan, strict, {"TANK-02": tanks["TANK-02"]})
    assert drained(tanks) == [0, 0]
    assert "TANK-01" in str(run.records[0].decision.reason if run.records[0].decision else "")


def test_no_row_is_planned_for_anew_after_another_acted(site: Site) -> None:
    """Without a mandate the second look may find a plan; nobody approved that one."""
    tanks = two_tanks()
    plan = approved(planned(site, {"TANK-02": tanks["TANK-02"]}), site)
    late = tank_row(
        id="TANK-01", steps=lambda tank: [drain_step(tank)] if tanks["TANK-02"].drained else [], settles=SOON
    )
    run = applied(plan, site, tanks, [late, tank_row(id="TANK-02", settles=SOON)])
    assert drained(tanks) == [0, 1]
    assert {record.row: record.verdict.state for record in run.records}["TANK-01"] is State.CRITICAL


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        pytest.param({"hours": "not now"}, "policy.hours", id="unreadable"),
        pytest.param({"hours": f"{(HOUR + 2) % 24:02}:00-{(HOUR + 4) % 24:02}:00"}, "policy.hours", id="hours"),
        pytest.param({"budget": 0}, "policy.budget", id="budget"),
        pytest.param({"attempts": 0}, "policy.attempts", id="attempts"),
        pytest.param({"max_touched": 0}, "policy.max_touched", id="size"),
        pytest.param({"medium": "never"}, "policy.medium", id="never"),
    ],
)
def test_the_guards_hold_for_what_is_approved_too(tmp_path: Path, more: dict[str, Any], rule: str) -> None:
    tanks, approval = {"TANK-01": Tank(25)}, planning.by_hmac(tmp_path)
    before = planning.site_for(tmp_path, approval)
    plan = approved(planned(before, tanks), before)
    [record] = applied(plan, planning.site_for(tmp_path, approval, **more), tanks).records
    assert record.decision is not None
    assert (record.decision.choice, record.decision.rule) == (Choice.LEAVE, rule)
    assert tanks["TANK-01"].drained == 0


def test_a_clock_that_cannot_be_trusted_stops_what_is_approved(site: Site) -> None:
    class Elsewhere(Tank):
        def clock_skew(self) -> timedelta | None:
            return None

    tanks: dict[str, Tank] = {"TANK-01": Elsewhere(25)}
    [record] = applied(approved(planned(site, tanks), site), site, tanks).records
    assert tanks["TANK-01"].drained == 0
    assert record.decision is not None
    assert record.decision.rule == "clock"


def test_a_row_that_is_late_does_not_decide_for_itself_after_the_mandate_did(tmp_path: Path) -> None:
    class Slow(Tank):
        def clock_skew(self) -> timedelta:
            self.release.wait(20)
            return timedelta(0)

    site = planning.site_for(tmp_path, planning.by_hmac(tmp_path, changed="rest"), medium="act")
    tanks = {"TANK-02": Tank(25), "TANK-01": Tank(30)}
    plan = approved(planned(site, tanks), site)
    tanks["TANK-01"] = late = Slow(31)  # changed, and policy alone would let it act

    def let_it_end() -> None:
        late.release.set()
        until(lambda: not any(thread.name == "row TANK-01" for thread in threading.enumerate()))

    tanks["TANK-02"].on_drain = let_it_end
    hasty = msgspec.structs.replace(site.settings, deadline=timedelta(seconds=0.6))
    applied(plan, replace(site, settings=hasty), tanks)
    assert (tanks["TANK-02"].drained, late.drained) == (1, 0)


def test_without_enough_approvals_there_is_no_mandate(site: Site) -> None:
    with pytest.raises(PlanError):
        Mandate(planned(site, two_tanks()), Standing((), (), needed=1), site.settings.policy)


STEP = Step(
    what=text("Drain"),
    target="tank",
    operation="drain",
    arguments={"to": 0},
    fingerprint={"level": 25},
    effect=Effect.CHANGE,
    undo=Step(what=text("Fill"), target="tank", operation="fill", arguments={"to": 25}),
)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"target": "barrel"}, "target 'tank' → 'barrel'"),
        ({"operation": "explode"}, "operation 'drain' → 'explode'"),
        ({"arguments": {"to": 1}}, "arguments.to 0 → 1"),
        ({"arguments": {}}, "arguments.to 0 → None"),
        ({"fingerprint": {"level": 25, "owner": "b"}}, "fingerprint.owner None → 'b'"),
        ({"risk": Risk.HIGH}, "risk 'medium' → 'high'"),
        ({"effect": Effect.DESTROY}, "effect 'change' → 'destroy'"),
        ({"touches": 2}, "touches 1 → 2"),
        ({"undo": None}, "undo.operation 'fill' → None"),
    ],
)
def test_every_part_of_a_step_that_counts_is_compared(change: dict[str, Any], told: str) -> None:
    changed = msgspec.structs.replace(STEP, **change)
    found = differences(Plan(remedy="r", steps=(STEP,)), Plan(remedy="r", steps=(changed,)), {})
    assert any(told in line for line in found), found


def test_how_a_step_is_told_may_change() -> None:
    reworded = msgspec.structs.replace(STEP, what=text("Drain it now"), population=9)
    assert differences(Plan(remedy="r", steps=(STEP,)), Plan(remedy="r", steps=(reworded,)), {}) == ()


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"arguments": {"service": "s", "to": 5}, "touches": 3, "undo": None}, True),
        ({"arguments": {"service": "s", "to": 5}, "fingerprint": {"running": 3}}, False),
        ({"arguments": {"service": "other", "to": 6}}, False),
    ],
)
def test_how_many_may_be_another_number_now_which_may_not(change: dict[str, Any], same: bool) -> None:
    """How many replicas are planned depends on what arrives in that minute."""
    back = Step(what=text("Back"), target="workers", operation="scale", arguments={"service": "s", "to": 2})
    scale = Step(
        what=text("Scale"),
        target="workers",
        operation="scale",
        arguments={"service": "s", "to": 6},
        fingerprint={"running": 2},
        touches=4,
        undo=back,
    )
    workers = {"workers": Workers("workers", None, environment="test")}
    other = msgspec.structs.replace(scale, **change)
    found = differences(Plan(remedy="r", steps=(scale,)), Plan(remedy="r", steps=(other,)), workers)
    assert (found == ()) is same


class Chosen(Tank):
    """A tank whose remedy drains to whatever the hour says."""

    hour = 5.0

    @operation(Effect.CHANGE, chosen=frozenset({"to"}))
    def drain(self, *, fingerprint: dict[str, Any], to: float) -> dict[str, Any]:
        self.current, self.drained = to, self.drained + 1
        return {}


@pytest.mark.parametrize(("limit", "drained", "level"), [(8, 1, 5.0), (1, 0, 25)])
def test_the_step_runs_as_it_was_approved_and_its_own_size_is_held_against_the_limits(
    tmp_path: Path, limit: int, drained: int, level: float
) -> None:
    tank = Chosen(25)
    rows = [tank_row(steps=lambda t: [drain_step(t, to=tank.hour, touches=2 if tank.hour == 5 else 1)], settles=SOON)]
    before = planning.site_for(tmp_path, planning.by_hmac(tmp_path))
    plan = approved(planned(before, {"TANK-01": tank}, rows), before)
    tank.hour = 7.0
    applied(plan, planning.site_for(tmp_path, planning.by_hmac(tmp_path), max_touched=limit), {"TANK-01": tank}, rows)
    assert (tank.drained, tank.current) == (drained, level)


def test_a_step_more_a_step_less_and_another_order_are_changes() -> None:
    other = msgspec.structs.replace(STEP, arguments={"to": 5})
    both, turned = Plan(remedy="r", steps=(STEP, other)), Plan(remedy="r", steps=(other, STEP))
    one = Plan(remedy="r", steps=(STEP,))
    assert differences(one, both, {}) == ("2. tank.drain (+)",)
    assert differences(both, one, {}) == ("2. tank.drain (–)",)
    assert len(differences(both, turned, {})) == 2


def test_a_plan_is_applied_once(site: Site, tmp_path: Path) -> None:
    tanks = two_tanks()
    plan = approved(planned(site, tanks), site)
    with applied_once(plan, tmp_path):
        with pytest.raises(PlanError, match="another process"), applied_once(plan, tmp_path):
            pass
        applied(plan, site, tanks, run="R7")
    with pytest.raises(PlanError, match="in run R7 already"), applied_once(plan, tmp_path):
        pass


def test_a_journal_that_cannot_be_read_holds_a_plan_back(site: Site, tmp_path: Path) -> None:
    plan = planned(site, two_tanks())
    (tmp_path / "journal.jsonl").write_text("no line of a journal\n")
    with pytest.raises(JournalError), applied_once(plan, tmp_path):
        pass
