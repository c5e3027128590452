"""May this plan run here, now, at this size? Pure: everything it looks at is handed to it.

Every guard fails closed: what cannot be known does not act. The order is the order in which a person would ask:
can the policy be read, is there a plan and evidence for it, is it this row's to fix, is it small and known, has it been
tried too often, is it the right hour, is acting switched on, and only then what the site allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook.model import Choice, Decision, Effect, Plan, Proof, Risk
from runbook.policy import soundness, timetable
from runbook.settings import Freeze, Permission, PolicySettings, Window
from runbook.text import Text, percent, text

#: A clock that is further off than this cannot be trusted with cooldowns and hours.
LARGEST_SKEW = timedelta(seconds=60)
#: The rule that decides where only a signed approval will do: an unsigned yes at the terminal is none.
SIGNATURE = "policy.approval"

_CHOICE = {"act": Choice.ACT, "ask": Choice.ASK, "never": Choice.LEAVE}


@dataclass(frozen=True)
class Circumstances:
    """What policy must know beside the plan. None means that it could not be found out, and then nothing acts.

    ``attempts`` are those of the row within ``policy.attempts_window``, ``spent`` those of all rows within
    ``policy.budget_window``. ``proofs`` is empty for a row that declares no causes.
    """

    row: str
    fixing: bool
    local_time: datetime
    proofs: tuple[Proof, ...] | None
    attempts: tuple[datetime, ...] | None
    spent: tuple[datetime, ...] | None
    effects: tuple[Effect, ...]
    clock_skew: timedelta | None = timedelta(0)
    settings: PolicySettings | None = None


def decide(plan: Plan, now: Circumstances) -> Decision:
    """The first guard that objects decides; otherwise the site's permission for the row or the risk does."""
    if now.settings is None:
        return leave("policy", text("The policy cannot be read: nothing acts"))
    for guard in GUARDS:
        for objection in guard(plan, now, now.settings):
            return objection
    return _permitted(plan, now, now.settings)


def permission(row: str, risk: Risk, settings: PolicySettings, at: datetime) -> tuple[Permission, str]:
    """What the site says of this row at this risk at this time, and the setting that said it.

    A freeze counts first, then the row's own word, then the strictest open window, then the risk. Raises ValueError
    where a time cannot be read.
    """
    frozen = [f for f in settings.freezes if _concerns(f, row, risk) and timetable.is_frozen(f, at)]
    if frozen:
        freeze = max(frozen, key=lambda f: _STRICTNESS.index(f.allows))
        said = _unfrozen(row, risk, settings, at)
        stricter = said[0] == "never" and freeze.allows != "never"
        return said if stricter else (freeze.allows, f"policy.freezes.{freeze.name}")
    return _unfrozen(row, risk, settings, at)


def _unfrozen(row: str, risk: Risk, settings: PolicySettings, at: datetime) -> tuple[Permission, str]:
    if row in settings.rows:
        return settings.rows[row], f"policy.rows.{row}"
    opened = [w for w in settings.windows if _concerns(w, row, risk) and timetable.is_open(w, at)]
    if opened:
        window = max(opened, key=lambda w: _STRICTNESS.index(w.allows))
        return window.allows, f"policy.windows.{window.name}"
    return getattr(settings, risk.value), f"policy.{risk.value}"


_STRICTNESS: tuple[Permission, ...] = ("act", "ask", "never")


def _concerns(part: Window | Freeze, row: str, risk: Risk) -> bool:
    return (not part.rows or row in part.rows) and (not part.risks or risk.value in part.risks)


Guard = Callable[[Plan, Circumstances, PolicySettings], Iterator[Decision]]


