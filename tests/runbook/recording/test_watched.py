"""Several looks of the engine as one run: values, changes, timers, and what a replay makes of them."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec

from runbook import clock
from runbook.engine import Engine
from runbook.limits import Limits
from runbook.model import Event, Measure, Run, State
from runbook.recording.looks import Recording, of_run
from runbook.recording.watched import Watched
from runbook.rows import Row
from runbook.site import Site
from runbook.text import text
from tests.runbook.fakes import Quiet, Tank, site_at, tank_row


def looked(site: Site, tank: Tank, row: Row) -> Run:
    engine = Engine(replace(site, began=time.monotonic()), Quiet(), run="R1")
    engine.begin(row, {"tank": tank})
    engine.settle()
    return engine.finish()


def watched(folder: Path, *levels: float | None, row: Row | None = None) -> Run:
    """A watch over a tank with these levels; None is a tank that does not answer."""
    site, tank, watch = site_at(folder, fixing=False, deadline=1), Tank(), Watched(text("The watch began"))
    for level in levels:
        tank.current, tank.answers = level or 0, level is not None
        run = looked(site, tank, row or tank_row())
        watch.add(run, run.started_at)
    tank.release.set()
    return watch.whole()


def states(run: Run) -> list[tuple[str, str]]:
    return [(event.kind, event.row) for event in run.events if event.kind not in ("run", "cause")]


def test_every_sample_is_in_the_run(tmp_path: Path) -> None:
    run = watched(tmp_path, 5, 12, 25, 25)
    [record] = run.records
    assert [value for _at, value in record.trend] == [5, 12, 25, 25]
    assert len(run.samples) == 4
    assert [reading.value["value"] for reading in run.readings] == [5, 12, 25]
    assert run.started_at == run.samples[0].at < run.ended_at


def test_changes_are_told_in_the_order_of_time(tmp_path: Path) -> None:
    run = watched(tmp_path, 5, 12, 25, 25, 5, 12)
    assert states(run) == [("WARNING", "TANK-01"), ("CRITICAL", "TANK-01"), ("OK", "TANK-01"), ("WARNING", "TANK-01")]
    assert [event.at for event in run.events] == sorted(event.at for event in run.events)
    assert str(run.events[0].what) == "The watch began"
    assert str(run.events[-1].what) == "Looks until the end: 6"


def test_a_breach_lasts_since_the_look_that_saw_it_first(tmp_path: Path) -> None:
    run = watched(tmp_path, 5, 12, None, 25)
    [record] = run.records
    assert record.breached_since is not None
    assert run.samples[1].at <= record.breached_since <= run.samples[1].ended_at


def test_a_breach_from_before_the_watch_is_told_with_its_time(tmp_path: Path) -> None:
    site, tank, watch = site_at(tmp_path, fixing=False), Tank(12), Watched(text("The watch began"))
    earlier = looked(site, tank, tank_row())
    site.history.keep(earlier, State.WARNING, None)
    run = looked(site, tank, tank_row())
    watch.add(run, run.started_at)
    [before] = [event for event in watch.whole().events if event.kind == "breach"]
    assert before.at < run.started_at
    site.history.close()


def test_what_passed_is_not_breached_any_more(tmp_path: Path) -> None:
    [record] = watched(tmp_path, 25, 5).records
    assert record.breached_since is None


def replayed(folder: Path, record: Recording, row: Row) -> Run:
    site, watch = site_at(folder, fixing=False), Watched(text("Again"))
    for look in record.whole():
        at = replace(site, record=look.readings, taken_at=look.ended_at)
        watch.add(looked(at, Tank(level=999), row), look.at)
    return watch.whole()


def test_a_replay_is_the_same_watch_again(tmp_path: Path) -> None:
    run = watched(tmp_path / "then", 5, None, 25, 12)
    again = replayed(tmp_path / "now", of_run(run), tank_row())
    assert states(again) == states(run)
    assert (again.readings, again.samples) == (run.readings, run.samples)
    assert [value for _at, value in again.records[0].trend] == [5, 25, 12]


def test_ages_are_those_of_then(tmp_path: Path) -> None:
    """A record of last week is not a week older."""
    began = clock.now()

    def check(tank: Tank, limits: Limits) -> None:
        tank.level()
        limits.judge((clock.now() - began).total_seconds(), of="age")

    row = replace(tank_row(check=check), causes=[], treatment=None)
    run = watched(tmp_path / "then", 5, row=row)
    [record] = replayed(tmp_path / "now", of_run(run), row).records
    assert record.verdict.judged_at == run.samples[0].ended_at
    assert _seconds(record.verdict.measures[0]) <= (run.samples[0].ended_at - began) / timedelta(seconds=1)


def _seconds(measure: Measure) -> float:
    return measure.value.value  # type: ignore[union-attr]


def test_a_row_that_judged_nothing_has_no_values(tmp_path: Path) -> None:
    [record] = watched(tmp_path, None, None).records
    assert (record.verdict.state, record.trend) == (State.UNKNOWN, ())


def test_trouble_of_the_run_itself_is_told_once(tmp_path: Path) -> None:
    site, watch = site_at(tmp_path, fixing=False), Watched(text("The watch began"))
    for _look in range(3):
        run = looked(site, Tank(5), tank_row())
        trouble = Event(at=run.started_at, kind="trouble", what=text("The cluster is away"))
        watch.add(msgspec.structs.replace(run, events=(trouble, *run.events)), run.started_at)
    assert [event.kind for event in watch.whole().events] == ["run", "trouble", "run"]
