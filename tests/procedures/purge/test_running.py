"""A whole purge: what goes wrong with the machines around it is told, nothing is lost, and the next one goes on."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from procedures.purge import finishing, outlook, running
from procedures.purge.ledger_structs import Standing
from procedures.purge.watching import Unwatched
from runbook.errors import ActionError, NotConfigured, RunbookError, SettingsError
from runbook.settings import Login, Secret
from runbook.targets.postgres import working
from runbook.targets.s3.archives import Manifest
from runbook.text import text
from tests.procedures.purge.ground import ARCHIVE, Ground
from tests.procedures.purge.making import (
    DROPOUTS,
    ERRORS,
    INSCRIPTIONS,
    RESPONSES,
    archived,
    at,
    belong,
    deleted,
    error,
    keys,
    record,
    response,
    stopped,
)
from tests.runbook.targets.servers_postgres import until

pytestmark = pytest.mark.usefixtures("unguarded")


class TestWhole:
    """From nothing to everything."""

    def test_of_empty_tables(self, ground: Ground) -> None:
        purged = running.purge(ground.site)
        assert (purged.deleted, purged.resumed, purged.notes) == (0, False, ())
        assert {table.state for table in purged.tables} == {"DONE"}
        assert archived(ground) == {}

    @pytest.mark.parametrize("workers", [1, 3])
    def test_rows_of_every_fate(self, ground: Ground, workers: int) -> None:
        before = ground.fill(120)
        purged = running.purge(ground.changed(workers=workers))
        assert purged.deleted > 200
        ground.invariant(before)
        again = running.purge(ground.site)
        assert (again.deleted, again.resumed) == (0, False)
        assert again.run > purged.run or again.run != purged.run

    def test_a_table_with_more_rows_than_its_survey_knew(self, ground: Ground) -> None:
        record(ground.admin, "a")

        def more() -> None:
            ground.admin.execute(
                f"INSERT INTO {DROPOUTS} (uuid, id_estatus_procesamiento, fecha_actualizacion) "
                "SELECT i::text, 3, '2025-01-01' FROM generate_series(1, 2000) AS i"
            )

        with at("run begun", more):
            first = running.purge(ground.site)
        second = running.purge(ground.site)
        assert first.deleted + second.deleted == 2001
        assert keys(ground.admin) == set()

    def test_whoever_watches_is_told(self, ground: Ground) -> None:
        class Watch(Unwatched):
            def __init__(self) -> None:
                self.told: list[Any] = []

            def surveyed(self, survey: Any) -> None:
                self.told.append(survey.qualifying)

            def progressed(self, tables: tuple[Standing, ...]) -> None:
                self.told.append(sum(table.deleted for table in tables))

            def resumed(self, run: str) -> None:
                self.told.append(run)

        record(ground.admin, "a")
        first, second = Watch(), Watch()
        with at("exported", _fail), pytest.raises(ActionError):
            running.purge(ground.site, watch=first)
        running.purge(ground.site, watch=second)
        assert first.told[0] == 1
        assert second.told[0] == ground.runs()[0]["id"]
        assert second.told[-1] == 1

    def test_without_an_archive_the_setting_is_said(self, ground: Ground) -> None:
        with pytest.raises(NotConfigured, match="archive_bucket"):
            outlook.look(ground.changed(storage={"archive_bucket": None}))

    def test_an_executor_that_is_none(self, ground: Ground) -> None:
        record(ground.admin, "a")
        with pytest.raises(SettingsError, match="no executor"):
            running.purge(ground.changed(executor="procesos"))
        assert keys(ground.admin) == {"a"}
        assert deleted(running.purge(ground.site)) == {DROPOUTS: 1}


class TestInterrupted:
    """Ctrl-C and errors stop all workers; the next purge goes on."""

    def test_ctrl_c(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(running, "_TELL", 0.01)
        for uuid in "ab":
            record(ground.admin, uuid)
        before = ground.tables()
        with closing(ground.postgres.admin()) as other:
            other.execute("SET search_path TO muses_dev; BEGIN")
            other.execute(f"SELECT FROM {DROPOUTS} WHERE uuid = 'b' FOR UPDATE")

            class Watch(Unwatched):
                def progressed(self, tables: tuple[Standing, ...]) -> None:
                    if _waits(ground.admin):
                        other.execute("ROLLBACK")
                        raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                running.purge(ground.site, watch=Watch())
        ground.nothing_lost(before)
        assert {run["state"] for run in ground.runs()} == {"RUNNING"}
        assert running.purge(ground.site).resumed
        assert keys(ground.admin) == set()

    def test_one_batch_that_fails_stops_the_others(self, ground: Ground) -> None:
        record(ground.admin, "a")
        record(ground.admin, "b", table=INSCRIPTIONS, id_subsistema=1)
        before = ground.tables()
        with (
            at("object written", _fail),
            pytest.raises(ActionError, match="no more"),
        ):
            running.purge(ground.changed(workers=2))
        ground.nothing_lost(before)
        purged = running.purge(ground.site)
        assert purged.resumed
        assert (keys(ground.admin), keys(ground.admin, INSCRIPTIONS)) == (set(), set())


def _fail() -> None:
    raise ActionError("storage", "test", text("no more"))


class TestLostConnections:
    """A connection that breaks is made anew where that is safe, else told."""

    @pytest.mark.parametrize(
        "milestone",
        ["batch claimed", "export begun", "verified", "rows deleted, before commit"],
    )
    def test_under_a_batch(self, ground: Ground, milestone: str) -> None:
        for uuid in "abc":
            record(ground.admin, uuid)
        before = ground.tables()
        with at(milestone, lambda: _break(ground, newest=True)):
            assert deleted(running.purge(ground.site)) == {DROPOUTS: 3}
        ground.nothing_lost(before)
        assert set(archived(ground)[DROPOUTS]) == {"a", "b", "c"}

    def test_again_and_again_is_an_error(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
        from procedures.purge import milestones

        record(ground.admin, "a")
        monkeypatch.setattr(
            milestones, "reached", lambda name: _break(ground, newest=True) if name == "chunk begun" else None
        )
        with pytest.raises(ActionError):
            running.purge(ground.site)
        monkeypatch.undo()
        assert keys(ground.admin) == {"a"}
        assert deleted(running.purge(ground.site)) == {DROPOUTS: 1}

    @pytest.mark.parametrize("milestone", ["table planned", "exported"])
    def test_of_the_purge_itself_gives_the_lock_away(self, ground: Ground, milestone: str) -> None:
        record(ground.admin, "a")
        before = ground.tables()
        with at(milestone, lambda: _break(ground, newest=False)), pytest.raises(working.Lost):
            running.purge(ground.site)
        ground.nothing_lost(before)
        running.purge(ground.site)
        assert keys(ground.admin) == set()
        assert {run["state"] for run in ground.runs()} == {"DONE"}


class TestLostObjects:
    """An archived batch of which nothing was deleted yet can be archived again; one that is half deleted cannot."""

    def test_gone_before_the_first_delete_it_is_archived_again(self, ground: Ground) -> None:
        record(ground.admin, "a")
        stopped(ground, "verified")
        _lose_objects(ground)
        assert deleted(running.purge(ground.site)) == {DROPOUTS: 1}
        (manifest,) = [batch["manifest"] for batch in ground.batches() if batch["manifest"]]
        (line,) = ground.rows_of(msgspec.convert(manifest, Manifest, strict=False))
        assert line.split(b"\t")[0] == b"a"
        assert keys(ground.admin) == set()

    def test_gone_halfway_it_is_an_error_and_the_rest_stays(self, ground: Ground) -> None:
        for number in range(4):
            record(ground.admin, f"{number}")
        site = ground.changed(chunk_rows=2)
        stopped(ground, "chunk committed", site)
        _lose_objects(ground)
        with pytest.raises(RunbookError):
            running.purge(site)
        assert len(keys(ground.admin)) == 2


def _lose_objects(ground: Ground) -> None:
    """All rows' objects of the archive vanish, every version; their manifests stay."""
    listed = ground.s3.list_object_versions(Bucket=ARCHIVE, Prefix=ground.prefix)
    for version in listed.get("Versions", ()):
        if version["Key"].endswith(".zst"):
            ground.s3.delete_object(Bucket=ARCHIVE, Key=version["Key"], VersionId=version["VersionId"])


