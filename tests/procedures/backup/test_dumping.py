"""``pg_dump`` streamed into an upload: complete only when every program exited with 0, whatever the pipe says."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import zstandard
from psycopg import sql

from procedures.backup import dumping, milestones, running, watching
from procedures.backup.programs import Failed
from runbook.errors import ActionError, RunbookError, SettingsError
from runbook.site import Site
from tests.faulty_store import FaultyStore
from tests.procedures.backup.dying import MARK, Dying
from tests.procedures.backup.making import COUNTS, DATABASE, ROWS, Case, MakePrograms, survivors, the_program
from tests.runbook.targets.servers_postgres import until
from tests.store_faults import calls

pytest_plugins = ("tests.procedures.backup.small_case",)
pytestmark = pytest.mark.usefixtures("small", "trusting", "marked")


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is started from here is found, should it outlive us."""
    monkeypatch.setenv(*MARK.split("="))


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Does something when a milestone is reached for the first time."""

    def put(name: str, do: Any) -> None:
        done = threading.Event()

        def reached(passed: str) -> None:
            if passed == name and not done.is_set():
                done.set()
                do()

        monkeypatch.setattr(milestones, "reached", reached)

    return put


def not_published(case: Case, site: Site, says: str, kind: type[RunbookError] = ActionError) -> None:
    """It fails so, nothing is published, nothing is left, nothing runs."""
    with pytest.raises(kind, match=says):
        running.backup(site)
    assert not case.published()
    assert not case.uploads()
    assert kind is not Failed or not case.names()
    case.gone()
    assert case.store.list(f"{case.prefix}.leases/") == ()


# pg_dump fails -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_pg_dump_killed_in_the_middle(case: Case, at: Any, sent: signal.Signals) -> None:
    at("dump halfway", lambda: os.kill(the_program("pg_dump"), sent))
    with filled(case, megabytes=8):  # more than fits between two programs: it is not done yet
        not_published(case, case.site, "pg_dump failed", Failed)


#: A shell pipe would call each of these a success: something was written, and the last program was content.
LATE = {
    "late and with words": ('{real} "$@"; echo "pg_dump: error: connection lost" >&2; exit 1', "connection lost"),
    "late and without a word": ('{real} "$@"; exit 3', "exit 3"),
    "at the end of all bytes, by a signal": ('{real} "$@"; kill -9 $$', "exit -9"),
    "in the middle": ('{real} "$@" | head -c 100000; exit 1', "exit 1"),
    "at once": ("echo no >&2; exit 1", "no"),
    "after megabytes of words": (
        f'i=0; while [ $i -lt 3000 ]; do echo "pg_dump: warning: {"word " * 20}" >&2; i=$((i+1)); done; '
        'echo "pg_dump: error: the last" >&2; exit 1',
        "error: the last",
    ),
    "with details behind its error": (
        'echo "pg_dump: error: query failed" >&2; echo "pg_dump: detail: Query was: SELECT" >&2; exit 1',
        "pg_dump: error: query failed$",
    ),
}


@pytest.mark.parametrize(("script", "says"), LATE.values(), ids=LATE.keys())
def test_a_pipe_reports_success_when_pg_dump_failed(case: Case, programs: MakePrograms, script: str, says: str) -> None:
    """`pg_dump … | gzip | aws` reports success when `pg_dump` failed."""
    not_published(case, case.changed(programs=programs(pg_dump=script)), says, Failed)


@pytest.mark.parametrize("name", ["pg_dump", "pg_dumpall"])
def test_a_program_that_writes_nothing_and_exits_well(case: Case, programs: MakePrograms, name: str) -> None:
    not_published(case, case.changed(programs=programs(**{name: "exit 0"})), f"{name} wrote nothing")


@pytest.mark.parametrize("script", ["echo denied >&2; exit 1", '{real} "$@"; echo denied >&2; exit 1'])
def test_pg_dumpall_fails(case: Case, programs: MakePrograms, script: str) -> None:
    not_published(case, case.changed(programs=programs(pg_dumpall=script)), "pg_dumpall failed: denied")


@pytest.mark.parametrize(
    "script",
    ['{real} "$@" | head -c 200000', "{real} --version", 'echo -- only words; echo "$@"'],
    ids=["cut, and exit 0", "its version", "words"],
)
def test_psql_on_a_cut_dump_exits_0_with_0_rows(case: Case, programs: MakePrograms, script: str) -> None:
    """A program that lies with its exit code is found out by reading the dump back to its very end."""
    not_published(case, case.changed(programs=programs(pg_dump=script)), "pg_restore failed")


def test_a_program_that_neither_writes_nor_ends_is_killed_with_what_stops_us(
    case: Case, programs: MakePrograms
) -> None:
    """Its standard error is being listened to, and nobody waits for that to end."""
    site = case.changed(programs=programs(pg_dump="head -c 20000 /dev/zero; exec sleep 60"))

    class Stopping(watching.Unwatched):
        def moved(self, done: int) -> None:
            raise ActionError("backup", "backup", "stopped")

    with pytest.raises(ActionError, match="stopped"):
        running.backup(site, watch=Stopping())
    until(lambda: not survivors(), patience=3)
    assert not case.published()


def test_the_wrong_major_names_the_package(case: Case, tmp_path: Path) -> None:
    system = Path("/usr/lib/postgresql/15/bin")
    if not (system / "pg_dump").exists():
        (tmp_path / "pg_dump").write_text('#!/bin/sh\necho "pg_dump (PostgreSQL) 15.10"\n')
        (tmp_path / "pg_dump").chmod(0o755)
        system = tmp_path
    not_published(case, case.changed(programs=system), "holds programs of PostgreSQL 15; the server is", SettingsError)
    assert not case.names()


def test_no_programs_at_all_name_the_package(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("procedures.backup.programs._places", lambda major: iter(()))
    not_published(case, case.site, r"install postgresql-client-\d\d", SettingsError)


# The database --------------------------------------------------------------------------------------------------------


def test_a_lock_held_for_long_is_an_error_that_names_the_table(case: Case) -> None:
    with holding(case, "LOCK TABLE cartas IN ACCESS EXCLUSIVE MODE"):
        not_published(case, case.changed(lock_wait=timedelta(milliseconds=300)), "lock")


def test_pg_dump_alone_waits_for_a_lock(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says itself only that a statement took too long."""
    monkeypatch.setattr(dumping, "counted", lambda connection, id: None)
    with holding(case, "LOCK TABLE cartas IN ACCESS EXCLUSIVE MODE"):
        site = case.changed(lock_wait=timedelta(milliseconds=300))
        not_published(case, site, "pg_dump waited 0.3 s for a lock that somebody holds", Failed)


