"""One run of the engine on a small fake target: every way a row can go."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runbook.acting import journal
from runbook.acting.locks import acting_on
from runbook.engine import Engine
from runbook.errors import NotConfigured, ProbeError, ProbeFailure
from runbook.model import Choice, Outcome, Proof, Proven, Run, State, Step
from runbook.rows import NoPlan, Row, lost
from runbook.settings import PolicySettings
from runbook.text import text
from tests.runbook.fakes import ACTS, Quiet, Tank, drain_step, site_at, tank_row


def run_of(folder: Path, tank: Tank, *rows: Row, listener: Quiet | None = None, **site: Any) -> Run:
    opened = site_at(folder, **site)
    engine = Engine(opened, listener or Quiet(), run="R1")
    for row in rows:
        engine.begin(row, {"tank": tank})
    engine.settle()
    if opened.fixing:
        engine.treat()
    run = engine.finish()
    opened.history.keep(run, State.OK, None)
    opened.history.close()
    return run


def test_a_healthy_row_is_ok_and_nothing_is_asked_further(tmp_path: Path) -> None:
    tank = Tank(5)
    [record] = run_of(tmp_path, tank, tank_row()).records
    assert record.verdict.state is State.OK
    assert record.findings == ()
    assert record.plan is None
    assert tank.drained == 0


def test_a_value_at_the_limit_is_not_beyond_it(tmp_path: Path) -> None:
    [record] = run_of(tmp_path, Tank(10), tank_row(), fixing=False).records
    assert record.verdict.state is State.OK


def test_a_breach_is_explained_fixed_and_proven(tmp_path: Path) -> None:
    tank, listener = Tank(25), Quiet()
    run = run_of(tmp_path, tank, tank_row(), listener=listener)
    [record] = run.records
    assert record.verdict.state is State.CRITICAL
    assert [f.proof for f in record.findings] == [Proof.CONFIRMED]
    assert record.decision is not None
    assert record.decision.choice is Choice.ACT
    assert [a.outcome for a in record.actions] == [Outcome.DONE]
    assert record.verification is not None
    assert record.verification.proven is Proven.FIXED
    assert listener.said == [
        "started TANK-01",
        "judged TANK-01 CRITICAL",
        "acting drain",
        "acted done",
        "verifying TANK-01",
    ]
    assert [event.kind for event in run.events] == ["run", "CRITICAL", "cause", "done", "fixed"]


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(tmp_path: Path) -> None:
    tank = Tank(25)
    [record] = run_of(tmp_path, tank, tank_row(), fixing=False).records
    assert tank.drained == 0
    assert record.plan is not None
    assert len(record.plan.steps) == 1
    assert record.decision is not None
    assert record.decision.rule == "--fix"
    assert not (tmp_path / "journal.jsonl").exists()


def test_done_is_not_fixed_when_the_check_still_fails(tmp_path: Path) -> None:
    tank = Tank(25)
    row = tank_row(steps=lambda t: [drain_step(t, to=15)], settles=timedelta(seconds=0.2))
    [record] = run_of(tmp_path, tank, row).records
    assert record.actions[0].outcome is Outcome.DONE
    assert record.verification is not None
    assert record.verification.proven is Proven.NOT_FIXED


def test_blindness_after_the_action_proves_nothing(tmp_path: Path) -> None:
    tank = Tank(25)
    tank.on_drain = lambda: setattr(tank, "answers", False)
    [record] = run_of(tmp_path, tank, tank_row(settles=timedelta(seconds=0.2))).records
    assert record.verification is not None
    assert record.verification.proven is Proven.NOT_PROVEN


def test_each_probe_is_read_once_a_run_however_many_rows_ask(tmp_path: Path) -> None:
    tank = Tank(5)
    run_of(tmp_path, tank, *(tank_row(id=f"TANK-{n:02}") for n in range(20)))
    assert tank.reads == 1


def test_rows_run_at_the_same_time(tmp_path: Path) -> None:
    barrier = threading.Barrier(10, timeout=3)

    def check(tank: Tank, limits: Any) -> None:
        barrier.wait()
        limits.judge(1, of="tank")

    run = run_of(tmp_path, Tank(), *(tank_row(id=f"TANK-{n:02}", check=check) for n in range(10)))
    assert {record.verdict.state for record in run.records} == {State.OK}


def test_a_silent_target_costs_one_deadline_and_its_rows_are_unknown(tmp_path: Path) -> None:
    tank = Tank(answers=False)
    started = time.monotonic()
    run = run_of(tmp_path, tank, *(tank_row(id=f"TANK-{n:02}") for n in range(5)))
    assert time.monotonic() - started < 0.3 + 1
    tank.release.set()
    assert {record.verdict.state for record in run.records} == {State.UNKNOWN}
    assert "gave no answer" in str(run.records[0].verdict.summary)


def test_the_run_ends_at_its_deadline_with_a_record_for_every_row(tmp_path: Path) -> None:
    forever = threading.Event()

    def check(tank: Tank, limits: Any) -> None:
        forever.wait(30)

    run = run_of(tmp_path, Tank(5), tank_row(check=check), tank_row(id="TANK-02"), deadline=0.4)
    forever.set()
    assert {r.row: r.verdict.state for r in run.records} == {"TANK-01": State.UNKNOWN, "TANK-02": State.OK}


def raising(error: BaseException) -> Any:
    def check(tank: Tank, limits: Any) -> None:
        raise error

    return check


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (ZeroDivisionError("by zero"), State.UNKNOWN, "The row is broken: ZeroDivisionError: by zero"),
        (ProbeError("tank", ProbeFailure.DENIED, "access denied"), State.UNKNOWN, "tank: access denied"),
        (NotConfigured("tank", "environments.test.tank"), State.SKIPPED, "set environments.test.tank"),
        (AssertionError("too full"), State.CRITICAL, "too full"),
    ],
)
def test_what_a_check_raises_is_a_verdict(tmp_path: Path, error: Exception, state: State, words: str) -> None:
    [record] = run_of(tmp_path, Tank(), tank_row(check=raising(error)), fixing=False).records
    assert record.verdict.state is state
    assert words in str(record.verdict.summary)


def test_a_check_that_judges_nothing_is_not_green(tmp_path: Path) -> None:
    [record] = run_of(tmp_path, Tank(), tank_row(check=lambda tank, limits: None)).records
    assert record.verdict.state is State.UNKNOWN


def test_an_assert_style_check_without_a_reading_is_not_green(tmp_path: Path) -> None:
    def blind(tank: Tank) -> None:
        assert tank

    def seeing(tank: Tank) -> None:
        assert tank.level().value == 0

    run = run_of(tmp_path, Tank(), tank_row(check=blind), tank_row(id="TANK-02", check=seeing))
    assert [record.verdict.state for record in run.records] == [State.UNKNOWN, State.OK]


def test_a_row_that_could_not_be_set_up_keeps_its_record(tmp_path: Path) -> None:
    engine = Engine(site_at(tmp_path), Quiet(), run="R1")
    engine.lacks(lost("tanks.py"), "ImportError: no module")
    engine.settle()
    [record] = engine.finish().records
    assert record.verdict.state is State.UNKNOWN
    assert "ImportError" in str(record.verdict.summary)


def test_a_remedy_that_raises_halfway_runs_nothing(tmp_path: Path) -> None:
    def steps(tank: Tank) -> Any:
        yield drain_step(tank)
        raise RuntimeError("halfway")

    tank = Tank(25)
    [record] = run_of(tmp_path, tank, tank_row(steps=steps)).records
    assert tank.drained == 0
    assert record.plan is not None
    assert "halfway" in str(record.plan.reason)


def test_a_remedy_may_have_a_reason_to_do_nothing(tmp_path: Path) -> None:
    def steps(tank: Tank) -> Any:
        raise NoPlan(text("It rains"))

    [record] = run_of(tmp_path, Tank(25), tank_row(steps=steps)).records
    assert record.decision is not None
    assert str(record.decision.reason) == "It rains"


def test_a_step_that_fails_stops_the_later_ones(tmp_path: Path) -> None:
    explode = Step(what=text("Explode"), target="tank", operation="explode")
    tank = Tank(25)
    row = tank_row(steps=lambda t: [explode, drain_step(t)], settles=timedelta(seconds=0.1))
    [record] = run_of(tmp_path, tank, row).records
    assert [a.outcome for a in record.actions] == [Outcome.FAILED, Outcome.NOT_RUN]
    assert tank.drained == 0
    assert record.verification is not None
    assert record.verification.proven is Proven.NOT_FIXED


def test_a_target_that_changed_since_the_plan_is_refused(tmp_path: Path) -> None:
    tank = Tank(25)

    class Meddling(Quiet):
        def acting(self, step: Step) -> None:
            tank.current = 26

    [record] = run_of(tmp_path, tank, tank_row(settles=timedelta(seconds=0.1)), listener=Meddling()).records
    assert record.actions[0].outcome is Outcome.REFUSED
    assert tank.drained == 0


def test_an_operation_the_target_does_not_declare_never_acts(tmp_path: Path) -> None:
    step = Step(what=text("Close"), target="tank", operation="close")
    [record] = run_of(tmp_path, Tank(25), tank_row(steps=lambda t: [step])).records
    assert record.decision is not None
    assert record.decision.rule == "effect"
    assert record.actions == ()


@pytest.mark.parametrize(("answer", "drained"), [(True, 1), (False, 0), (None, 0)])
def test_ask_acts_only_when_a_person_says_yes(tmp_path: Path, answer: bool | None, drained: int) -> None:
    tank = Tank(25)
    [record] = run_of(tmp_path, tank, tank_row(), listener=Quiet(answer), policy=PolicySettings()).records
    assert tank.drained == drained
    assert record.decision is not None
    assert record.decision.choice is {True: Choice.ACT, False: Choice.LEAVE, None: Choice.ASK}[answer]


def test_the_second_row_is_looked_at_again_when_the_first_was_treated(tmp_path: Path) -> None:
    def none(tank: Tank) -> Any:
        raise NoPlan(text("The other row's remedy comes first"))

    tank = Tank(25)
    run = run_of(tmp_path, tank, tank_row(id="TANK-01", steps=none), tank_row(id="TANK-02"))
    by_row = {record.row: record for record in run.records}
    assert by_row["TANK-01"].actions == ()
    verification = by_row["TANK-01"].verification
    assert verification is not None
    assert verification.proven is Proven.FIXED


def test_a_row_without_a_remedy_is_looked_at_again_too(tmp_path: Path) -> None:
    watched = tank_row(id="TANK-01")
    watched.treatment = None
    run = run_of(tmp_path, Tank(25), watched, tank_row(id="TANK-02"))
    by_row = {record.row: record for record in run.records}
    assert by_row["TANK-01"].plan is None
    assert by_row["TANK-01"].verdict.state is State.CRITICAL
    verification = by_row["TANK-01"].verification
    assert verification is not None
    assert verification.proven is Proven.FIXED


def test_what_shows_soonest_is_done_first(tmp_path: Path) -> None:
    slow = tank_row(id="TANK-01", settles=timedelta(seconds=4))
    run = run_of(tmp_path, Tank(25), slow, tank_row(id="TANK-02"))
    done = [(action.started_at, record.row) for record in run.records for action in record.actions]
    assert min(done)[1] == "TANK-02"


def test_another_acting_run_holds_the_lock(tmp_path: Path) -> None:
    tank = Tank(25)
    with acting_on("test", tmp_path):
        [record] = run_of(tmp_path, tank, tank_row()).records
    assert tank.drained == 0
    assert record.decision is not None
    assert record.decision.rule == "LockError"
    assert "another acting run" in str(record.decision.reason)


def test_a_journal_that_cannot_be_written_stops_the_action(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").mkdir()
    tank = Tank(25)
    [record] = run_of(tmp_path, tank, tank_row()).records
    assert tank.drained == 0
    assert record.decision is not None
    assert record.decision.rule == "JournalError"


def test_a_history_that_cannot_be_read_lets_nothing_act(tmp_path: Path) -> None:
    (tmp_path / "history.sqlite").write_bytes(b"this is no database, and it is long enough to be seen" * 40)
    tank = Tank(25)
    engine = Engine(site_at(tmp_path), Quiet(), run="R1")
    engine.begin(tank_row(), {"tank": tank})
    engine.settle()
    engine.treat()
    [record] = engine.finish().records
    assert record.verdict.state is State.CRITICAL
    assert record.decision is not None
    assert record.decision.rule == "history"
    assert tank.drained == 0


def test_the_same_fix_again_and_again_stops(tmp_path: Path) -> None:
    policy = PolicySettings(medium="act", attempts=2, cooldown=timedelta(0))
    for _again in range(2):
        run_of(tmp_path, Tank(25), tank_row(), policy=policy)
    tank = Tank(25)
    [record] = run_of(tmp_path, tank, tank_row(), policy=policy).records
    assert tank.drained == 0
    assert record.decision is not None
    assert record.decision.rule == "policy.attempts"


@pytest.mark.parametrize("skew", [timedelta(minutes=2), timedelta(minutes=-2), None])
def test_a_clock_that_is_off_or_cannot_be_compared_lets_nothing_act(tmp_path: Path, skew: timedelta | None) -> None:
    class Elsewhere(Tank):
        def clock_skew(self) -> timedelta | None:
            return skew

    tank = Elsewhere(25)
    [record] = run_of(tmp_path, tank, tank_row()).records
    assert tank.drained == 0
    assert record.decision is not None
    assert record.decision.rule == "clock"


def test_the_decision_asks_the_target_through_the_readings_too(tmp_path: Path) -> None:
    class Telling(Tank):
        def clock_skew(self) -> timedelta:
            return timedelta(seconds=0 * self.level().value)

    tank = Telling(25)
    run_of(tmp_path, tank, tank_row(), fixing=False)
    assert tank.reads == 1, "the check's own reading serves: a replay must not reach the live target"


def test_intent_is_on_disk_before_the_step_and_the_result_after(tmp_path: Path) -> None:
    tank = Tank(25)
    seen: list[list[str]] = []
    file = tmp_path / "journal.jsonl"
    tank.on_drain = lambda: seen.append([entry.kind for entry in journal.verify(file)])
    run_of(tmp_path, tank, tank_row())
    assert seen == [["begin", "intent"]]
    assert [entry.kind for entry in journal.verify(file)] == ["begin", "intent", "result", "proof", "end"]
    assert journal.unfinished(journal.verify(file)) == []


def test_a_breach_remembers_since_when(tmp_path: Path) -> None:
    first = run_of(tmp_path, Tank(25), tank_row(), fixing=False)
    second = run_of(tmp_path, Tank(25), tank_row(), fixing=False)
    assert second.records[0].breached_since == first.records[0].verdict.judged_at
    assert [value for _at, value in second.records[0].trend] == [25.0, 25.0]


NIGHTS = tuple(timedelta(days=n) for n in range(2, 7))
MINUTES = tuple(timedelta(minutes=n) for n in range(1, 13))


@pytest.mark.parametrize(("ages", "seen"), [(NIGHTS, 5), (MINUTES + NIGHTS, 12), ((timedelta(days=40),), 0)])
def test_the_trend_goes_over_nights_where_the_day_saw_few_runs(
    tmp_path: Path, ages: tuple[timedelta, ...], seen: int
) -> None:
    tonight = run_of(tmp_path, Tank(25), tank_row(), fixing=False)
    [record], opened = tonight.records, site_at(tmp_path, fixing=False)
    for age in ages:
        verdict = msgspec.structs.replace(record.verdict, judged_at=record.verdict.judged_at - age)
        records = (msgspec.structs.replace(record, verdict=verdict),)
        opened.history.keep(msgspec.structs.replace(tonight, id=f"R-{age}", records=records), State.OK, None)
    opened.history.close()
    again = run_of(tmp_path, Tank(25), tank_row(), fixing=False)
    assert len(again.records[0].trend) == seen + 2, "the earlier ones, tonight's, and this one"


def test_a_record_of_readings_is_judged_the_same_without_the_target(tmp_path: Path) -> None:
    first = run_of(tmp_path, Tank(25), tank_row(), fixing=False)
    site = site_at(tmp_path, fixing=False)
    replayed = Engine(type(site)(**{**vars(site), "record": first.readings}), Quiet(), run="R2")
    tank = Tank(0)
    replayed.begin(tank_row(), {"tank": tank})
    replayed.settle()
    [record] = replayed.finish().records
    assert record.verdict.state is State.CRITICAL
    assert tank.reads == 0


def test_secrets_in_what_a_row_raises_are_masked(tmp_path: Path) -> None:
    error = RuntimeError("cannot reach postgresql://muses:hunter2@db/sep_muses for XEXX010101HNEXXXA4")
    run = run_of(tmp_path, Tank(), tank_row(check=raising(error)))
    shown = json.dumps(str(run))
    assert "hunter2" not in shown
    assert "XEXX010101HNEXXXA4" not in shown


def test_the_process_ends_although_a_probe_hangs(tmp_path: Path) -> None:
    tank, before = Tank(answers=False), set(threading.enumerate())  # other tests' threads among them
    run_of(tmp_path, tank, tank_row(), fixing=False)
    assert all(thread.daemon for thread in set(threading.enumerate()) - before)
    tank.release.set()


def test_policy_is_stated_with_the_rule_that_decided(tmp_path: Path) -> None:
    policy = PolicySettings(medium="act", rows={"TANK-01": "never"})
    [record] = run_of(tmp_path, Tank(25), tank_row(), policy=policy).records
    assert record.decision is not None
    assert record.decision.rule == "policy.rows.TANK-01"
    assert ACTS.medium == "act"
