"""The memory between runs: measures by object, attempts, how long a breach has lasted."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runbook.errors import HistoryError
from runbook.history import History
from runbook.model import Environment, Measure, Record, Run, State, Verdict
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
    assert history._database is not None
    pages = history._database.execute("PRAGMA page_count").fetchone()[0]
    history._database.execute(f"PRAGMA max_page_count = {pages}")
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


def test_a_file_of_an_earlier_version_is_brought_up_to_date(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "h") as old:
        old.execute(
            "CREATE TABLE attempt (environment TEXT NOT NULL, row TEXT NOT NULL, at REAL NOT NULL, run TEXT NOT NULL)"
        )
        old.execute("INSERT INTO attempt VALUES ('prod', 'A', ?, 'R0')", [NOW.timestamp()])
    old.close()
    history = History(tmp_path / "h", "prod")
    history.note_attempt("A", "R1", {"workers"})
    assert [a.run for a in history.ledger("A", {"database"}, timedelta(hours=1))] == ["R0"]
    history.close()
