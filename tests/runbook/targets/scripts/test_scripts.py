"""Scripts on a real server: run unchanged, read-only, cut off in time, counted whole, personal columns masked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import checks
from runbook.errors import ProbeError, ProbeFailure
from runbook.probes import Readings, reading_through
from runbook.scripts import script_rows
from runbook.settings import SqlRowsSettings
from runbook.targets.postgres.database import Database
from runbook.targets.scripts.kinds import steps
from runbook.targets.scripts.reading import parts
from runbook.targets.scripts.script import Asked, Script
from runbook.targets.scripts.scripts import Scripts
from runbook.targets.scripts.structs import Result
from tests.runbook.targets.servers_postgres import ZONE, PostgresServer

#: As teams write them: banners, psql's own commands, variables, temporary tables, no semicolon at the end.
AS_IT_IS = r"""
-- =======================================
-- Validación de bajas
-- =======================================
\set ON_ERROR_STOP off
\set tope 3
\pset pager off
SET statement_timeout = 0;
SET search_path TO muses_dev;
DROP TABLE IF EXISTS tmp_bajas;
BEGIN;
CREATE TEMP TABLE tmp_bajas ON COMMIT DROP AS SELECT uuid, curp, id_estatus_procesamiento AS e FROM tbae002_bajas;
CREATE INDEX ON tmp_bajas (uuid);
INSERT INTO tmp_bajas VALUES ('z', 'X', 9);
SELECT count(*) FROM tmp_bajas WHERE e > :tope;          -- a count
SELECT max(e) AS mayor FROM tmp_bajas \gset
\echo listo
DO $$ BEGIN RAISE NOTICE 'revisado'; IF true THEN RAISE WARNING 'faltan % motivos', 3; END IF; END $$;
SELECT nada FROM tmp_bajas;
WITH w AS (SELECT uuid, tmp_bajas.curp AS c, nombre || ' ' || primer_apellido AS quien FROM tmp_bajas, tbmu002_persona)
SELECT * FROM w WHERE uuid = 'z' AND :mayor = 9 ORDER BY 1;
COMMIT
"""


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """Many leavers, one person."""
    postgres.make_tables()
    with closing(postgres.admin()) as admin:
        admin.execute("SET search_path TO muses_dev")
        admin.execute(
            "INSERT INTO tbae002_bajas (uuid, curp, motivo_baja, id_estatus_procesamiento, fecha_actualizacion)"
            " SELECT n, 'CURP' || n, repeat('m', 40), n % 5 + 1, '2026-01-01'::timestamp + n * interval '1 hour'"
            " FROM generate_series(1, 20000) AS n"
        )
        admin.execute(
            "INSERT INTO tbmu002_persona (curp, nombre, primer_apellido, activo, fcreacion)"
            " VALUES ('X', 'Nombreinventado', 'Apellidoinventado', 'A', localtimestamp)"
        )
        admin.execute("ANALYZE")
    yield postgres
    postgres.make_tables()


@pytest.fixture
def make_scripts(filled: PostgresServer) -> Iterator[Callable[..., Scripts]]:
    """The target with some settings changed."""
    made: list[Scripts] = []

    def make(*, reader: str = "muses_reader", **rules: Any) -> Scripts:
        settings = filled.settings(reader=filled.login(reader))
        made.append(Scripts("database", settings, SqlRowsSettings(**rules), environment="lab", timezone=ZONE))
        return made[-1]

    yield make
    for target in made:
        target.close()


@pytest.fixture
def scripts(make_scripts: Callable[..., Scripts]) -> Scripts:
    return make_scripts()


def script(source: str, **given: Any) -> Script:
    found, refused = steps(tuple(parts(source)))
    return Script("VAL-01", "val_01.sql", "0" * 64, found, refused, **given)


def run(scripts: Scripts, source: str, column: str | None = None, *, largest: bool = True, **given: Any) -> Result:
    return scripts.result(scripts.asked(script(source, **given), column, largest=largest))


def test_a_script_of_the_team_runs_as_it_is(scripts: Scripts, filled: PostgresServer) -> None:
    result = run(scripts, AS_IT_IS)
    assert [str(failure.reason) for failure in result.failures] == ['Line 19: column "nada" does not exist']
    assert [(listing.line, listing.count) for listing in result.listings] == [(15, 8001), (20, 1)]
    assert [(notice.words, notice.found) for notice in result.notices] == [
        ("revisado", False),
        ("faltan 3 motivos", True),
    ]
    assert [str(failure.reason) for failure in result.failures] == ['Line 19: column "nada" does not exist']
    assert result.listings[1].rows == (("z", "‹c›", "‹quien›"),)
    assert result.found == 8003
    with closing(filled.admin()) as admin:
        assert admin.execute("SELECT FROM pg_class WHERE relname = 'tmp_bajas'").rowcount == 0


def test_an_error_ends_a_script_that_says_so(scripts: Scripts) -> None:
    result = run(scripts, "\\set ON_ERROR_STOP on\nSELECT nada;\nSELECT now()")
    assert (len(result.failures), len(result.listings)) == (1, 0)


@pytest.mark.parametrize(
    "hidden",
    [
        "DO $$ BEGIN DELETE FROM muses_dev.tbae002_bajas; END $$",
        "CREATE TEMP TABLE a AS SELECT 1 AS b; DO $$ BEGIN DELETE FROM muses_dev.tbae002_bajas; END $$",
        "DO $$ BEGIN EXECUTE 'SET transaction_read_only = off'; DELETE FROM muses_dev.tbae002_bajas; END $$",
        "SELECT nextval('muses_dev.tbae010_error_id_error_seq')",
        "DO $$ BEGIN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'; END $$",
        "DO $$ BEGIN COMMIT; END $$",
    ],
)
@pytest.mark.parametrize("reader", ["muses_reader", "muses_operator"])
def test_what_hides_a_change_is_stopped_by_the_server(
    make_scripts: Callable[..., Scripts], filled: PostgresServer, hidden: str, reader: str
) -> None:
    """Even where the site gave an identity that may write: the transaction cannot, and is rolled back."""
    result = run(make_scripts(reader=reader), hidden)
    with closing(filled.admin()) as admin:
        assert admin.execute("SELECT count(*) AS n FROM muses_dev.tbae002_bajas").fetchone() == {"n": 20000}
        assert admin.execute("SELECT is_called FROM muses_dev.tbae010_error_id_error_seq").fetchone() == {
            "is_called": False
        }
    if "terminate" not in hidden:
        assert result.failures


def test_a_sequence_is_out_of_reach_even_of_a_temporary_table(scripts: Scripts) -> None:
    """No transaction takes a sequence back: what stops it is that the reader has no right to it."""
    source = "CREATE TEMP TABLE a (b int); INSERT INTO a SELECT nextval('muses_dev.tbae010_error_id_error_seq')"
    (failure,) = run(scripts, source).failures
    assert "permission denied" in str(failure.reason)


def test_a_script_that_would_change_something_is_not_run_at_all(scripts: Scripts) -> None:
    with pytest.raises(ProbeError, match="Line 2: UPDATE is not run"):
        run(scripts, "SELECT 1;\nUPDATE tbae002_bajas SET curp = ''")


def test_all_rows_are_counted_and_some_are_kept(make_scripts: Callable[..., Scripts]) -> None:
    (listing,) = run(make_scripts(most_rows=7), "SELECT uuid FROM tbae002_bajas").listings
    assert (len(listing.rows), listing.count) == (7, 20000)


@pytest.mark.parametrize(("largest", "first"), [(True, 20000.0), (False, 1.0)])
def test_a_column_that_decides_keeps_the_worst_of_all(
    make_scripts: Callable[..., Scripts], largest: bool, first: float
) -> None:
    source = "SELECT uuid, NULLIF(uuid::int, 77) AS n FROM tbae002_bajas"
    (listing,) = run(make_scripts(most_rows=3), source, "N", largest=largest).listings
    assert listing.values is not None
    assert (listing.values[0], len(listing.rows), listing.count, listing.without_value) == (first, 3, 20000, 1)


def test_an_interval_is_judged_in_seconds_and_a_missing_column_is_told(scripts: Scripts) -> None:
    result = run(scripts, "SELECT justify_interval('26:00') AS age; SELECT now() AS other", "age")
    assert result.listings[0].values == (93600.0,)
    assert [str(failure.reason) for failure in result.failures] == ["Line 1: there is no column age to judge"]


def test_times_are_the_sites_and_names_are_found_in_its_schema(scripts: Scripts) -> None:
    (listing,) = run(scripts, "SELECT current_setting('TimeZone'), count(*) FROM tbmu002_persona").listings
    assert listing.rows == ((ZONE, "1"),)


def test_values_come_from_settings_and_defaults(make_scripts: Callable[..., Scripts]) -> None:
    source = "SELECT :'desde', :'hasta' FROM :schema.tbmu002_persona"
    declared = {"desde": "2020-01-01", "hasta": "2020-12-31"}
    (listing,) = run(make_scripts(params={"desde": "2024-01-01"}), source, parameters=declared).listings
    assert listing.rows == (("2024-01-01", "2020-12-31"),)


def test_a_missing_value_is_named(scripts: Scripts) -> None:
    with pytest.raises(ProbeError, match="No value for lote: give --param"):
        run(scripts, "SELECT :'lote'", parameters={"lote": None})
    (failure,) = run(scripts, "SELECT :'lote' FROM tbmu002_persona").failures
    assert str(failure.reason) == "Line 1: no value for lote: give --param NAME=VALUE"


def test_what_is_too_slow_is_ended_and_said(scripts: Scripts) -> None:
    result = run(scripts, "SELECT now();\nSELECT pg_sleep(30);\nSELECT now()", timeout=timedelta(seconds=1))
    assert [(failure.line, failure.too_slow) for failure in result.failures] == [(2, True)]
    assert len(result.listings) == 1


@pytest.mark.soak
def test_scripts_wait_for_their_turn_longer_than_they_may_run(scripts: Scripts) -> None:
    """Eight of two seconds through two connections take eight seconds: more than the five that each of them has."""
    sleeper = script("SELECT pg_sleep(2)", timeout=timedelta(seconds=5))
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: scripts.result(Asked(sleeper, {"n": str(n)})), range(8)))
    assert [result.failures for result in results] == [()] * 8


def test_a_silent_script_silences_nobody_else(scripts: Scripts) -> None:
    channels = {probe.__probe__.channel for probe in (Scripts.result, Scripts.slow)}
    assert channels == {"scripts"}
    assert Database.sight.__probe__.channel == ""


def test_without_the_right_to_a_table_nothing_is_in_order(make_scripts: Callable[..., Scripts]) -> None:
    result = run(make_scripts(reader="muses_stranger"), "SELECT uuid FROM muses_dev.tbae002_bajas")
    assert "permission denied" in str(result.failures[0].reason)
    assert result.found == 0


def test_a_message_made_of_names_is_not_kept(scripts: Scripts) -> None:
    block = "DO $$ DECLARE q text; BEGIN SELECT nombre INTO q FROM tbmu002_persona; RAISE WARNING 'es %', q; END $$"
    (notice,) = run(scripts, block).notices
    assert (notice.words, notice.found) == ("‹…›", True)


def test_no_name_reaches_a_record(scripts: Scripts) -> None:
    """The canary: an invented name in a column, an alias, an expression, a whole row, JSON, an array and an error."""
    sources = (
        "SELECT p, nombre, nombre AS n, upper(nombre) AS u, to_json(p) AS j FROM tbmu002_persona p",
        "SELECT array_agg(nombre) AS a, string_agg(nombre, ',') AS s FROM tbmu002_persona",
        "SELECT nombre::int FROM tbmu002_persona",
        "SELECT q.* FROM (SELECT nombre || '' AS x FROM tbmu002_persona) AS q",
    )
    readings = Readings()
    with reading_through(readings):
        for number, source in enumerate(sources):
            found, refused = steps(tuple(parts(source)))
            scripts.result(scripts.asked(Script(f"VAL-{number}", "x.sql", f"{number}" * 64, found, refused)))
    assert len(readings.taken()) == len(sources)
    assert "nombreinventado" not in repr(readings.taken()).casefold()


def test_a_reading_is_served_from_its_record(scripts: Scripts, make_scripts: Callable[..., Scripts]) -> None:
    live = Readings()
    with reading_through(live):
        first = run(scripts, "SELECT uuid FROM tbae002_bajas WHERE uuid = '7'")
    with reading_through(Readings(record=live.taken())):
        assert run(make_scripts(), "SELECT uuid FROM tbae002_bajas WHERE uuid = '7'") == first


def test_a_slow_statement_gets_its_plan_and_the_index_that_would_help(scripts: Scripts) -> None:
    source = "SELECT uuid FROM tbae002_bajas WHERE curp = 'CURP7'"
    slow = scripts.slow(scripts.asked(script(source)), 1)
    assert "Seq Scan" in " ".join(slow.plan)
    assert "CURP7" not in " ".join(slow.plan)
    assert [("tbae002_bajas" in command, "curp" in command) for command in slow.indexes] == [(True, True)]


@pytest.mark.parametrize(("active", "found"), [("A", [("RECIBIDO", "2", "1, 99")]), ("I", [])])
def test_our_own_script_finds_a_status_that_is_there_twice(
    scripts: Scripts, filled: PostgresServer, active: str, found: list[tuple[str, ...]]
) -> None:
    ours = Path(checks.__file__).parent / "sql"
    (ours_script,) = [script_rows.module_of(file, ours).check.script for file in script_rows.files(ours)]
    with closing(filled.admin()) as admin:
        admin.execute("DELETE FROM muses_dev.ctmu011_estatus_procesamiento WHERE id_estatus_procesamiento = 99")
        admin.execute(
            "INSERT INTO muses_dev.ctmu011_estatus_procesamiento (id_estatus_procesamiento, descripcion, activo)"
            f" VALUES (99, 'Recibido ', '{active}')"
        )
    (listing,) = scripts.result(scripts.asked(ours_script)).listings
    assert list(listing.rows) == found


def test_nothing_of_a_session_outlives_its_script(scripts: Scripts, filled: PostgresServer) -> None:
    run(scripts, "DO $$ BEGIN PERFORM pg_advisory_lock(42); END $$")
    with closing(filled.admin()) as admin:
        assert admin.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").rowcount == 0


def test_no_database_is_skipped_and_a_silent_one_is_told(make_scripts: Callable[..., Scripts]) -> None:
    lost = Scripts("database", None, SqlRowsSettings(), environment="lab", timezone=ZONE)
    with pytest.raises(ProbeError) as error:
        run(lost, "SELECT 1")
    assert error.value.kind is ProbeFailure.NOT_CONFIGURED
