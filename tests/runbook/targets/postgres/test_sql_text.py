"""Statements without their values: whole, cut off, hostile; and in no time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.targets.postgres.plannable import parameter_count, plannable
from runbook.targets.postgres.predicates import Lookups, lookups
from runbook.targets.sql_text import normalised, tokens

CANARY = "XEXX010101HNEXXXA4"
COLUMNS = {
    "tbmu002_persona": ("id_persona", "curp", "activo", "fcreacion"),
    "tbmu020_alumno": ("id_alumno", "id_persona", "id_subsistema"),
    "tbae001_inscripcion": ("uuid", "id_estatus_procesamiento", "fecha_actualizacion"),
}


@pytest.mark.parametrize(
    ("statement", "shape"),
    [
        ("SELECT * FROM t WHERE a = 'x''y' AND b = 5", "SELECT * FROM t WHERE a = $1 AND b = $2"),
        ("SELECT  1\n\t, 2.5e3, .5, 0xFF", "SELECT $1 , $2, $3, $4"),
        ("WHERE a = $2 AND b = 'v'", "WHERE a = $1 AND b = $2"),
        ("WHERE c = E'it\\'s' AND d = $tag$ ' $tag$", "WHERE c = $1 AND d = $2"),
        ("SELECT u&'\\0061', B'01', x'ff', N'n'", "SELECT $1, $2, $3, $4"),
        ("WHERE c IN (1, 2,3) OR d in ('a')", "WHERE c IN ($1) OR d in ($2)"),
        ("VALUES (1, 'a'), (2, 'b'), (3, 'c')", "VALUES ($1, $2)"),
        ("SELECT f(1, 2)", "SELECT f($1, $2)"),
        ('SELECT "col 5", t1.c2 FROM tbae001_x', 'SELECT "col 5", t1.c2 FROM tbae001_x'),
        ("SELECT a -- Juana\n, b /* /* x */ y */ FROM t", "SELECT a , b FROM t"),
        ("SELECT '--', \"/*\"", 'SELECT $1, "/*"'),
        ("DO $x$ BEGIN PERFORM 'a'; END $x$", "DO $1"),
        ("ALTER ROLE r PASSWORD 's3cret'", "ALTER ROLE r PASSWORD $1"),
        ("SELECT date'2026-11-24', name'x', a$b$c, t.$1", "SELECT date$1, name$2, a$b$c, t.$3"),
        ("", ""),
    ],
)
def test_the_shape_of_a_statement(statement: str, shape: str) -> None:
    assert normalised(statement) == shape


@pytest.mark.parametrize("opening", ["'", "E'", "U&'", "$$", "$x$", "-- ", "/* ", "/* /* */ "])
def test_what_is_cut_off_in_the_middle_goes_whole(opening: str) -> None:
    assert CANARY not in normalised(f"SELECT * FROM t WHERE curp = {opening}{CANARY}")


@given(st.text(alphabet="'\"$/*-\\eE x1\n(,)"), st.text(alphabet="ab ,()=1", max_size=20))
def test_a_literal_never_shows(literal: str, around: str) -> None:
    quoted = "'" + literal.replace("'", "''") + CANARY + "'"
    assert CANARY not in normalised(f"SELECT {around}{quoted}, 2")


@pytest.mark.parametrize("part", ["'", '"', "/*", "$a$", "(", "(1,", "((1),", "-+", "E'\\", "|", "\0", "IN (1,", "<"])
def test_no_statement_takes_long(part: str) -> None:
    started = time.process_time()  # not the clock: what runs beside it is no matter of the statement
    normalised(part * 20_000)
    list(tokens(part * 20_000))
    assert time.process_time() - started < 3


def test_a_long_statement_is_cut() -> None:
    shape = normalised("SELECT " + ", ".join(f"c{n}" for n in range(2000)))
    assert len(shape) == 2000
    assert shape.endswith("…")


def found(statement: str, table: str = "tbmu002_persona") -> Lookups:
    return lookups(statement, dict(COLUMNS))[table]


@pytest.mark.parametrize(
    ("statement", "equal"),
    [
        ("SELECT id_persona FROM tbmu002_persona WHERE curp = $1 AND activo = $2", ["curp", "activo"]),
        ("SELECT * FROM muses_dev.tbmu002_persona AS p WHERE p.curp IN ($1, $2)", ["curp"]),
        ('SELECT * FROM "tbmu002_persona" p WHERE $1 = "p"."curp"', ["curp"]),
        ("SELECT * FROM tbmu002_persona WHERE curp = ANY($1) AND fcreacion IS NULL", ["curp", "fcreacion"]),
        ("SELECT * FROM tbmu002_persona WHERE upper(curp) = $1", []),
        ("SELECT * FROM tbmu002_persona WHERE curp::text = $1", []),
        ("SELECT * FROM tbmu002_persona WHERE curp NOT IN ($1) AND activo <> $2 AND fcreacion IS NOT NULL", []),
        ("UPDATE tbmu002_persona SET activo = $1 WHERE curp = $2", ["curp"]),
        ("DELETE FROM tbmu002_persona USING tbmu020_alumno a WHERE a.id_persona = curp", ["curp"]),
        (
            "SELECT * FROM tbmu020_alumno JOIN tbmu002_persona USING (id_persona) WHERE curp = $1",
            ["id_persona", "curp"],
        ),
        ("SELECT * FROM tbmu020_alumno a, tbmu002_persona p WHERE a.id_persona = p.id_persona", ["id_persona"]),
    ],
)
def test_what_rows_are_looked_up_by(statement: str, equal: list[str]) -> None:
    assert found(statement).equal == equal


def test_ranges_and_orders() -> None:
    statement = (
        "SELECT * FROM tbae001_inscripcion e WHERE e.fecha_actualizacion < $1 AND id_estatus_procesamiento IN ($2, $3) "
        "ORDER BY e.fecha_actualizacion DESC, uuid LIMIT $4"
    )
    used = found(statement, "tbae001_inscripcion")
    assert used.equal == ["id_estatus_procesamiento"]
    assert used.range == ["fecha_actualizacion"]
    assert used.order == ["fecha_actualizacion", "uuid"]
    lists = used.candidates({})
    assert lists[0] == ("id_estatus_procesamiento",)
    assert ("id_estatus_procesamiento", "fecha_actualizacion") in lists


def test_the_most_selective_column_leads() -> None:
    used = Lookups(equal=["activo", "curp"])
    assert used.candidates({"curp": 1e6, "activo": 2.0}) == [("curp",), ("activo",), ("curp", "activo")]


@pytest.mark.parametrize(
    ("statement", "question"),
    [
        ("SELECT a FROM s.t WHERE b = $3 FOR UPDATE SKIP LOCKED", "SELECT a FROM t WHERE b = $1"),
        ("SELECT (SELECT 1 FROM t FOR UPDATE) FROM t;", "SELECT ( SELECT 1 FROM t ) FROM t"),
        ("UPDATE s.t x SET a = $1, b = $2 FROM u WHERE x.c = $3", "SELECT 1 FROM t x , u WHERE x . c = $1"),
        ("DELETE FROM t USING u WHERE t.a = u.a RETURNING t.*", "SELECT 1 FROM t , u WHERE t . a = u . a"),
        ("INSERT INTO t SELECT a FROM u WHERE b = $1 ON CONFLICT DO NOTHING", "SELECT a FROM u WHERE b = $1"),
        ("SELECT a FROM t WHERE b > now() - interval $1", "SELECT a FROM t WHERE b > now ( ) - $1::interval"),
        ("SELECT a ->> $1 FROM t WHERE a @> $1", "SELECT a ->> $1 FROM t WHERE a @> $1"),
        ("WITH x AS (SELECT 1) DELETE FROM t WHERE a = $2", "WITH x AS ( SELECT 1 ) SELECT 1 FROM t WHERE a = $1"),
        ("INSERT INTO t VALUES ($1)", None),
        ("WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone", None),
        ("SELECT 1; DROP TABLE t", None),
        ("DROP TABLE t", None),
        ("EXPLAIN ANALYZE SELECT 1", None),
        ("COPY t TO PROGRAM 'id'", None),
        ("", None),
    ],
)
def test_the_planners_question(statement: str, question: str | None) -> None:
    assert plannable(statement, "s") == question


def test_parameters_are_counted() -> None:
    assert parameter_count("SELECT $1, $2 WHERE $1") == 2
    assert parameter_count("SELECT '$5'") == 0


@given(st.text())
def test_any_text_has_a_shape_lookups_and_maybe_a_question(text: str) -> None:
    normalised(text)
    lookups(text, dict(COLUMNS))
    plannable(text, "s")
