"""Canaries of every kind go in; none comes out. What is not personal stays readable."""

from __future__ import annotations

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


def test_what_operators_need_stays_readable() -> None:
    line = "2026-11-24T03:30:00Z ERROR servicio-procesamiento-inicial tbae001_inscripcion pid 4711 10.0.0.7:5432 53300"
    assert masked_text(line) == line


def test_a_learnt_secret_is_masked_wherever_it_stands() -> None:
    learn("learnt-c4n4ry-value")
    assert masked(("see learnt-c4n4ry-value!", 4, None)) == ("see ‹secreto›!", 4, None)


@given(st.text(max_size=200))
def test_masking_twice_changes_nothing_more(words: str) -> None:
    once = masked_text(words)
    assert masked_text(once) == once
