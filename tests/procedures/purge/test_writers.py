"""Others at work while a purge is: what they changed stays, and is archived again by the next run."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from procedures.purge import milestones, outlook, running
from procedures.purge.ledger_structs import Fenced
from runbook.errors import ActionError, LockError
from runbook.settings import Hold
from runbook.site import Site
from tests.procedures.purge.aftermath import Waiting, check_stopped, gone_on_with, settled
from tests.procedures.purge.filling import ERRORS, RESPONSES
from tests.procedures.purge.ground import Ground, Lines, key_of
from tests.procedures.purge.purging import Purger
from tests.runbook.targets.servers_postgres import DATABASE, SCHEMA, Connection, installations, until

LEAVES = "tbae002_bajas"
#: Sessions of the purge that wait for a lock.
_WAITING = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"
_DONE = "SELECT uuid FROM tbae002_bajas WHERE id_estatus_procesamiento = 3 AND fecha_actualizacion < '2022-01-01' "
_FINITE = "AND isfinite(fecha_actualizacion) ORDER BY uuid LIMIT %s"


@pytest.fixture
def before(ground: Ground) -> Lines:
    """A table whose rows fill several chunks."""
    return ground.fill(288)


@pytest.fixture
def site(ground: Ground) -> Site:
    """One table alone, in chunks of a few rows."""
    return ground.changed(tables=(LEAVES,), chunk_rows=4)


@pytest.fixture
def writer(ground: Ground) -> Iterator[Connection]:
    """A session of a service."""
    with closing(ground.postgres.session()) as session:
        yield session


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Does something when a milestone is reached for the nth time."""

    def plan(name: str, do: Callable[[], object], nth: int = 1) -> None:
        passed: list[str] = []

        def reached(milestone: str) -> None:
            if milestone == name:
                passed.append(milestone)
                if len(passed) == nth:
                    do()

        monkeypatch.setattr(milestones, "reached", reached)

    return plan


def doomed(ground: Ground, count: int) -> list[str]:
    """Keys of some rows that are to go."""
    rows = ground.admin.execute(_DONE + _FINITE, [count]).fetchall()
    assert len(rows) == count
    return [row["uuid"] for row in rows]


def of_table(ground: Ground, table: str = LEAVES) -> dict[str, Any]:
    """The newest run's sums of a table."""
    return [row for row in ground.standing() if row["name"] == table][-1]


def keys(lines: set[bytes]) -> set[str]:
    return {key_of(line) for line in lines}


def test_deletes_by_list_and_never_by_predicate(
    ground: Ground, before: Lines, site: Site, writer: Connection, once: Any
) -> None:
    """A row committed after the export, past its retention from the first, is in no archive: it stays."""
    late = "00000000-0000-0000-0000-000000000001"
    insert = f"INSERT INTO {LEAVES} (uuid, id_estatus_procesamiento, fecha_actualizacion) VALUES (%s, 3, '2020-01-01')"
    once("exported", lambda: writer.execute(insert, [late]))
    running.purge(site)
    assert keys(ground.tables()[LEAVES]) == ground.stays[LEAVES] | {late}
    running.purge(site)
    assert keys(ground.tables()[LEAVES]) == ground.stays[LEAVES]
    assert late in keys(ground.archive().lines[LEAVES])


def test_what_changed_since_the_export_stays_and_goes_with_the_next_run(
    ground: Ground, before: Lines, site: Site, writer: Connection, once: Any
) -> None:
    changed, touched, gone = (doomed(ground, 6)[start::3] for start in range(3))

    def write() -> None:
        writer.execute(f"UPDATE {LEAVES} SET motivo_baja = 'otro' WHERE uuid = ANY(%s)", [changed])
        writer.execute(f"UPDATE {LEAVES} SET motivo_baja = motivo_baja WHERE uuid = ANY(%s)", [touched])
        writer.execute(f"DELETE FROM {LEAVES} WHERE uuid = ANY(%s)", [gone])

    once("object read back", write)
    running.purge(site)
    assert keys(ground.tables()[LEAVES]) == ground.stays[LEAVES] | {*changed, *touched}
    assert of_table(ground)["changed"] == 6
    assert not before[LEAVES] - ground.tables()[LEAVES] - ground.archive().lines[LEAVES]
    now = ground.tables()
    running.purge(site)
    assert keys(ground.tables()[LEAVES]) == ground.stays[LEAVES]
    assert of_table(ground)["changed"] == 0
    assert not now[LEAVES] - ground.tables()[LEAVES] - ground.archive().lines[LEAVES]  # the new versions too


