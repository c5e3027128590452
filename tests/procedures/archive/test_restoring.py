"""Archived rows come back as they were: beside the tables, or into them without touching what is there."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from procedures.archive.choosing import Wanted
from procedures.archive.reading import Archive, Selection
from procedures.archive.restoring import Restored, RestoredTable, restore
from runbook.errors import ActionError
from runbook.targets.postgres.access import Access
from tests.procedures.archive.test_verifying import flipped
from tests.procedures.archiver import Archiver, enrol
from tests.runbook.targets.servers_postgres import SCHEMA, Connection

TABLE, LEAVES, RESPONSES, ERRORS = "tbae001_inscripcion", "tbae002_bajas", "tbae009_respuesta", "tbae010_error"
EVERYTHING = Wanted()


def count(admin: Connection, table: str, where: str = "true") -> int:
    """Rows of a table."""
    return int((admin.execute(f"SELECT count(*) AS n FROM {table} WHERE {where}").fetchone() or {})["n"])  # type: ignore[arg-type]


def tables(admin: Connection) -> set[str]:
    """All tables of the schema."""
    return {
        row["t"] for row in admin.execute("SELECT tablename::text AS t FROM pg_tables WHERE schemaname = %s", [SCHEMA])
    }


def only(found: Restored) -> RestoredTable:
    """The one table of a restore."""
    (table,) = found.tables
    return table


def archived(archiver: Archiver, admin: Connection, table: str, where: str = "true", **how: Any) -> None:
    """Archive rows, and take them out of the table."""
    archiver.archive(table, where, **how)
    admin.execute(f"DELETE FROM {table} WHERE {where}")  # type: ignore[arg-type]


def test_dry_says_what_it_would_do(archive: Archive, access: Access, archiver: Archiver, admin: Connection) -> None:
    enrol(admin, range(10))
    archiver.archive(TABLE)
    archived(archiver, admin, RESPONSES)
    before = tables(admin)
    found = restore(archive, access, EVERYTHING)
    assert not found.done
    assert [(one.table, one.rows, one.batches) for one in found.tables] == [(TABLE, 10, 1), (RESPONSES, 10, 1)]
    assert tables(admin) == before
    assert count(admin, RESPONSES) == 0


def test_a_side_table_is_the_default(archive: Archive, access: Access, archiver: Archiver, admin: Connection) -> None:
    enrol(admin, range(10))
    admin.execute(f"CREATE TABLE original AS SELECT * FROM {TABLE}")
    archiver.archive(TABLE)
    side = only(restore(archive, access, EVERYTHING, execute=True))
    assert side.into.startswith(f"{SCHEMA}.{TABLE}_restored_2")
    assert side.counts.restored == 10
    same = f"SELECT count(*) AS n FROM {side.into} AS s JOIN original AS o USING (uuid) WHERE s *= o"
    assert admin.execute(same).fetchone() == {"n": 10}  # type: ignore[arg-type]
    facts = (
        "SELECT count(*) FILTER (WHERE attnotnull) AS n FROM pg_attribute WHERE attnum > 0 AND attrelid = %s::regclass"
    )
    assert admin.execute(facts, [side.into]).fetchone() == {"n": 0}
    with pytest.raises(ActionError, match="is there already"):
        restore(archive, access, EVERYTHING, execute=True)


def test_parents_come_back_before_children(
    archive: Archive, access: Access, archiver: Archiver, admin: Connection
) -> None:
    enrol(admin, range(10))
    admin.execute(f"INSERT INTO {ERRORS} (id_respuesta, id_motivo_error) SELECT id_respuesta, 1 FROM {RESPONSES}")
    for table in (ERRORS, RESPONSES, TABLE):
        archived(archiver, admin, table)
    found = restore(archive, access, EVERYTHING, back=True, execute=True)
    assert [(one.table, one.counts.restored) for one in found.tables] == [(TABLE, 10), (RESPONSES, 10), (ERRORS, 10)]
    assert found.done
    assert found.problems == ()


def test_by_uuid_its_responses_and_errors_come_along(
    archive: Archive, access: Access, archiver: Archiver, admin: Connection
) -> None:
    uuids = enrol(admin, range(10))
    admin.execute(f"INSERT INTO {ERRORS} (id_respuesta, id_motivo_error) SELECT id_respuesta, 1 FROM {RESPONSES}")
    for table in (ERRORS, RESPONSES, TABLE):
        archived(archiver, admin, table)
    wanted = Wanted(uuids=(uuids[3].upper(), uuids[7]))
    dry = restore(archive, access, wanted)
    assert (dry.exact, dry.found) == (True, 6)
    found = restore(archive, access, wanted, back=True, execute=True)
    assert [(one.table, one.counts.restored) for one in found.tables] == [(TABLE, 2), (RESPONSES, 2), (ERRORS, 2)]
    assert count(admin, TABLE, f"uuid IN ('{uuids[3]}', '{uuids[7]}')") == 2
    with pytest.raises(ActionError, match=f"name {RESPONSES} too"):
        restore(archive, access, Wanted(uuids=(uuids[1],), selection=Selection(tables=(ERRORS,))))


def test_by_day_subsystem_and_run(archive: Archive, access: Access, archiver: Archiver, admin: Connection) -> None:
    enrol(admin, range(12), "2025-03-01 23:59:59.999999")
    enrol(admin, range(12, 24), "2025-03-02 00:00:00")
    archiver.archive(TABLE, "id_subsistema <= 6", run="A")
    archiver.archive(TABLE, "id_subsistema > 6", run="B")
    archiver.archive(RESPONSES, run="B")

    def restored(**asked: Any) -> dict[str, int]:
        admin.execute(f"TRUNCATE {TABLE}, {RESPONSES} CASCADE")
        found = restore(archive, access, Wanted(selection=Selection(**asked)), back=True, execute=True)
        return {one.table: one.counts.restored for one in found.tables}

    assert restored(since=date(2025, 3, 2)) == {TABLE: 12, RESPONSES: 12}
    assert restored(until=date(2025, 3, 2), subsystem=4) == {TABLE: 1, RESPONSES: 1}
    assert restored(subsystem=4) == {TABLE: 2, RESPONSES: 2}
    assert restored(run="A") == {TABLE: 12}
    assert restored(tables=(RESPONSES,)) == {RESPONSES: 24}


def test_days_of_a_column_with_a_zone_are_the_sites(
    archive: Archive, access: Access, archiver: Archiver, admin: Connection
) -> None:
    for number, at in enumerate(("2025-03-02 05:59:59+00", "2025-03-02 06:00:00+00", "2025-03-03 06:00:00+00")):
        admin.execute(f"INSERT INTO {LEAVES} (uuid, fecha_baja) VALUES (%s, %s)", [str(number), at])
    archived(archiver, admin, LEAVES, time_column="fecha_baja")
    wanted = Wanted(selection=Selection(since=date(2025, 3, 2), until=date(2025, 3, 3)))  # Mexico City is at -06:00
    assert only(restore(archive, access, wanted, back=True, execute=True)).counts.restored == 1
    assert count(admin, LEAVES, "uuid = '1'") == 1


def test_what_is_there_is_never_written_over(
    archive: Archive, access: Access, archiver: Archiver, admin: Connection
) -> None:
    uuids = enrol(admin, range(30))
    archiver.archive(TABLE)
    admin.execute(f"UPDATE {TABLE} SET grupo = 'changed' WHERE id_subsistema <= 10")
    admin.execute(f"DELETE FROM {TABLE} WHERE id_subsistema = 11")
    counts = only(restore(archive, access, EVERYTHING, back=True, execute=True)).counts
    changed = count(admin, TABLE, "grupo = 'changed'")
    assert (counts.restored, counts.identical, counts.different) == (2, 30 - changed - 2, changed)
    assert len(counts.conflicts) == 20
    assert set(counts.conflicts) <= set(uuids)
    assert count(admin, TABLE) == 30


def test_the_newest_state_of_a_row_wins(
    archive: Archive, access: Access, archiver: Archiver, admin: Connection
) -> None:
    enrol(admin, range(10))
    archiver.archive(TABLE, run="A")
    archiver.archive(TABLE, run="B")  # the same again, as after a kill
    admin.execute(f"UPDATE {TABLE} SET grupo = 'newest' WHERE id_subsistema < 4")
    newest = count(admin, TABLE, "grupo = 'newest'")
    archived(archiver, admin, TABLE, run="C")
    counts = only(restore(archive, access, EVERYTHING, back=True, execute=True)).counts
    assert (counts.read, counts.restored) == (30, 10)
    assert (counts.older, counts.repeated) == (2 * newest, 20 - 2 * newest)
    assert count(admin, TABLE, "grupo = 'newest'") == newest


def test_a_live_table_that_changed_meanwhile(
    archive: Archive, access: Access, archiver: Archiver, admin: Connection
) -> None:
    admin.execute(
        "CREATE TABLE tbae020_x (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a varchar(5), b numeric(6,2), "
        "twice int GENERATED ALWAYS AS (length(a) * 2) STORED, fecha_actualizacion timestamp); "
        "ALTER TABLE tbae020_x OWNER TO muses_owner"
    )
    admin.execute("INSERT INTO tbae020_x (a, b) VALUES ('one', 1.50), ('two', NULL), (NULL, 'NaN')")
    archived(archiver, admin, "tbae020_x", key=("id",))
    admin.execute("ALTER TABLE tbae020_x ADD COLUMN later text DEFAULT 'new', ALTER b TYPE numeric")
    back = only(restore(archive, access, EVERYTHING, back=True, execute=True))
    assert back.counts.restored == 3
    found = admin.execute("SELECT id, a, b::text AS b, twice, later FROM tbae020_x ORDER BY id").fetchall()
    assert [tuple(row.values()) for row in found] == [
        (1, "one", "1.50", 6, "new"),
        (2, "two", None, 6, "new"),
        (3, None, "NaN", None, "new"),
    ]
    again = only(restore(archive, access, EVERYTHING, back=True, execute=True))
    assert (again.counts.identical, again.counts.restored) == (3, 0)
    admin.execute("ALTER TABLE tbae020_x DROP COLUMN a CASCADE")
    with pytest.raises(ActionError, match=r"lost columns that the archive has \(a, twice\): restore into a side table"):
        restore(archive, access, EVERYTHING, back=True, execute=True)
    assert only(restore(archive, access, EVERYTHING, execute=True)).counts.restored == 3


def test_batches_of_before_and_after_a_new_column(
    archive: Archive, access: Access, archiver: Archiver, admin: Connection
) -> None:
    for number in range(4):
        admin.execute(f"INSERT INTO {LEAVES} (uuid, tipo_baja) VALUES (%s, 'x')", [str(number)])
    archived(archiver, admin, LEAVES, "uuid < '2'")
    admin.execute(f"ALTER TABLE {LEAVES} ADD COLUMN nota text")
    archived(archiver, admin, LEAVES, "uuid >= '2'")
    assert only(restore(archive, access, EVERYTHING, execute=True)).counts.restored == 4
    assert only(restore(archive, access, EVERYTHING, back=True, execute=True)).counts.restored == 4


def test_a_value_that_the_table_would_cut_is_an_error(
    archive: Archive, access: Access, archiver: Archiver, admin: Connection
) -> None:
    admin.execute(f"INSERT INTO {LEAVES} (uuid, motivo_baja) VALUES ('1', 'longer than ten')")
    archived(archiver, admin, LEAVES)
    admin.execute(f"ALTER TABLE {LEAVES} ALTER motivo_baja TYPE varchar(10)")
    with pytest.raises(ActionError, match="too long"):
        restore(archive, access, EVERYTHING, back=True, execute=True)
    assert count(admin, LEAVES) == 0


@pytest.mark.parametrize("verdict", ["RETURN NULL", "NEW.tipo_baja := 'other'; RETURN NEW"])
def test_a_trigger_that_makes_something_else_of_rows_is_found_out(
    archive: Archive, access: Access, archiver: Archiver, admin: Connection, verdict: str
) -> None:
    admin.execute(f"INSERT INTO {LEAVES} (uuid, tipo_baja) VALUES ('1', 'TEMPORAL')")
    archived(archiver, admin, LEAVES)
    admin.execute(
        f"CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {verdict}; END $$;"  # type: ignore[arg-type]
        f"CREATE TRIGGER meddle BEFORE INSERT ON {LEAVES} FOR EACH ROW EXECUTE FUNCTION meddle()"
    )
    with pytest.raises(ActionError, match="1 rows are not in tbae002_bajas as they were archived"):
        restore(archive, access, EVERYTHING, back=True, execute=True)
    assert count(admin, LEAVES) == 0


def test_an_error_leaves_nothing_behind(
    archive: Archive, access: Access, archiver: Archiver, admin: Connection
) -> None:
    enrol(admin, range(10))
    archiver.archive(TABLE, "id_subsistema < 6", spoil=flipped)  # the older batch: it is read last
    archived(archiver, admin, TABLE, "id_subsistema >= 6")
    before = tables(admin)
    with pytest.raises(ActionError, match="is damaged"):
        restore(archive, access, EVERYTHING, execute=True)
    assert tables(admin) == before
    kept = restore(archive, access, EVERYTHING, execute=True, skip_damaged=True)
    assert only(kept).counts.restored == count(admin, only(kept).into) > 0
    assert [problem.damaged for problem in kept.problems] == [True]


def test_an_interrupt_leaves_nothing_behind(
    archive: Archive, access: Access, archiver: Archiver, admin: Connection
) -> None:
    """Ctrl-C after the first batch: it is taken back too."""
    enrol(admin, range(10))
    archiver.archive(TABLE, "id_subsistema < 6")
    archived(archiver, admin, TABLE, "id_subsistema >= 6")
    admin.execute(f"DELETE FROM {TABLE}")

    def interrupt(progress: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(archive, access, EVERYTHING, back=True, execute=True, watch=interrupt)
    assert count(admin, TABLE) == 0


def test_types_of_the_archive_are_types_and_nothing_else(
    archive: Archive, access: Access, archiver: Archiver, admin: Connection
) -> None:
    enrol(admin, [1])
    right = archiver.archive(RESPONSES, publish=False)
    for number, hostile in enumerate(("int); DROP TABLE tbae002_bajas; --", "int -- ", "int /*", "no_such_type")):
        column = type(right.columns[0])("uuid", hostile)
        archiver.archive(RESPONSES, run=f"H{number}", columns=(right.columns[0], column, *right.columns[2:]))
        wanted = Wanted(selection=Selection(run=f"H{number}"))
        with pytest.raises(ActionError):
            restore(archive, access, wanted, execute=True)
    assert LEAVES in tables(admin)


def test_nothing_published_is_nothing_restored(archive: Archive, access: Access) -> None:
    found = restore(archive, access, EVERYTHING, execute=True)
    assert (found.tables, found.found, found.done) == ((), 0, True)