def _policy_is_sound(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    for setting, words in soundness.faults(settings, now.local_time):
        yield leave(setting, words)


def _has_steps(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    if not plan.steps:
        yield leave("plan", plan.reason or text("The remedy found nothing to do"))


def _cause_is_confirmed(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    if now.proofs is None or (now.proofs and Proof.CONFIRMED not in now.proofs):
        yield leave("cause", text("No cause is confirmed: treating a guess can make it worse"))


def _effects_are_known(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    if len(now.effects) != len(plan.steps) or Effect.UNKNOWN in now.effects:
        yield leave("effect", text("A step's effect is not declared: it never acts by policy"))


def _is_not_forbidden(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    allowed, rule = permission(now.row, plan.risk, settings, now.local_time)
    if allowed == "never":
        if rule.startswith("policy.freezes."):
            yield leave(rule, text("Changes are frozen now ({freeze})", freeze=rule.rpartition(".")[2]))
        yield leave(rule, text("The policy never lets {row} act here", row=now.row))


def _is_small(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    yield from too_large(plan, settings)


def too_large(plan: Plan, settings: PolicySettings) -> Iterator[Decision]:
    """What the site's limits say against the size of a plan; nothing where it is small enough."""
    touched = sum(step.touches for step in plan.steps)
    if any(step.touches < 1 for step in plan.steps):
        yield leave("policy.max_touched", text("A step does not say how many objects it touches"))
    if touched > settings.max_touched:
        limit = settings.max_touched
        words = text("The plan touches {touched} objects; the limit is {limit}", touched=touched, limit=limit)
        yield leave("policy.max_touched", words)
    if settings.max_percent < 100:
        yield from _share_too_large(plan, settings)


def _share_too_large(plan: Plan, settings: PolicySettings) -> Iterator[Decision]:
    share = _largest_share(plan)
    if share is None:
        yield leave("policy.max_percent", text("A step does not say of how many objects it touches some"))
    elif share > settings.max_percent:
        limit = percent(settings.max_percent)
        words = text("The plan touches {share} of them; the limit is {limit}", share=percent(share), limit=limit)
        yield leave("policy.max_percent", words)


def _largest_share(plan: Plan) -> float | None:
    """The largest percentage that is touched of one population, those of one target and operation together."""
    touched: dict[tuple[str, str], int] = {}
    populations: dict[tuple[str, str], int] = {}
    for step in plan.steps:
        if not step.population or step.population < step.touches:
            return None
        kind = (step.target, step.operation)
        touched[kind] = touched.get(kind, 0) + step.touches
        populations[kind] = min(populations.get(kind, step.population), step.population)
    return max((100 * count / populations[kind] for kind, count in touched.items()), default=0.0)


def _clock_is_right(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    known = now.local_time.tzinfo is not None and now.clock_skew is not None
    earlier = (*(now.attempts or ()), *(now.spent or ()))
    if not known or abs(now.clock_skew or timedelta(0)) > LARGEST_SKEW:
        yield leave("clock", text("This machine's clock cannot be trusted: cooldowns and hours would mean nothing"))
    elif any(at - now.local_time > LARGEST_SKEW for at in earlier):
        yield leave("clock", text("The history knows of attempts in the future: the clock or the history is wrong"))


def _is_not_repeated(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    if now.attempts is None:
        yield leave("history", text("The history cannot be read: it is not known how often this was tried"))
        return
    recent = [at for at in now.attempts if now.local_time - at < settings.attempts_window]
    if len(recent) >= settings.attempts:
        yield leave(
            "policy.attempts",
            text(
                "Fixed {count} times in {window}: the symptom is treated, the cause remains. A person must look",
                count=len(recent),
                window=settings.attempts_window,
            ),
        )
    elif recent and now.local_time - max(recent) < settings.cooldown:
        yield leave(
            "policy.cooldown",
            text(
                "The last attempt was {ago} ago; the cooldown is {cooldown}",
                ago=now.local_time - max(recent),
                cooldown=settings.cooldown,
            ),
        )


def _is_within_budget(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    if now.spent is None:
        yield leave("history", text("The history cannot be read: it is not known how much was done already"))
        return
    spent = sum(now.local_time - at < settings.budget_window for at in now.spent)
    if spent >= settings.budget:
        words = text(
            "{spent} plans were carried out in {window}: the budget is spent, a person must look",
            spent=spent,
            window=settings.budget_window,
        )
        yield leave("policy.budget", words)


def _is_in_hours(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    if settings.hours is not None and not timetable.is_within(settings.hours, now.local_time):
        yield leave("policy.hours", text("Outside the allowed hours {hours}", hours=settings.hours))


def _is_switched_on(plan: Plan, now: Circumstances, settings: PolicySettings) -> Iterator[Decision]:
    if now.fixing:
        return
    if permission(now.row, plan.risk, settings, now.local_time)[0] == "act":
        yield leave("--fix", text("This was a dry run: with --fix it would act"))
    else:
        yield leave("--fix", text("This was a dry run: with --fix it would ask for approval"))


GUARDS: tuple[Guard, ...] = (
    _policy_is_sound,
    _has_steps,
    _cause_is_confirmed,
    _effects_are_known,
    _is_not_forbidden,
    _is_small,
    _clock_is_right,
    _is_not_repeated,
    _is_within_budget,
    _is_in_hours,
    _is_switched_on,
)


def _permitted(plan: Plan, now: Circumstances, settings: PolicySettings) -> Decision:
    allowed, rule = permission(now.row, plan.risk, settings, now.local_time)
    if allowed == "ask" and settings.approval.method is not None:
        return leave(SIGNATURE, text("Needs a signed approval: check --plan FILE, then approve FILE"))
    reason = (
        text("The policy lets a remedy of {risk} risk act here", risk=plan.risk.value)
        if allowed == "act"
        else text("Needs a person's approval: the risk is {risk}", risk=plan.risk.value)
    )
    return Decision(choice=_CHOICE[allowed], reason=reason, rule=rule)


def leave(rule: str, reason: Text) -> Decision:
    """The decision that nothing is done, and the guard or setting that says so."""
    return Decision(choice=Choice.LEAVE, reason=reason, rule=rule)
