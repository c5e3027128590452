"""The exchange tables: exact numbers from known rows, in the site's zone whatever the server's is."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from runbook.targets.postgres.database import Database
from runbook.targets.postgres.structs import ExchangeLatency
from tests.runbook.targets.conftest import MakeDatabase
from tests.runbook.targets.servers_postgres import ZONE, Connection

WINDOW = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
#: ``localtimestamp`` of the test's session is the site's local time: its TimeZone is the site's.
STAGE = """
INSERT INTO {table} (uuid, id_subsistema, id_estatus_procesamiento, fecha_actualizacion)
VALUES (%(uuid)s, %(subsystem)s, %(status)s, localtimestamp - %(age)s::interval)"""
ANSWER = """
INSERT INTO tbae009_respuesta (uuid, id_estatus_procesamiento, fecha_respuesta)
VALUES (%(uuid)s, %(status)s, localtimestamp - %(ago)s::interval)"""


def stage(
    admin: Connection,
    uuid: str,
    *,
    age: timedelta | None,
    status: int = 1,
    subsystem: int = 1,
    table: str = "tbae001_inscripcion",
) -> None:
    given = {"uuid": uuid, "age": age, "status": status, "subsystem": subsystem}
    admin.execute(STAGE.format(table=table), given)


def answer(admin: Connection, uuid: str, *, ago: timedelta, status: int = 3) -> None:
    admin.execute(ANSWER, {"uuid": uuid, "ago": ago, "status": status})


def finish(admin: Connection, uuid: str, *, took: timedelta, ago: timedelta = MINUTE) -> None:
    """A record that was finished a while ago after so long, to the microsecond."""
    with admin.transaction():
        stage(admin, uuid, age=ago + took, status=3)
        answer(admin, uuid, ago=ago)


def latency(database: Database, table: str = "tbae001_inscripcion", window: timedelta = WINDOW) -> ExchangeLatency:
    (found,) = [row for row in database.etl_latency(window) if row.table == table]
    return found


def test_empty_tables_have_no_latency(database: Database) -> None:
    found = database.etl_latency(WINDOW)
    assert [row.table for row in found] == [
        "tbae001_inscripcion",
        "tbae002_bajas",
        "tbae005_asistencias",
        "tbae007_calificaciones",
    ]
    assert latency(database) == ExchangeLatency(
        table="tbae001_inscripcion",
        finished=0,
        mean=None,
        slowest=None,
        unfinished=0,
        oldest_unfinished=None,
        null_times=0,
    )
    assert database.consolidation_rate(WINDOW) == 0.0
    assert database.batches() == ()


def test_the_mean_and_the_slowest_are_exact(database: Database, admin: Connection) -> None:
    for number, minutes in enumerate((10, 20, 60)):
        finish(admin, f"r{number}", took=minutes * MINUTE)
    found = latency(database)
    assert (found.finished, found.mean, found.slowest) == (3, 30 * MINUTE, 60 * MINUTE)
    assert (found.unfinished, found.oldest_unfinished, found.null_times) == (0, None, 0)
    assert latency(database, "tbae002_bajas").finished == 0


def test_only_what_was_finished_in_the_window_counts(database: Database, admin: Connection) -> None:
    finish(admin, "old", took=50 * MINUTE, ago=61 * MINUTE)
    finish(admin, "new", took=10 * MINUTE, ago=59 * MINUTE)
    assert latency(database).mean == 10 * MINUTE
    assert latency(database, window=2 * WINDOW).mean == 30 * MINUTE
    assert database.consolidation_rate(WINDOW) == pytest.approx(1 / 3600)


def test_an_answer_that_leaves_the_record_unfinished_does_not_count(database: Database, admin: Connection) -> None:
    stage(admin, "r", age=30 * MINUTE, status=2)
    answer(admin, "r", ago=MINUTE, status=2)
    found = latency(database)
    assert (found.finished, found.unfinished) == (0, 1)


def test_the_oldest_unfinished_shows_although_the_mean_is_good(database: Database, admin: Connection) -> None:
    finish(admin, "quick", took=MINUTE)
    stage(admin, "stuck", age=50 * MINUTE, status=1)
    stage(admin, "validated", age=5 * MINUTE, status=2)
    stage(admin, "failed", age=500 * MINUTE, status=4)
    found = latency(database)
    assert (found.mean, found.unfinished) == (MINUTE, 2)
    assert found.oldest_unfinished is not None
    assert 50 * MINUTE <= found.oldest_unfinished < 51 * MINUTE


def test_records_without_a_time_are_counted_and_left_out_of_the_mean(database: Database, admin: Connection) -> None:
    finish(admin, "known", took=10 * MINUTE)
    stage(admin, "unknown", age=None, status=3)
    answer(admin, "unknown", ago=MINUTE)
    stage(admin, "waiting", age=None)
    found = latency(database)
    assert (found.finished, found.mean, found.unfinished) == (2, 10 * MINUTE, 1)
    assert (found.null_times, found.oldest_unfinished) == (2, None)


def test_times_are_read_in_the_sites_zone(make_database: MakeDatabase, admin: Connection) -> None:
    """The server stands in Tokyo; a site whose setting is wrong by an hour sees ages that are wrong by an hour."""
    stage(admin, "r", age=30 * MINUTE)
    age = latency(make_database()).oldest_unfinished
    assert age is not None
    assert 30 * MINUTE <= age < 31 * MINUTE
    east = latency(make_database(timezone="America/Cancun")).oldest_unfinished
    assert east is not None
    assert 90 * MINUTE <= east < 91 * MINUTE
    (batch,) = make_database().batches()
    row = admin.execute("SELECT fecha_actualizacion AS at FROM tbae001_inscripcion").fetchone()
    assert row is not None
    assert batch.first_at == batch.last_at == row["at"].replace(tzinfo=ZoneInfo(ZONE))


def test_a_latency_across_the_end_of_summer_time_is_true(make_database: MakeDatabase, admin: Connection) -> None:
    """Tijuana's clocks fell back at 2026-11-01 02:00: from 00:30 to 02:30 by the clock took three hours."""
    admin.execute(
        "INSERT INTO tbae001_inscripcion (uuid, id_subsistema, id_estatus_procesamiento, fecha_actualizacion)"
        " VALUES ('r', 1, 3, '2026-11-01 00:30')"
    )
    admin.execute(
        "INSERT INTO tbae009_respuesta (uuid, id_estatus_procesamiento, fecha_respuesta)"
        " VALUES ('r', 3, '2026-11-01 02:30')"
    )
    since = datetime(2026, 10, 31, tzinfo=ZoneInfo("UTC"))
    window = datetime.now(ZoneInfo("UTC")) - since
    assert latency(make_database(timezone="America/Tijuana"), window=window).mean == timedelta(hours=3)


