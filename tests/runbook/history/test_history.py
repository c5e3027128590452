"""The memory between runs: measures by object, attempts, how long a breach has lasted."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from runbook.errors import HistoryError
from runbook.history import KEPT, History
from runbook.model import Environment, Measure, Proven, Record, Run, State, Verdict, Verification, Waived
from runbook.text import Quantity, bilingual, text

NOW = datetime.now(UTC)


def run_at(at: datetime, state: State, value: float = 1.0, id: str | None = None) -> Run:
    measure = Measure(object="muses.recepcion", value=Quantity(value, "1/min"), state=state)
    verdict = Verdict(state=state, summary=text("x"), measures=(measure,), judged_at=at)
    record = Record(row="QUEUE-01", title=bilingual("a", "b"), verdict=verdict)
    environment = Environment(site="s", name="e", timezone="America/Mexico_City", language="es")
    return Run(id=id or f"{at:%H%M%S%f}", environment=environment, started_at=at, ended_at=at, records=(record,))


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


@pytest.fixture
def history(tmp_path: Path):  # type: ignore[no-untyped-def]
    opened = History(tmp_path / "deep" / "history.sqlite", "prod")
    yield opened
    opened.close()


def test_measures_come_back_in_order_and_only_the_recent_ones(history: History) -> None:
    for minutes, value in ((90, 1.0), (20, 2.0), (10, 3.0)):
        history.keep(run_at(ago(minutes), State.OK, value), State.OK, None)
    found = history.samples("QUEUE-01", "muses.recepcion", timedelta(hours=1))
    assert [value for _at, value in found] == [2.0, 3.0]
    assert history.samples("QUEUE-01", "another", timedelta(hours=1)) == ()


def test_a_breach_lasts_since_the_first_run_without_a_good_one_between(history: History) -> None:
    for minutes, state in ((50, State.CRITICAL), (40, State.OK), (30, State.WARNING), (20, State.CRITICAL)):
        history.keep(run_at(ago(minutes), state), state, None)
    began = history.breached_since("QUEUE-01")
    assert began is not None
    assert abs(began - ago(30)) < timedelta(seconds=1)
    history.keep(run_at(ago(5), State.OK), State.OK, None)
    assert history.breached_since("QUEUE-01") is None


def test_environments_do_not_mix(tmp_path: Path) -> None:
    file = tmp_path / "history.sqlite"
    prod, test = History(file, "prod"), History(file, "test")
    prod.note_attempt("QUEUE-01", "R1")
    assert len(prod.attempts("QUEUE-01", timedelta(hours=1))) == 1
    assert test.attempts("QUEUE-01", timedelta(hours=1)) == ()
    prod.close()
    test.close()


def test_runs_are_listed_newest_first_and_a_run_kept_twice_stands_once(history: History, tmp_path: Path) -> None:
    for id in ("R1", "R2", "R2"):
        history.keep(run_at(ago(9 - int(id[1])), State.OK, id=id), State.OK, tmp_path)
    assert [id for id, *_rest in history.runs()] == ["R2", "R1"]


def test_a_file_that_is_no_database_is_said_and_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "history.sqlite"
    file.write_bytes(b"my thesis" * 200)
    history = History(file, "prod")
    with pytest.raises(HistoryError, match=r"site\.state"):
        history.samples("QUEUE-01", "x", timedelta(hours=1))
    assert file.read_bytes() == b"my thesis" * 200
    history.close()


def test_a_full_disk_loses_nothing_that_was_there(history: History) -> None:
    history.keep(run_at(ago(20), State.OK, 1.0), State.OK, None)
    assert history._file._database is not None
    pages = history._file._database.execute("PRAGMA page_count").fetchone()[0]
    history._file._database.execute(f"PRAGMA max_page_count = {pages}")
    many = run_at(ago(10), State.OK, 2.0)
    fat = Run(**{**{f: getattr(many, f) for f in many.__struct_fields__}, "records": many.records * 5000})
    with pytest.raises(HistoryError, match="full"):
        history.keep(fat, State.OK, None)
    assert [v for _at, v in history.samples("QUEUE-01", "muses.recepcion", timedelta(hours=1))] == [1.0]


def test_two_processes_may_write(tmp_path: Path) -> None:
    one, two = History(tmp_path / "h", "prod"), History(tmp_path / "h", "prod")
    one.note_attempt("A", "R1")
    two.note_attempt("A", "R2")
    assert len(one.attempts("A", timedelta(hours=1))) == 2
    one.close()
    two.close()
    assert sqlite3.sqlite_version


def test_attempts_are_counted_per_target_with_what_came_of_them(history: History) -> None:
    for run, targets in (("R1", {"workers"}), ("R2", {"database", "workers"}), ("R3", {"broker"}), ("R4", set())):
        history.note_attempt("QUEUE-01", run, targets)
    history.note_outcome("QUEUE-01", "R1", "fixed")
    hour = timedelta(hours=1)
    assert [(a.run, a.outcome) for a in history.ledger("QUEUE-01", {"workers"}, hour)] == [
        ("R1", "fixed"),
        ("R2", None),
        ("R4", None),  # it names none: it counts for all
    ]
    assert [a.run for a in history.ledger("QUEUE-01", {"database"}, hour)] == ["R2", "R4"]
    assert history.ledger("ETL-01", {"workers"}, hour) == ()


def treated(at: datetime, first: State, last: State) -> Run:
    run = run_at(at, first, id="R1")
    (record,) = run.records
    verdict = Verdict(state=last, summary=text("x"), judged_at=at + timedelta(minutes=1))
    proof = Verification(proven=Proven.FIXED, verdict=verdict, took=timedelta(0))
    return structs.replace(run, records=(structs.replace(record, verification=proof),))


def answered_for(run: Run, *, holds: bool) -> Run:
    (record,) = run.records
    day = date(2026, 11, 25)
    waiver = Waived(owner="a", approver="b", reason="c", start=day, expires=day, state=State.WARNING, holds=holds)
    return structs.replace(run, records=(structs.replace(record, waivers=(waiver,)),))


def test_a_verdict_is_kept_as_it_was_at_first_and_as_it_was_after_the_fix(history: History) -> None:
    history.keep(treated(ago(5), State.CRITICAL, State.OK), State.OK, None)
    (judged,) = history.verdicts(timedelta(hours=1))
    assert judged == ("R1", "QUEUE-01", judged.at, State.CRITICAL, State.OK, False)
    assert abs(judged.at - ago(5)) < timedelta(milliseconds=1)


def test_what_was_fixed_did_not_last_until_the_next_breach(history: History) -> None:
    history.keep(treated(ago(20), State.CRITICAL, State.OK), State.OK, None)
    assert history.breached_since("QUEUE-01") is None
    history.keep(run_at(ago(5), State.CRITICAL), State.CRITICAL, None)
    began = history.breached_since("QUEUE-01")
    assert began is not None
    assert abs(began - ago(5)) < timedelta(seconds=1)


@pytest.mark.parametrize("holds", [True, False])
def test_only_a_waiver_that_holds_is_kept_as_one(history: History, holds: bool) -> None:
    history.keep(answered_for(run_at(ago(5), State.WARNING), holds=holds), State.OK, None)
    assert [judged.waived for judged in history.verdicts(timedelta(hours=1))] == [holds]


def test_verdicts_are_of_the_time_and_the_row_asked_for_oldest_first(history: History) -> None:
    for minutes in (10, 90, 20):
        history.keep(run_at(ago(minutes), State.OK, id=f"R{minutes}"), State.OK, None)
    assert [judged.run for judged in history.verdicts(timedelta(hours=1))] == ["R20", "R10"]
    assert [judged.run for judged in history.verdicts(timedelta(hours=1), "QUEUE-01")] == ["R20", "R10"]
    assert history.verdicts(timedelta(hours=1), "ETL-01") == ()


def test_runs_are_kept_with_their_end_their_state_and_their_folder(history: History, tmp_path: Path) -> None:
    history.keep(run_at(ago(20), State.OK, id="R2"), State.WARNING, tmp_path)
    history.keep(run_at(ago(30), State.OK, id="R1"), State.OK, None)
    history.keep(run_at(ago(90), State.OK, id="R0"), State.OK, None)
    kept = history.kept(timedelta(hours=1))
    assert [(run.id, run.worst, run.folder) for run in kept] == [
        ("R1", State.OK, ""),
        ("R2", State.WARNING, str(tmp_path)),
    ]
    assert all(run.started_at == run.ended_at for run in kept)


def test_measures_come_back_by_row_with_what_they_were_judged(history: History) -> None:
    for minutes, state, value in ((10, State.CRITICAL, 9.0), (20, State.OK, 2.0), (90, State.OK, 1.0)):
        history.keep(run_at(ago(minutes), state, value), state, None)
    measures = history.measures(timedelta(hours=1))
    assert [(m.row, m.object, m.value, m.state) for m in measures] == [
        ("QUEUE-01", "muses.recepcion", 2.0, State.OK),
        ("QUEUE-01", "muses.recepcion", 9.0, State.CRITICAL),
    ]
    assert history.measures(timedelta(hours=1), "QUEUE-01") == measures
    assert history.measures(timedelta(hours=1), "ETL-01") == ()


def test_a_run_kept_again_stands_once_with_what_was_kept_last(history: History) -> None:
    for state in (State.CRITICAL, State.WARNING):
        history.keep(run_at(ago(5), state, id="R1"), state, None)
    assert [judged.state for judged in history.verdicts(timedelta(hours=1))] == [State.WARNING]
    assert len(history.measures(timedelta(hours=1))) == 1


def test_what_is_older_than_the_retention_is_let_go_of_with_its_names(history: History) -> None:
    old = run_at(NOW - KEPT - timedelta(days=1), State.OK, id="R0")
    history.keep(old, State.OK, None)
    history.keep(run_at(ago(5), State.OK, id="R1"), State.OK, None)
    ever = timedelta(days=4000)
    assert [judged.run for judged in history.verdicts(ever)] == ["R1"]
    assert len(history.measures(ever)) == 1
    assert [run.id for run in history.kept(ever)] == ["R0", "R1"]


def test_an_object_that_is_measured_twice_at_once_is_kept_once_as_the_worse(history: History) -> None:
    run = run_at(ago(5), State.CRITICAL, 9.0)
    (record,) = run.records
    better = structs.replace(record.verdict.measures[0], value=Quantity(1.0, "1/min"), state=State.OK)
    verdict = structs.replace(record.verdict, measures=(*record.verdict.measures, better))
    run = structs.replace(run, records=(structs.replace(record, verdict=verdict),))
    history.keep(run, State.CRITICAL, None)
    assert [m.value for m in history.measures(timedelta(hours=1))] == [9.0]


def test_troubled_rows_are_those_that_were_breached_with_all_their_verdicts(history: History) -> None:
    def look(minutes: float, **states: State) -> None:
        run = run_at(ago(minutes), State.OK, id=f"R{minutes}")
        (record,) = run.records
        of = {row: structs.replace(record.verdict, state=state) for row, state in states.items()}
        records = tuple(structs.replace(record, row=row, verdict=verdict) for row, verdict in of.items())
        history.keep(structs.replace(run, records=records), State.OK, None)

    look(30, A=State.OK, B=State.UNKNOWN, C=State.OK)
    look(20, A=State.CRITICAL, B=State.OK, C=State.OK)
    look(10, A=State.OK, B=State.UNKNOWN, C=State.SKIPPED)
    history.keep(answered_for(run_at(ago(5), State.WARNING), holds=True), State.OK, None)
    found = history.troubled(timedelta(hours=1))
    assert [(judged.run, judged.row) for judged in found] == [("R30", "A"), ("R20", "A"), ("R10", "A")]
