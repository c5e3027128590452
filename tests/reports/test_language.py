"""Values, times and sentences in Spanish and English."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reports import amounts
from reports.language import Language
from runbook.errors import ReportError
from runbook.text import Instant, Quantity, Text, bilingual, per_minute, percent, size, text, verbatim

ES, EN = Language("es"), Language("en")
MOMENT = datetime(2026, 11, 24, 14, 31, 5, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0 s"),
        (0.85, "850 ms"),
        (0.9999, "1 s"),
        (4.24, "4.2 s"),
        (9.96, "10 s"),
        (59.7, "1 min"),
        (750, "12 min 30 s"),
        (3600, "1 h"),
        (3630, "1 h"),
        (2 * 86400 + 4 * 3600 + 59, "2 d 4 h"),
        (-90, "−1 min 30 s"),
        (float("inf"), "∞"),
    ],
)
def test_durations(seconds: float, written: str) -> None:
    assert amounts.duration(seconds) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(1234, "1,234"), (1234.5, "1,234"), (12.34, "12.3"), (0.5, "0.5"), (0.0042, "0.004"), (-912.0, "−912"), (0, "0")],
)
def test_numbers(value: float, written: str) -> None:
    assert amounts.number(value) == written


@pytest.mark.parametrize(
    ("count", "written"),
    [(0, "0 B"), (512, "512 B"), (1200, "1.2 kB"), (1.2e9, "1.2 GB"), (999_999, "1 MB"), (345e6, "345 MB")],
)
def test_sizes(count: float, written: str) -> None:
    assert amounts.size(count) == written


@pytest.mark.parametrize(
    ("value", "spanish", "english"),
    [
        (percent(93), "93 %", "93%"),
        (per_minute(120), "120/min", "120/min"),
        (size(1.2e9), "1.2 GB", "1.2 GB"),
        (Quantity(750, "s"), "12 min 30 s", "12 min 30 s"),
        (Quantity(1, "message"), "1 mensaje", "1 message"),
        (Quantity(1, "messages"), "1 mensaje", "1 message"),
        (Quantity(1432, "message"), "1,432 mensajes", "1,432 messages"),
        (Quantity(0, "replica"), "0 réplicas", "0 replicas"),
        (Quantity(3, "widget"), "3 widget", "3 widget"),
        (True, "sí", "yes"),
        (None, "—", "—"),
        (Instant(MOMENT), "24 nov 2026, 08:31:05 UTC-06:00", "24 Nov 2026, 08:31:05 UTC-06:00"),
        ("raw \x1b[1mname", "raw name", "raw name"),
    ],
)
def test_values_in_both_languages(value: object, spanish: str, english: str) -> None:
    assert ES.value(value) == spanish  # type: ignore[arg-type]
    assert EN.value(value) == english  # type: ignore[arg-type]


def test_a_team_s_own_wording_is_used_as_it_is() -> None:
    title = bilingual("Queue {x} is {{fine}}", "La cola {x} va {{bien}}")
    assert EN.say(title) == "Queue {x} is {{fine}}"
    assert ES.say(title).startswith("La cola {x}")


def test_words_from_outside_keep_their_braces_and_are_masked() -> None:
    assert ES.say(verbatim('{"to": {0} ana@example.mx}')) == '{"to": {0} ‹correo›}'


def test_a_template_reaches_no_attribute_and_fails_on_nothing() -> None:
    stored = Text("{a.__class__} {b!r:>10} {missing} {c", {"a": 1, "b": 2})
    assert EN.say(stored) == "{a.__class__} 2 {missing} {c"
    assert ES.say(Text("")) == ES.say(None) == ""


def test_an_amount_stays_whole_where_a_page_wraps() -> None:
    page = Language("es", space="\u00a0")
    assert page.say(text("{span}", span=timedelta(seconds=750))) == "12\u00a0min\u00a030\u00a0s"


def test_an_unknown_zone_is_utc_and_says_so() -> None:
    assert Language("en", "Mars/Olympus").moment(MOMENT) == "24 Nov 2026, 14:31:05 UTC+00:00"
    assert ES.moment(MOMENT.replace(tzinfo=None)) == ES.moment(MOMENT)


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ReportError, match="No language fr: there are es, en"):
        Language("fr")


def test_plurals_agree() -> None:
    said = [ES.plural("{count} warning open", "{count} warnings open", n) for n in (1, 2)]
    assert said == ["1 advertencia abierta", "2 advertencias abiertas"]
