"""Translatable text: templates and values fit, hostile values stay values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from runbook.text import Instant, Quantity, Text, bilingual, text, verbatim


def test_spans_and_moments_become_values_with_units() -> None:
    said = text("{a} since {b}", a=timedelta(minutes=2), b=datetime(2026, 11, 24, tzinfo=UTC))
    assert said.values == {"a": Quantity(120.0, "s"), "b": Instant(datetime(2026, 11, 24, tzinfo=UTC))}
    assert str(said) == "120 s since 2026-11-24T00:00:00+00:00"


@pytest.mark.parametrize(("template", "values"), [("{a}", {}), ("{a} {}", {"a": 1}), ("{", {})])
def test_a_template_that_does_not_fit_is_refused_where_it_is_written(template: str, values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        text(template, **values)


def test_braces_from_outside_are_kept_and_never_filled() -> None:
    assert str(verbatim("{0.__class__} {x}")) == "{0.__class__} {x}"
    assert str(text("log: {line}", line="{line.__class__}")) == "log: {line.__class__}"
    assert str(bilingual("a {b}", "x")) == "a {b}"


def test_it_survives_json() -> None:
    said = text("{a} {b}", a=timedelta(seconds=3), b=None)
    assert msgspec.json.decode(msgspec.json.encode(said), type=Text) == said
