"""The smallest set of indexes for several statements, on real tables: merged, partial, for foreign keys, and none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from checks import indexes
from runbook.model import Proof, State
from runbook.targets.postgres import timing
from runbook.targets.postgres.candidates import Candidate, Where
from runbook.targets.postgres.database import Database
from runbook.targets.postgres.selection import Load, Priced, chosen
from runbook.targets.postgres.structs import IndexProposal
from tests.checks.fakes import diagnosed, judged
from tests.runbook.targets.conftest import MakeDatabase
from tests.runbook.targets.servers_postgres import PostgresServer

ROWS = 25_000
FILL = f"""
INSERT INTO tbae001_inscripcion
        (uuid, id_subsistema, matricula_alumno, curp_actual, id_estatus_procesamiento, fecha_actualizacion, calle)
    SELECT 'u' || n, n % 12 + 1, 'M' || n, 'CURP' || n, CASE WHEN n % 400 = 0 THEN 1 ELSE 3 END,
        timestamp '2026-01-01' + n * interval '1 minute', repeat('x', 100)
    FROM generate_series(1, {ROWS}) AS n;
INSERT INTO tbae009_respuesta (id_respuesta, uuid, id_estatus_procesamiento, fecha_respuesta)
    SELECT n, 'u' || n, 3, localtimestamp FROM generate_series(1, {ROWS}) AS n;
INSERT INTO tbae010_error (id_respuesta, id_motivo_error) SELECT n, 1 FROM generate_series(1, {ROWS}) AS n;
INSERT INTO tbmu006_inscripcion (fecha_inscripcion, fcreacion, id_turno, notificado_siged)
    SELECT localtimestamp, localtimestamp, n % 3, n % 1000 <> 0 FROM generate_series(1, {ROWS}) AS n;
"""
BY_CURP = "SELECT nombre FROM tbae001_inscripcion WHERE curp_actual = $1"
BY_CURP_AND_STATUS = "SELECT uuid FROM tbae001_inscripcion WHERE curp_actual = $1 AND id_subsistema = $2"
OLDEST = (
    "SELECT * FROM tbae001_inscripcion WHERE id_estatus_procesamiento IN ($1, $2) ORDER BY fecha_actualizacion LIMIT $3"
)
ANSWERS = "SELECT e.uuid FROM tbae001_inscripcion e JOIN tbae009_respuesta r ON r.uuid = e.uuid WHERE e.uuid = $1"
FORGET = "DELETE FROM tbae009_respuesta WHERE id_respuesta = $1"
UNTOLD = "SELECT id_inscripcion FROM tbmu006_inscripcion WHERE NOT notificado_siged ORDER BY id_inscripcion LIMIT $1"


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """Enrolments with their answers and errors; HypoPG where this server has it."""
    postgres.make_tables()
    with closing(postgres.admin()) as admin:
        admin.execute("SET search_path TO muses_dev")
        admin.execute("SET session_replication_role = replica")
        admin.execute(FILL)
        if admin.execute("SELECT FROM pg_available_extensions WHERE name = 'hypopg'").rowcount:
            admin.execute("CREATE EXTENSION IF NOT EXISTS hypopg SCHEMA public")
    with closing(postgres.admin()) as admin:
        admin.execute("VACUUM ANALYZE")
    yield postgres
    with closing(postgres.admin()) as admin:
        admin.execute("DROP EXTENSION IF EXISTS hypopg")
    postgres.make_tables()


@pytest.fixture
def target(filled: PostgresServer, make_database: MakeDatabase) -> Database:
    return make_database()


def proven(target: Database, *statements: str) -> dict[tuple[str, ...], IndexProposal]:
    return {(p.table, *p.columns): p for p in target.index_proposals(statements) if p.proven}


def test_one_index_serves_two_statements_that_begin_alike(target: Database) -> None:
    found = proven(target, BY_CURP, BY_CURP_AND_STATUS)
    assert list(found) == [("tbae001_inscripcion", "curp_actual")]
    (one,) = found.values()
    assert set(one.serves) == {BY_CURP, BY_CURP_AND_STATUS}
    assert timedelta(0) < one.build_estimate < timedelta(seconds=5)
    assert one.entries_per_hour is not None


def test_unfinished_records_get_an_index_of_their_own(target: Database) -> None:
    (one,) = proven(target, OLDEST).values()
    assert one.where is None or one.where == {"column": "id_estatus_procesamiento", "values": [1, 2]}
    assert one.assumed == (1, 2)
    assert one.where is not None
    assert one.bytes_estimate < 200_000


def test_what_is_written_in_the_statement_needs_no_assumption(target: Database) -> None:
    (one,) = proven(target, UNTOLD).values()
    assert one.where == {"column": "notificado_siged", "values": [False]}
    assert one.command == (
        f'CREATE INDEX CONCURRENTLY "{one.name}" ON "muses_dev"."tbmu006_inscripcion" ("id_inscripcion")'
        ' WHERE NOT "notificado_siged";'
    )
    assert one.assumed == ()


def test_a_join_and_a_foreign_key(target: Database) -> None:
    found = proven(target, ANSWERS, FORGET)
    assert set(found) == {("tbae009_respuesta", "uuid"), ("tbae010_error", "id_respuesta")}
    assert found["tbae010_error", "id_respuesta"].statement == FORGET


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM tbae001_inscripcion WHERE uuid = $1",
        "SELECT count(*) FROM tbae001_inscripcion",
        "SELECT id_subsistema, count(*) FROM tbae001_inscripcion GROUP BY id_subsistema",
        "SELECT * FROM tbae001_inscripcion WHERE id_subsistema = $1",
        "SELECT * FROM tbmu006_inscripcion ORDER BY id_inscripcion DESC LIMIT $1",
        "DELETE FROM tbae010_error WHERE id_error = $1",
    ],
)
def test_what_needs_none_gets_none(target: Database, statement: str) -> None:
    assert proven(target, statement) == {}


def test_a_partial_index_is_built_and_serves(
    target: Database, filled: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what the step says: the cost before and after, and the mean time; here nobody asks again."""
    monkeypatch.setattr(timing, "_PATIENCE", 0.1)
    (one,) = proven(target, OLDEST).values()
    arguments = one.arguments | {"serves": list(one.serves)}
    with closing(filled.session()) as session:
        words = OLDEST.replace("$1, $2", "1, 2").replace("$3", "10")
        session.execute(words)
    (shape,) = (s.query for s in target.statements() if "ORDER BY fecha_actualizacion" in s.query)
    done = target.create_index(fingerprint=one.fingerprint, **{**arguments, "serves": [shape]})
    try:
        assert done["after"]["valid"]
        (timed,) = done["statements"]
        assert timed["cost_before"] > 5 * timed["cost_after"]
        assert timed["mean_ms_before"] > 0
        assert proven(target, OLDEST) == {}
    finally:
        target.drop_index(fingerprint={}, name=one.name)


