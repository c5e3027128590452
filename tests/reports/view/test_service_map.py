"""The service map: every row stands at one part, and each part as its worst row."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import checks
from reports.language import Language
from reports.view import view
from reports.view.service_map import WAY, place_of
from runbook import rows
from runbook.model import Record, State, Verdict
from runbook.text import text
from tests.reports import factory

EN = Language("en")


def record(row: str, section: str, state: State = State.OK) -> Record:
    """A row that says only how it stands."""
    verdict = Verdict(state=state, summary=text("as found"), judged_at=factory.START)
    return Record(row=row, title=text("A row"), section=section, verdict=verdict)


def name(row: str, section: str) -> str:
    """The part that the row belongs to."""
    return str(place_of(record(row, section)).name)


@pytest.mark.parametrize(
    ("row", "section", "part"),
    [
        ("ETL-07", "flow", "Producers"),
        ("QUEUE-01", "queue", "Queue"),
        ("BROKER-02", "broker", "Queue"),
        ("QUEUE-06", "deliveries", "Workers"),
        ("STAGE-01", "staging", "Staging"),
        ("ETL-01", "etl", "ETL"),
        ("ETL-04", "flow", "ETL"),
        ("STAGE-06", "records", "Core"),
        ("ETL-06", "flow", "SIGED"),
        ("HOST-11", "host_health", "Hosts and services"),
        ("OURS-01", "a pack of our own", "Other rows"),
    ],
)
def test_a_row_s_own_part_goes_before_its_section_s(row: str, section: str, part: str) -> None:
    assert name(row, section) == part


def test_every_row_of_the_runbook_has_a_part_and_no_part_names_one_that_is_not() -> None:
    for module in pkgutil.iter_modules(checks.__path__):
        if module.name != "conftest":
            importlib.import_module(f"checks.{module.name}")
    declared = {row.id: row.section for row in rows.declared() if row.check.__module__.startswith("checks.")}
    assert [row for row, section in declared.items() if name(row, section) == "Other rows"] == []
    assert {row for place in WAY for row in place.rows} <= set(declared)


def test_the_parts_stand_as_their_worst_row_and_count_all() -> None:
    way = {part.name: part for part in view(factory.incident(), EN).map.way}
    assert list(way) == ["Producers", "Queue", "Workers", "Staging", "ETL", "Core", "SIGED"]
    assert {n: part.mark.name for n, part in way.items() if part.mark} == {
        "Queue": "fixed",
        "Staging": "ok",
        "ETL": "warning",
        "SIGED": "skipped",
    }
    assert [(count.mark.name, count.number) for count in way["ETL"].counts] == [("warning", 1), ("ok", 1)]
    assert [panel.row for panel in way["ETL"].broken] == ["ETL-01"]


def test_a_part_that_no_row_looked_at_is_not_in_order() -> None:
    ground = {part.name: part for part in view(factory.incident(), EN).map.ground}
    assert list(ground) == ["Database", "Hosts and services", "Backups and archive", "Security", "Runbook"]
    assert ground["Security"].mark is None


def test_rows_of_no_part_and_rows_beyond_the_first_are_counted() -> None:
    given = tuple(record(f"OURS-{n}", "ours", State.CRITICAL) for n in range(5))
    run = factory.replaced(records=given)
    others = view(run, EN).map.ground[-1]
    assert (others.name, len(others.broken), others.more) == ("Other rows", 3, "and 2 more")