def test_a_time_column_with_a_zone_is_taken_as_it_is(make_database: MakeDatabase, admin: Connection) -> None:
    admin.execute("ALTER TABLE tbae002_bajas ALTER fecha_actualizacion TYPE timestamptz")
    stage(admin, "r", age=20 * MINUTE, table="tbae002_bajas")
    database = make_database(exchange_tables=("tbae002_bajas",), retention_days=0)
    age = latency(database, "tbae002_bajas").oldest_unfinished
    assert age is not None
    assert 20 * MINUTE <= age < 21 * MINUTE
    (staged,) = database.staging()
    assert staged.overdue == 1
    assert staged.oldest is not None


def test_many_answers_out_of_order_are_all_found(database: Database, admin: Connection) -> None:
    """The key does not follow the time exactly: what was numbered earlier may have been answered later."""
    admin.execute("""
        INSERT INTO tbae001_inscripcion (uuid, id_subsistema, id_estatus_procesamiento, fecha_actualizacion)
        SELECT n, 1, 3, localtimestamp - interval '30 minutes' FROM generate_series(1, 12000) AS n""")
    admin.execute("""
        INSERT INTO tbae009_respuesta (uuid, id_estatus_procesamiento, fecha_respuesta)
        SELECT n, 3, localtimestamp - CASE WHEN n % 3000 = 1 THEN interval '1 minute' ELSE interval '3 hours' END
        FROM generate_series(1, 12000) AS n""")
    assert latency(database).finished == 4