def test_a_lock_that_is_let_go_of_is_waited_for(case: Case) -> None:
    with holding(case, "LOCK TABLE cartas IN ACCESS EXCLUSIVE MODE") as other:
        made: list[Any] = []
        backing = threading.Thread(target=lambda: made.append(running.backup(case.site)))
        backing.start()
        waiting = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'cartas'::regclass"
        until(lambda: case.admin.execute(waiting).fetchall(), patience=10)
        other.rollback()
    backing.join(20)
    case.check_good(made[0].folder)


def test_a_database_that_is_written_to_is_dumped_as_it_was(case: Case, at: Any) -> None:
    """What is counted and what is dumped is the same snapshot, whoever writes meanwhile."""

    def write() -> None:
        with closing(case.servers.postgres.admin(DATABASE)) as other:
            other.execute("INSERT INTO sobres SELECT i FROM generate_series(1, 50) AS i")
            other.execute("UPDATE cartas SET texto = 'otra' WHERE id = 1")

    at("snapshot taken", write)
    try:
        made = running.backup(case.site)
    finally:
        case.admin.execute("DELETE FROM sobres WHERE ctid IN (SELECT ctid FROM sobres OFFSET 100)")
    assert made.manifest.tables == COUNTS
    case.check_good(made.folder)
    assert b"otra" not in plain(case, made.folder)


