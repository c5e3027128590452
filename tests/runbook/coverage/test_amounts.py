"""Amounts as guides write them, in both languages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.coverage.amounts import Amount, amounts, in_dimension
from runbook.limits import number


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("> 15 minutos", Amount(900, "s", "above")),
        ("> 45 min", Amount(2700, "s", "above")),
        ("más de 90 días", Amount(90 * 86_400, "s", "above")),
        ("less than 7 days", Amount(7 * 86_400, "s", "below")),
        ("< 21 d", Amount(21 * 86_400, "s", "below")),
        ("1 d 2 h", Amount(26 * 3600, "s")),
        ("> 2 h 30 min", Amount(9000, "s", "above")),
        ("1,5 h", Amount(5400, "s")),
        ("250 ms", Amount(0.25, "s")),
        ("2 semanas", Amount(14 * 86_400, "s")),
        ("80 %", Amount(80, "%")),
        ("≥ 90%", Amount(90, "%", "above")),
        ("833/min", Amount(833, "1/min")),
        ("60 mensajes por minuto", Amount(60, "1/min")),
        ("10 messages per second", Amount(600, "1/min")),
        ("3600/h", Amount(60, "1/min")),
        ("25,000 mensajes", Amount(25_000, "")),
        ("1.000.000 de filas", Amount(1_000_000, "")),
        ("300 M", Amount(300_000_000, "")),
        ("100 mil registros", Amount(100_000, "")),
        ("2 millones de registros", Amount(2_000_000, "")),
        ("> 1.5 GB", Amount(1.5e9, "B", "above")),
        ("10 GiB", Amount(10 * 1024**3, "B")),
        ("0", Amount(0, "")),
    ],
)
def test_one_amount(words: str, meant: Amount) -> None:
    (found,) = amounts(words)
    assert (found.value, found.dimension, found.sign) == (pytest.approx(meant.value), meant.dimension, meant.sign)


@pytest.mark.parametrize(
    "words", ["", "—", "a las 03:30", "§", "v1.2.3", "RabbitMQ 3.10.2", "10.0.0.1", "`tbae001_inscripcion`"]
)
def test_no_amount(words: str) -> None:
    assert amounts(words) == ()


def test_several_amounts_keep_their_order() -> None:
    assert [one.value for one in amounts("50,000 registros en menos de 30 minutos")] == [50_000, 1800]


@pytest.mark.parametrize(
    ("value", "unit", "meant"),
    [
        (timedelta(minutes=15), "s", Amount(900, "s")),
        (3, "days", Amount(3 * 86_400, "s")),
        (80, "%", Amount(80, "%")),
        (2, "1/s", Amount(120, "1/min")),
        (60, "1/min", Amount(60, "1/min")),
        (100, "messages", Amount(100, "")),
    ],
)
def test_a_rows_number_in_the_same_dimension(value: timedelta | int, unit: str, meant: Amount) -> None:
    assert in_dimension(number(value), unit) == meant


@given(st.text(alphabet=st.sampled_from("0123456789.,:<>≥%/ dhminskMGB²٣día—")))
def test_whatever_is_written_is_read_or_passed_over(words: str) -> None:
    assert all(one.value >= 0 for one in amounts(words))