def candidate(*columns: str, where: Where | None = None) -> Candidate:
    return Candidate("t", 1, 1e6, columns, where)


@pytest.mark.parametrize(
    ("loads", "columns", "expected"),
    [
        ([Load(1, 1000, {0: 10})], [("a",)], (0,)),
        ([Load(1, 1000, {0: 600})], [("a",)], ()),  # not even half
        ([Load(1, 1000, {0: 10, 1: 9})], [("a",), ("a", "b")], (0,)),  # as good, and shorter
        ([Load(1, 1000, {0: 50, 1: 1})], [("a",), ("a", "b")], (0,)),
        ([Load(1, 1000, {0: 400, 1: 1})], [("a",), ("a", "b")], (1,)),
        # two statements, one index that begins with the other
        ([Load(1, 1000, {0: 5, 1: 6}), Load(9, 1000, {1: 5})], [("a",), ("a", "b")], (1,)),
        ([Load(1, 1000, {0: 5}), Load(1, 1000, {1: 5})], [("a",), ("b",)], (0, 1)),
        ([Load(1, 1000, {0: 5}), Load(10000, 1000, {1: 5})], [("a",), ("b",)], (1,)),  # not a thousandth
    ],
)
def test_the_smallest_set(loads: list[Load], columns: list[tuple[str, ...]], expected: tuple[int, ...]) -> None:
    assert chosen(loads, [Priced(candidate(*names)) for names in columns]) == expected


def test_upkeep_weighs_against_the_gain() -> None:
    loads = [Load(10, 1000, {0: 10})]
    assert chosen(loads, [Priced(candidate("a"), upkeep=9_000)]) == (0,)
    assert chosen(loads, [Priced(candidate("a"), upkeep=10_000)]) == ()


def test_a_partial_index_does_not_stand_for_a_whole_one() -> None:
    part = candidate("a", where=Where("s", (1,)))
    assert not part.begins(candidate("a", "b"))
    assert part.name != candidate("a").name


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (Where("c", (1, 2)), '"c" IN (1, 2)'),
        (Where("c", (False,)), 'NOT "c"'),
        (Where("c", (True,)), '"c"'),
        (Where("c"), '"c" IS NULL'),
        (Where('c"; --', ("x'",)), "\"c\"\"; --\" IN ('x''')"),
    ],
)
def test_the_words_of_a_predicate(where: Where, words: str) -> None:
    shown: Any = where.words()
    assert shown.as_string(None) == words


def test_a_statement_is_counted_whatever_the_types_of_its_values(target: Database, filled: PostgresServer) -> None:
    with closing(filled.admin()) as admin:
        admin.execute("SELECT pg_stat_statements_reset()")
    with closing(filled.session()) as session:
        for value in (7, 70_000):  # the driver sends them as int2 and int4: two ids for one text
            session.execute("SELECT id_error FROM tbae010_error WHERE id_respuesta = %s", [value], prepare=True)
    known = [one for one in target.statements() if "id_error" in one.query]
    assert len({one.id for one in known}) == 2
    (found,) = target.index_proposals(tuple(one.id for one in known))
    assert (found.columns, found.serves) == (("id_respuesta",), (known[0].query,))


def test_the_rows_on_a_real_server(target: Database) -> None:
    """INDEX-01 finds the foreign key that the purge needs, proves it, builds it, and is then content."""
    assert judged(indexes.check_foreign_keys_have_an_index, database=target).state is State.WARNING
    findings = diagnosed(indexes.check_foreign_keys_have_an_index, database=target)
    assert findings["foreign_key_lacks_its_index"].proof is Proof.CONFIRMED
    (step,) = indexes.build_what_is_missing(findings)
    assert step.arguments["table"] == "tbae010_error"
    assert step.undo is not None
    target.perform(step)
    try:
        assert judged(indexes.check_foreign_keys_have_an_index, database=target).state is State.OK
        for check in (indexes.check_no_index_is_invalid, indexes.check_no_index_is_duplicate):
            assert judged(check, database=target).state is State.OK
        assert judged(indexes.check_no_index_is_unused, database=target).state is State.SKIPPED
    finally:
        target.perform(step.undo)