def test_a_long_transaction_of_another_hinders_nothing(case: Case) -> None:
    with holding(case, "INSERT INTO sobres VALUES (1)"):
        case.check_good(running.backup(case.site).folder)


def test_a_table_dropped_before_it_is_locked_is_an_error(case: Case, at: Any) -> None:
    with closing(case.servers.postgres.admin(DATABASE)) as other:
        other.execute("SET ROLE muses_owner; CREATE TABLE fugaz AS SELECT 1 AS id")

        def drop() -> None:
            other.execute("DROP TABLE fugaz")

        at("snapshot taken", drop)
        not_published(case, case.site, "fugaz|does not exist")


def test_a_table_in_the_dump_cannot_be_dropped(case: Case, at: Any) -> None:
    """It holds its locks to the end: what was begun comes out whole."""
    refused: list[str] = []

    def drop() -> None:
        with closing(case.servers.postgres.admin(DATABASE)) as other:
            other.execute("SET lock_timeout = '50ms'")
            try:
                other.execute("DROP TABLE cartas")
            except psycopg.errors.LockNotAvailable as error:
                refused.append(str(error))

    at("dump halfway", drop)
    case.check_good(running.backup(case.site).folder)
    assert refused


def test_what_a_policy_hides_is_an_error_and_not_missing(case: Case) -> None:
    """`COPY` under row security silently drops rows."""
    case.admin.execute("CREATE TABLE oculta (id integer); INSERT INTO oculta VALUES (1), (2); "
                       "ALTER TABLE oculta ENABLE ROW LEVEL SECURITY; GRANT SELECT ON oculta TO muses_operator; "
                       "CREATE POLICY una ON oculta USING (id = 1)")  # fmt: skip
    try:
        not_published(case, case.site, "row-level security|row security")
    finally:
        case.admin.execute("DROP TABLE oculta")


def test_what_the_operator_may_not_read_is_an_error(case: Case) -> None:
    case.admin.execute("CREATE TABLE ajena (id integer)")
    try:
        not_published(case, case.site, "permission denied")
    finally:
        case.admin.execute("DROP TABLE ajena")


def test_a_large_object_of_another_is_an_error_and_not_missing(case: Case) -> None:
    """pg_read_all_data does not read large objects: whoever owns them must let the operator."""
    (row,) = case.admin.execute("SELECT lo_from_bytea(0, 'ajeno') AS oid").fetchall()
    try:
        not_published(case, case.site, "permission denied for large object")
    finally:
        case.admin.execute("SELECT lo_unlink(%s)", [row["oid"]])


def test_large_objects_are_counted_and_dumped(case: Case) -> None:
    made = running.backup(case.site)
    assert made.manifest.large_objects == 1
    assert b"BLOB" in plain(case, made.folder)


def test_odd_names_are_counted(case: Case) -> None:
    names = ['con "comillas"', "Ñandú.punto", "a%s{b}", "x" * 63]
    case.admin.execute("SET ROLE muses_owner")
    for name in names:
        case.admin.execute(sql.SQL("CREATE TABLE {} AS SELECT 1 AS id").format(sql.Identifier(name)))
    try:
        tables = running.backup(case.site).manifest.tables
    finally:
        for name in names:
            case.admin.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
        case.admin.execute("RESET ROLE")
    assert tables == COUNTS | {f"public.{name}": 1 for name in names}


# The connection ------------------------------------------------------------------------------------------------------


def test_the_server_ends_all_sessions_in_the_middle(case: Case, at: Any) -> None:
    at("dump halfway", lambda: end_sessions(case, "usename = 'muses_operator'"))
    not_published(case, case.site, "database|connection|terminating|pg_dump")


def test_the_session_that_holds_the_snapshot_ends_in_the_middle(case: Case, at: Any) -> None:
    """What was counted is unknown then, and the lock is gone: another may begin."""
    at(
        "snapshot taken",
        lambda: end_sessions(case, "application_name LIKE 'muses-runbook%' AND backend_xmin IS NOT NULL"),
    )
    not_published(case, case.site, "ended the connection|terminating")


