"""The view model: worst first, counted, capped, told truthfully."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from reports.language import Language
from reports.panel import IN_A_LINE, IN_BRIEF, IN_FULL, Detail, panel
from reports.view import view
from reports.words import Standing, standing
from runbook.model import (
    Action,
    Choice,
    Decision,
    Finding,
    Outcome,
    Proof,
    Proven,
    Record,
    Run,
    State,
    Verdict,
    Verification,
)
from runbook.text import text, verbatim
from tests.reports import factory

ES, EN = Language("es"), Language("en")
replace = msgspec.structs.replace


def found(state: State, proven: Proven | None = None, after: State = State.OK) -> Record:
    """A record as found, and as judged again."""
    verdict = Verdict(state=state, summary=text("as found"), judged_at=factory.START)
    again = Verdict(state=after, summary=text("as judged again"), judged_at=factory.at(9))
    proof = Verification(proven=proven, verdict=again, took=timedelta(seconds=9)) if proven else None
    return Record(row=f"{state}-{proven}", title=text("A row"), verdict=verdict, verification=proof)


@pytest.mark.parametrize(
    ("record", "stands"),
    [
        (found(State.CRITICAL), Standing.CRITICAL),
        (found(State.CRITICAL, Proven.FIXED), Standing.FIXED),
        (found(State.CRITICAL, Proven.NOT_FIXED, State.WARNING), Standing.WARNING),
        (found(State.CRITICAL, Proven.NOT_FIXED, State.OK), Standing.CRITICAL),
        (found(State.CRITICAL, Proven.NOT_PROVEN, State.UNKNOWN), Standing.CRITICAL),
        (found(State.CRITICAL, Proven.NOT_PROVEN, State.OK), Standing.CRITICAL),
        (found(State.UNKNOWN), Standing.UNKNOWN),
        (found(State.SKIPPED), Standing.SKIPPED),
    ],
)
def test_a_row_stands_as_it_was_proven_and_never_better(record: Record, stands: Standing) -> None:
    assert standing(record) is stands


def test_the_worst_comes_first_and_nothing_vanishes() -> None:
    report = view(factory.incident(), ES)
    assert [panel.row for panel in report.troubled] == ["BACKUP-01", "ETL-01", "HOST-01", "QUEUE-01"]
    assert [panel.row for panel in report.everything] == sorted(
        (panel.row for panel in report.everything), key=[panel.row for panel in report.everything].index
    )
    assert {panel.row for panel in report.everything} == {record.row for record in factory.incident().records}
    assert [(count.mark.name, count.number) for count in report.counts] == [
        ("critical", 1), ("warning", 1), ("unknown", 1), ("fixed", 1), ("ok", 4), ("skipped", 1),
    ]  # fmt: skip


def test_the_headline_in_both_languages() -> None:
    assert view(factory.incident(), ES).headline == (
        "1 falla crítica abierta",
        "1 advertencia abierta",
        "1 renglón sin poder verificarse",
        "1 falla corregida y comprobada",
    )
    assert view(factory.incident(), EN).headline[0] == "1 critical failure open"


@pytest.mark.parametrize(
    ("states", "headline"),
    [
        ((State.OK,), "1 check is in order"),
        ((State.OK, State.OK), "All 2 checks are in order"),
        ((State.OK, State.SKIPPED), "1 of 2 checks are in order; the others were skipped"),
        ((State.SKIPPED,), "Nothing was checked"),
        ((), "Nothing was checked"),
    ],
)
def test_the_headline_when_nothing_is_broken(states: tuple[State, ...], headline: str) -> None:
    run = replace(factory.incident(), records=tuple(map(found, states)))
    assert view(run, EN).headline == (headline,)


def test_the_story_of_a_fixed_row() -> None:
    story = panel(factory.queue(), factory.at(27.4), EN).story
    assert story.since == "24 Nov 2026, 08:12:23 UTC-06:00"
    assert story.for_how_long == "19 min 9 s"
    assert story.how_bad == "4× the limit"
    assert story.why == ("The initial-processing service is down",)
    assert story.done[0] == "Start servicio-procesamiento-inicial:replica-01 — done"
    assert story.helped == "Yes: the check passes again"
    assert story.change is not None
    assert (story.change.before, story.change.after) == ("486/min", "−912/min")
    assert story.next == ("Ask who stopped the replicas at 08:12",)


def test_what_was_first_seen_now_is_not_told_as_lasting_milliseconds() -> None:
    record = replace(factory.queue(), breached_since=factory.queue().verdict.judged_at)
    story = panel(record, factory.at(27.4), EN).story
    assert (story.since, story.for_how_long) == ("first seen in this run", "")


def test_a_large_batch_says_when_it_will_be_done() -> None:
    story = panel(factory.etl(), factory.at(27.4), ES).story
    assert story.done == ("Nada: aquí no aplica ningún paso automático",)
    assert "el lote terminará a las 24 nov 2026, 08:45:35 UTC-06:00" in story.next[0]


def test_a_plan_that_waits_for_approval_is_the_next_thing() -> None:
    asked = Decision(choice=Choice.ASK, reason=text("the risk is high"))
    waiting = replace(factory.queue(), actions=(), verification=None, decision=asked)
    story = panel(waiting, factory.at(27), EN).story
    assert story.done == ("Nothing: the risk is high",)
    assert story.next[0].startswith(
        "Decide on the plan: Start servicio-procesamiento-inicial:replica-01, and 1 step more"
    )


def test_a_failed_step_is_the_next_thing() -> None:
    step = factory.start("replica-01")
    failed = Action(
        step=step, outcome=Outcome.FAILED, started_at=factory.START, result=verbatim("socket: no such file")
    )
    story = panel(replace(factory.queue(), actions=(failed,), verification=None), factory.at(27), EN).story
    assert story.next[0] == "Start servicio-procesamiento-inicial:replica-01: socket: no such file"
    assert story.helped == "Does not apply"


def test_no_confirmed_cause_is_said() -> None:
    given = tuple(f for f in factory.queue().findings if f.proof is not Proof.CONFIRMED)
    record = replace(factory.queue(), findings=given, verification=None, plan=None, actions=(), decision=None)
    story = panel(record, factory.at(27), EN).story
    assert story.why == ("No probable cause is confirmed: 3 ruled out, 0 not known",)
    assert story.next == ("A person has to look: the evidence does not name the cause",)


def test_causes_come_confirmed_first_and_samples_are_counted() -> None:
    shown = panel(factory.etl(), factory.at(27), EN)
    assert [finding.proof for finding in shown.findings] == ["confirmed", "unknown"]
    assert [finding.proof for finding in shown.ruled_out] == ["ruled-out"]
    assert shown.findings[0].evidence[0].more == "and 10 more"


def test_a_brief_panel_counts_what_it_leaves_out() -> None:
    findings = tuple(Finding(proof=Proof.UNKNOWN, summary=text("Cause {n}", n=n)) for n in range(20))
    shown = panel(replace(factory.etl(), findings=findings), factory.at(27), EN, IN_A_LINE)
    assert (len(shown.findings), shown.more_findings) == (1, "and 19 more")
    assert (len(shown.measures), shown.more_measures) == (1, "and 2 more")


def test_the_timeline_is_in_the_site_s_zone_and_in_order() -> None:
    days = view(factory.incident(), ES).days
    assert [(day.date, day.offset) for day in days] == [("24 nov 2026", "UTC-06:00")]
    clocks = [entry.clock for entry in days[0].entries]
    assert clocks == sorted(clocks)
    assert clocks[0] == "05:31:05"
    assert days[0].entries[0].after == ""


def test_a_trend_tells_the_clock_of_a_day_and_the_dates_of_weeks() -> None:
    nights = tuple((factory.START - timedelta(days=30 - n), 40.0 + n) for n in range(31))
    month = panel(replace(factory.healthy("DB-01"), trend=nights, trend_unit="%"), factory.at(27), EN).trend
    hours = panel(factory.queue(), factory.at(27), EN).trend
    assert month is not None
    assert hours is not None
    assert (month.first_at, month.last_at) == ("25 Oct 2026, 08:31", "24 Nov 2026, 08:31")
    assert (hours.first_at, hours.last_at) == ("07:31:05", "08:31:05")


@pytest.mark.parametrize(("detail", "points"), [(IN_FULL, 31), (replace(IN_BRIEF, slices=4), 8), (IN_BRIEF, None)])
def test_a_trend_is_as_fine_as_there_is_room(detail: Detail, points: int | None) -> None:
    nights = tuple((factory.START - timedelta(days=30 - n), float(n)) for n in range(31))
    shown = panel(replace(factory.healthy("DB-01"), trend=nights, trend_unit="%"), factory.at(27), EN, detail).trend
    assert (shown and len(shown.line.points.split())) == points


def test_an_empty_run_can_be_shown() -> None:
    run = factory.incident()
    empty = Run(id="", environment=run.environment, started_at=factory.START, ended_at=factory.START, records=())
    assert view(empty, ES).standing.name == "skipped"
