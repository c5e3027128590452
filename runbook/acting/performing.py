"""Carry out a plan that may run: intent on disk, lock proven, step, result on disk; then prove it by the same check.

This is the only module that opens the operator's identity, through ``target.perform``. The first step that fails
stops the rest: later steps were planned for a world in which it worked.
"""

from __future__ import annotations

import threading
import time
import typing
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from runbook.acting import milestones
from runbook.acting.journal import Entry, Journal
from runbook.acting.locks import Hold
from runbook.errors import ActionError, LockError, RunbookError
from runbook.judging import Targets, broken
from runbook.model import Action, Outcome, Plan, Proven, Severity, State, Step, Verdict, Verification
from runbook.redact import masked, masked_words
from runbook.text import Quantity, Text, text

#: How often the check must pass in a row, on new readings each time, to prove a fix.
PASSES = 3

Judge = Callable[[], Verdict]


def perform(
    plan: Plan,
    targets: Targets,
    journal: Journal,
    hold: Hold,
    *,
    run: str,
    row: str,
    begins: Callable[[Step], None],
) -> Iterator[Action]:
    """Do the plan's steps in order and yield one Action each, NOT_RUN for those behind a failure.

    Ctrl-C lets the running step end and its result reach the journal, then goes on as KeyboardInterrupt.
    Raises JournalError before a step whose intent cannot be written (what is not written is not done), and LockError
    before one for which the locks are not ours any more.
    """
    outcome = Outcome.DONE
    for step in plan.steps:
        if outcome is not Outcome.DONE:
            yield Action(step=step, outcome=Outcome.NOT_RUN, started_at=datetime.now(UTC))
            continue
        begins(step)
        told = {"plan": plan.digest, "settles": plan.settles.total_seconds()}
        intent = journal.write("intent", run=run, row=row, body=_plain(step) | told)
        _still_ours(hold, journal, intent)
        action, interrupted = _done(step, targets[step.target])
        milestones.reached("step done")
        journal.write("result", run=run, row=row, body=_plain(action) | {"intent": intent.number})
        outcome = action.outcome
        yield action
        if interrupted:
            raise KeyboardInterrupt


def undoing(actions: Iterable[Action], plan: Plan) -> Plan:
    """What takes the steps back that were done, the last one first; without steps where none can be."""
    undos = tuple(action.step.undo for action in actions if action.outcome is Outcome.DONE and action.step.undo)
    return Plan(remedy=plan.remedy, steps=undos[::-1], risk=plan.risk, settles=plan.settles, digest=plan.digest)


def improved(before: Verdict, after: Verdict) -> bool:
    """Whether the row is better off than before, if not well: then taking the steps back would make it worse.

    A milder state is, and so is a worst object that came a tenth nearer to its limit or more.
    """
    if Severity[after.state.name].value != Severity[before.state.name].value:
        return Severity[after.state.name].value > Severity[before.state.name].value
    if not before.measures or not after.measures or before.measures[0].object != after.measures[0].object:
        return False
    then, now = before.measures[0], after.measures[0]
    if not isinstance(then.value, Quantity) or not isinstance(now.value, Quantity) or then.value.unit != now.value.unit:
        return False
    fell = then.value.value - now.value.value
    return (fell if then.direction == "above" else -fell) >= abs(then.value.value) / 10 > 0


def verify(judge: Judge, settles: timedelta) -> Verification:
    """Judge again on new readings until the check passes steadily or the settling time is over."""
    started = time.monotonic()
    pause = min(max(settles.total_seconds() / 15, 0.5), 10.0)
    passes = 0
    while True:
        verdict = judge()
        passes = passes + 1 if verdict.state is State.OK else 0
        waited = time.monotonic() - started
        if passes >= PASSES or waited + pause > settles.total_seconds():
            break
        time.sleep(pause)
    return Verification(
        proven=_proven(verdict, passes),
        verdict=verdict,
        took=timedelta(seconds=time.monotonic() - started),
        reason=_reason(verdict, passes),
    )


def _still_ours(hold: Hold, journal: Journal, intent: Entry) -> None:
    """The last thing before a step. Where the lock is lost the journal says that the step did not begin."""
    try:
        hold.prove()
    except LockError:
        journal.write("result", run=intent.run, row=intent.row, body={"intent": intent.number, "outcome": "not run"})
        raise
    milestones.reached("lock proven")


def _done(step: Step, target: Any) -> tuple[Action, bool]:
    """One step on a thread of its own, so that Ctrl-C waits for its end and stops before the next one.

    One that does not come back within its operation's deadline is left behind and reported as failed.
    """
    started_at, clock = datetime.now(UTC), time.monotonic()
    box: list[dict[str, Any] | BaseException] = []
    ended = threading.Event()

    def act() -> None:
        try:
            box.append(target.perform(step))
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits
            box.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=act, name=f"step {step.operation}", daemon=True)
    interrupted = _wait_even_if_interrupted(thread, ended, target, step)
    outcome, result, after = _outcome(box[0] if box else None)
    action = Action(
        step=step,
        outcome=outcome,
        started_at=started_at,
        took=timedelta(seconds=time.monotonic() - clock),
        result=result,
        before=masked(step.fingerprint),
        after=after,
    )
    return action, interrupted


def _wait_even_if_interrupted(thread: threading.Thread, ended: threading.Event, target: Any, step: Step) -> bool:
    """Let a running step end before an interrupt counts: half a step is worse than a late stop.

    One that takes hours is asked to end at its next safe point; a second interrupt waits for nothing.
    """
    deadline = target.deadline_of(step).total_seconds()
    try:
        thread.start()
        _wait(ended, deadline)
        return False
    except KeyboardInterrupt:
        target.interrupt()
        _wait(ended, deadline)
        return True


def _wait(ended: threading.Event, seconds: float) -> None:
    """In slices: an interrupt that comes just before Python begins to wait does not end a wait, but shows after it."""
    ends_at = time.monotonic() + seconds
    while (left := ends_at - time.monotonic()) > 0 and not ended.wait(min(left, 0.5)):
        pass


def _outcome(answer: dict[str, Any] | BaseException | None) -> tuple[Outcome, Text | None, dict[str, Any]]:
    match answer:
        case dict():
            return Outcome.DONE, None, masked(answer)
        case ActionError(refused=True):
            return Outcome.REFUSED, masked_words(answer.said), {}
        case RunbookError():
            return Outcome.FAILED, masked_words(answer.said), {}
        case Exception():
            return Outcome.FAILED, broken(answer), {}
        case _:
            return Outcome.FAILED, text("The step did not come back: it is not known what it did"), {}


def _plain(thing: Step | Action) -> dict[str, Any]:
    return typing.cast(dict[str, Any], msgspec.to_builtins(thing))


def _proven(verdict: Verdict, passes: int) -> Proven:
    if verdict.state is State.OK and passes:
        return Proven.FIXED
    unseen = verdict.state in (State.UNKNOWN, State.SKIPPED)
    return Proven.NOT_PROVEN if unseen else Proven.NOT_FIXED


def _reason(verdict: Verdict, passes: int) -> Text | None:
    if verdict.state is State.OK:
        return text("The check passed {passes} times in a row on new readings", passes=passes)
    if verdict.state in (State.UNKNOWN, State.SKIPPED):
        return text("The check could not see after the action: nothing is proven")
    return text("The check still fails after the settling time")
