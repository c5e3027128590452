"""How fast the consolidation is and how large its lots were: exact numbers from known rows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from runbook.errors import ProbeError, ProbeFailure
from runbook.targets.postgres.database import Database
from tests.runbook.targets.conftest import MakeDatabase
from tests.runbook.targets.postgres.test_exchange import MINUTE, answer, finish, stage
from tests.runbook.targets.servers_postgres import Connection

SECOND = timedelta(seconds=1)
WINDOW = 5 * MINUTE


def test_an_empty_table_has_a_pace_of_nothing(database: Database) -> None:
    first, *others = database.pace(WINDOW)
    assert (first.table, first.every, len(others)) == ("tbae001_inscripcion", 10 * SECOND, 3)
    assert first.finished == first.waiting == (0,) * 30
    assert first.unfinished == 0


def test_what_was_finished_and_what_stood_ready_in_each_interval(database: Database, admin: Connection) -> None:
    for number in range(4):
        finish(admin, f"a{number}", took=2 * MINUTE, ago=MINUTE + 5 * SECOND)
    finish(admin, "b", took=90 * MINUTE, ago=5 * SECOND)
    stage(admin, "waits", age=95 * SECOND)
    stage(admin, "timeless", age=None)
    found = database.pace(WINDOW)[0]
    assert (sum(found.finished), found.finished[-7], found.finished[-1], found.unfinished) == (5, 4, 1, 2)
    # Of old stood ready: b, which came before the window, and the one without a time.
    assert found.waiting[:11] == (2,) * 11
    assert found.waiting[12:20] == (6,) * 8
    assert found.waiting[-6:] == (3,) * 6


def test_an_answer_that_finishes_nothing_is_no_pace(database: Database, admin: Connection) -> None:
    stage(admin, "r", age=MINUTE, status=2)
    answer(admin, "r", ago=5 * SECOND, status=2)
    found = database.pace(WINDOW)[0]
    assert (sum(found.finished), found.unfinished) == (0, 1)


def test_lots_are_by_table_subsystem_and_day(database: Database, admin: Connection) -> None:
    def lot(name: str, days: int, records: int, subsystem: int) -> None:
        for number in range(records):
            ago = timedelta(days=days)
            stage(admin, f"{name}{number}", age=ago, status=3, subsystem=subsystem)
            answer(admin, f"{name}{number}", ago=ago)

    lot("today", 0, 2, 4)
    lot("twice", 3, 3, 4)
    lot("other", 3, 1, 5)
    lot("long ago", 40, 5, 4)
    answer(admin, "twice0", ago=timedelta(days=3), status=2)
    stage(admin, "baja", age=timedelta(days=3), status=3, table="tbae002_bajas")
    answer(admin, "baja", ago=timedelta(days=3))
    row = admin.execute("SELECT localtimestamp::date AS today").fetchone()
    assert row is not None
    today, before = row["today"], row["today"] - timedelta(days=3)
    found = [(lot.table, lot.day, lot.subsystem_id, lot.records, lot.today) for lot in database.lots(30)]
    assert found == [
        ("tbae001_inscripcion", before, 4, 3, False),
        ("tbae001_inscripcion", before, 5, 1, False),
        ("tbae001_inscripcion", today, 4, 2, True),
        ("tbae002_bajas", before, 1, 1, False),
    ]


@pytest.mark.parametrize("probe", ["pace", "lots"])
def test_a_status_that_is_not_there_is_told(make_database: MakeDatabase, admin: Connection, probe: str) -> None:
    wrong = make_database(unfinished_statuses=("RECIVIDO",))
    with pytest.raises(ProbeError) as caught:
        getattr(wrong, probe)(WINDOW if probe == "pace" else 30)
    assert caught.value.kind is ProbeFailure.ABSENT
