"""Statements and the indexes that help them, proven by the planner on real tables, with HypoPG and without."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from runbook.errors import ProbeError, ProbeFailure
from runbook.model import Effect, Step
from runbook.probes import Readings, reading_through
from runbook.redact import masked
from runbook.targets.postgres.candidates import Candidate
from runbook.targets.postgres.database import Database
from runbook.targets.postgres.structs import Statement
from runbook.text import verbatim
from tests.runbook.targets.conftest import MakeDatabase
from tests.runbook.targets.servers_postgres import Connection, PostgresServer

FIND = "SELECT id_persona FROM tbmu002_persona WHERE curp = $1 AND activo = $2"
OLDEST = "SELECT uuid FROM tbae002_bajas WHERE id_estatus_procesamiento = $1 ORDER BY fecha_actualizacion LIMIT $2"
#: More than a sample, so that one is taken.
PERSONS = 60_000


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """Many persons and records, as they stand without a secondary index."""
    postgres.make_tables()
    with closing(postgres.admin()) as admin:
        admin.execute("SET search_path TO muses_dev")
        admin.execute(
            "INSERT INTO tbmu002_persona (curp, nombre, activo, fcreacion)"
            " SELECT 'CURP' || n, repeat('n', 60), CASE WHEN n % 50 = 0 THEN 'B' ELSE 'A' END, localtimestamp"
            f" FROM generate_series(1, {PERSONS}) AS n"
        )
        admin.execute(
            "INSERT INTO tbae002_bajas (uuid, curp, id_estatus_procesamiento, fecha_actualizacion)"
            " SELECT n, 'CURP' || n, n % 5 + 1, localtimestamp FROM generate_series(1, 20000) AS n"
        )
    with closing(postgres.admin()) as admin:  # not the session that filled it: its counts would be added once more
        admin.execute("ANALYZE")
    yield postgres
    postgres.make_tables()


@pytest.fixture(params=["sample", "hypopg"])
def prover(request: pytest.FixtureRequest, filled: PostgresServer) -> Iterator[str]:
    """The way in which an index is proven; HypoPG where this server has it."""
    with closing(filled.admin()) as admin:
        if request.param == "hypopg":
            available = "SELECT FROM pg_available_extensions WHERE name = 'hypopg'"
            if not admin.execute(available).rowcount:
                pytest.skip("this server has no HypoPG")
            admin.execute("CREATE EXTENSION hypopg SCHEMA public")
        yield request.param
        admin.execute("DROP EXTENSION IF EXISTS hypopg")


@pytest.fixture
def target(filled: PostgresServer, make_database: MakeDatabase) -> Database:
    return make_database()


def test_an_index_that_helps_is_proven(target: Database, prover: str) -> None:
    (proposal,) = target.index_proposals((FIND,))
    assert (proposal.table, proposal.columns, proposal.proven) == ("tbmu002_persona", ("curp",), True)
    assert proposal.cost_before > 50 * proposal.cost_after > 0
    assert proposal.name == "ix_muses_tbmu002_persona_curp"
    assert proposal.statement == FIND
    if prover == "hypopg":
        assert proposal.method == "hypopg"
    else:
        assert re.fullmatch(r"sample of (49\d{3}|50000) rows", proposal.method)
    real = 1_900_000  # bytes of such an index
    assert real / 3 < proposal.bytes_estimate < real * 3


def test_an_index_for_an_order_with_a_limit_is_proven(target: Database, prover: str) -> None:
    (proposal,) = target.index_proposals((OLDEST,))
    assert proposal.columns[:1] in {("id_estatus_procesamiento",), ("fecha_actualizacion",)}
    assert "fecha_actualizacion" in proposal.columns


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id_persona FROM tbmu002_persona WHERE activo = $1",
        "SELECT count(*) FROM tbmu002_persona WHERE upper(curp) = $1",
        "SELECT id_persona FROM tbmu002_persona WHERE id_persona = $1",
        "SELECT * FROM pg_catalog.pg_class WHERE relname = $1",
        "UPDATE tbmu002_persona SET activo = $1",
        "SELECT 1; DROP TABLE muses_dev.tbmu002_persona",
        "this is no SQL at all WHERE curp = $1",
    ],
)
def test_what_does_not_help_is_not_proposed(target: Database, prover: str, statement: str) -> None:
    assert [p for p in target.index_proposals((statement,)) if p.proven] == []


def test_dml_is_planned_by_the_rows_it_finds(target: Database, prover: str) -> None:
    statements = (
        "UPDATE muses_dev.tbmu002_persona p SET activo = $1 FROM tbmu020_alumno a WHERE p.curp = $2",
        "DELETE FROM tbmu002_persona WHERE curp = $1",
        "SELECT * FROM tbmu002_persona WHERE curp = $1 FOR UPDATE",
    )
    for statement in statements:
        (proposal,) = [p for p in target.index_proposals((statement,)) if p.proven]
        assert proposal.columns == ("curp",)


def test_an_index_that_exists_is_not_proposed_again(target: Database, prover: str, filled: PostgresServer) -> None:
    with closing(filled.admin()) as admin:
        admin.execute("CREATE INDEX hay ON muses_dev.tbmu002_persona (curp, activo)")
        try:
            assert target.index_proposals((FIND,)) == ()
        finally:
            admin.execute("DROP INDEX muses_dev.hay")


def test_nothing_is_left_behind(target: Database, prover: str, filled: PostgresServer) -> None:
    target.index_proposals((FIND, OLDEST, FIND))
    with closing(filled.admin()) as admin:
        left = "SELECT relname FROM pg_class WHERE relpersistence = 't' OR relname LIKE 'ix_muses%'"
        assert admin.execute(left).fetchall() == []
    assert target.index_proposals((FIND,))[0].proven


def test_without_a_way_to_prove_nothing_is_guessed(target: Database, filled: PostgresServer) -> None:
    with closing(filled.admin()) as admin:
        admin.execute("REVOKE TEMPORARY ON DATABASE sep_muses FROM PUBLIC")
        try:
            with pytest.raises(ProbeError) as caught:
                target.index_proposals((FIND,))
        finally:
            admin.execute("GRANT TEMPORARY ON DATABASE sep_muses TO PUBLIC")
    assert caught.value.kind is ProbeFailure.BLIND
    assert "GRANT TEMPORARY ON DATABASE sep_muses TO muses_reader" in str(caught.value)


def test_an_incident_from_the_statement_to_its_index_and_back(target: Database, filled: PostgresServer) -> None:
    """What a row does: find the slow statement as it is shown to people, propose, create, and take it back."""
    with closing(filled.session()) as session, reading_through(Readings()):
        seen = _meanwhile(session, lambda: target.statements_between(timedelta(seconds=0.5)))
        (slow,) = [s for s in seen if "tbmu002_persona" in s.query]
        (proposal,) = [p for p in target.index_proposals((slow.query,)) if p.proven]
    assert proposal.statement == slow.query == masked(slow.query)
    made = step("create_index", proposal.arguments, proposal.fingerprint)
    assert target.effect_of(made) is Effect.CHANGE
    try:
        assert target.perform(made)["after"]["valid"] is True
        assert target.index_proposals((slow.query,)) == ()
    finally:
        undone = target.perform(step("drop_index", {"name": proposal.name}, {}))
    assert undone["after"] == {"index": None}


def step(operation: str, arguments: dict[str, Any], fingerprint: dict[str, Any]) -> Step:
    return Step(
        what=verbatim(operation),
        target="database",
        operation=operation,
        arguments=arguments,
        fingerprint=fingerprint,
    )


@pytest.fixture
def forgotten(filled: PostgresServer) -> None:
    """Only the costliest statements are told: those of earlier tests would crowd out the few of this one."""
    with closing(filled.admin()) as admin:
        admin.execute("SELECT pg_stat_statements_reset()")


@pytest.mark.usefixtures("forgotten")
def test_statements_count_what_others_did(target: Database, filled: PostgresServer) -> None:
    with closing(filled.session()) as session:
        for number in range(3):
            session.execute("SELECT nombre FROM tbmu002_persona WHERE curp = %s", [f"CURP{number + 1}"])
        session.execute("SELECT 1 AS unico")
    found = {s.query: s for s in target.statements()}
    one = found["SELECT nombre FROM tbmu002_persona WHERE curp = $1"]
    assert (one.calls, one.rows) == (3, 3)
    assert one.mean * 3 == pytest.approx(one.total, abs=timedelta(microseconds=3))
    assert "SELECT $1 AS unico" in found
    assert not [query for query in found if "pg_stat_activity" in query]
    assert list(found.values()) == sorted(found.values(), key=lambda s: -s.total)


@pytest.mark.usefixtures("forgotten")
def test_a_statement_is_found_by_its_id(target: Database, filled: PostgresServer) -> None:
    with closing(filled.session()) as session:
        session.execute("SELECT rfc FROM tbmu002_persona WHERE curp = 'CURP7'")
    (known,) = [s for s in target.statements() if s.query.startswith("SELECT rfc")]
    assert target.index_proposals((known.id,))[0].columns == ("curp",)


@pytest.mark.usefixtures("forgotten")
def test_a_statement_is_found_by_what_the_masking_left_of_it(target: Database, filled: PostgresServer) -> None:
    with closing(filled.session()) as session:
        session.execute(
            "SELECT p.rfc FROM tbae002_bajas b JOIN tbmu002_persona p ON p.curp = b.curp WHERE b.uuid = 'CURP9'"
        )
    (known,) = [s for s in target.statements() if s.query.startswith("SELECT p.rfc")]
    shown = masked(known.query)
    assert "‹curp›" in shown
    (proposal,) = [p for p in target.index_proposals((shown,)) if p.proven]
    assert (proposal.table, proposal.columns) == ("tbmu002_persona", ("curp",))


def test_tables_tell_of_scans_and_stale_statistics(target: Database, filled: PostgresServer) -> None:
    (persons,) = [t for t in target.tables() if t.table == "tbmu002_persona"]
    assert persons.live_rows == pytest.approx(PERSONS, rel=0.1)
    assert persons.last_analyze is not None
    assert persons.sequential_scans > 0
    assert persons.rows_read_sequentially >= PERSONS
    assert persons.bytes > 1_000_000


def test_a_name_that_is_too_long_for_the_server_is_cut_and_stays_unique() -> None:
    names = {Candidate("tbae001_inscripcion", 1, 1.0, ("ñ" * 30, f"columna_larga_{n}")).name for n in range(2)}
    assert len(names) == 2
    assert all(len(name.encode()) <= 63 for name in names)


def _meanwhile(session: Connection, probe: Callable[[], tuple[Statement, ...]]) -> tuple[Statement, ...]:
    """A probe's answer while a session asks the same thing again and again."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            session.execute("SELECT id_persona FROM tbmu002_persona WHERE curp = %s AND activo = 'A'", ["CURP5"])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        return probe()
    finally:
        stop.set()
        thread.join(10)