def _break(ground: Ground, *, newest: bool) -> None:
    order = "DESC" if newest else "ASC"
    ground.admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM (SELECT pid FROM pg_stat_activity "
        f"WHERE application_name = 'muses-runbook' ORDER BY backend_start {order} LIMIT 1) AS one"
    )


class TestServerRefuses:
    """Rights, disks and passwords."""

    def test_a_wrong_password(self, ground: Ground) -> None:
        record(ground.admin, "a")
        wrong = ground.home / "wrong"
        wrong.write_text("no")
        login = Login(user="muses_operator", password=Secret(file=wrong))
        with pytest.raises(ActionError, match=r"muses_operator|password"):
            running.purge(ground.changed(database={"operator": login}))
        assert keys(ground.admin) == {"a"}

    def test_no_server_at_all(self, ground: Ground) -> None:
        with pytest.raises(ActionError, match=r"127\.0\.0\.1:1\b"):
            running.purge(ground.changed(database={"port": 1}))

    def test_no_right_to_delete(self, ground: Ground) -> None:
        record(ground.admin, "a")
        record(ground.admin, "b", table=INSCRIPTIONS, id_subsistema=1)
        ground.admin.execute(f"ALTER TABLE {DROPOUTS} OWNER TO postgres; GRANT SELECT ON {DROPOUTS} TO muses_operator")
        with pytest.raises(ActionError, match=f"permission denied for table {DROPOUTS}"):
            running.purge(ground.site)
        belong(ground.admin, DROPOUTS)
        assert running.purge(ground.site).resumed
        assert (keys(ground.admin), keys(ground.admin, INSCRIPTIONS)) == (set(), set())

    def test_a_database_that_is_read_only_by_default_is_no_wall_and_a_real_wall_is_told(self, ground: Ground) -> None:
        record(ground.admin, "a")
        ground.admin.execute("ALTER DATABASE sep_muses SET default_transaction_read_only = on")
        try:
            assert outlook.look(ground.site).objections == ()
            assert deleted(running.purge(ground.site)) == {DROPOUTS: 1}
        finally:
            ground.admin.execute("SET default_transaction_read_only = off")
            ground.admin.execute("ALTER DATABASE sep_muses RESET default_transaction_read_only")

    def test_a_disk_that_is_full(self, ground: Ground) -> None:
        ground.admin.execute(
            f"INSERT INTO {DROPOUTS} (uuid, id_estatus_procesamiento, fecha_actualizacion, motivo_baja) "
            "SELECT i::text, 3, '2025-01-01', repeat(md5(i::text), 6) FROM generate_series(0, 6000) AS i"
        )
        ground.admin.execute(f"DELETE FROM {DROPOUTS} WHERE uuid = '0'")
        before = ground.tables()
        site = ground.changed(batch_rows=10_000, chunk_rows=5_000)

        def moved() -> None:
            ground.admin.execute(f"VACUUM FULL {DROPOUTS}")

        with _tiny_tablespace(ground, "minimo"):
            ground.admin.execute("ALTER ROLE muses_operator SET temp_tablespaces = minimo")
            try:
                # Rows that moved are asked for by a list of all lines, which takes the room.
                with at("verified", moved), pytest.raises(ActionError, match="No space left"):
                    running.purge(site)
            finally:
                ground.admin.execute("ALTER ROLE muses_operator RESET temp_tablespaces")
        ground.nothing_lost(before)
        purged = running.purge(site)
        assert (purged.resumed, deleted(purged)) == (True, {DROPOUTS: 6000})