def test_batches_are_by_table_and_subsystem(database: Database, admin: Connection) -> None:
    for number in range(5):
        stage(admin, f"a{number}", age=number * MINUTE, subsystem=3)
    stage(admin, "b", age=MINUTE, subsystem=4)
    stage(admin, "done", age=MINUTE, subsystem=4, status=3)
    admin.execute(
        "INSERT INTO tbae005_asistencias (uuid, id_estatus_procesamiento, fecha_actualizacion)"
        " VALUES ('c', 1, localtimestamp), ('d', 2, NULL)"
    )
    first, second, third = database.batches()
    assert (first.table, first.subsystem_id, first.subsystem) == (
        "tbae001_inscripcion",
        3,
        "SUBSISTEMA NORMALISTA DE ENSAYO",
    )
    assert first.waiting == 5
    assert first.first_at is not None
    assert first.last_at is not None
    assert abs(first.last_at - first.first_at - 4 * MINUTE) < timedelta(seconds=10)
    assert (second.table, second.subsystem_id, second.waiting) == ("tbae005_asistencias", None, 2)
    assert (third.subsystem_id, third.waiting) == (4, 1)


def test_the_numbers_of_the_statuses_are_the_sites(database: Database, admin: Connection) -> None:
    admin.execute("INSERT INTO ctmu011_estatus_procesamiento VALUES (71, ' Recibido ')")
    stage(admin, "r", age=MINUTE, status=71)
    assert latency(database).unfinished == 1


def test_staging_counts_what_is_past_its_retention(make_database: MakeDatabase, admin: Connection) -> None:
    for uuid, days in (("new", 89), ("old", 91), ("oldest", 200)):
        stage(admin, uuid, age=timedelta(days=days), status=3)
    stage(admin, "timeless", age=None, status=3)
    admin.execute("ANALYZE tbae001_inscripcion")
    found, *_, empty = make_database().staging()
    assert (found.table, found.rows, found.overdue, found.null_times) == ("tbae001_inscripcion", 4, 2, 1)
    assert found.bytes > 0
    assert found.oldest is not None
    assert abs(datetime.now(ZoneInfo("UTC")) - timedelta(days=200) - found.oldest) < timedelta(hours=2)
    assert (empty.overdue, empty.oldest, empty.null_times) == (0, None, 0)
    strict = make_database(retention_days=30)
    assert strict.staging()[0].overdue == 3
    assert strict.retention == timedelta(days=30)


@pytest.mark.parametrize("schema", ['o"dd; DROP TABLE x--', "Esquema de {0} %s 'ñ'", "muses\tdev"])
def test_a_hostile_name_of_a_schema_is_a_name(make_database: MakeDatabase, admin: Connection, schema: str) -> None:
    from psycopg import sql

    name, old = sql.Identifier(schema), sql.Identifier("muses_dev")
    admin.execute(sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(old, name))
    admin.execute(sql.SQL("SET search_path TO {}").format(name))
    try:
        table = sql.Identifier('tbae"; --')
        admin.execute(sql.SQL("ALTER TABLE tbae002_bajas RENAME TO {}").format(table))
        database = make_database(schema=schema, exchange_tables=('tbae"; --',))
        assert database.etl_latency(WINDOW)[0].table == 'tbae"; --'
        assert database.staging()[0].overdue == 0
        assert database.batches() == ()
        assert {stats.table for stats in database.tables()} >= {'tbae"; --', "tbae009_respuesta"}
    finally:
        admin.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))
