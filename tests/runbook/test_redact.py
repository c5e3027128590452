"""Canaries of every kind go in; none comes out. What is not personal stays readable."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.redact import learn, masked, masked_text

CANARIES = {
    "curp": "XEXX010101HNEXXXA4",
    "rfc": "XAXX010101000",
    "email": "nadie.inventado@ejemplo.invalid",
    "telephone": "55 0000 0000",
    "url": "postgresql://muses:c4n4ry-pw@db1:5432/sep_muses",
    "conninfo": "host=db1 password=c4n4ry-pw user=x",
    "json": '{"password": "c4n4ry-pw", "primer_apellido": "Canario", "telefono_casa": "5500000000"}',
    "bearer": "Authorization: Bearer c4n4ry-pw.c4n4ry.c4n4ry",
    "aws": "AKIAC4N4RYC4N4RYC4N4",
    "bearer in small letters": "authorization: bearer c4n4ry-pw.c4n4ry.c4n4ry",
    "json in json": r'{"log": "{\\"password\\": \\"c4n4ry-pw\\", \\"nombre\\": \\"Canario Canario\\"}"}',
    "argument": "pg_dump --password c4n4ry-pw",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.c4n4ryc4n4ry.c4n4ry",
    "forge": "ghp_c4n4ryc4n4ryc4n4ryc4 glpat-c4n4ryc4n4ryc4n4",
    "name of a file": "respaldo_XEXX010101HNEXXXA4_XAXX010101000_.csv",
    "email in a url": "GET /buscar?correo=nadie.inventado%40ejemplo.invalid",
    "mobile": "+525500000000 y +52 1 55 0000 0000",
    "names": "nombre: Canario De La Canario error 5",
    "doubled quote": "nombre = 'Canario''s Canario' AND",
    "duplicate": "Key (nombre, primer_apellido)=(Canario, Canario) already exists.",
    "llave": "Ya existe la llave (nombre)=(Canario).",
    "row": "DETAIL:  Failing row contains (1, Canario, null).",
    "renglón": "DETALLE:  La fila que falla contiene (1, Canario, null).",
    "copy": 'COPY tbae001_inscripcion, line 3: "1\tCanario"',
    "sql": "UPDATE x SET curp = 'XEXX010101HNEXXXA4', nombre = 'Canario' WHERE c='nadie.inventado@ejemplo.invalid'",
}
MUST_NOT_SHOW = (
    "XEXX010101HNEXXXA4",
    "XAXX010101000",
    "nadie.inventado",
    "55 0000 0000",
    "5500000000",
    "c4n4ry",
    "Canario",
    "AKIAC4N4RY",
)


@pytest.mark.parametrize("kind", CANARIES)
@pytest.mark.parametrize("around", ["{}", "ERROR: {} failed", "«{}»", "{}\n{}", 'x="{}";'])
def test_no_canary_is_seen(kind: str, around: str) -> None:
    shown = masked_text(around.replace("{}", CANARIES[kind]))
    assert not [canary for canary in MUST_NOT_SHOW if canary in shown]
    assert "‹" in shown


def test_lower_case_is_no_hiding_place() -> None:
    assert "xexx" not in masked_text("curp xexx010101hnexxxa4")


def test_values_under_personal_and_secret_keys_are_masked_whole() -> None:
    record = {"nombre": "Canario", "nested": [{"correo_personal": "x", "token": "c4n4ry"}], "queue": "muses.recepcion"}
    assert masked(record) == {
        "nombre": "‹nombre›",
        "nested": [{"correo_personal": "‹correo_personal›", "token": "‹secreto›"}],
        "queue": "muses.recepcion",
    }


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-24T03:30:00Z ERROR servicio-procesamiento-inicial tbae001_inscripcion pid 4711 10.0.0.7:5432 53300",
        "run 20261124T143105Z-7c1f9a2b of PostgreSQL 17.10 took 1,234.5 s",
        "Key (id_lote)=(5) is not present in table tbmu002_persona.",
        "SELECT nombre, curp FROM tbmu002_persona WHERE curp = $1",
        "nombre_programa_academico = 3",
        "nombre: ‹nombre›, token: ‹secreto›",
    ],
)
def test_what_operators_need_stays_readable(line: str) -> None:
    assert masked_text(line) == line


@pytest.mark.parametrize(
    "ended", ['{"password": "c4n4ry', "password='c4n4ry", r"{\"nombre\": \"Canario", 'nombre: "Canario']
)
def test_a_line_that_was_cut_hides_what_it_began(ended: str) -> None:
    assert not [canary for canary in MUST_NOT_SHOW if canary in masked_text(ended)]


def test_keys_are_masked_and_none_is_lost() -> None:
    people = {"a@ejemplo.invalid": 1, "b@ejemplo.invalid": 2, "queue": 3}
    assert masked(people) == {"‹correo›": 1, "‹correo›′": 2, "queue": 3}


def test_whatever_stands_under_a_personal_key_is_masked() -> None:
    record = {"nombres": ["Canario", "Otro"], "telefono": 5500000000, "curp": 18, "tokens": 7, "correo": ""}
    assert masked(record) == {
        "nombres": ["‹nombres›", "‹nombres›"],
        "telefono": "‹telefono›",
        "curp": 18,
        "tokens": 7,
        "correo": "",
    }


@pytest.mark.parametrize(
    "evil", ['"', "\\", "nombre=", "(", "(a", "(nombre)=(", "Failing row contains (", "a@", "%40", "12-"]
)
def test_a_hostile_line_costs_no_time(evil: str) -> None:
    began = time.process_time()
    masked_text(evil * (4000 // len(evil)))
    assert time.process_time() - began < 0.5


def test_a_secret_learnt_later_is_masked_in_a_key_seen_before() -> None:
    assert masked({"seen-c4n4ry-before": 1}) == {"seen-c4n4ry-before": 1}
    learn("seen-c4n4ry-before")
    assert masked({"seen-c4n4ry-before": 1}) == {"‹secreto›": 1}


def test_a_learnt_secret_is_masked_wherever_it_stands() -> None:
    learn("learnt-c4n4ry-value")
    assert masked(("see learnt-c4n4ry-value!", 4, None)) == ("see ‹secreto›!", 4, None)


@given(st.text(max_size=200))
def test_masking_twice_changes_nothing_more(words: str) -> None:
    once = masked_text(words)
    assert masked_text(once) == once
