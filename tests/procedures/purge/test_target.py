"""The target ``purge`` on real servers: what rows are told of the exchange tables and of earlier runs, and the step."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from lab.place import BACKUP_BUCKET, Place
from procedures.purge.facts import Purges, Staged, TableDue
from procedures.purge.target import LONGEST, Purge
from runbook.errors import ActionError, LockError, NotConfigured, ProbeError, ProbeFailure
from runbook.model import Effect, Step
from runbook.probes import Readings, reading_through
from runbook.settings import Hold
from runbook.site import Site
from runbook.targets.opening import open_target
from runbook.text import text
from tests.runbook.targets.servers_postgres import Connection, PostgresServer, until
from tests.runbook.targets.servers_storage import root

DAY = timedelta(days=1)
STAGE = """
INSERT INTO {table} (uuid, id_subsistema, id_estatus_procesamiento, fecha_actualizacion)
SELECT gen_random_uuid(), %(subsystem)s, %(status)s,
    now() AT TIME ZONE 'America/Mexico_City' - %(age)s::interval - n * interval '1 second'
FROM generate_series(1, %(count)s) AS n"""


def stage(
    admin: Connection,
    count: int,
    age: timedelta | None,
    *,
    status: int | None = 3,
    table: str = "tbae001_inscripcion",
    subsystem: int = 1,
) -> None:
    given = {"count": count, "age": age, "status": status, "subsystem": subsystem}
    admin.execute(STAGE.format(table=table), given)


def changed(site: Site, **settings: Any) -> Site:
    """The site with some settings of its purge changed."""
    return _with(site, purge=msgspec.structs.replace(site.settings.purge, **settings))


def _with(site: Site, **settings: Any) -> Site:
    return dataclasses.replace(site, settings=msgspec.structs.replace(site.settings, **settings))


@pytest.fixture
def make(archive_site: Site) -> Iterator[Any]:
    """Makes targets of this site with some settings of the purge changed."""
    with contextlib.ExitStack() as made:

        def of(**settings: Any) -> Purge:
            target = open_target("purge", changed(archive_site, **settings))
            assert isinstance(target, Purge)
            made.callback(target.close)
            return target

        yield of


@pytest.fixture
def purge(make: Any, ledgerless: None) -> Purge:
    """The target as the site file makes it, where no purge ever ran."""
    found: Purge = make()
    return found


@pytest.fixture
def ledgerless(admin: Connection) -> Iterator[None]:
    """No purge ever ran, before and after."""
    admin.execute("DROP SCHEMA IF EXISTS muses_runbook CASCADE")
    yield
    admin.execute("DROP SCHEMA IF EXISTS muses_runbook CASCADE")


@pytest.fixture
def backup(storage_place: Place) -> None:
    """A verified backup of today, without which nothing is purged."""
    s3, now = root(storage_place), datetime.now(UTC)
    s3.put_object(Bucket=BACKUP_BUCKET, Key="today/data.dump", Body=b"dump")
    manifest = {"format": 1, "object": "today/data.dump", "bytes": 4, "sha256": "0" * 64, "verified": True}
    manifest |= {"finished_at": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
    s3.put_object(Bucket=BACKUP_BUCKET, Key="today/manifest.json", Body=json.dumps(manifest).encode())


def table(due: tuple[TableDue, ...], name: str = "tbae001_inscripcion") -> TableDue:
    (found,) = [one for one in due if one.table == name]
    return found


def step(purge: Purge, **changes: Any) -> Step:
    plain = {"target": "purge", "operation": "purge", "fingerprint": purge.fingerprint(), "effect": Effect.DESTROY}
    return Step(what=text("Purge"), **{**plain, **changes})


class TestStaged:
    """The tables with their sizes."""

    def test_all_exchange_tables_with_sizes_and_what_forbids_to_purge_them(
        self, purge: Purge, admin: Connection
    ) -> None:
        stage(admin, 100, DAY)
        admin.execute("ANALYZE tbae001_inscripcion")
        with reading_through(Readings()):
            found = purge.staged()
        names = [one.table for one in found.tables]
        assert names == sorted(names)
        assert {"tbae001_inscripcion", "tbae009_respuesta", "tbae010_error"} <= set(names)
        by_name = {one.table: one for one in found.tables}
        assert by_name["tbae001_inscripcion"].rows == 100
        assert by_name["tbae001_inscripcion"].bytes > 8192
        assert found.bytes == sum(one.bytes for one in found.tables) < found.database_bytes
        assert (found.database, found.schema, found.host) == ("sep_muses", "muses_dev", "127.0.0.1")
        assert found.data_directory
        # the children of 009 have no index for their key, as in production
        assert "has no index" in str(by_name["tbae009_respuesta"].refused[0])
        assert by_name["tbae001_inscripcion"].refused == ()

    def test_partitions_are_added_up_under_the_name_that_people_know(self, purge: Purge, admin: Connection) -> None:
        admin.execute(
            "CREATE TABLE tbae099_parte (uuid varchar(36), id_estatus_procesamiento int, "
            "fecha_actualizacion timestamp, PRIMARY KEY (uuid, fecha_actualizacion)) "
            "PARTITION BY RANGE (fecha_actualizacion)"
        )
        for year in (2025, 2026):
            admin.execute(
                f"CREATE TABLE tbae099_parte_{year} PARTITION OF tbae099_parte "
                f"FOR VALUES FROM ('{year}-01-01') TO ('{year + 1}-01-01')"
            )
            admin.execute(f"INSERT INTO tbae099_parte SELECT n, 3, '{year}-01-02' FROM generate_series(1, 50) AS n")
        admin.execute("ANALYZE tbae099_parte_2025; ANALYZE tbae099_parte_2026")
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA muses_dev TO muses_reader")
        found = {one.table: one for one in purge.staged().tables}
        assert found["tbae099_parte"].rows == 100
        assert found["tbae099_parte"].bytes >= 4 * 8192
        assert "tbae099_parte_2025" not in found
        assert table(purge.due(), "tbae099_parte").rows == 100


class TestDue:
    """What is past its retention."""

    def test_of_empty_tables_nothing_is_due(self, purge: Purge) -> None:
        found = purge.due()
        assert {one.table for one in found} == {
            "tbae001_inscripcion",
            "tbae002_bajas",
            "tbae005_asistencias",
            "tbae007_calificaciones",
        }
        assert table(found) == TableDue(
            table="tbae001_inscripcion",
            retention=90 * DAY,
            rows=0,
            overdue=0,
            qualifying=0,
            held=0,
            timeless=0,
            unprocessed={},
            oldest=None,
        )

    def test_each_record_counts_where_it_belongs(self, make: Any, ledgerless: None, admin: Connection) -> None:
        stage(admin, 5, 100 * DAY, status=3)
        stage(admin, 4, 95 * DAY, status=4)
        stage(admin, 3, 89 * DAY)
        stage(admin, 2, 200 * DAY, status=1)
        stage(admin, 6, 100 * DAY, subsystem=7)
        stage(admin, 1, None)
        admin.execute(
            "INSERT INTO tbae001_inscripcion (uuid, id_subsistema, id_estatus_procesamiento, fecha_actualizacion) "
            "VALUES ('timeless', 1, 3, '-infinity')"
        )
        with reading_through(Readings()):
            found = table(make(holds=(Hold(subsystem=7),)).due())
        assert (found.rows, found.overdue, found.qualifying, found.held) == (22, 17, 9, 6)
        assert (found.timeless, found.unprocessed) == (2, {"RECIBIDO": 2})
        assert found.oldest is not None
        assert abs(datetime.now(UTC) - found.oldest - 100 * DAY) < timedelta(minutes=5)
        assert found.due_since == found.oldest + 90 * DAY

    def test_a_record_without_a_status_is_not_processed(self, purge: Purge, admin: Connection) -> None:
        stage(admin, 2, 100 * DAY, status=None, table="tbae002_bajas")
        assert table(purge.due(), "tbae002_bajas").unprocessed == {"NULL": 2}

    def test_a_table_may_have_a_retention_of_its_own(self, make: Any, ledgerless: None, admin: Connection) -> None:
        stage(admin, 2, 40 * DAY, table="tbae002_bajas")
        purge = make(retention_days={"tbae002_bajas": 30})
        assert table(purge.due(), "tbae002_bajas").qualifying == 2
        assert purge.retention("tbae002_bajas") == 30 * DAY
        assert purge.retention("tbae001_inscripcion") == 90 * DAY

    def test_a_status_that_is_not_there_is_said(self, make: Any, ledgerless: None) -> None:
        with pytest.raises(Exception, match="NO EXISTE"):
            make(processed_statuses=("NO EXISTE",)).due()


class TestPurges:
    """What the ledger knows."""

    def test_where_there_is_no_ledger_no_purge_ever_ran(self, purge: Purge) -> None:
        with reading_through(Readings()):
            assert purge.purges() == Purges(newest=None, at_work=False)

    def test_a_run_that_stopped_is_told_with_its_tables(self, purge: Purge, admin: Connection, backup: None) -> None:
        stage(admin, 50, 100 * DAY)
        stage(admin, 100, DAY)
        assert purge.perform(step(purge))["resumed"] is False
        admin.execute("UPDATE muses_runbook.purge_run SET state = 'RUNNING', finished_at = NULL")
        newest = purge.purges().newest
        assert newest is not None
        assert newest.finished_at is None
        by_name = {one.table: one for one in newest.tables}
        assert by_name["tbae001_inscripcion"].deleted == 50
        assert "has no index" in str(by_name["tbae009_respuesta"].refused[0])

    def test_somebody_at_work_is_seen(
        self, purge: Purge, admin: Connection, postgres: PostgresServer, backup: None
    ) -> None:
        purge.perform(step(purge))
        with closing(postgres.admin()) as other:
            other.execute("SELECT pg_advisory_lock(%s, 1)", [0x4D555345])
            assert purge.purges().at_work
            with pytest.raises(LockError):
                purge.perform(step(purge))
        until(lambda: not purge.purges().at_work)  # a session that hung up holds its locks for a moment

    def test_a_ledger_that_the_reader_may_not_read_is_not_taken_for_none(
        self, purge: Purge, admin: Connection, backup: None
    ) -> None:
        purge.perform(step(purge))
        admin.execute("REVOKE ALL ON ALL TABLES IN SCHEMA muses_runbook FROM muses_reader")
        with pytest.raises(ProbeError) as caught:
            purge.purges()
        assert caught.value.kind is ProbeFailure.BLIND
        missing = [right for right in purge.rights() if not right.held]
        assert [right.identity for right in missing] == ["reader"]
        assert missing[0].mend.startswith("GRANT USAGE ON SCHEMA muses_runbook TO muses_reader;")


class TestStep:
    """The purge as a step of a plan."""

    def test_it_archives_and_deletes_what_is_due_and_says_so(
        self, purge: Purge, admin: Connection, backup: None
    ) -> None:
        stage(admin, 60, 100 * DAY)
        stage(admin, 100, DAY)
        plan = step(purge)
        assert purge.effect_of(plan) is Effect.DESTROY
        assert purge.deadline_of(plan) == LONGEST
        after = purge.perform(plan)
        assert after["tables"]["tbae001_inscripcion"] == {"state": "DONE", "deleted": 60}
        json.dumps(after)
        assert table(purge.due()).qualifying == 0
        assert purge.fingerprint()["run"] == after["run"]

    def test_another_run_or_older_records_since_the_plan_are_refused(
        self, purge: Purge, admin: Connection, backup: None
    ) -> None:
        stage(admin, 10, 100 * DAY)
        stage(admin, 100, DAY)
        plan = step(purge)
        stage(admin, 5, 120 * DAY)
        with pytest.raises(ActionError) as caught:
            purge.perform(plan)
        assert caught.value.refused
        assert table(purge.due()).qualifying == 15
        plan = step(purge)
        purge.perform(plan)
        with pytest.raises(ActionError, match="not as they were"):
            purge.perform(plan)

    def test_new_records_do_not_make_a_plan_old(self, purge: Purge, admin: Connection, backup: None) -> None:
        stage(admin, 10, 100 * DAY)
        stage(admin, 100, DAY)
        plan = step(purge)
        stage(admin, 7, timedelta(0), status=1)
        assert purge.perform(plan)["tables"]["tbae001_inscripcion"]["deleted"] == 10

    def test_it_never_confirms_what_a_person_must(self, purge: Purge, admin: Connection, backup: None) -> None:
        stage(admin, 60, 100 * DAY)
        with pytest.raises(ActionError, match="max_percent") as caught:
            purge.perform(step(purge))
        assert caught.value.refused
        assert table(purge.due()).qualifying == 60

    def test_it_ends_when_asked_and_goes_on_the_next_time(
        self, make: Any, ledgerless: None, admin: Connection, backup: None, postgres: PostgresServer
    ) -> None:
        stage(admin, 60, 100 * DAY)
        stage(admin, 100, DAY)
        purge = make()
        caught: list[BaseException] = []

        def act() -> None:
            try:
                purge.perform(step(purge))
            except ActionError as error:
                caught.append(error)

        with closing(postgres.admin()) as other, other.transaction():
            other.execute("LOCK TABLE muses_dev.tbae001_inscripcion IN SHARE MODE")  # reads go on, deletes wait
            worker = threading.Thread(target=act)
            worker.start()
            _until_planned(admin)
            purge.interrupt()
            worker.join(20)
            assert not worker.is_alive()
        assert "stopped" in str(caught[0])
        assert purge.perform(step(purge))["resumed"] is True
        assert table(purge.due()).qualifying == 0


def _until_planned(admin: Connection) -> None:
    def planned() -> bool:
        (there,) = admin.execute("SELECT to_regclass('muses_runbook.purge_batch') IS NOT NULL AS there").fetchall()
        if not there["there"]:
            return False
        (row,) = admin.execute(
            "SELECT count(*) AS n FROM muses_runbook.purge_batch WHERE state = 'VERIFIED'"
        ).fetchall()
        return bool(row["n"])

    until(planned, patience=20)


def test_rights_of_a_site_where_all_is_well(purge: Purge) -> None:
    assert [(right.identity, right.held) for right in purge.rights()] == [("reader", True), ("operator", True)]


def test_what_else_lies_in_the_schema_is_no_right_of_the_purge(purge: Purge, admin: Connection) -> None:
    """An acting run keeps its lock there, which the reader has no business with."""
    admin.execute("CREATE SCHEMA muses_runbook AUTHORIZATION muses_operator")
    admin.execute("GRANT USAGE ON SCHEMA muses_runbook TO muses_reader")
    admin.execute("CREATE TABLE muses_runbook.acting (epoch bigint)")
    assert [right.held for right in purge.rights()] == [True, True]
    admin.execute("CREATE TABLE muses_runbook.purge_run (id text)")
    assert [right.held for right in purge.rights()] == [False, True]


def test_without_a_database_the_setting_is_said(archive_site: Site) -> None:
    purge = open_target("purge", _with(archive_site, database=None))
    for ask in (purge.staged, purge.due, purge.purges, purge.rights):
        with pytest.raises(NotConfigured, match=r"environments\.lab\.database"):
            ask()


def test_what_the_probes_give_can_be_taken_apart_and_put_together(purge: Purge) -> None:
    found = purge.staged()
    assert msgspec.convert(msgspec.to_builtins(found), Staged) == found
