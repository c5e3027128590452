"""A run as every format shows it: one frozen view model, worst first, counted, capped, in the reader's language.

Formats only set what stands here. Everything from outside is masked once more as it is shown, because a stored run
may be older than the rule that would have masked it at capture.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from reports import findings
from reports.clean import file_stem, label
from reports.language import Language
from reports.panel import IN_BRIEF, IN_FULL, NAME, Detail, mark, panel
from reports.shown import Mark, Panel
from reports.story import headline
from reports.view.answers import Answer, answers
from reports.view.cause_tree import CauseTree, cause_tree
from reports.view.counts import Count, counts
from reports.view.foot import ReadingView, facts, mode, reading
from reports.view.glossary import glossary
from reports.view.service_map import ServiceMap, service_map
from reports.view.timeline import Day, timeline
from reports.waiting import PlanView, plan_view
from reports.words import Standing, rank, standing
from runbook.model import Event, Reading, Record, Run

#: Rows shown in full, and rows told on the first screen: past these a report is a list, not a story.
FULL, FIRST_SCREEN = 40, 12
#: Entries of the timeline and readings of the table at the foot.
ENTRIES, READINGS = 120, 60


class Report(msgspec.Struct, frozen=True):
    """The whole of it. ``troubled`` holds what is open, waived or was fixed, worst first."""

    code: str
    site: str
    environment: str
    run: str
    started: str
    started_iso: str
    took: str
    mode: str
    interrupted: str
    standing: Mark
    headline: tuple[str, ...]
    answers: tuple[Answer, ...]
    counts: tuple[Count, ...]
    map: ServiceMap
    plan: PlanView | None
    troubled: tuple[Panel, ...]
    causes: CauseTree
    healthy: tuple[Panel, ...]
    skipped: tuple[Panel, ...]
    days: tuple[Day, ...]
    more_entries: str
    readings: tuple[ReadingView, ...]
    more_readings: str
    facts: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    glossary: tuple[tuple[str, str], ...]

    @property
    def first_screen(self) -> tuple[Panel, ...]:
        """The rows whose story is told at the top."""
        return self.troubled[:FIRST_SCREEN]

    @property
    def everything(self) -> tuple[Panel, ...]:
        """Every row, worst first."""
        return self.troubled + self.healthy + self.skipped


def view(run: Run, language: Language, *, full: int = FULL, rest: Detail = IN_BRIEF) -> Report:
    """The run in one language; ``full`` is how many rows are shown with all their evidence, ``rest`` how the others."""
    records = sorted(run.records, key=rank)
    panels = _panels(run, records, language, full, rest)
    rows = tuple(zip(records, panels, strict=True))
    troubled = tuple((record, shown) for record, shown in rows if standing(record) in _TROUBLED)
    broken = tuple(shown for _, shown in troubled)
    events, readings = sorted(run.events, key=_when), sorted(run.readings, key=_worst_reading)
    return Report(
        code=language.code,
        site=label(run.environment.site, NAME),
        environment=label(run.environment.name, NAME),
        run=label(run.id, NAME),
        started=language.moment(run.started_at),
        started_iso=language.local(run.started_at).isoformat(timespec="seconds"),
        took=language.duration(run.ended_at - run.started_at),
        mode=mode(run, language),
        interrupted=_interrupted(run, language),
        standing=mark(standing(records[0]) if records else Standing.SKIPPED, language),
        headline=tuple(headline(records, language)),
        answers=answers(troubled, run.started_at, run.ended_at, language),
        counts=counts(map(standing, records), language),
        map=service_map(rows, language),
        plan=plan_view(run.plan_file, language) if run.plan_file else None,
        troubled=broken,
        causes=cause_tree(broken, language),
        healthy=tuple(shown for record, shown in rows if standing(record) is Standing.OK),
        skipped=tuple(shown for record, shown in rows if standing(record) is Standing.SKIPPED),
        days=timeline(events[:ENTRIES], run.started_at, language),
        more_entries=_more(len(events) - ENTRIES, language),
        readings=tuple(reading(given, language) for given in readings[:READINGS]),
        more_readings=_more(len(readings) - READINGS, language),
        facts=tuple(facts(run, panels, language)),
        versions=tuple((label(k, NAME), label(v, NAME)) for k, v in sorted(run.environment.versions.items())),
        glossary=glossary(language),
    )


def _panels(run: Run, records: list[Record], language: Language, full: int, rest: Detail) -> tuple[Panel, ...]:
    found = findings.files(run, file_stem(run.id))
    return tuple(
        panel(
            record,
            run.ended_at,
            language,
            IN_FULL if place < full else rest,
            place=place,
            files=found.get(record.row, ()),
        )
        for place, record in enumerate(records)
    )


def _interrupted(run: Run, language: Language) -> str:
    if not run.interrupted:
        return ""
    return language.word("The run was stopped before its end: what is missing was not checked")


def _more(left: int, language: Language) -> str:
    return language.word("and {count} more", count=left) if left > 0 else ""


_TROUBLED = (Standing.CRITICAL, Standing.WARNING, Standing.UNKNOWN, Standing.WAIVED, Standing.FIXED)


def _worst_reading(reading: Reading) -> tuple[bool, float]:
    """Failed ones first, then the slowest."""
    return reading.error is None, -reading.took.total_seconds()


def _when(event: Event) -> datetime:
    return event.at