def end_sessions(case: Case, where: str) -> None:
    case.admin.execute(
        f"SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = '{DATABASE}' AND {where}"
        " AND pid <> pg_backend_pid()"
    )


# No temporary file, constant memory ----------------------------------------------------------------------------------


def test_no_file_is_written(dying: Dying, faults: FaultyStore, case: Case) -> None:
    """Neither by us nor by PostgreSQL's programs: what they hold open to write is looked at while they work."""
    temporary = case.home / "tmp"
    temporary.mkdir()
    held: dict[str, list[str]] = {}

    def look(program: str) -> Any:
        return lambda request: held.update({program: held_open(program)})

    faults.inject(calls(look("pg_dump")), operation="CreateMultipartUpload")
    faults.inject(calls(look("pg_restore"), at="download"), operation="GetObject", key="*/data*")
    with filled(case, megabytes=8):  # more than fits between two programs: they work at the same time
        ended = dying.backup(case.changed(endpoint=faults.url), case.home)
    assert ended.error is None
    assert [one for one in ended.written if one != "/dev/null"] == []
    assert list(temporary.iterdir()) == []
    assert {one for name in held for one in held[name] if one.startswith("/") and one != "/dev/null"} == set()
    assert set(held) == {"pg_dump", "pg_restore"}


def held_open(program: str) -> list[str]:
    """What the program holds open for writing."""
    process = Path(f"/proc/{the_program(program)}")
    found = []
    for handle in (process / "fd").iterdir():
        flags = int((process / "fdinfo" / handle.name).read_text().split("flags:")[1].split()[0], 8)
        if flags & (os.O_WRONLY | os.O_RDWR):
            found.append(str(handle.readlink()))
    return found


def test_memory_is_bounded(dying: Dying, case: Case) -> None:
    """More would go through as much memory: there are more parts of the product's size than are held at once."""
    with filled(case, megabytes=112):
        ended = dying.backup(case.site, case.home, small=False)
    assert ended.error is None
    (manifest,) = case.published().values()
    assert manifest.dump_bytes > 112 << 20
    assert manifest.bytes > 3 * (16 << 20)
    assert ended.kilobytes < 200 * 1024


@contextmanager
def filled(case: Case, megabytes: int) -> Iterator[None]:
    """A table of so many MB that shrink by half: each text comes again only after zstd has forgotten it."""
    admin = case.admin
    admin.execute("SET ROLE muses_owner; CREATE TABLE grande (texto text)")
    admin.execute("ALTER TABLE grande ALTER texto SET STORAGE EXTERNAL")
    admin.execute(
        "WITH bloques AS MATERIALIZED (SELECT b, (SELECT string_agg(md5(random()::text), '') "
        "FROM generate_series(b, b + 32768) AS i) AS texto FROM generate_series(1, 8) AS b) "
        "INSERT INTO grande SELECT texto FROM bloques, generate_series(1, %s) AS n ORDER BY n, b",
        [megabytes // 8],
    )
    try:
        yield
    finally:
        admin.execute("DROP TABLE grande; RESET ROLE")


@contextmanager
def holding(case: Case, statement: Any) -> Iterator[Any]:
    """A transaction of another session that has done something and does not end."""
    with closing(case.servers.postgres.admin(DATABASE)) as other:
        other.autocommit = False
        other.execute(statement)
        yield other
        other.rollback()


def plain(case: Case, folder: str) -> bytes:
    """The dump itself."""
    manifest = case.published()[folder]
    return zstandard.ZstdDecompressor().decompressobj().decompress(case.body(manifest.object, manifest.version))


def test_the_counts_are_of_all_tables(case: Case) -> None:
    with closing(case.servers.postgres.admin(DATABASE)) as admin, dumping.snapshot(admin, timedelta(seconds=30)) as id:
        found = dumping.counted(admin, id)
        (limit,) = admin.execute("SHOW lock_timeout").fetchall()
    assert limit["lock_timeout"] == "30s"  # counting gives up no sooner than pg_dump: it would take the snapshot along
    assert (found.tables, found.large_objects, found.id) == (COUNTS, 1, id)
    assert found.tables["public.cartas"] == ROWS
