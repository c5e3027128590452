"""The monthly report says what was measured; what was not is a gap, and never good news."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from reports import drafts, monthly
from reports.language import Language
from reports.levels import Held
from reports.monthly import cases, growth, metrics, procedures, thresholds
from reports.monthly.figures import figures
from reports.monthly.month import Month
from runbook.history import Measured
from runbook.incidents import Incident
from runbook.model import State, Waived
from runbook.text import Quantity, text
from tests.reports import factory, markup
from tests.reports.telling import DAY, FIRST, HOUR, MINUTE, NEXT, judged, limits_of_the_etl, month, procedure, replace

ENGLISH = Language("en")
CURP = "XEXX010101HNEXXXA4"


def said(given: Month) -> str:
    return monthly.render(given, "markdown", ENGLISH).decode()


def section(page: str, title: str) -> str:
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def incident(**changes: object) -> Incident:
    run = factory.incident()
    given = {"id": "lab-1", "environment": "lab", "began": run.started_at, "ended": run.ended_at, "runs": (run.id,)}
    return Incident(**{**given, "rows": ("QUEUE-01",), "worst": State.CRITICAL, **changes})  # type: ignore[arg-type]


def test_the_sections_stand_in_the_office_s_order() -> None:
    titles = [line[3:] for line in said(month()).splitlines() if line.startswith("## ")]
    assert titles == ["Metrics", "Thresholds contrasted", "Incidents", "Procedures applied", "Risks", "Next steps"]


def test_every_section_has_a_gap_for_people() -> None:
    page = said(month())
    assert all("Complete: " in part for part in page.split("\n## ")[1:])


def test_a_day_without_a_run_is_a_gap() -> None:
    days = {one.day: one for one in figures(month()).days}
    assert len(days) == 30
    assert (days[date(2026, 11, 7)].worst, days[date(2026, 11, 7)].runs) == (None, 0)
    assert days[date(2026, 11, 8)].unseen == DAY
    page = said(month())
    assert "| 8 Nov 2026 | 0 | no data | — | — | 1 d |" in page
    assert "28 of 30" in page
    assert "No run judged anything on 2 of 30 days" in section(page, "Risks")


def test_a_month_without_any_run_is_no_good_news() -> None:
    page = said(month(judged=(), kept=(), measures=(), runs=()))
    assert "100 %" not in page
    assert "Met**" not in page
    assert page.count("| no data |") == 4 + 30
    assert "No run looked in this month: whether there was an incident is not known." in page
    assert "there is no forecast" in page
    assert "0 of 0 days that are known have a verified backup; of 30 days nothing is known." in page


def test_nights_alone_prove_no_level_and_a_critical_night_misses_it() -> None:
    held = {one.level.name: one.held for one in figures(month()).levels}
    assert held == {
        "availability": Held.NOT_PROVEN,
        "throughput": Held.NOT_PROVEN,
        "siged": Held.NOT_PROVEN,
        "latency": Held.MISSED,
    }
    metrics_ = section(said(month()), "Metrics")
    assert "too coarse for a budget of 43 min 12 s" in metrics_
    assert "100 %" not in metrics_


def test_the_downtime_of_each_day_is_the_whole_downtime_also_when_clocks_change() -> None:
    zone = replace(factory.incident().environment, timezone="America/New_York")
    start, end = datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 12, 1, 5, tzinfo=UTC)
    told = (judged("DB-02", start + HOUR, State.CRITICAL), judged("DB-02", start + 26 * HOUR, State.OK))
    given = month(environment=zone, start=start, end=end, judged=told, kept=(), made_at=end)
    found = metrics.levels(given)
    days = metrics.each_day(given, found)
    assert len(days) == 30
    assert [one.down for one in days[:3]] == [24 * HOUR, HOUR, timedelta(0)]  # the first has 25 hours
    assert sum((one.down for one in days), timedelta(0)) == found[0].bad == 25 * HOUR
    assert sum((one.unseen for one in days), timedelta(0)) == found[0].gap


def test_the_latency_is_told_with_its_days() -> None:
    found = figures(month()).latencies[0]
    assert (found.object, found.samples, found.highest, found.highest_at.day) == ("tbae*", 28, 3000.0, 4)
    assert 300 < found.median < found.high < 330
    assert len(figures(month()).latency_line) == 28
    page = monthly.render(month(), "html", ENGLISH)
    assert len(markup.read(page).named("polyline")) == 2  # the line stops at the two days without data
    assert {one.attributes["class"] for one in markup.read(page).named("line")} == {"limit warning", "limit critical"}


def test_thresholds_that_fired_and_those_that_never_did() -> None:
    found = {one.row: one for one in thresholds.contrasts(month())}
    assert (found["ETL-01"].criticals, found["ETL-01"].judged, found["ETL-01"].first_at) == (
        1,
        28,
        FIRST + 3 * DAY + 5 * HOUR,
    )
    assert found["ETL-01"].nearest == thresholds.Nearest(
        "tbae*", Quantity(3000.0, "s"), Quantity(900, "s"), Quantity(2700, "s"), 333.3
    )
    assert (found["DB-02"].fired, found["DB-02"].nearest) == (0, None)
    assert (found["HOST-01"].judged, found["HOST-01"].unknown) == (0, 28)
    page = section(said(month()), "Thresholds contrasted")
    fired, _, silent = page.partition("### Thresholds that never fired")
    assert "| ETL-01 |" in fired
    assert "| DB-02 |" in silent
    assert "Never seen, so nothing is known of them: HOST-01" in silent
    assert "| HOST-01 |" not in page


def test_of_those_that_never_fired_the_nearest_stands_first() -> None:
    samples = (
        Measured("STAGE-02", "tbae* (bytes)", FIRST, 1, State.OK),
        Measured("ETL-01", "tbae*", FIRST, 720, State.OK),
    )
    told = tuple(judged(row, FIRST + HOUR, State.OK) for row in ("BACKUP-01", "DB-02", "ETL-01"))
    page = section(said(month(judged=told, measures=samples)), "Thresholds contrasted")
    assert [line.split(" ")[1] for line in page.splitlines() if line.startswith(("| ETL", "| DB", "| BACK"))] == [
        *("ETL-01", "BACKUP-01", "DB-02"),
    ]
    assert "tbae\\*: 12 min, 80 % of the warning 15 min" in page


def test_a_threshold_below_which_it_is_worse_is_neared_from_above() -> None:
    run = limits_of_the_etl(NEXT - DAY)
    room = replace(run.records[1].verdict.measures[0], direction="below", warning=Quantity(20, "%"), critical=None)
    disk = replace(run.records[1], verdict=replace(run.records[1].verdict, measures=(room,)))
    samples = (
        Measured("HOST-01", "db1:/var", FIRST, 40, State.OK),
        Measured("HOST-01", "db1:/var", FIRST, 25, State.OK),
    )
    found = thresholds.contrasts(month(runs=(replace(run, records=(disk,)),), measures=samples))
    nearest = next(one.nearest for one in found if one.row == "HOST-01")
    assert nearest is not None
    assert (nearest.value, nearest.share) == (Quantity(25, "%"), 80.0)


def test_procedures_are_no_thresholds() -> None:
    told = (*month().judged, judged("BACKUP", FIRST + DAY, State.OK))
    assert "BACKUP" not in {one.row for one in thresholds.contrasts(month(judged=told))}


def test_an_incident_is_told_with_what_its_reports_confirm() -> None:
    given = month(incidents=(incident(),), runs=(factory.incident(),))
    assert [str(one) for one in cases.told(given)[0].causes] == ["The initial-processing service is down"]
    page = section(said(given), "Incidents")
    assert "| lab-1 |" in page
    assert "27 s" in page
    assert "Start servicio-procesamiento-inicial:replica-01" in page
    assert "the reports are not kept any more" in section(said(month(incidents=(incident(),))), "Incidents")
    assert "The runs of this month saw no incident." in said(month())


def test_an_incident_that_lasts_is_the_first_risk() -> None:
    given = month(incidents=(incident(ended=None, began=FIRST + 9 * DAY),))
    first = figures(given).risks[0]
    assert str(first.what).startswith("Incident lab-1 still lasts")
    assert "muses-runbook postmortem lab-1" in section(said(given), "Next steps")
    assert "not ended" in section(said(given), "Incidents")


def test_remedies_and_procedures_are_told_apart_and_dry_runs_are_neither() -> None:
    moved = replace(factory.incident(), started_at=FIRST + DAY)
    runs = (
        moved,
        procedure("BACKUP", FIRST + 2 * DAY, text("published")),
        procedure("BACKUP", FIRST + 3 * DAY, text("dry"), executed=False),
    )
    given = month(runs=runs)
    assert [(one.row, len(one.steps)) for one in procedures.fixes(given)] == [("QUEUE-01", 2)]
    assert [(one.row, str(one.result)) for one in procedures.carried_out(given)] == [("BACKUP", "published")]


def test_days_with_a_backup_without_one_and_those_that_nobody_knows() -> None:
    told = (
        judged("BACKUP-01", FIRST + 9 * HOUR, State.OK),
        judged("BACKUP-01", FIRST + DAY + 9 * HOUR, State.CRITICAL),
    )
    runs = (
        procedure("BACKUP", FIRST + 2 * DAY + HOUR, text("x")),
        procedure("RESTORE-TEST", FIRST + 4 * DAY, text("x")),
        procedure("RESTORE-TEST", FIRST + 5 * DAY, text("x"), state=State.CRITICAL),
        procedure("BACKUP", FIRST - DAY, text("of the month before")),
    )
    found = procedures.backups(month(judged=told, runs=runs))
    assert found.days_with == (date(2026, 11, 1), date(2026, 11, 3))
    assert found.days_without == (date(2026, 11, 2),)
    assert len(found.days_unknown) == 27
    assert (found.made, len(found.restored_at), len(found.failed_at)) == (1, 1, 1)
    page = section(said(month(judged=told, runs=runs)), "Procedures applied")
    assert "2 of 3 days that are known have a verified backup; of 27 days nothing is known." in page
    assert "Without one: 2 Nov 2026" in page


def test_no_restore_in_the_month_is_a_risk() -> None:
    assert "None was proven by restoring it in this month." in said(month())
    assert "No backup was restored in this month: none of them is proven" in section(said(month()), "Risks")


def test_purges_are_summed_by_table() -> None:
    def purge(day: int, deleted: int) -> object:
        result = text("deleted {deleted}; {changed} stay", deleted=deleted, changed=3)
        return procedure("PURGE", FIRST + day * DAY, result)

    found = procedures.purged(month(runs=(purge(1, 1000), purge(8, 2500))))
    assert [(one.table, one.deleted, one.changed, one.purges) for one in found] == [("tbae009_respuesta", 3500, 6, 2)]


def test_growth_is_forecast_to_the_day_of_its_limit() -> None:
    disk, size = growth.forecasts(month())
    assert (disk.object, disk.per_day, disk.limit) == ("db1:/var", Quantity(0.5, "%"), Quantity(90, "%"))
    # 74.5 % on the 30th, half a percent more a day: 31 days to 90 %.
    assert disk.reached_at == NEXT + 31 * DAY
    assert (size.object, size.per_day, size.ahead) == (
        "tbae* (bytes)",
        Quantity(5e7, "B"),
        Quantity(4e9 + 119 * 5e7, "B"),
    )
    assert size.reached_at is None
    assert "At this pace db1:/var reaches 90% on 1 Jan 2027" in section(said(month()), "Risks")


@pytest.mark.parametrize(
    ("values", "per_day"),
    [
        ([5, 6, 7, 8], None),  # four days are no trend
        ([9, 8, 7, 6, 5], 0.0),  # what shrinks does not grow
        ([5, 6, 50, 8, 9, 10], 1.0),  # one odd day moves nothing
    ],
)
def test_a_forecast_takes_days_enough_that_rise(values: list[float], per_day: float | None) -> None:
    samples = tuple(Measured("HOST-01", "db1:/var", FIRST + n * DAY, value, State.OK) for n, value in enumerate(values))
    found = growth.forecasts(month(measures=samples))[0]
    assert found.per_day == (None if per_day is None else Quantity(per_day, "%"))


def test_the_peak_of_each_day_is_no_growth() -> None:
    values = [(day, value) for day in range(6) for value in (50.0, 50.0, 60.0 + day)]
    samples = tuple(Measured("HOST-01", "db1:/var", FIRST + day * DAY, value, State.OK) for day, value in values)
    assert growth.forecasts(month(measures=samples))[0].per_day == Quantity(0.0, "%")


def test_what_is_broken_waived_and_often_treated_is_a_risk() -> None:
    run = limits_of_the_etl(NEXT - DAY)
    etl, disk, size = run.records
    ends = (NEXT + 5 * DAY).date()
    waiver = Waived(owner="Ana", approver="Beto", reason="x", start=ends, expires=ends, state=State.WARNING, holds=True)
    records = (
        replace(etl, verdict=replace(etl.verdict, state=State.CRITICAL)),
        replace(disk, row="HOST-12", verdict=replace(disk.verdict, state=State.UNKNOWN)),
        replace(size, verdict=replace(size.verdict, state=State.WARNING), waivers=(waiver,)),
    )
    treated = tuple(replace(factory.incident(), id=str(n), started_at=FIRST + n * HOUR) for n in range(3))
    risks = [str(one.what) for one in figures(month(runs=(*treated, replace(run, records=records)))).risks]
    for words in (
        "ETL-01 is breached in the newest run",
        "The newest run could not see HOST-12",
        "The waiver of STAGE-02 ends on 2026-12-06",
        "QUEUE-01 was treated 3 times: the symptom goes, the cause remains",
    ):
        assert words in risks
    assert "STAGE-02 is breached in the newest run" not in risks


def test_before_the_month_is_over_it_is_told_so_far() -> None:
    early = month(made_at=FIRST + 10 * DAY)
    assert len(figures(early).days) == 10
    assert "Told up to" in said(early)
    assert "Told up to" not in said(month())


@pytest.mark.parametrize("form", drafts.SUFFIXES)
def test_personal_data_never_leaves(form: str) -> None:
    words = f"curp {CURP} correo ana@example.invalid"
    hostile = replace(factory.hostile(words), started_at=FIRST + DAY)
    samples = (Measured("STAGE-02", f"{words} (bytes)", FIRST + DAY, 1.0, State.OK),)
    rows = tuple(record.row for record in hostile.records)
    given = month(runs=(hostile,), measures=samples, incidents=(incident(rows=rows, runs=(hostile.id,), id=words),))
    content = monthly.render(given, form, ENGLISH)
    for canary in (CURP, "ana@example.invalid"):
        assert canary.encode() not in content
        assert canary not in monthly.facts(given).decode()


def test_hostile_runs_make_a_well_formed_page() -> None:
    run = replace(factory.hostile(), started_at=FIRST + DAY)
    page = markup.read(
        monthly.render(month(runs=(run,), incidents=(incident(rows=(run.records[0].row,)),)), "html", ENGLISH)
    )
    assert "script" not in {element.tag for element in page.elements}


def test_the_json_has_the_same_numbers() -> None:
    found = json.loads(monthly.facts(month()))
    assert found["month"] == "2026-11"
    assert {one["level"]["name"]: one["held"] for one in found["levels"]}["latency"] == "missed"
    assert found["days"][6]["worst"] is None
    assert [one["object"] for one in found["growth"]] == ["db1:/var", "tbae* (bytes)"]


def test_a_busy_month_is_told_in_time_and_stays_small() -> None:
    every = [FIRST + n * 20 * MINUTE for n in range(30 * 72)]
    told = tuple(
        judged(row, at, State.OK) for at in every for row in ("DB-02", "BROKER-01", "ETL-01", "ETL-03", "ETL-06")
    )
    page = monthly.render(month(judged=told), "html", ENGLISH)
    assert len(page) < 200_000
