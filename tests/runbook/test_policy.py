"""Every guard, its input missing, malformed or beyond: nothing acts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runbook.model import Choice, Effect, Plan, Proof, Risk, Step
from runbook.policy import Circumstances, decide
from runbook.settings import PolicySettings
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


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"settings": None}, "policy"),
        ({"proofs": (Proof.UNKNOWN, Proof.RULED_OUT)}, "cause"),
        ({"effects": (Effect.UNKNOWN,)}, "effect"),
        ({"effects": ()}, "effect"),
        ({"clock_skew": None}, "clock"),
        ({"clock_skew": timedelta(minutes=-2)}, "clock"),
        ({"attempts": None}, "history"),
        ({"attempts": (ago(hours=1), ago(hours=2), ago(hours=3))}, "policy.attempts"),
        ({"attempts": (ago(minutes=5),)}, "policy.cooldown"),
        ({"settings": PolicySettings(medium="act", hours="22:00-03:00")}, "policy.hours"),
        ({"settings": PolicySettings(medium="act", hours="at night")}, "policy.hours"),
        ({"settings": PolicySettings(medium="act", hours="25:00-26:00")}, "policy.hours"),
        ({"settings": PolicySettings(medium="never")}, "policy.medium"),
        ({"settings": PolicySettings(medium="act", rows={"X-01": "never"})}, "policy.rows.X-01"),
        ({"settings": PolicySettings(medium="act", max_touched=0)}, "policy.max_touched"),
        ({"fixing": False}, "--fix"),
    ],
)
def test_a_guard_that_objects_or_cannot_know_leaves_it(changed: dict[str, Any], rule: str) -> None:
    decision = decide(plan(), replace(GOOD, **changed))
    assert decision.choice is Choice.LEAVE
    assert decision.rule == rule


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
