"""What the grammar reads of a statement and its words do not tell; where both are asked they agree."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.targets.postgres.grammar import lookups_by_grammar
from runbook.targets.postgres.predicates import Lookups, assigned, lookups

pytest.importorskip("postgast", reason="the extra statements is not installed")

COLUMNS = {
    "tbmu002_persona": ("id_persona", "curp", "activo", "fcreacion"),
    "tbmu020_alumno": ("id_alumno", "id_persona", "id_subsistema"),
    "tbae001_inscripcion": ("uuid", "id_estatus_procesamiento", "fecha_actualizacion"),
    "tbae009_respuesta": ("id_respuesta", "uuid", "fecha_respuesta"),
}


def read(statement: str) -> dict[str, Lookups]:
    found = lookups_by_grammar(statement, COLUMNS)
    assert found is not None
    return {table: used for table, used in found.items() if used != Lookups()}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "SELECT 1 FROM tbmu002_persona WHERE curp = $1 OR id_persona = $2",
            {"tbmu002_persona": Lookups(alone=["curp", "id_persona"])},
        ),
        (
            "SELECT 1 FROM tbmu002_persona WHERE activo = $1 AND (curp = $2 OR curp = $3)",
            {"tbmu002_persona": Lookups(equal=["activo"], alone=["curp"])},
        ),
        (
            # the bare column is the inner table's
            "SELECT 1 FROM tbae001_inscripcion WHERE EXISTS (SELECT FROM tbae009_respuesta WHERE uuid = $1)",
            {"tbae009_respuesta": Lookups(equal=["uuid"])},
        ),
        (
            "SELECT 1 FROM tbae001_inscripcion e WHERE EXISTS (SELECT FROM tbae009_respuesta r WHERE r.uuid = e.uuid)",
            {"tbae001_inscripcion": Lookups(equal=["uuid"]), "tbae009_respuesta": Lookups(equal=["uuid"])},
        ),
        (
            "SELECT 1 FROM tbmu002_persona WHERE (curp, activo) = ($1, $2)",
            {"tbmu002_persona": Lookups(equal=["curp", "activo"])},
        ),
        (
            "SELECT max(fecha_respuesta) FROM tbae009_respuesta",
            {"tbae009_respuesta": Lookups(order=["fecha_respuesta"])},
        ),
        ("SELECT 1 FROM tbmu002_persona WHERE upper(curp) = $1 AND curp::text = $2", {}),
        ("WITH tbmu002_persona AS (SELECT 1 AS curp) SELECT 1 FROM tbmu002_persona WHERE curp = $1", {}),
        (
            "SELECT 1 FROM tbae009_respuesta UNION ALL SELECT 1 FROM tbmu002_persona WHERE curp = $1",
            {"tbmu002_persona": Lookups(equal=["curp"])},
        ),
    ],
)
def test_what_only_the_grammar_knows(statement: str, expected: dict[str, Lookups]) -> None:
    assert read(statement) == expected


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM tbmu002_persona WHERE curp = $1 AND activo = $2 AND fcreacion < $3 ORDER BY id_persona LIMIT 5",
        "SELECT 1 FROM s.tbmu002_persona AS p WHERE p.curp IN ($1, $2) AND p.activo IS NULL",
        "SELECT 1 FROM tbmu020_alumno a JOIN tbmu002_persona p USING (id_persona) WHERE p.curp = ANY($1)",
        "SELECT 1 FROM tbmu020_alumno a, tbmu002_persona p WHERE a.id_persona = p.id_persona AND NOT p.activo",
        "SELECT 1 FROM tbae009_respuesta WHERE fecha_respuesta BETWEEN $1 AND $2 ORDER BY fecha_respuesta DESC, uuid",
    ],
)
def test_words_and_grammar_agree(statement: str) -> None:
    assert read(statement) == lookups(statement, COLUMNS)


@pytest.mark.parametrize("statement", ["this is no SQL", "SELECT 1 FROM t WHERE", "SELECT '"])
def test_what_is_not_understood_is_left_to_the_words(statement: str) -> None:
    assert lookups_by_grammar(statement, COLUMNS) is None


def test_without_the_extra_the_words_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "postgast", None)
    assert lookups_by_grammar("SELECT 1 FROM tbmu002_persona WHERE curp = $1", COLUMNS) is None


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    lookups_by_grammar(text, COLUMNS)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE s.t SET a = $1, b = f(c = 2) WHERE d = $2", [("t", ("a", "b"))]),
        ("UPDATE ONLY t x SET a = a + 1 FROM u WHERE u.b = x.b", [("t", ("a",))]),
        ("WITH w AS (UPDATE t SET a = 1 RETURNING b) SELECT * FROM w WHERE b = 1", [("t", ("a",))]),
        ("SELECT 1 FROM t WHERE a = 1 FOR UPDATE", []),
    ],
)
def test_what_an_update_sets(statement: str, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    assert list(assigned(statement)) == expected
