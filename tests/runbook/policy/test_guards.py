"""Every guard, its input missing, malformed or beyond: nothing acts."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runbook import policy
from runbook.model import Choice, Effect, Plan, Proof, Risk, Step
from runbook.policy import Circumstances, decide
from runbook.settings import ApprovalSettings, Freeze, PolicySettings, Secret, Window
from runbook.text import text

NOW = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)
ACT = PolicySettings(low="act", medium="act", high="act", cooldown=timedelta(minutes=10), attempts=3)


def step(**more: Any) -> Step:
    return Step(what=text("Do"), target="t", operation="o", **more)


def plan(*steps: Step, risk: Risk = Risk.MEDIUM) -> Plan:
    return Plan(remedy="r", steps=steps or (step(),), risk=risk)


GOOD = Circumstances(
    row="X-01",
    fixing=True,
    local_time=NOW,
    proofs=(Proof.CONFIRMED, Proof.RULED_OUT),
    attempts=(),
    spent=(),
    effects=(Effect.CHANGE,),
    settings=ACT,
)


def test_with_everything_known_and_allowed_it_acts() -> None:
    assert decide(plan(), GOOD).choice is Choice.ACT


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


GUARDED: list[tuple[dict[str, Any], str]] = [
    ({"settings": None}, "policy"),
    ({"proofs": (Proof.UNKNOWN, Proof.RULED_OUT)}, "cause"),
    ({"effects": (Effect.UNKNOWN,)}, "effect"),
    ({"effects": ()}, "effect"),
    ({"clock_skew": None}, "clock"),
    ({"clock_skew": timedelta(minutes=-2)}, "clock"),
    ({"proofs": None}, "cause"),
    ({"local_time": NOW.replace(tzinfo=None)}, "clock"),
    ({"attempts": (NOW + timedelta(minutes=2),)}, "clock"),
    ({"spent": (NOW + timedelta(minutes=2),)}, "clock"),
    ({"attempts": None}, "history"),
    ({"spent": None}, "history"),
    ({"spent": (ago(hours=1),) * 20}, "policy.budget"),
    ({"settings": PolicySettings(medium="act", budget=0)}, "policy.budget"),
    ({"attempts": (ago(hours=1), ago(hours=2), ago(hours=3))}, "policy.attempts"),
    ({"attempts": (ago(minutes=5),)}, "policy.cooldown"),
    ({"settings": PolicySettings(medium="act", hours="22:00-03:00")}, "policy.hours"),
    ({"settings": PolicySettings(medium="act", hours="at night")}, "policy.hours"),
    ({"settings": PolicySettings(medium="act", hours="25:00-26:00")}, "policy.hours"),
    ({"settings": PolicySettings(medium="never")}, "policy.medium"),
    ({"settings": PolicySettings(medium="act", rows={"X-01": "never"})}, "policy.rows.X-01"),
    ({"settings": PolicySettings(medium="act", max_touched=0)}, "policy.max_touched"),
    ({"fixing": False}, "--fix"),
]


@pytest.mark.parametrize(("changed", "rule"), GUARDED)
def test_a_guard_that_objects_or_cannot_know_leaves_it(changed: dict[str, Any], rule: str) -> None:
    decision = decide(plan(), replace(GOOD, **changed))
    assert decision.choice is Choice.LEAVE
    assert decision.rule == rule


#: What cannot be read or cannot be meant, wherever it stands in the policy, and the setting that is named.
UNSOUND: list[tuple[dict[str, Any], str]] = [
    ({"attempts": -1}, "policy.attempts"),
    ({"budget": -1}, "policy.budget"),
    ({"max_touched": -1}, "policy.max_touched"),
    ({"max_percent": math.nan}, "policy.max_percent"),
    ({"max_percent": 101.0}, "policy.max_percent"),
    ({"max_percent": -1.0}, "policy.max_percent"),
    ({"attempts_window": timedelta(0)}, "policy.attempts_window"),
    ({"budget_window": timedelta(0)}, "policy.budget_window"),
    ({"cooldown": timedelta(seconds=-1)}, "policy.cooldown"),
    ({"hours": "06:00-06:00"}, "policy.hours"),
    ({"hours": ""}, "policy.hours"),
    ({"windows": (Window(name="w", hours="night"),)}, "policy.windows.w"),
    ({"windows": (Window(name="w", hours="22:00-06:00", days=("lunes",)),)}, "policy.windows.w"),
    ({"windows": (Window(name="w"),)}, "policy.windows.w"),
    ({"windows": (Window(name="w", hours="22:00-06:00", begins="2026-11-24", ends="2026-11-25"),)}, "policy.windows.w"),
    ({"windows": (Window(name="w", begins="2026-11-24 03:00"),)}, "policy.windows.w"),
    ({"windows": (Window(name="w", begins="2026-11-25", ends="2026-11-23"),)}, "policy.windows.w"),
    ({"windows": (Window(name="w", hours="22:00-06:00"),) * 2}, "policy.windows.w"),
    ({"freezes": (Freeze(name="f", begins="24/11/2026", ends="2026-11-25"),)}, "policy.freezes.f"),
    ({"freezes": (Freeze(name="f", begins="2026-11-24", ends="2026-02-31"),)}, "policy.freezes.f"),
    ({"freezes": (Freeze(name="f", begins="2026-11-25", ends="2026-11-24"),)}, "policy.freezes.f"),
    (
        {"rows": {"Y-01": "never"}, "windows": (Window(name="w", hours="22:00-06:00", rows=("Y-01",)),)},
        "policy.windows.w",
    ),
    ({"approval": ApprovalSettings(people={"ana": "high"})}, "policy.approval.method"),
    ({"approval": ApprovalSettings(method="ssh", signers=Path("s"))}, "policy.approval.people"),
    ({"approval": ApprovalSettings(method="ssh", people={"ana": "high"})}, "policy.approval.signers"),
    ({"approval": ApprovalSettings(method="hmac", people={"ana": "high"})}, "policy.approval.key"),
    (
        {
            "approval": ApprovalSettings(
                method="hmac", key=Secret(env="K"), people={"ana": "high", "luis": "high"}, two_persons="high"
            )
        },
        "policy.approval.two_persons",
    ),
    (
        {
            "approval": ApprovalSettings(
                method="ssh", signers=Path("s"), people={"ana": "high", "luis": "low"}, two_persons="low"
            )
        },
        "policy.approval.two_persons",
    ),
    ({"approval": ApprovalSettings(valid_for=timedelta(0))}, "policy.approval.valid_for"),
    ({"approval": ApprovalSettings(plan_valid_for=timedelta(0))}, "policy.approval.plan_valid_for"),
]


@pytest.mark.parametrize(("wrong", "rule"), UNSOUND)
def test_a_policy_that_is_unreadable_or_contradicts_itself_lets_nothing_act(wrong: dict[str, Any], rule: str) -> None:
    settings = PolicySettings(**{"low": "act", "medium": "act", "high": "act"} | wrong)
    decision = decide(plan(), replace(GOOD, settings=settings))
    assert (decision.choice, decision.rule) == (Choice.LEAVE, rule)


def test_every_guard_has_objected_in_these_tables() -> None:
    """A guard that no table makes object would not be missed if it were gone."""
    silent = set(policy.GUARDS)
    for changed in (*(row[0] for row in GUARDED), {"settings": PolicySettings(attempts=-1)}):
        silent -= {guard for guard in silent if objects(guard, plan(), replace(GOOD, **changed))}
    assert {guard.__name__ for guard in silent} == {"_has_steps"}
    assert objects(policy.GUARDS[1], Plan(remedy="r"), GOOD)


def objects(guard: policy.Guard, one: Plan, now: Circumstances) -> bool:
    return bool(now.settings and list(guard(one, now, now.settings)))


NIGHT = Window(name="night", hours="22:00-06:00", days=("mon",), rows=("X-01",))
ONCE = Window(name="once", begins="2026-11-24 03:00", ends="2026-11-24 04:00", risks=("high",))
FREEZE = Freeze(name="cierre", begins="2026-11-24", ends="2026-11-25")


@pytest.mark.parametrize(
    ("given", "risk", "at", "answer"),
    [
        pytest.param(
            {"windows": (NIGHT,)}, Risk.HIGH, NOW, ("act", "policy.windows.night"), id="tue 03:30 is monday's"
        ),
        pytest.param({"windows": (NIGHT,)}, Risk.HIGH, NOW + timedelta(days=1), ("ask", "policy.high"), id="wednesday"),
        pytest.param({"windows": (NIGHT,)}, Risk.LOW, NOW.replace(hour=6), ("ask", "policy.low"), id="over"),
        pytest.param({"windows": (ONCE,)}, Risk.HIGH, NOW, ("act", "policy.windows.once"), id="once"),
        pytest.param({"windows": (ONCE,)}, Risk.HIGH, NOW.replace(hour=4), ("ask", "policy.high"), id="its end is out"),
        pytest.param({"windows": (ONCE,)}, Risk.LOW, NOW, ("ask", "policy.low"), id="another risk"),
        pytest.param(
            {"windows": (NIGHT, Window(name="no", hours="03:00-04:00", allows="never"))},
            Risk.LOW,
            NOW,
            ("never", "policy.windows.no"),
            id="two open: the stricter",
        ),
        pytest.param(
            {"windows": (NIGHT,), "rows": {"X-01": "ask"}}, Risk.LOW, NOW, ("ask", "policy.rows.X-01"), id="row first"
        ),
        pytest.param(
            {"freezes": (FREEZE,), "rows": {"X-01": "act"}},
            Risk.LOW,
            NOW,
            ("never", "policy.freezes.cierre"),
            id="frozen",
        ),
        pytest.param(
            {"freezes": (FREEZE,), "low": "act"},
            Risk.LOW,
            datetime(2026, 11, 25, 23, 59, tzinfo=UTC),
            ("never", "policy.freezes.cierre"),
            id="the last day is frozen too",
        ),
        pytest.param(
            {"freezes": (FREEZE,), "low": "act"},
            Risk.LOW,
            datetime(2026, 11, 26, tzinfo=UTC),
            ("act", "policy.low"),
            id="thawed",
        ),
        pytest.param(
            {"freezes": (msgspec.structs.replace(FREEZE, allows="ask"),), "rows": {"X-01": "never"}},
            Risk.LOW,
            NOW,
            ("never", "policy.rows.X-01"),
            id="a freeze loosens nothing",
        ),
    ],
)
def test_permission_by_row_risk_window_and_freeze(
    given: dict[str, Any], risk: Risk, at: datetime, answer: tuple[str, str]
) -> None:
    assert policy.permission("X-01", risk, PolicySettings(**given), at) == answer


def test_where_the_site_signs_approvals_nobody_is_asked_without_a_signature() -> None:
    approval = ApprovalSettings(method="ssh", signers=Path("s"), people={"ana": "high"})
    decision = decide(plan(), replace(GOOD, settings=PolicySettings(approval=approval)))
    assert (decision.choice, decision.rule) == (Choice.LEAVE, policy.SIGNATURE)


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([{"touches": 1}], id="population missing"),
        pytest.param([{"touches": 1, "population": 0}], id="of none"),
        pytest.param([{"touches": 3, "population": 2}], id="more than there are"),
        pytest.param([{"touches": 1, "population": 100}, {"touches": 1}], id="one of two missing"),
        pytest.param([{"touches": 1, "population": 3}, {"touches": 1, "population": 3}], id="two of three"),
    ],
)
def test_a_share_that_is_too_large_or_not_known_does_not_act(steps: list[dict[str, Any]]) -> None:
    now = replace(GOOD, settings=PolicySettings(medium="act", max_percent=50), effects=(Effect.CHANGE,) * len(steps))
    decision = decide(plan(*(step(**one) for one in steps)), now)
    assert (decision.choice, decision.rule) == (Choice.LEAVE, "policy.max_percent")


def test_a_step_that_touches_nothing_cannot_be_meant() -> None:
    assert decide(plan(step(touches=0)), GOOD).rule == "policy.max_touched"


def test_an_empty_plan_is_left_with_the_remedys_reason() -> None:
    decision = decide(Plan(remedy="r", reason=text("It will be done at nine")), replace(GOOD, effects=()))
    assert str(decision.reason) == "It will be done at nine"


def test_the_blast_radius_counts_and_shares() -> None:
    few = replace(GOOD, settings=PolicySettings(medium="act", max_percent=50))
    assert decide(plan(step(touches=1, population=4)), few).choice is Choice.ACT
    assert decide(plan(step(touches=3, population=4)), few).rule == "policy.max_percent"
    many = replace(GOOD, effects=(Effect.CHANGE,) * 9)
    assert decide(plan(*[step()] * 9), many).rule == "policy.max_touched"


def test_hours_may_cross_midnight() -> None:
    night = replace(GOOD, settings=PolicySettings(medium="act", hours="22:00-06:00"))
    assert decide(plan(), night).choice is Choice.ACT
    assert decide(plan(), replace(night, local_time=NOW.replace(hour=6))).rule == "policy.hours"


@pytest.mark.parametrize("risk", list(Risk))
def test_what_the_site_does_not_say_is_asked(risk: Risk) -> None:
    assert decide(plan(risk=risk), replace(GOOD, settings=PolicySettings())).choice is Choice.ASK


def test_the_rows_own_word_counts_before_the_risks() -> None:
    settings = PolicySettings(high="never", rows={"X-01": "act"})
    assert decide(plan(risk=Risk.HIGH), replace(GOOD, settings=settings)).choice is Choice.ACT


def test_old_attempts_are_forgotten() -> None:
    old = tuple(ago(hours=25 + n) for n in range(9))
    assert decide(plan(), replace(GOOD, attempts=old)).choice is Choice.ACT
