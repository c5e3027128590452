"""Scripts as psql reads them: where a statement ends, what is a variable, what is refused before anything runs."""

from __future__ import annotations

import pytest

from runbook.targets.scripts.kinds import Kind, steps
from runbook.targets.scripts.masks import Column, personal
from runbook.targets.scripts.reading import Command, Statement, parts
from runbook.targets.scripts.script import Script, Variables

TEXT, NUMBER = 25, 20
HARD = "select ';' , $$;$$, $a$ ; $a$, E'\\';', \"a;b\" /* ; /* ; */ */"


def read(source: str) -> list[tuple[str, int]]:
    return [(part.words, part.line) for part in parts(source) if isinstance(part, Statement)]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("select 1; select 2", ["select 1", "select 2"]),
        ("select 1 -- the end; really\n", ["select 1 -- the end; really"]),
        ("select ';' , $$;$$, $a$ ; $a$, E'\\';', \"a;b\" /* ; /* ; */ */;", [HARD]),
        ("do (select 1; select 2); select 3", ["do (select 1; select 2)", "select 3"]),
        ("select 1 \\g\nselect 2 \\gset x_\nselect 3", ["select 1", "select 2", "select 3"]),
        ("\n\\echo hello; world\nselect\n\\echo in between\n1;", ["select\n\n1"]),
        ("copy t from stdin;\n1;2\n\\.\nselect 1", ["copy t from stdin", "select 1"]),
        ("-- only a comment\n;;\n", []),
    ],
)
def test_statements_end_where_they_end_for_psql(source: str, words: list[str]) -> None:
    assert [statement for statement, _ in read(source)] == words


def test_lines_are_those_of_the_first_word() -> None:
    assert [line for _, line in read("-- a\n-- b\nselect 1;\n\n-- c\nselect\n 2;\nselect 3")] == [3, 6, 8]


def test_commands_keep_their_arguments() -> None:
    (command,) = parts("\\set name 'it''s' :b")
    assert isinstance(command, Command)
    assert (command.name, command.arguments) == ("set", ("name", "it's", ":b"))


@pytest.mark.parametrize(
    "source",
    [
        "SELECT 1",
        "with a as (select 1) select * from a",
        "VALUES (1)",
        "TABLE t",
        "(select 1) union (select 2)",
        "SET search_path TO x; SELECT 1",
        "BEGIN; SELECT 1; COMMIT",
        "DROP TABLE IF EXISTS tmp; CREATE TEMP TABLE tmp AS SELECT 1; INSERT INTO tmp VALUES (1); DROP TABLE tmp",
        "SELECT 1 INTO TEMP x; CREATE INDEX ON x (a); TRUNCATE x",
        "DO $$ BEGIN RAISE NOTICE 'x'; END $$",
        "\\timing on\n\\pset pager off\n\\x\n\\dt\n\\echo x\nSELECT 1",
        "select delete from t",
        "select * from t for update",
    ],
)
def test_what_only_reads_is_run(source: str) -> None:
    found, refused = steps(tuple(parts(source)))
    assert refused == ()
    assert found


@pytest.mark.parametrize("heading", ["SELECT '*** Uno ***'", "select 'Lote' as titulo, 7 AS n", "SELECT 1"])
def test_a_heading_finds_nothing(heading: str) -> None:
    (heading_step, step), _ = steps(tuple(parts(f"{heading};\nSELECT 'x', a FROM t")))
    assert (heading_step.kind, step.kind) == (Kind.LEFT_OUT, Kind.ROWS)


@pytest.mark.parametrize(
    ("source", "line", "word"),
    [
        ("SELECT 1;\nUPDATE t SET a = 1", 2, "UPDATE"),
        ("INSERT INTO t VALUES (1)", 1, "INSERT"),
        ("\n\nDELETE FROM t", 3, "DELETE"),
        ("WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone", 1, "DELETE"),
        ("SELECT * INTO kept FROM t", 1, "SELECT INTO"),
        ("CREATE TABLE a (b int)", 1, "CREATE"),
        ("DROP TABLE t", 1, "DROP"),
        ("TRUNCATE t", 1, "TRUNCATE"),
        ("COPY t TO '/tmp/x'", 1, "COPY"),
        ("CALL p()", 1, "CALL"),
        ("LOCK TABLE t", 1, "LOCK"),
        ("SET ROLE postgres", 1, "role"),
        ("SET default_transaction_read_only = off", 1, "default_transaction_read_only"),
        ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity", 1, "pg_terminate_backend"),
        ("SELECT set_config('statement_timeout', '0', false)", 1, "set_config"),
        ("\\! rm -rf /", 1, "\\!"),
        ("\\i other.sql", 1, "\\i"),
        ("\\set today `date`", 1, "program"),
        ("SELECT 'drop table t' \\gexec", 1, "\\gexec"),
        ("\\copy t to x", 1, "\\copy"),
        ("GRANT ALL ON t TO x", 1, "GRANT"),
    ],
)
def test_what_changes_something_is_refused_with_its_line(source: str, line: int, word: str) -> None:
    _, refused = steps(tuple(parts(source)))
    assert len(refused) == 1
    assert str(refused[0]).startswith(f"Line {line}: ")
    assert word in str(refused[0])


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        ("SELECT count(*) FROM t", True),
        ("select count(*) as total from t where a = 1", True),
        ("SELECT count(*), a FROM t GROUP BY a", False),
        ("SELECT count(*) FROM t GROUP BY a", False),
        ("SELECT a, count(*) FROM t", False),
        ("SELECT count FROM t", False),
    ],
)
def test_a_single_count_is_how_many_were_found(source: str, counts: bool) -> None:
    (step,), _ = steps(tuple(parts(source)))
    assert (step.kind, step.counts) == (Kind.ROWS, counts)


