"""What follows an action: taken back where it did not help, stopped, counted per target; and what a killed run left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runbook import traces
from runbook.acting import journal, performing
from runbook.acting.journal import Journal
from runbook.engine import Engine
from runbook.errors import ActionError
from runbook.model import Action, Choice, Effect, Measure, Outcome, Plan, Proven, Run, State, Step, Verdict
from runbook.rows import Row
from runbook.settings import PolicySettings
from runbook.targets.base import operation
from runbook.text import Quantity, text
from runbook.traces import Trace
from tests.runbook.fakes import ACTS, Quiet, Tank, drain_step, site_at, tank_row

SOON = timedelta(seconds=0.1)


class Tap(Tank):
    """A tank that can be filled again, and that tells of a step what the test says."""

    trace: Trace | None = None

    def __init__(self, level: float = 0) -> None:
        super().__init__(level)
        self.filled: list[float] = []

    @operation(Effect.CHANGE)
    def fill(self, *, fingerprint: dict[str, Any], to: float) -> dict[str, Any]:
        self.current = to
        self.filled.append(to)
        return {"level": to}

    @operation(Effect.CHANGE)
    def fail(self, *, fingerprint: dict[str, Any]) -> dict[str, Any]:
        raise ActionError(self.name, "fail", "halfway")

    def trace_of(self, step: Step, since: datetime) -> Trace:
        return self.trace or traces.unknown()


def undo_to(level: float) -> Step:
    return Step(
        what=text("Fill it again to {level}", level=level),
        target="tank",
        operation="fill",
        arguments={"to": level},
        effect=Effect.CHANGE,
    )


def run_of(
    folder: Path, tank: Tank, *rows: Row, id: str = "R1", policy: PolicySettings = ACTS, fixing: bool = True
) -> Run:
    site = site_at(folder, policy=policy, fixing=fixing)
    engine = Engine(site, Quiet(), run=id)
    for row in rows:
        engine.begin(row, {"tank": tank})
    engine.settle()
    if fixing:
        engine.treat()
    run = engine.finish()
    site.history.close()
    return run


def drained_to(*levels: float, undo: bool = True) -> Callable[[Tank], list[Step]]:
    def steps(tank: Tank) -> list[Step]:
        before = [tank.current, *levels]
        return [
            drain_step(Tank(was), to=level, undo=undo_to(was) if undo else None)
            for was, level in zip(before, levels, strict=False)
        ]

    return steps


def row_to(*levels: float, id: str = "TANK-01", undo: bool = True) -> Row:
    return tank_row(id=id, steps=drained_to(*levels, undo=undo), settles=SOON)


def test_what_did_not_help_is_taken_back_last_step_first_and_nothing_more_is_done(tmp_path: Path) -> None:
    tank = Tap(30)
    first, second = run_of(tmp_path, tank, row_to(29.5, 29), row_to(0, id="TANK-02")).records
    assert [a.step.operation for a in first.actions] == ["drain", "drain", "fill", "fill"]
    assert tank.filled == [29.5, 30]
    assert first.verification is not None
    assert first.verification.proven is Proven.NOT_FIXED
    assert second.actions == ()
    assert second.decision is not None
    assert second.decision.choice is Choice.LEAVE
    assert "taken back" in str(second.decision.reason)
    entries = journal.verify(tmp_path / "journal.jsonl")
    assert [e.kind for e in entries] == ["begin", *["intent", "result"] * 2, "proof", *["intent", "result"] * 2, "end"]
    recorded = [e.body["undo"]["arguments"] for e in entries if e.kind == "intent" and e.body["undo"]]
    assert recorded == [{"to": 30}, {"to": 29.5}], "what it was before"


def test_without_an_undo_it_only_stops(tmp_path: Path) -> None:
    tank = Tap(30)
    first, second = run_of(tmp_path, tank, row_to(29, undo=False), row_to(0, id="TANK-02", undo=False)).records
    assert [a.outcome for a in first.actions] == [Outcome.DONE]
    assert second.decision is not None
    assert "was not fixed" in str(second.decision.reason)
    assert tank.current == 29


def test_what_helped_though_not_enough_stays(tmp_path: Path) -> None:
    """From CRITICAL to WARNING: taking it back would make it worse."""
    tank = Tap(30)
    [record] = run_of(tmp_path, tank, row_to(15)).records
    assert record.verification is not None
    assert record.verification.proven is Proven.NOT_FIXED
    assert (tank.current, tank.filled) == (15, [])


def test_what_nobody_sees_is_not_taken_back(tmp_path: Path) -> None:
    tank = Tap(30)
    tank.on_drain = lambda: setattr(tank, "answers", False)
    [record] = run_of(tmp_path, tank, row_to(0)).records
    tank.release.set()
    assert record.verification is not None
    assert record.verification.proven is Proven.NOT_PROVEN
    assert tank.filled == []


def test_a_step_that_failed_stops_the_run(tmp_path: Path) -> None:
    tank = Tap(30)
    failing = Step(what=text("Fail"), target="tank", operation="fail", effect=Effect.CHANGE)
    first, second = run_of(
        tmp_path, tank, tank_row(steps=lambda t: [failing], settles=SOON), row_to(0, id="TANK-02")
    ).records
    assert [a.outcome for a in first.actions] == [Outcome.FAILED]
    assert second.actions == ()
    assert tank.current == 30


@pytest.mark.parametrize(
    ("then", "now", "better"),
    [
        ((State.CRITICAL, 30.0), (State.WARNING, 29.9), True),
        ((State.WARNING, 15.0), (State.CRITICAL, 1.0), False),
        ((State.CRITICAL, 30.0), (State.CRITICAL, 27.0), True),
        ((State.CRITICAL, 30.0), (State.CRITICAL, 27.1), False),
        ((State.CRITICAL, 30.0), (State.CRITICAL, 40.0), False),
        ((State.CRITICAL, 0.0), (State.CRITICAL, 0.0), False),
    ],
)
def test_better_is_a_milder_state_or_a_tenth_less(
    then: tuple[State, float], now: tuple[State, float], better: bool
) -> None:
    assert performing.improved(verdict(*then), verdict(*now)) is better
    turned = verdict(then[0], -then[1], "below"), verdict(now[0], -now[1], "below")
    assert performing.improved(*turned) is better


def test_nothing_is_better_that_is_not_the_same_object_in_the_same_unit() -> None:
    before, after = verdict(State.CRITICAL, 30), verdict(State.CRITICAL, 3)
    other = msgspec.structs.replace(after, measures=(msgspec.structs.replace(after.measures[0], object="another"),))
    wordy = msgspec.structs.replace(after, measures=(msgspec.structs.replace(after.measures[0], value="low"),))
    assert not any(
        performing.improved(before, one) for one in (other, wordy, msgspec.structs.replace(after, measures=()))
    )


def verdict(state: State, value: float, direction: str = "above") -> Verdict:
    measure = Measure(object="tank", value=Quantity(value, "l"), state=state, direction=direction)
    return Verdict(state=state, summary=text("x"), measures=(measure,), judged_at=datetime.now(UTC))


def test_only_what_was_done_is_taken_back() -> None:
    def action(outcome: Outcome, undo: Step | None) -> Action:
        step = Step(what=text("x"), target="tank", operation="drain", undo=undo)
        return Action(step=step, outcome=outcome, started_at=datetime.now(UTC))

    done, lost = action(Outcome.DONE, undo_to(1)), action(Outcome.FAILED, undo_to(2))
    taken = performing.undoing(
        [done, action(Outcome.DONE, None), lost, action(Outcome.NOT_RUN, undo_to(3))], Plan(remedy="x")
    )
    assert [step.arguments for step in taken.steps] == [{"to": 1}]


FOUR = PolicySettings(medium="act", attempts=4, cooldown=timedelta(0))


def test_fixed_four_times_the_symptom_is_treated_and_the_cause_remains(tmp_path: Path) -> None:
    for number in range(4):
        [record] = run_of(tmp_path, Tap(25), row_to(0), id=f"R{number}", policy=FOUR).records
        assert record.actions
    tank = Tap(25)
    [record] = run_of(tmp_path, tank, row_to(0), id="R5", policy=FOUR).records
    assert tank.drained == 0
    assert record.decision is not None
    assert record.decision.rule == "policy.attempts"
    said = str(record.decision.reason)
    assert said.startswith("Fixed 4 times in 86400 s on tank: the symptom is treated, the cause remains.")
    assert said.count("fixed") == 4, "the history, one after the other"


def test_what_was_only_tried_is_not_called_fixed(tmp_path: Path) -> None:
    for number in range(4):
        run_of(tmp_path, Tap(25), row_to(24.9 if number else 0), id=f"R{number}", policy=FOUR)
    [record] = run_of(tmp_path, Tap(25), row_to(0), id="R5", policy=FOUR).records
    assert record.decision is not None
    assert "Tried 4 times in 86400 s on tank, 1 times it helped" in str(record.decision.reason)


def killed_run(folder: Path, row: str = "TANK-01", *, settles: float = 0.0, target: str = "tank") -> None:
    """What a run leaves that was killed in the middle of a step."""
    book = Journal(folder / "journal.jsonl")
    book.write("begin", run="R0", row="", body={"environment": "test", "epochs": {}})
    step = msgspec.to_builtins(msgspec.structs.replace(drain_step(Tank(25)), target=target))
    book.write("intent", run="R0", row=row, body=step | {"plan": "p", "settles": settles})


@pytest.fixture
def tank(monkeypatch: pytest.MonkeyPatch) -> Tap:
    tank = Tap(25)
    monkeypatch.setattr("runbook.targets.opening.open_target", lambda name, site: tank)
    return tank


def outcomes(folder: Path) -> list[tuple[str, Any]]:
    entries = journal.verify(folder / "journal.jsonl")
    return [(e.kind, e.body.get("outcome") or e.body.get("killed")) for e in entries if e.run == "R0"]


@pytest.mark.parametrize(
    ("trace", "closed"), [(traces.done, "done"), (traces.not_done, "not run"), (traces.halfway, "failed")]
)
def test_what_the_target_tells_of_is_closed_and_the_row_is_treated(
    trace: Callable[..., Trace], closed: str, tmp_path: Path, tank: Tap
) -> None:
    killed_run(tmp_path)
    tank.trace = trace(text("It is seen"))
    [record] = run_of(tmp_path, tank, row_to(0)).records
    assert outcomes(tmp_path)[2:] == [("result", closed), ("end", True)]
    assert [action.outcome for action in record.actions] == [Outcome.DONE]


@pytest.mark.parametrize(("row", "target"), [("TANK-01", "elsewhere"), ("OTHER-01", "tank")])
def test_a_step_that_nobody_knows_of_lets_nothing_act_on_its_row_or_its_target(
    row: str, target: str, tmp_path: Path, tank: Tap
) -> None:
    killed_run(tmp_path, row, target=target)
    [record] = run_of(tmp_path, tank, row_to(0)).records
    assert tank.drained == 0
    assert record.decision is not None
    assert record.decision.rule == "journal"
    assert "audit settle 2" in str(record.decision.reason)
    assert outcomes(tmp_path)[2:] == []


def test_another_row_on_another_target_is_treated(tmp_path: Path, tank: Tap) -> None:
    killed_run(tmp_path, "OTHER-01", target="elsewhere")
    [record] = run_of(tmp_path, tank, row_to(0)).records
    assert record.actions


def test_what_was_done_has_its_time_to_show_before_more_is_done(tmp_path: Path, tank: Tap) -> None:
    killed_run(tmp_path, settles=3600)
    tank.trace = traces.done(text("It is seen"))
    for id in ("R1", "R2"):
        [record] = run_of(tmp_path, tank, row_to(0), id=id).records
        assert record.decision is not None
        assert record.decision.rule == "settling"
    assert tank.drained == 0


def test_a_run_with_nothing_to_mend_closes_what_was_left(tmp_path: Path, tank: Tap) -> None:
    killed_run(tmp_path)
    tank.trace, tank.current = traces.done(text("It is seen")), 0
    run_of(tmp_path, tank, row_to(0))
    assert outcomes(tmp_path)[2:] == [("result", "done"), ("end", True)]


def test_a_dry_run_closes_nothing(tmp_path: Path, tank: Tap) -> None:
    killed_run(tmp_path)
    tank.trace = traces.done(text("It is seen"))
    before = (tmp_path / "journal.jsonl").read_bytes()
    run_of(tmp_path, tank, row_to(0), fixing=False)
    assert (tmp_path / "journal.jsonl").read_bytes() == before


def test_a_run_that_ended_without_a_result_is_looked_at_too(tmp_path: Path, tank: Tap) -> None:
    """A disk that was full, or Ctrl-C twice."""
    killed_run(tmp_path)
    Journal(tmp_path / "journal.jsonl").write("end", run="R0", row="", body={})
    [record] = run_of(tmp_path, tank, row_to(0)).records
    assert record.decision is not None
    assert record.decision.rule == "journal"
    tank.trace = traces.not_done(text("It is seen"))
    [record] = run_of(tmp_path, tank, row_to(0), id="R2").records
    assert record.actions


def test_a_killed_run_of_another_environment_is_its_own(tmp_path: Path, tank: Tap) -> None:
    book = Journal(tmp_path / "journal.jsonl")
    book.write("begin", run="R0", row="", body={"environment": "prod", "epochs": {}})
    book.write("intent", run="R0", row="TANK-01", body=msgspec.to_builtins(drain_step(tank)))
    [record] = run_of(tmp_path, tank, row_to(0)).records
    assert record.actions
    assert len(outcomes(tmp_path)) == 2
