"""Metrics that Prometheus' own parser reads, one series of a name, states as the exit codes are."""

from __future__ import annotations

import math

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from reports import exposition
from reports.language import Language
from runbook.model import Measure, Run, State, Waived
from runbook.text import Quantity
from tests.reports import factory

ES = Language("es")
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(run: Run) -> Series:
    """Every series by its name and labels, as the parser of Prometheus' own client reads them."""
    found: Series = {}
    names = []
    for family in text_string_to_metric_families(exposition.render(run, ES).decode()):
        assert family.type == "gauge"
        assert family.documentation
        names.append(family.name)
        for sample in family.samples:
            key = (sample.name.removeprefix("muses_runbook_"), frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    assert len(names) == len(set(names))
    return found


def value(series: Series, name: str, **labels: str) -> float:
    """The one series with these labels among others."""
    wanted = set(labels.items())
    values = [value for (known, given), value in series.items() if known == name and wanted <= given]
    assert len(values) == 1
    return values[0]


def test_what_the_run_found() -> None:
    run, series = factory.incident(), parsed(factory.incident())
    assert value(series, "last_run_timestamp_seconds", environment="lab") == run.ended_at.timestamp()
    assert value(series, "run_duration_seconds") == pytest.approx(27.4)
    assert value(series, "run_state") == 2
    states = {"QUEUE-01": 0, "ETL-01": 1, "BACKUP-01": 2, "HOST-01": 3, "NOTIFY-01": 4}
    assert {row: value(series, "row_state", row=row) for row in states} == states
    assert value(series, "rows", state="unknown") == 1
    assert value(series, "run_actions", outcome="done") == 2
    assert value(series, "build_info", version="0.1.0") == 1


def test_values_and_thresholds_carry_their_unit() -> None:
    series = parsed(factory.incident())
    of = {"row": "ETL-01", "object": "tbae001_inscripcion", "unit": "s"}
    assert value(series, "measure_value", **of) == 1900
    assert value(series, "measure_threshold", severity="warning", **of) == 900
    assert value(series, "measure_threshold", severity="critical", direction="above", **of) == 2700


def test_only_what_is_still_breached_has_a_beginning() -> None:
    rows = {dict(labels)["row"] for name, labels in parsed(factory.incident()) if name.startswith("row_breached")}
    assert rows == {"BACKUP-01", "ETL-01"}


def test_a_waived_row_says_so() -> None:
    day = factory.START.date()
    waiver = Waived(owner="a", approver="b", reason="c", start=day, expires=day, state=State.CRITICAL, holds=True)
    run = factory.incident()
    records = tuple(
        msgspec.structs.replace(record, waivers=(waiver,)) if record.row == "BACKUP-01" else record
        for record in run.records
    )
    series = parsed(msgspec.structs.replace(run, records=records))
    assert value(series, "row_waived", row="BACKUP-01") == 1
    assert value(series, "row_state", row="BACKUP-01") == 2
    assert value(series, "run_state") == 1


def measured(*measures: Measure) -> Run:
    """A run of one row that judged these."""
    record = factory.healthy("DB-01")
    verdict = msgspec.structs.replace(record.verdict, measures=measures)
    return msgspec.structs.replace(factory.incident(), records=(msgspec.structs.replace(record, verdict=verdict),))


def test_no_series_comes_twice_though_masking_makes_two_names_one() -> None:
    both = [Measure(object=f"{name}@ejemplo.invalid", value=n, state=State.OK) for n, name in enumerate("ab", 1)]
    series = parsed(measured(*both))
    assert value(series, "measure_value", object="‹correo›") == 1
    assert value(series, "row_measures_left_out", row="DB-01") == 1


def test_thousands_of_objects_are_counted_not_listed() -> None:
    series = parsed(measured(*(Measure(object=f"t{n}", value=n, state=State.OK) for n in range(5000))))
    assert sum(name == "measure_value" for name, _labels in series) == exposition.OBJECTS
    assert value(series, "row_measures_left_out", row="DB-01") == 5000 - exposition.OBJECTS


def test_numbers_that_are_none_are_written_as_prometheus_does() -> None:
    given = (float("inf"), float("-inf"), float("nan"))
    series = parsed(
        measured(*(Measure(object=str(n), value=Quantity(v, "s"), state=State.OK) for n, v in enumerate(given)))
    )
    assert value(series, "measure_value", object="0") == math.inf
    assert value(series, "measure_value", object="1") == -math.inf
    assert math.isnan(value(series, "measure_value", object="2"))


@pytest.mark.parametrize("words", [factory.HOSTILE, 'a"} 1\nx{y="', "\\", "\\n", "", "\x85\u2028"])
def test_hostile_words_are_one_label(words: str) -> None:
    series = parsed(factory.hostile(words))
    assert {name for name, _labels in series} >= {"run_state", "row_state", "measure_value"}


def test_two_environments_agree_on_every_help() -> None:
    heads = [
        {line for line in exposition.render(run, Language(code)).decode().splitlines() if line.startswith("#")}
        for run, code in ((factory.incident(), "es"), (factory.incident(), "en"))
    ]
    assert heads[0] == heads[1]
