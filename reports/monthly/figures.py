"""All numbers of a monthly report, computed once: what is written and what is printed as JSON are the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from reports.levels import LevelResult
from reports.monthly import cases, growth, metrics, procedures, risks, thresholds
from reports.monthly.cases import Told
from reports.monthly.growth import Forecast
from reports.monthly.metrics import Day, Latency
from reports.monthly.month import Month, day_of
from reports.monthly.procedures import Backups, Fix, Procedure, Purged
from reports.monthly.risks import Risk
from reports.monthly.thresholds import Contrast


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """``month`` is written as 2026-11."""

    month: str
    levels: tuple[LevelResult, ...]
    days: tuple[Day, ...]
    latencies: tuple[Latency, ...]
    latency_line: tuple[tuple[datetime, float], ...]
    contrasts: tuple[Contrast, ...]
    incidents: tuple[Told, ...]
    fixes: tuple[Fix, ...]
    procedures: tuple[Procedure, ...]
    backups: Backups
    purged: tuple[Purged, ...]
    growth: tuple[Forecast, ...]
    risks: tuple[Risk, ...]


def figures(month: Month) -> Figures:
    """Everything there is to say of a month."""
    levels = metrics.levels(month)
    days = metrics.each_day(month, levels)
    contrasts, fixes = thresholds.contrasts(month), procedures.fixes(month)
    backups, forecasts = procedures.backups(month), growth.forecasts(month)
    return Figures(
        month=f"{day_of(month, month.start):%Y-%m}",
        levels=levels,
        days=days,
        latencies=metrics.latencies(month),
        latency_line=metrics.highest_by_day(month),
        contrasts=contrasts,
        incidents=cases.told(month),
        fixes=fixes,
        procedures=procedures.carried_out(month),
        backups=backups,
        purged=procedures.purged(month),
        growth=forecasts,
        risks=tuple(_risks(month, levels, days, contrasts, fixes, backups, forecasts)),
    )


def _risks(
    month: Month,
    levels: tuple[LevelResult, ...],
    days: tuple[Day, ...],
    contrasts: tuple[Contrast, ...],
    fixes: tuple[Fix, ...],
    backups: Backups,
    forecasts: tuple[Forecast, ...],
) -> Iterator[Risk]:
    """The worst first: what is broken, what was missed, what is not known, what is to come."""
    blind = risks.blind(contrasts)
    lasting = {row for one in month.incidents if one.ended is None for row in one.rows}
    yield from risks.of_incidents(month)
    yield from risks.of_levels(levels)
    yield from risks.of_days(days)
    yield from risks.of_rows(month, lasting.union(blind))
    yield from risks.of_blind(blind)
    yield from risks.of_backups(backups)
    yield from risks.of_growth(forecasts, month)
    yield from risks.of_fixes(fixes)