@pytest.mark.parametrize(
    ("words", "filled"),
    [
        ("a::int, :'d', :n, b[1:2]", "a::int, '2024-01-01', 5, b[1:2]"),
        ("FROM :s.t WHERE f >= :d", "FROM \"muses\".t WHERE f >= '2024-01-01'"),
        ("FROM :s", 'FROM "muses"'),
        ("x = :evil", "x = '1; DROP TABLE t'"),
        ("FROM :evil", 'FROM "1; DROP TABLE t"'),
        (":own", "now() - interval '1 day'"),
        ('SELECT :"s", :{?n}, :{?z}', 'SELECT "muses", TRUE, FALSE'),
        ("':d' /* :d */ -- :d\n$$ :d $$", "':d' /* :d */ -- :d\n$$ :d $$"),
        (":unset, a[1:n2]", ":unset, a[1:n2]"),
    ],
)
def test_a_value_from_outside_is_never_sql(words: str, filled: str) -> None:
    given = Variables({"d": "2024-01-01", "n": "5", "s": "muses", "evil": "1; DROP TABLE t"})
    given.set("own", "now() - interval '1 day'")
    assert given.into(words) == filled


def test_a_script_knows_the_values_it_takes() -> None:
    source = "\\set own 1\nSELECT :own, :'desde', a[1:2] FROM :esquema.t"
    found, _ = steps(tuple(parts(source)))
    script = Script("X", "x.sql", "0" * 64, found, parameters={"hasta": None})
    assert script.variables() == {"desde", "esquema", "hasta"}


@pytest.mark.parametrize(
    ("statement", "names", "hidden"),
    [
        ("SELECT curp, matricula FROM t", "curp matricula", {0}),
        ("SELECT nombre || ' ' || primer_apellido AS quien, 'CURP repetida' AS motivo FROM t", "quien motivo", {0}),
        ("WITH x AS (SELECT upper(nombre) AS n FROM t) SELECT n || '' AS m, 'lit' AS l FROM x", "m l", {0}),
        ("WITH x(a) AS (SELECT nombre || '' FROM t) SELECT a || '' AS z FROM x", "z", {0}),
        ("SELECT a || '' AS z FROM (SELECT nombre || '' FROM t) AS y(a)", "z", {0}),
        ("SELECT * FROM (SELECT nombre || '' AS n FROM t) z", "n", {0}),
        ("SELECT matricula || '' AS m FROM t UNION ALL SELECT nombre || '' FROM t", "m", {0}),
        ("SELECT DISTINCT ON (curp) upper(a.nombre) FROM t a", "upper", {0}),
        ("SELECT matricula || 'x' AS m, 'Falta CURP' AS motivo FROM t WHERE curp IS NULL", "m motivo", set()),
        ("SELECT descripcion || '' AS d FROM ctmu009_subsistema", "d", set()),
        ("SELECT alumno || '' AS d FROM t", "d", {0}),
    ],
)
def test_columns_of_persons_are_known_by_what_they_are_made_of(statement: str, names: str, hidden: set[int]) -> None:
    columns = [Column(name, TEXT) for name in names.split()]
    assert personal(statement, columns, frozenset({"alumno"})) == hidden


def test_a_count_of_names_is_no_name_and_an_alias_hides_nothing() -> None:
    columns = [Column("count", NUMBER), Column("clave", TEXT, origin="curp"), Column("otra", TEXT, origin="cct")]
    assert personal("SELECT count(nombre), curp AS clave, cct AS otra FROM t", columns) == {1}


def test_where_there_are_too_many_lists_to_look_at_nobody_can_tell() -> None:
    """Each list is read to its end: without a bound, a hostile script of 100 kB took minutes."""
    nested = "(SELECT cct FROM t WHERE curp IS NULL AND x IN " * 2000
    assert personal(f"SELECT cct || '' AS c FROM {nested}", [Column("c", TEXT)]) == {0}
