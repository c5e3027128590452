"""Files of earlier versions come up to date, whoever opens them first."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runbook.history import History
from runbook.model import State

NOW = datetime.now(UTC).timestamp()
HOUR = timedelta(hours=1)
#: The tables as versions 1 to 7 made them.
EARLIER = """
CREATE TABLE run (
    id TEXT PRIMARY KEY, environment TEXT NOT NULL, started_at REAL NOT NULL, ended_at REAL NOT NULL,
    worst TEXT NOT NULL, folder TEXT
);
CREATE TABLE measure (
    environment TEXT NOT NULL, row TEXT NOT NULL, object TEXT NOT NULL, at REAL NOT NULL,
    value REAL NOT NULL, state TEXT NOT NULL
);
CREATE INDEX measure_by_object ON measure (environment, row, object, at);
CREATE TABLE verdict (
    environment TEXT NOT NULL, row TEXT NOT NULL, at REAL NOT NULL, state TEXT NOT NULL
);
CREATE INDEX verdict_by_row ON verdict (environment, row, at);
CREATE TABLE attempt (environment TEXT NOT NULL, row TEXT NOT NULL, at REAL NOT NULL, run TEXT NOT NULL);
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "h") as old:
        old.executescript(EARLIER)
        old.execute("INSERT INTO attempt VALUES ('prod', 'A', ?, 'R0')", [NOW])
        old.execute("INSERT INTO verdict VALUES ('prod', 'A', ?, 'CRITICAL')", [NOW - 60])
        old.executemany(
            "INSERT INTO measure VALUES (?, 'A', 'x', ?, ?, 'OK')",
            [("prod", NOW - 120, 1.0), ("prod", NOW - 60, 2.0), ("prod", NOW - 60, 2.5), ("test", NOW - 60, 3.0)],
        )
    old.close()
    return tmp_path / "h"


@pytest.fixture
def history(file: Path) -> Iterator[History]:
    opened = History(file, "prod")
    yield opened
    opened.close()


def test_attempts_without_targets_count_for_all(history: History) -> None:
    history.note_attempt("A", "R1", {"workers"})
    assert [a.run for a in history.ledger("A", {"database"}, HOUR)] == ["R0"]


def test_verdicts_without_an_end_ended_as_they_began(history: History) -> None:
    (judged,) = history.verdicts(HOUR)
    assert judged == ("", "A", judged.at, State.CRITICAL, State.CRITICAL, False)
    assert history.breached_since("A") == judged.at


def test_measures_keep_their_objects(history: History) -> None:
    assert [value for _at, value in history.samples("A", "x", HOUR)] == [1.0, 2.0]
    assert [(m.row, m.object, m.value) for m in history.measures(HOUR)] == [("A", "x", 1.0), ("A", "x", 2.0)]


def test_environments_stay_apart(file: Path) -> None:
    test = History(file, "test")
    assert [m.value for m in test.measures(HOUR)] == [3.0]
    assert test.verdicts(HOUR) == ()
    test.close()


def test_several_that_open_it_at_once_all_find_everything(file: Path) -> None:
    opened = [History(file, "prod") for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda history: len(history.measures(HOUR)), opened))
    for history in opened:
        history.close()
    assert found == [2] * 6
