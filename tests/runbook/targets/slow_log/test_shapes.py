"""The fast way to a statement's shape is the slow one's: for any statement that the lexer knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook.targets.slow_log import grammar
from runbook.targets.slow_log.counted import Shape
from runbook.targets.slow_log.form import Bounds
from runbook.targets.slow_log.reading import tallied
from runbook.targets.slow_log.shapes import Shapes
from runbook.targets.slow_log.sources import sources
from runbook.targets.slow_log.telling import told
from runbook.targets.sql_text import masked_literals, normalised

PIECES = st.sampled_from(
    (
        "SELECT ", "tbae001_x", "tbae002_x", "t1.c2", " = ", "'a'", "'it''s 5'", "''", "E'a\\'b 1'", "e'", "$$q'1$$",
        "$t$ ' $t$", "$1", "$22", "12", "1.5", "1e5", "0x1F", " -5", "(1, 2, 3)", " IN ", '"weird 5 n"', '"weird 6 n"',
        "\"q'x\"", '"a""b"', "-- c 'x 1\n", "/* it's 7 */", ", ", "\n", "\t", ";", "año1", "x'1f'", "U&'d1'", "N'1'",
        "a'b'1", "[1]", "::int4", "5",
    )
)  # fmt: skip
STATEMENTS = st.lists(PIECES, max_size=9).map("".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(STATEMENTS, min_size=2, max_size=5))
def test_found_by_key_as_when_taken_apart(statements: list[str]) -> None:
    shapes = Shapes()
    for statement in statements * 2:
        assert shapes.find(statement).text == normalised(statement)


def test_names_that_differ_in_digits_are_two() -> None:
    shapes = Shapes()
    found = {shapes.find(f"SELECT 1 FROM tbae00{n % 3}_x WHERE id = {n}").text for n in range(100)}
    assert len(found) == 3


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runbook.targets.slow_log.shapes._MOST", 20)
    shapes = Shapes()
    for n in range(500):
        shapes.find(f"SELECT {'a' * (n % 30)} FROM x -- {n}").add(1.0, "")
        shapes.find(f"SELECT {'b' * (n % 30)} FROM x WHERE y = {n}").add(1.0, "")
    assert max(map(len, (shapes._tricky, shapes._known, shapes._numberless))) <= 20
    assert sum(shape.count for shape in shapes.values()) == 1000


@pytest.mark.parametrize(
    ("statement", "masked"),
    [
        ("SELECT 'it''s', E'a\\'b', $$q$$, 1.5, 0x1F", "SELECT '‹…›', '‹…›', '‹…›', ‹n›, ‹n›"),
        ("SELECT a1 FROM t2 WHERE x IN ($1, $2) -- 'nota'", "SELECT a1 FROM t2 WHERE x IN ($1, $2)"),
        ('SELECT "c 3" /* 4 */ WHERE b = \'cortad', "SELECT \"c 3\" WHERE b = '‹…›'"),
    ],
)
def test_marks_stand_for_literals(statement: str, masked: str) -> None:
    assert masked_literals(statement) == masked


def test_percentiles_are_exact_for_few_and_near_for_many() -> None:
    few, many = Shape("x"), Shape("x")
    for n in range(1, 101):
        few.add(float(n), "")
    assert few.percentile(0.95) == 95.0
    for n in range(1, 20_001):
        many.add(float(n), "")
    assert many.percentile(0.95) == pytest.approx(19_000, rel=0.011)
    assert (many.count, many.total, many.longest) == (20_000, pytest.approx(20_000 * 20_001 / 2), 20_000.0)
    many.merge(few)
    assert many.count == 20_100


def log_of(tmp_path: Path, *statements: str) -> str:
    path = tmp_path / "log"
    path.write_text(
        "".join(f"2026-11-20 10:00:00.123 CST [7] LOG:  duration: 5.0 ms  statement: {s}\n" for s in statements)
    )
    return str(path)


SAME = (
    "SELECT a FROM tbae001_inscripcion i WHERE i.b = 5",
    "select A from tbae001_inscripcion x where (x.b = 'z')",
    "SELECT a FROM tbae001_inscripcion i WHERE i.b = -7 -- nota",
)


def test_the_grammar_merges_what_only_it_knows_to_be_one(tmp_path: Path) -> None:
    pytest.importorskip("postgast")
    lists = [
        f"SELECT a FROM tbmu002_persona WHERE b IN ({', '.join('1' * n)}) AND c = ANY ('{{1}}')" for n in (1, 2, 3)
    ]
    found = told(tallied(sources(log_of(tmp_path, SAME[0], SAME[2], *lists)), None, Bounds(), 1))
    assert sorted(s.count for s in found.statements) == [2, 3]
    assert all(s.fingerprint for s in found.statements)
    assert found.grammar


def test_tables_that_differ_in_numbers_are_two(tmp_path: Path) -> None:
    pytest.importorskip("postgast")
    statements = [f"SELECT 1 FROM tbae0{n}_x WHERE a = 5" for n in (10, 11, 12)]
    found = told(tallied(sources(log_of(tmp_path, *statements)), None, Bounds(), 1))
    assert [s.count for s in found.statements] == [1, 1, 1]


def test_what_is_cut_keeps_its_words_for_a_shape(tmp_path: Path) -> None:
    found = told(
        tallied(sources(log_of(tmp_path, "SELECT a FROM tbae001_inscripcion WHERE (b = 5 AND")), None, Bounds(), 1)
    )
    [cut] = found.statements
    assert (cut.fingerprint, cut.tables) == (None, ("tbae001_inscripcion",))
    assert cut.query == "SELECT a FROM tbae001_inscripcion WHERE (b = $1 AND"


def test_without_the_parser_words_make_the_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar, "_library", lambda: None)
    statement = "SELECT 1 FROM muses_dev.tbae001_inscripcion i JOIN tbae009_respuesta r ON true WHERE i.b = 5"
    found = told(tallied(sources(log_of(tmp_path, statement, statement.replace("5", "6"))), None, Bounds(), 1))
    [only] = found.statements
    assert (only.count, only.fingerprint, found.grammar) == (2, None, False)
    assert only.tables == ("muses_dev.tbae001_inscripcion", "tbae009_respuesta")


def test_tables_are_those_of_the_grammar_without_the_names_of_with() -> None:
    pytest.importorskip("postgast")
    text = "WITH nuevas AS (SELECT * FROM tbae001_inscripcion) UPDATE muses_dev.tbmu020_alumno SET a = 0 FROM nuevas"
    assert set(grammar.tables(text)) == {"tbae001_inscripcion", "muses_dev.tbmu020_alumno"}
