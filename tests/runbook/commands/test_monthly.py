"""``monthly`` gathers a month from the history and the stored runs that matter, in the site's own zone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from click import UsageError
from click.testing import CliRunner

from runbook.cli import commands
from runbook.commands.monthly import _span
from runbook.errors import ReportError, SettingsError
from tests.reports import telling
from tests.runbook.commands.test_postmortem import an_hour, keep, site

__all__ = ["site"]
replace = msgspec.structs.replace


def run(site: Path, *arguments: str) -> list[str]:
    done = CliRunner().invoke(commands, ["monthly", "--settings", str(site), *arguments], standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.stdout.splitlines()


def facts(site: Path, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads("\n".join(run(site, "--json", *arguments)))
    return found


def of_the_hour() -> str:
    """The month of the incident of the hour before now, in the site's zone."""
    return f"{an_hour()[1].started_at.astimezone(ZoneInfo('America/Mexico_City')):%Y-%m}"


def test_a_month_is_the_site_s_own() -> None:
    zone = ZoneInfo("America/Mexico_City")
    assert _span(2026, 11, zone) == (datetime(2026, 11, 1, 6, tzinfo=UTC), datetime(2026, 12, 1, 6, tzinfo=UTC))
    assert _span(2026, 12, zone)[1] == datetime(2027, 1, 1, 6, tzinfo=UTC)


def test_the_incident_of_the_month_is_told_from_its_first_and_last_run(site: Path) -> None:
    keep(site, *an_hour())
    found = facts(site, of_the_hour())
    told = found["incidents"][0]
    assert (told["rows"], told["worst"], told["read"]) == (["QUEUE-01", "ETL-01"], "CRITICAL", True)
    assert "The initial-processing service is down" in [one["template"] for one in told["causes"]]
    assert [one["row"] for one in found["fixes"]] == ["QUEUE-01"]
    assert {one["row"]: one["criticals"] for one in found["contrasts"]}["QUEUE-01"] == 3


def test_procedures_are_read_and_dry_runs_are_none(site: Path) -> None:
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=3)
    done = telling.procedure("PURGE", at, telling.text("deleted {deleted}", deleted=1000))
    dry = telling.procedure("BACKUP", at - timedelta(minutes=1), telling.text("x"), executed=False)
    keep(site, dry, done)
    month = f"{at.astimezone(ZoneInfo('America/Mexico_City')):%Y-%m}"
    found = facts(site, month)
    assert [one["row"] for one in found["procedures"]] == ["PURGE"]
    assert found["purged"] == [{"table": "tbae009_respuesta", "deleted": 1000, "changed": 0, "purges": 1}]
    assert found["contrasts"] == []


def test_measures_of_the_history_are_the_month_s(site: Path) -> None:
    at = an_hour()[-1].started_at
    keep(site, telling.limits_of_the_etl(at))
    found = facts(site, of_the_hour())
    assert found["latencies"][0]["highest"] == 320
    assert found["growth"][0]["per_day"] is None  # one day is no trend


def test_reports_that_are_not_kept_are_counted(site: Path) -> None:
    runs = an_hour()
    keep(site, *runs)
    next((site.parent / "state" / "runs" / runs[3].id).glob("*.json")).unlink()
    page = Path(run(site, of_the_hour(), "--format", "markdown")[0]).read_text()
    assert "The report of 1 run is not kept any more" in page


def test_without_a_month_it_is_the_last_that_is_over(site: Path) -> None:
    first = datetime.now(ZoneInfo("America/Mexico_City")).replace(day=1)
    found = facts(site)
    assert found["month"] == f"{first - timedelta(days=1):%Y-%m}"
    assert all(one["worst"] is None for one in found["days"])
    assert {one["held"] for one in found["levels"]} == {"not proven"}


def test_it_is_written_beside_the_reports_and_not_overwritten(site: Path) -> None:
    written = [Path(line) for line in run(site, "2026-01")]
    assert [file.name for file in written] == ["lab-2026-01.md", "lab-2026-01.html"]
    assert written[0].parent == site.parent / "state" / "monthly"
    with pytest.raises(ReportError, match="--replace"):
        run(site, "2026-01")
    assert run(site, "2026-01", "--replace") == [str(file) for file in written]


@pytest.mark.parametrize("written", ["2026-13", "26-01", "november"])
def test_a_month_that_is_none_is_refused(site: Path, written: str) -> None:
    with pytest.raises(UsageError, match="2026-11"):
        run(site, written)


def test_the_site_s_own_service_levels_count(site: Path) -> None:
    own = '\n[environments.lab.service_levels]\navailability = 99.5\navailable_rows = ["X-01"]\n'
    site.write_text(site.read_text() + own)
    found = {one["level"]["name"]: one for one in facts(site, "2026-06")["levels"]}
    assert (found["availability"]["level"]["rows"], found["availability"]["level"]["objective"]) == (["X-01"], 99.5)
    assert found["availability"]["budget"] == "PT12960S"  # 0.5 % of thirty days


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("availability = 120", "percentage above 0 and up to 100"),
        ("others = 0", "percentage above 0 and up to 100"),
        ("available_rows = []", "names no row"),
        ('stands_for = "0 s"', "no judgement count"),
    ],
)
def test_a_service_level_that_means_nothing_is_refused_by_name(site: Path, setting: str, words: str) -> None:
    site.write_text(f"{site.read_text()}\n[environments.lab.service_levels]\n{setting}\n")
    with pytest.raises(SettingsError, match=words) as raised:
        run(site, "2026-01")
    assert raised.value.key == "environments.lab.service_levels"