def test_what_is_not_processed_any_more_stays(
    ground: Ground, before: Lines, site: Site, writer: Connection, once: Any
) -> None:
    again = doomed(ground, 2)
    query = f"UPDATE {LEAVES} SET id_estatus_procesamiento = 1 WHERE uuid = ANY(%s)"
    once("verified", lambda: writer.execute(query, [again]))
    for _ in range(2):
        running.purge(site)
        assert keys(ground.tables()[LEAVES]) == ground.stays[LEAVES] | set(again)


def test_rows_that_moved_are_found_by_their_key(ground: Ground, before: Lines, site: Site, once: Any) -> None:
    ground.admin.execute(f"DELETE FROM {LEAVES} WHERE uuid IN (SELECT uuid FROM {LEAVES} ORDER BY ctid LIMIT 5)")
    before = ground.tables()
    once("object read back", lambda: ground.admin.execute(f"VACUUM FULL {LEAVES}"))
    running.purge(site)
    assert of_table(ground)["changed"] == 0
    assert of_table(ground)["deleted"] == len(before[LEAVES] - ground.tables()[LEAVES])
    assert keys(ground.tables()[LEAVES]) <= ground.stays[LEAVES]


def test_frozen_rows_are_the_same_rows(ground: Ground, before: Lines, site: Site, once: Any) -> None:
    once("object read back", lambda: ground.admin.execute(f"VACUUM FREEZE {LEAVES}"))
    running.purge(site)
    assert (of_table(ground)["changed"], keys(ground.tables()[LEAVES])) == (0, ground.stays[LEAVES])


@contextmanager
def ending(ground: Ground, writer: Connection, how: str) -> Iterator[None]:
    """End the writer's transaction as soon as the purge waits for it."""

    def end() -> None:
        try:
            with closing(ground.postgres.admin()) as watching:
                until(lambda: watching.execute(_WAITING, ["muses-runbook"]).fetchall()[0]["n"], patience=20)
        finally:
            writer.execute(how)

    thread = threading.Thread(target=end)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@pytest.mark.parametrize(
    ("statement", "how", "stays"),
    [
        ("UPDATE tbae002_bajas SET motivo_baja = 'otro' WHERE uuid = ANY(%s)", "COMMIT", True),
        ("UPDATE tbae002_bajas SET motivo_baja = 'otro' WHERE uuid = ANY(%s)", "ROLLBACK", False),
        ("UPDATE tbae002_bajas SET uuid = reverse(uuid) WHERE uuid = ANY(%s)", "COMMIT", None),
        ("DELETE FROM tbae002_bajas WHERE uuid = ANY(%s)", "COMMIT", False),
        ("SELECT FROM tbae002_bajas WHERE uuid = ANY(%s) FOR UPDATE", "COMMIT", False),
    ],
    ids=["updated", "rolled back", "another key", "deleted", "only locked"],
)
def test_a_delete_that_waited_looks_at_the_row_again(
    statement: str,
    how: str,
    stays: bool | None,
    ground: Ground,
    before: Lines,
    site: Site,
    writer: Connection,
    once: Any,
) -> None:
    """READ COMMITTED: what was waited for is judged as it is then, not as the list has it."""
    row = doomed(ground, 1)

    def write() -> None:
        writer.execute("BEGIN")
        writer.execute(statement, [row])

    once("chunk locked", write)
    with ending(ground, writer, how):
        running.purge(site)
    left = keys(ground.tables()[LEAVES]) - ground.stays[LEAVES]
    expected = {True: set(row), False: set(), None: {row[0][::-1]}}[stays]
    assert left == expected
    assert before[LEAVES] - ground.tables()[LEAVES] <= ground.archive().lines[LEAVES]


