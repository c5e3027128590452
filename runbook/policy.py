"""May this plan run here, now, at this size? Pure: everything it looks at is handed to it.

Every guard fails closed: what cannot be known does not act. The order is the order in which a person would ask:
is acting switched on, is the evidence there, is it this row's to fix, is the plan small and known, has it been tried
too often, is it the right hour, and only then what the site allows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook.model import Choice, Decision, Effect, Plan, Proof, Risk
from runbook.settings import Permission, PolicySettings
from runbook.text import Text, percent, text

#: A clock that is further off than this cannot be trusted with cooldowns and hours.
LARGEST_SKEW = timedelta(seconds=60)

_CHOICE = {"act": Choice.ACT, "ask": Choice.ASK, "never": Choice.LEAVE}


@dataclass(frozen=True)
class Circumstances:
    """What policy must know beside the plan. None means that it could not be found out, and then nothing acts."""

    row: str
    fixing: bool
    local_time: datetime
    proofs: tuple[Proof, ...]
    attempts: tuple[datetime, ...] | None
    effects: tuple[Effect, ...]
    clock_skew: timedelta | None = timedelta(0)
    settings: PolicySettings | None = None


def decide(plan: Plan, now: Circumstances) -> Decision:
    """The first guard that objects decides; otherwise the site's permission for the row or the risk does."""
    if now.settings is None:
        return _leave("policy", text("The policy cannot be read: nothing acts"))
    for guard in _GUARDS:
        for objection in guard(plan, now, now.settings):
            return objection
    return _permitted(plan, now, now.settings)


def permission(row: str, risk: Risk, settings: PolicySettings) -> tuple[Permission, str]:
    """What the site says of this row at this risk, and the setting that said it: the row's own word counts first."""
    if row in settings.rows:
        return settings.rows[row], f"policy.rows.{row}"
    return getattr(settings, risk.value), f"policy.{risk.value}"


Guard = Callable[[Plan, Circumstances, PolicySettings], Iterator[Decision]]


def _has_steps(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    if not plan.steps:
        yield _leave("plan", plan.reason or text("The remedy found nothing to do"))


def _cause_is_confirmed(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    if now.proofs and Proof.CONFIRMED not in now.proofs:
        yield _leave("cause", text("No cause is confirmed: treating a guess can make it worse"))


def _effects_are_known(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    if len(now.effects) != len(plan.steps) or Effect.UNKNOWN in now.effects:
        yield _leave("effect", text("A step's effect is not declared: it never acts by policy"))


def _is_not_forbidden(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    allowed, rule = permission(now.row, plan.risk, settings)
    if allowed == "never":
        yield _leave(rule, text("The policy never lets {row} act here", row=now.row))


def _is_small(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    touched = sum(step.touches for step in plan.steps)
    if touched > settings.max_touched:
        yield _leave(
            "policy.max_touched",
            text(
                "The plan touches {touched} objects; the limit is {limit}",
                touched=touched,
                limit=settings.max_touched,
            ),
        )
    populations = [step.population for step in plan.steps if step.population]
    if populations and 100 * touched / max(populations) > settings.max_percent:
        yield _leave(
            "policy.max_percent",
            text(
                "The plan touches {share} of them; the limit is {limit}",
                share=percent(100 * touched / max(populations)),
                limit=percent(settings.max_percent),
            ),
        )


def _clock_is_right(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    if now.clock_skew is None or abs(now.clock_skew) > LARGEST_SKEW:
        yield _leave("clock", text("This machine's clock cannot be trusted: cooldowns and hours would mean nothing"))


def _is_not_repeated(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    if now.attempts is None:
        yield _leave("history", text("The history cannot be read: it is not known how often this was tried"))
        return
    recent = [at for at in now.attempts if now.local_time - at < settings.attempts_window]
    if len(recent) >= settings.attempts:
        yield _leave(
            "policy.attempts",
            text(
                "Fixed {count} times in {window}: the symptom is treated, the cause remains. A person must look",
                count=len(recent),
                window=settings.attempts_window,
            ),
        )
    elif recent and now.local_time - max(recent) < settings.cooldown:
        yield _leave(
            "policy.cooldown",
            text(
                "The last attempt was {ago} ago; the cooldown is {cooldown}",
                ago=now.local_time - max(recent),
                cooldown=settings.cooldown,
            ),
        )


def _is_in_hours(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    if settings.hours is None:
        return
    inside = _within(settings.hours, now.local_time)
    if inside is None:
        unreadable = text("The allowed hours {hours} cannot be read: nothing acts", hours=settings.hours)
        yield _leave("policy.hours", unreadable)
    elif not inside:
        yield _leave("policy.hours", text("Outside the allowed hours {hours}", hours=settings.hours))


def _is_switched_on(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    if now.fixing:
        return
    if permission(now.row, plan.risk, settings)[0] == "act":
        yield _leave("--fix", text("This was a dry run: with --fix it would act"))
    else:
        yield _leave("--fix", text("This was a dry run: with --fix it would ask for approval"))


_GUARDS: tuple[Guard, ...] = (
    _has_steps,
    _cause_is_confirmed,
    _effects_are_known,
    _is_not_forbidden,
    _is_small,
    _clock_is_right,
    _is_not_repeated,
    _is_in_hours,
    _is_switched_on,
)


def _permitted(plan: Plan, now: Circumstances, settings: PolicySettings) -> Decision:
    allowed, rule = permission(now.row, plan.risk, settings)
    reason = (
        text("The policy lets a remedy of {risk} risk act here", risk=plan.risk.value)
        if allowed == "act"
        else text("Needs a person's approval: the risk is {risk}", risk=plan.risk.value)
    )
    return Decision(choice=_CHOICE[allowed], reason=reason, rule=rule)


def _leave(rule: str, reason: Text) -> Decision:
    return Decision(choice=Choice.LEAVE, reason=reason, rule=rule)


def _within(hours: str, local_time: datetime) -> bool | None:
    """Whether the time is within ``"22:00-06:00"``; None when the hours cannot be read."""
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", hours.strip())
    if found is None:
        return None
    start, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    minute = local_time.hour * 60 + local_time.minute
    return start <= minute < end if start <= end else minute >= start or minute < end
