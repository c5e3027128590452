"""What went wrong with other tools, one test each, named after it (the table in docs/decisions and DATA_SAFETY.md)."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from click.testing import CliRunner

from procedures.purge import running
from runbook.commands import run_purge
from runbook.commands.procedure import Asked
from runbook.errors import ActionError, RunbookError
from tests.faulty_store import faulty_store
from tests.procedures.purge.ground import Ground
from tests.procedures.purge.making import (
    DROPOUTS,
    ERRORS,
    RESPONSES,
    archived,
    at,
    belong,
    deleted,
    error,
    keys,
    record,
    refused,
    response,
    stopped,
)
from tests.store_faults import (
    Fault,
    cut_download,
    cut_upload,
    error_in_200,
    fail,
    lose_answer,
    replace_answer,
    truncate,
    wrong_bytes,
)

pytestmark = pytest.mark.usefixtures("unguarded")

ROWS = "*rows.copy.zst"


def test_delete_by_list_never_by_predicate_a_row_committed_after_the_export_with_an_old_time_stays(
    ground: Ground,
) -> None:
    record(ground.admin, "a")
    with closing(ground.postgres.admin()) as other:
        other.execute("SET search_path TO muses_dev; BEGIN")
        record(other, "begun before, committed after")

        def late() -> None:
            other.execute("COMMIT")
            record(ground.admin, "came after it")

        with at("exported", late):
            purged = running.purge(ground.site)
    assert deleted(purged) == {DROPOUTS: 1}
    assert keys(ground.admin) == {"begun before, committed after", "came after it"}
    assert archived(ground) == {DROPOUTS: ["a"]}


@pytest.mark.parametrize(
    "fault",
    [
        fail(500),
        fail(403, "AccessDenied"),
        replace_answer(500, "InternalError"),
        error_in_200(),
        cut_upload(),
    ],
    ids=["500", "403", "stored, and 500", "200 with an error for a body", "cut"],
)
def test_an_upload_that_returned_an_error_deletes_nothing(ground: Ground, fault: Fault) -> None:
    record(ground.admin, "a")
    with faulty_store(ground.servers.storage) as store:
        store.inject(fault, operation="PutObject", key=ROWS, times=None)
        with pytest.raises(RunbookError):
            running.purge(ground.changed(endpoint=store.url))
    assert keys(ground.admin) == {"a"}
    assert archived(ground) == {}
    assert deleted(running.purge(ground.site)) == {DROPOUTS: 1}
    assert archived(ground) == {DROPOUTS: ["a"]}


@pytest.mark.parametrize("fault", [truncate(), wrong_bytes(), cut_download(), error_in_200()])
def test_an_object_that_comes_back_truncated_or_wrong_deletes_nothing(ground: Ground, fault: Fault) -> None:
    record(ground.admin, "a")
    with faulty_store(ground.servers.storage) as store:
        store.inject(fault, operation="GetObject", key=ROWS, times=None)
        with pytest.raises(RunbookError):
            running.purge(ground.changed(endpoint=store.url))
    assert keys(ground.admin) == {"a"}
    assert deleted(running.purge(ground.site)) == {DROPOUTS: 1}


def test_an_object_that_is_damaged_after_it_was_proven_deletes_nothing(ground: Ground) -> None:
    record(ground.admin, "a")
    stopped(ground, "verified")
    with faulty_store(ground.servers.storage) as store:
        store.inject(wrong_bytes(), operation="GetObject", key=ROWS, times=None)
        with pytest.raises(RunbookError):
            running.purge(ground.changed(endpoint=store.url))
    assert keys(ground.admin) == {"a"}


def test_an_answer_that_is_lost_is_no_second_object(ground: Ground) -> None:
    record(ground.admin, "a")
    with faulty_store(ground.servers.storage) as store:
        store.inject(lose_answer(), operation="PutObject", key=ROWS)
        assert deleted(running.purge(ground.changed(endpoint=store.url))) == {DROPOUTS: 1}
    assert archived(ground) == {DROPOUTS: ["a"]}


def test_a_row_changed_between_archive_and_delete_stays_and_is_archived_again(ground: Ground) -> None:
    record(ground.admin, "a", motivo_baja="antes")
    with at("verified", lambda: ground.admin.execute(f"UPDATE {DROPOUTS} SET motivo_baja = 'ahora'")):
        purged = running.purge(ground.site)
    (table,) = [one for one in purged.tables if one.name == DROPOUTS]
    assert (table.deleted, table.changed) == (0, 1)
    assert deleted(running.purge(ground.site)) == {DROPOUTS: 1}
    assert archived(ground) == {DROPOUTS: ["a", "a"]}


@pytest.mark.parametrize("move", ["VACUUM FULL {t}", "VACUUM FREEZE {t}"])
def test_ctid_moves_under_vacuum_full_and_only_finds(ground: Ground, move: str) -> None:
    for uuid in "abcd":
        record(ground.admin, uuid, status=1 if uuid in "ac" else 3)
    ground.admin.execute(f"DELETE FROM {DROPOUTS} WHERE uuid = 'a'")
    with at("verified", lambda: ground.admin.execute(move.format(t=DROPOUTS))):
        assert deleted(running.purge(ground.site)) == {DROPOUTS: 2}
    assert keys(ground.admin) == {"c"}


def test_a_row_that_was_locked_is_not_a_row_that_changed(ground: Ground) -> None:
    record(ground.admin, "a")

    def lock() -> None:
        ground.admin.execute(f"BEGIN; SELECT FROM {DROPOUTS} FOR UPDATE; SELECT FROM {DROPOUTS} FOR KEY SHARE; COMMIT")

    with at("verified", lock):
        assert deleted(running.purge(ground.site)) == {DROPOUTS: 1}


class TestCascades:
    """Children that were never archived must not go with their parents."""

    def test_one_from_outside_the_plan_is_refused(self, ground: Ground) -> None:
        record(ground.admin, "a")
        ground.admin.execute(f"CREATE TABLE hija (u varchar(36) REFERENCES {DROPOUTS} ON DELETE CASCADE)")
        ground.admin.execute("INSERT INTO hija VALUES ('a')")
        assert list(refused(running.purge(ground.site))) == [DROPOUTS]
        assert ground.admin.execute("SELECT FROM hija").rowcount == 1

    def test_one_within_the_plan_is_refused_too_for_it_needs_none(self, ground: Ground) -> None:
        error(ground.admin, response(ground.admin, record(ground.admin)))
        ground.admin.execute(
            f"ALTER TABLE {ERRORS} DROP CONSTRAINT tbae010_error_id_respuesta_fkey, "
            f"ADD FOREIGN KEY (id_respuesta) REFERENCES {RESPONSES} ON DELETE CASCADE"
        )
        assert set(refused(running.purge(ground.site))) == {RESPONSES, ERRORS}
        assert len(keys(ground.admin, ERRORS)) == 1

    def test_one_that_came_between_archive_and_delete_of_a_resumed_run(self, ground: Ground) -> None:
        record(ground.admin, "a")
        stopped(ground, "verified")
        ground.admin.execute(f"CREATE TABLE hija (u varchar(36) REFERENCES {DROPOUTS} ON DELETE CASCADE)")
        ground.admin.execute("INSERT INTO hija VALUES ('a')")
        purged = running.purge(ground.site)
        assert (purged.resumed, list(refused(purged))) == (True, [DROPOUTS])
        assert keys(ground.admin) == {"a"}


def test_copy_under_row_security_drops_rows_silently_so_it_is_an_error(ground: Ground) -> None:
    record(ground.admin, "a")
    record(ground.admin, "b")
    hide = (
        f"CREATE POLICY p ON {DROPOUTS} USING (uuid <> 'b'); ALTER TABLE {DROPOUTS} ENABLE ROW LEVEL SECURITY; "
        f"ALTER TABLE {DROPOUTS} FORCE ROW LEVEL SECURITY"
    )
    with at("export begun", lambda: ground.admin.execute(hide)), pytest.raises(ActionError, match="row-level security"):
        running.purge(ground.site)
    assert keys(ground.admin) == {"a", "b"}
    assert archived(ground) == {}
    assert DROPOUTS in refused(running.purge(ground.site))


class TestText:
    """The text of a row must not depend on the session, nor what is compared on columns that came later."""

    def test_another_time_zone_of_role_and_database_between_archive_and_delete(self, ground: Ground) -> None:
        record(ground.admin, "a", fecha_baja="2024-10-27 01:30:00+02")
        stopped(ground, "verified")
        ground.admin.execute("ALTER ROLE muses_operator SET TimeZone = 'Asia/Kathmandu'")
        ground.admin.execute("ALTER DATABASE sep_muses SET DateStyle = 'SQL, DMY'")
        try:
            assert deleted(running.purge(ground.site)) == {DROPOUTS: 1}
        finally:
            ground.admin.execute("ALTER ROLE muses_operator RESET ALL; ALTER DATABASE sep_muses RESET ALL")

    @pytest.mark.parametrize(
        "change",
        [
            "ADD nueva text DEFAULT 'x'",
            "DROP matricula_alumno",
            "RENAME motivo_baja TO motivo",
        ],
    )
    def test_a_column_that_comes_or_goes_between_archive_and_delete(self, ground: Ground, change: str) -> None:
        record(ground.admin, "a")
        before = len(keys(ground.admin))
        stopped(ground, "verified")
        ground.admin.execute(f"ALTER TABLE {DROPOUTS} {change}")
        purged = running.purge(ground.site)
        (table,) = [one for one in purged.tables if one.name == DROPOUTS]
        assert (purged.resumed, table.state, table.deleted, table.changed) == (True, "DONE", 0, 1)
        assert len(keys(ground.admin)) == before
        assert deleted(running.purge(ground.site)) == {DROPOUTS: 1}
        assert archived(ground) == {DROPOUTS: ["a", "a"]}

    def test_a_column_that_comes_in_the_middle_of_a_run_and_is_filled(self, ground: Ground) -> None:
        record(ground.admin, "a")
        record(ground.admin, "b")

        def fill() -> None:
            ground.admin.execute(f"ALTER TABLE {DROPOUTS} ADD nueva text")
            ground.admin.execute(f"UPDATE {DROPOUTS} SET nueva = 'en ningún archivo' WHERE uuid = 'a'")

        with at("batch claimed", fill):
            (table,) = [one for one in running.purge(ground.site).tables if one.name == DROPOUTS]
        assert (table.deleted, table.changed) == (0, 2)
        assert keys(ground.admin) == {"a", "b"}
        running.purge(ground.site)
        assert keys(ground.admin) == set()
        assert archived(ground) == {DROPOUTS: ["a", "a", "b", "b"]}


class TestCutoff:
    """``now() - '90 days'`` differs by zone, by clock change, and from one statement to the next."""

    def test_one_literal_a_run_computed_once_and_stored(self, ground: Ground) -> None:
        record(ground.admin, "a")
        stopped(ground, "table planned")
        (stored,) = [run["rules"]["cutoffs"][DROPOUTS] for run in ground.runs()]
        purged = running.purge(ground.changed(database={"retention_days": 3}))
        assert purged.resumed
        assert [run["rules"]["cutoffs"][DROPOUTS] for run in ground.runs()] == [stored]

    def test_what_becomes_old_enough_while_it_runs_waits_for_the_next_run(self, ground: Ground) -> None:
        record(ground.admin, "a")
        record(ground.admin, "b", time="2999-01-01 00:00:00")
        site = ground.changed(database={"retention_days": -400_000})
        stopped(ground, "table planned")
        assert deleted(running.purge(site)) == {DROPOUTS: 1}
        assert keys(ground.admin) == {"b"}

    def test_statuses_are_those_of_the_run_too(self, ground: Ground) -> None:
        record(ground.admin, "a")
        record(ground.admin, "b", status=5)
        stopped(ground, "table planned")
        assert deleted(running.purge(ground.changed(processed_statuses=("CANCELADO",)))) == {DROPOUTS: 1}
        assert keys(ground.admin) == {"b"}


class TestMissingIndex:
    """Each deleted response scans all errors: 109 rows a second."""

    @pytest.fixture
    def bare(self, ground: Ground) -> Ground:
        """As the schema stands in production."""
        ground.admin.execute("DROP INDEX tbae010_error_id_respuesta")
        error(ground.admin, response(ground.admin, record(ground.admin, "a")))
        return ground

    def test_it_is_found_and_refused_with_the_command_to_run(self, bare: Ground) -> None:
        purged = running.purge(bare.site)
        reasons = refused(purged)
        assert set(reasons) == {RESPONSES, ERRORS}
        assert f"CREATE INDEX CONCURRENTLY ON muses_dev.{ERRORS} (id_respuesta)" in reasons[RESPONSES][0]
        assert deleted(purged) == {DROPOUTS: 1}

    def test_it_is_built_by_policy(self, bare: Ground) -> None:
        purged = running.purge(bare.changed(build_missing_indexes=True))
        assert deleted(purged) == {DROPOUTS: 1, RESPONSES: 1, ERRORS: 1}
        assert "Built the index" in str(purged.notes[0])
        assert refused(running.purge(bare.site)) == {}


def test_partitions_ordered_as_text_only_the_proven_one_is_dropped(ground: Ground) -> None:
    ground.admin.execute(
        "CREATE TABLE tbae050_parte (uuid varchar(36), id_estatus_procesamiento int, fecha_actualizacion timestamp, "
        "PRIMARY KEY (uuid, fecha_actualizacion)) PARTITION BY RANGE (fecha_actualizacion)"
    )
    months = {
        "p9": ("2024-09-01", "2024-10-01"),
        "p10": ("2024-10-01", "2024-11-01"),
        "p11": ("2024-11-01", "2024-12-01"),
    }
    for name, (first, end) in months.items():
        ground.admin.execute(f"CREATE TABLE {name} PARTITION OF tbae050_parte FOR VALUES FROM ('{first}') TO ('{end}')")
    belong(ground.admin, "tbae050_parte", *months)
    for month, status in ((9, 3), (10, 1), (11, 3)):
        record(ground.admin, f"{month}", table="tbae050_parte", time=f"2024-{month:02}-15", status=status)
    assert deleted(running.purge(ground.site)) == {"p9": 1, "p11": 1}
    assert keys(ground.admin, "tbae050_parte") == {"10"}
    assert archived(ground) == {"tbae050_parte": ["11", "9"]}


@pytest.mark.parametrize(
    ("words", "executes"),
    [
        ([], False),
        (["--confirm-large"], False),
        (["--confirm-large", "--execute"], True),
        (["--execute"], True),
        (["--execut"], None),
        (["--no-execute"], None),
        (["--execute=no"], None),
        (["execute"], None),
    ],
)
def test_a_dry_run_flag_swallowed_by_another_option_dry_is_the_default(
    words: list[str], executes: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def note(given: Asked) -> int:
        asked.append(given.execute)
        return 0

    monkeypatch.setattr(run_purge, "carry_out", lambda asked_for, *_: note(asked_for))
    ended = CliRunner().invoke(run_purge.purge, words)
    assert asked == ([] if executes is None else [executes])
    assert (ended.exit_code == 0) is (executes is not None)


def test_retention_that_takes_a_failed_list_for_an_empty_one_the_sweep_removes_nothing(ground: Ground) -> None:
    record(ground.admin, "a")
    with faulty_store(ground.servers.storage) as store:
        site = ground.changed(endpoint=store.url)

        def break_lists() -> None:
            store.inject(fail(500), operation="ListObjects*", times=None)

        with at("run done", break_lists), pytest.raises(RunbookError):
            running.purge(site)
        assert store.count("DeleteObject", ROWS) == 0
    assert archived(ground) == {DROPOUTS: ["a"]}
    assert {run["state"] for run in ground.runs()} == {"DONE"}


def test_pg_dump_began_in_the_middle_the_purge_waits_for_it(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    from procedures.purge import throttling

    monkeypatch.setattr(throttling, "_LOOK", 0.0)
    record(ground.admin, "a")
    dumps: list[Any] = []
    waits: list[str] = []

    def look(seconds: float) -> None:
        found = [str(batch["waiting"]) for batch in ground.batches() if batch["waiting"]]
        waits.extend(found)
        if dumps and found:
            dumps.pop().close()

    monkeypatch.setattr("procedures.purge.throttling.time.sleep", look)
    with at("verified", lambda: dumps.append(ground.postgres.session("pg_dump"))):
        assert deleted(running.purge(ground.site)) == {DROPOUTS: 1}
    assert "pg_dump" in waits[0]