def test_a_lock_that_is_held_long_is_tried_again(
    ground: Ground, before: Lines, site: Site, writer: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[str] = []

    def reached(milestone: str) -> None:
        passed.append(milestone)
        if passed.count("chunk locked") == 1 and milestone == "chunk locked":
            writer.execute("BEGIN")
            writer.execute(f"SELECT FROM {LEAVES} WHERE uuid = ANY(%s) FOR UPDATE", [doomed(ground, 1)])
        if milestone == "chunk begun" and passed[-2] == "chunk locked":  # the first try was given up
            writer.execute("COMMIT")

    monkeypatch.setattr(milestones, "reached", reached)
    running.purge(site)
    assert passed.count("chunk begun") == passed.count("chunk committed") + 1
    assert keys(ground.tables()[LEAVES]) == ground.stays[LEAVES]


def response_that_goes(ground: Ground, *, childless: bool = True) -> int:
    """A response that is to go and has no errors."""
    has = "NOT EXISTS" if childless else "EXISTS"
    row = ground.admin.execute(
        f"SELECT id_respuesta AS id FROM {RESPONSES} AS r WHERE fecha_respuesta < now() - interval '99 days' "
        f"AND {has} (SELECT FROM {ERRORS} AS e WHERE e.id_respuesta = r.id_respuesta) AND id_respuesta <> ALL(%s) "
        "ORDER BY 1 LIMIT 1",
        [[int(key) for key in ground.stays[RESPONSES]]],
    ).fetchall()[0]
    return int(row["id"])


@pytest.mark.parametrize("uncommitted", [False, True])
def test_a_response_that_gets_an_error_stays_with_it(
    uncommitted: bool, ground: Ground, before: Lines, writer: Connection, once: Any
) -> None:
    parent = response_that_goes(ground)
    site = ground.changed(chunk_rows=1000)

    def write() -> None:
        if uncommitted:
            writer.execute("BEGIN")
        query = f"INSERT INTO {ERRORS} (id_respuesta, id_motivo_error) VALUES (%s, 3)"
        writer.execute(query, [parent])

    once("chunk locked", write, nth=first_chunk_of(ground, RESPONSES, parent))
    if uncommitted:
        with ending(ground, writer, "COMMIT"):
            running.purge(site)
    else:
        running.purge(site)
    now = ground.tables()
    assert str(parent) in keys(now[RESPONSES])
    assert keys(now[RESPONSES]) == ground.stays[RESPONSES] | {str(parent)}
    assert not before[ERRORS] - now[ERRORS] - ground.archive().lines[ERRORS]
    running.purge(site)
    assert keys(ground.tables()[RESPONSES]) == ground.stays[RESPONSES]


def first_chunk_of(ground: Ground, table: str, key: int) -> int:
    """How many lists are loaded until that of the row's batch: one a batch, errors first."""
    blocks = {}
    for name, column in ((ERRORS, "id_error"), (RESPONSES, "id_respuesta")):
        survey = {t.table: t for t in outlook.look(ground.site).survey.tables}[name]
        rows = ground.admin.execute(f"SELECT {column} AS k, (ctid::text::point)[0]::int AS b FROM {name}").fetchall()
        stays = ground.stays[name]
        count = max(row["b"] for row in rows) + 1
        size = max(1, int(min(150 / (survey.rows / count), 32 * 1024**2 / max(survey.bytes / count, 8192))))
        going = sorted({row["b"] // size for row in rows if str(row["k"]) not in stays})
        blocks[name] = (going, {row["k"]: row["b"] // size for row in rows})
    going, of = blocks[RESPONSES]
    return len(blocks[ERRORS][0]) + going.index(of[key]) + 1


def test_a_dump_is_waited_for_and_is_whole(ground: Ground, before: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins in the middle: it has a snapshot, waits for a table that another session holds, and we wait for it."""
    dumps, at_begin = list[subprocess.Popen[bytes]](), list[Lines]()
    file = ground.home / "dump.sql"

    def reached(milestone: str) -> None:
        if milestone == "batch done" and not dumps:
            held.execute(f"BEGIN; LOCK TABLE {SCHEMA}.tbmu013_bajas IN ACCESS EXCLUSIVE MODE")
            at_begin.append(ground.tables())
            dumps.append(dump(ground, file))

    monkeypatch.setattr(milestones, "reached", reached)
    with closing(ground.postgres.admin()) as held:
        running.purge(ground.site, watch=(watch := Waiting(lambda: held.execute("COMMIT"))))
    assert "pg_dump" in watch.reasons[0]
    assert dumps[0].wait(30) == 0
    ground.invariant(before)
    text = file.read_bytes()
    for table, lines in at_begin[0].items():
        copied = text.partition(b"COPY %s.%s (" % (SCHEMA.encode(), table.encode()))[2].partition(b"\n")[2]
        assert set(copied.partition(b"\\.\n")[0].splitlines()) == lines


def dump(ground: Ground, file: Path) -> subprocess.Popen[bytes]:
    """A real dump, begun: it has its snapshot and waits for a lock."""
    where = ("-h", str(ground.postgres.home), "-p", str(ground.postgres.port), "-U", "postgres", "-n", SCHEMA)
    program = installations()["wheel"] / "pg_dump"
    begun = subprocess.Popen([program, *where, "-f", file, DATABASE], env={"PGTZ": "UTC"})
    with closing(ground.postgres.admin()) as watching:
        until(lambda: watching.execute(_WAITING, ["pg_dump"]).fetchall()[0]["n"], patience=20)
    return begun


def test_two_purges_at_once(ground: Ground, before: Lines, once: Any) -> None:
    refused: list[BaseException] = []

    def another() -> None:
        with pytest.raises(LockError) as caught:
            running.purge(ground.site)
        refused.append(caught.value)

    once("chunk begun", another)
    with closing(ground.postgres.admin()):
        running.purge(ground.site)
    assert refused
    ground.invariant(before)


def test_who_was_taken_over_stops(ground: Ground, before: Lines, site: Site, once: Any) -> None:
    """The lock dies with its session; who still works then finds that the epoch is another one."""
    raised = "UPDATE muses_runbook.purge_batch SET epoch = epoch + 1"
    once("chunk begun", lambda: ground.admin.execute(raised), nth=2)
    with pytest.raises(Fenced):
        running.purge(site)
    check_stopped(ground, before)
    assert 0 < len(before[LEAVES] - ground.tables()[LEAVES]) <= 4
    running.purge(site)
    assert keys(ground.tables()[LEAVES]) == ground.stays[LEAVES]


@pytest.mark.parametrize("at", ["manifest written", "verified", "chunk committed"])
def test_a_hold_that_comes_after_the_archive_is_kept(
    at: str, forking: Purger, ground: Ground, before: Lines, site: Site
) -> None:
    assert forking.purge(site, ground.home, at=at).killed
    settled(ground)
    held = sorted(keys(ground.tables()[LEAVES]) - ground.stays[LEAVES])[:2]
    running.purge(ground.changed(tables=(LEAVES,), holds=tuple(Hold(uuid=uuid) for uuid in held)))
    assert keys(ground.tables()[LEAVES]) == ground.stays[LEAVES] | set(held)


def test_a_column_that_comes_after_the_archive_keeps_its_rows(
    ground: Ground, before: Lines, site: Site, once: Any
) -> None:
    once("object read back", lambda: ground.admin.execute(f"ALTER TABLE {LEAVES} ADD COLUMN nueva int DEFAULT 7"))
    running.purge(site)
    assert len(ground.tables()[LEAVES]) == len(before[LEAVES])
    running.purge(site)
    assert keys(ground.tables()[LEAVES]) == ground.stays[LEAVES]
    assert {line.rpartition(b"\t")[2] for line in ground.tables()[LEAVES]} == {b"7"}


def test_a_pause_file_stops_it_and_says_so(ground: Ground, before: Lines) -> None:
    pause = ground.home / "pause"
    pause.touch()

    watch = Waiting(pause.unlink)
    running.purge(ground.changed(throttle={"pause_file": pause}), watch=watch)
    assert str(pause) in watch.reasons[0]
    ground.invariant(before)


def test_lost_rights_end_it_with_all_rows_somewhere(ground: Ground, before: Lines, once: Any) -> None:
    once("batch done", lambda: ground.admin.execute("REVOKE muses_owner FROM muses_operator"))
    try:
        with pytest.raises(ActionError):
            running.purge(ground.site)
    finally:
        ground.admin.execute("GRANT muses_owner TO muses_operator")
    settled(ground)
    check_stopped(ground, before)
    gone_on_with(ground, ground.site, before)