@contextmanager
def _tiny_tablespace(ground: Ground, name: str) -> Iterator[None]:
    folder = ground.postgres.home / name
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=777", "tmpfs", folder], capture_output=True)
    if os.geteuid() != 0 or mounted.returncode:
        pytest.skip("it takes the right to mount a disk that is full")
    try:
        ground.admin.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}'")
        ground.admin.execute(f"GRANT CREATE ON TABLESPACE {name} TO muses_operator")
        yield
    finally:
        until(lambda: _dropped(ground, name))
        subprocess.run(["umount", folder], check=True)


def _dropped(ground: Ground, name: str) -> bool:
    import psycopg

    try:
        ground.admin.execute(f"DROP TABLESPACE IF EXISTS {name}")
    except psycopg.errors.ObjectInUse:
        return False
    return True


class TestIndexes:
    """A missing index is built while others work."""

    def test_it_waits_for_transactions_that_are_open(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(working._PINNED, "lock_timeout", "20ms")
        ground.admin.execute("DROP INDEX tbae010_error_id_respuesta")
        error(ground.admin, response(ground.admin, record(ground.admin)))
        found: list[Any] = []
        site = ground.changed(build_missing_indexes=True)
        with closing(ground.postgres.admin()) as other:
            other.execute(f"BEGIN; LOCK TABLE muses_dev.{ERRORS} IN ROW EXCLUSIVE MODE")
            worker = threading.Thread(target=lambda: found.append(running.purge(site)))
            worker.start()
            try:
                until(lambda: _waits(ground.admin, longer_than="100 ms") or not worker.is_alive(), patience=20)
            finally:
                other.execute("ROLLBACK")
                worker.join(30)
        assert found
        assert deleted(found[0]) == {DROPOUTS: 1, RESPONSES: 1, ERRORS: 1}


def _waits(admin: Any, longer_than: str = "0 s") -> bool:
    query = (
        "SELECT FROM pg_stat_activity WHERE application_name = 'muses-runbook' AND wait_event_type = 'Lock' "
        f"AND clock_timestamp() - query_start > interval '{longer_than}'"
    )
    return bool(admin.execute(query).fetchall())


class TestFinishing:
    """Space is given back, and old leftovers are cleared away, ours only."""

    def test_statistics_and_space_are_up_to_date(self, ground: Ground) -> None:
        for number in range(50):
            record(ground.admin, f"{number:02}")
        running.purge(ground.site)
        (row,) = ground.admin.execute(
            f"SELECT reltuples::int AS rows, relpages AS pages FROM pg_class WHERE oid = '{DROPOUTS}'::regclass"
        ).fetchall()
        assert (row["rows"], row["pages"]) == (0, 0)

    def test_a_vacuum_that_cannot_is_a_note_and_no_error(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(working._PINNED, "lock_timeout", "20ms")
        record(ground.admin, "a")
        with closing(ground.postgres.admin()) as other:

            def lock() -> None:
                other.execute(f"BEGIN; LOCK TABLE muses_dev.{DROPOUTS} IN SHARE UPDATE EXCLUSIVE MODE")

            with at("batch done", lock, nth=1):
                purged = running.purge(ground.site)
        assert any("was not vacuumed" in str(note) for note in purged.notes)
        assert {run["state"] for run in ground.runs()} == {"DONE"}

    def test_leftovers_of_a_week_ago_are_swept_and_nothing_else(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record(ground.admin, "a")
        stopped(ground, "object written")
        for name in ("notas.txt", "sep_muses/x/batch-00001-12345678/rows.copy.zst.bak", "batch-1/rows.copy.zst"):
            ground.s3.put_object(Bucket=ARCHIVE, Key=f"{ground.prefix}{name}", Body=b"x")
        running.purge(ground.site)
        before = _names(ground)
        assert running.purge(ground.site).notes == ()
        assert _names(ground) == before

        class Later(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return datetime.now(UTC) + timedelta(days=8)

        monkeypatch.setattr(finishing, "datetime", Later)
        (note,) = running.purge(ground.site).notes
        assert "rows.copy.zst" in str(note)
        assert len(before - _names(ground)) == 1
        assert archived(ground) == {DROPOUTS: ["a"]}


def _names(ground: Ground) -> set[str]:
    found = ground.s3.list_objects_v2(Bucket=ARCHIVE, Prefix=ground.prefix).get("Contents", ())
    return {one["Key"] for one in found if "/.probe/" not in one["Key"]}


class TestRefusedAtOnce:
    """What the operator lacks is said before anything is begun."""

    def test_no_right_to_keep_a_ledger(self, ground: Ground) -> None:
        record(ground.admin, "a")
        ground.admin.execute("ALTER DATABASE sep_muses OWNER TO postgres")
        try:
            with pytest.raises(RunbookError, match="permission denied for database"):
                running.purge(ground.site)
        finally:
            ground.admin.execute("ALTER DATABASE sep_muses OWNER TO muses_owner")
        assert keys(ground.admin) == {"a"}
