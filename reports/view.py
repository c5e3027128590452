"""A run as every format shows it: one frozen view model, worst first, counted, capped, in the reader's language.

Formats only set what stands here. Everything from outside is masked once more as it is shown, because a stored run
may be older than the rule that would have masked it at capture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

import msgspec

from reports import findings
from reports.clean import file_stem, label, shortened
from reports.language import Language
from reports.panel import IN_BRIEF, IN_FULL, LINE, NAME, Detail, mark, panel
from reports.shown import Mark, Panel
from reports.story import headline
from reports.waiting import PlanView, plan_view
from reports.words import Standing, rank, standing
from runbook.model import Event, Reading, Run

#: Rows shown in full, and rows told on the first screen: past these a report is a list, not a story.
FULL, FIRST_SCREEN = 40, 12
#: Entries of the timeline and readings of the table at the foot.
ENTRIES, READINGS = 120, 60
PARAGRAPH = 400


class Count(msgspec.Struct, frozen=True):
    """How many rows stand so."""

    mark: Mark
    number: int
    share: float


class Entry(msgspec.Struct, frozen=True):
    """One line of the timeline; ``after`` is the time since the run began, ``mark`` a standing's name or empty."""

    clock: str
    iso: str
    after: str
    mark: str
    row: str
    what: str


class Day(msgspec.Struct, frozen=True):
    """The entries of one date in the site's zone."""

    date: str
    offset: str
    entries: tuple[Entry, ...]


class ReadingView(msgspec.Struct, frozen=True):
    """One answer of a target, or why there was none."""

    target: str
    request: str
    at: str
    took: str
    error: str


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
    counts: tuple[Count, ...]
    plan: PlanView | None
    troubled: tuple[Panel, ...]
    healthy: tuple[Panel, ...]
    skipped: tuple[Panel, ...]
    days: tuple[Day, ...]
    more_entries: str
    readings: tuple[ReadingView, ...]
    more_readings: str
    facts: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]

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
    return _View(run, language, full, rest).report()


class _View:
    def __init__(self, run: Run, language: Language, full: int, rest: Detail) -> None:
        self.run, self.language, self.full, self.rest = run, language, full, rest
        self.records = sorted(run.records, key=rank)
        self.found = findings.files(run, file_stem(run.id))

    def report(self) -> Report:
        run, language = self.run, self.language
        events, readings = sorted(run.events, key=_when), sorted(run.readings, key=_worst_reading)
        worst = standing(self.records[0]) if self.records else Standing.SKIPPED
        return Report(
            code=language.code,
            site=self.name(run.environment.site),
            environment=self.name(run.environment.name),
            run=self.name(run.id),
            started=language.moment(run.started_at),
            started_iso=language.local(run.started_at).isoformat(timespec="seconds"),
            took=language.duration(run.ended_at - run.started_at),
            mode=self.mode(),
            interrupted=self.interrupted(),
            standing=mark(worst, language),
            headline=tuple(headline(self.records, language)),
            counts=self.counts(),
            plan=plan_view(run.plan_file, language) if run.plan_file else None,
            troubled=self.panels(*_TROUBLED),
            healthy=self.panels(Standing.OK),
            skipped=self.panels(Standing.SKIPPED),
            days=self.days(events[:ENTRIES]),
            more_entries=self.more(len(events) - ENTRIES),
            readings=tuple(map(self.reading, readings[:READINGS])),
            more_readings=self.more(len(readings) - READINGS),
            facts=tuple(self.facts()),
            versions=tuple((self.name(k), self.name(v)) for k, v in sorted(run.environment.versions.items())),
        )

    def name(self, words: str) -> str:
        return label(words, NAME)

    def more(self, left: int) -> str:
        return self.language.word("and {count} more", count=left) if left > 0 else ""

    def mode(self) -> str:
        if self.run.plan_file is not None and self.run.plan_file.applied:
            return self.language.word("with an approved plan, and nothing else")
        if self.run.fixing:
            return self.language.word("with remedies, where policy allows (--fix)")
        return self.language.word("reading only: nothing was changed")

    def interrupted(self) -> str:
        if not self.run.interrupted:
            return ""
        return self.language.word("The run was stopped before its end: what is missing was not checked")

    def counts(self) -> tuple[Count, ...]:
        found = Counter(map(standing, self.records))
        total = max(len(self.records), 1)
        marks = ((s, mark(s, self.language)) for s in Standing if found[s])
        return tuple(Count(m, found[s], round(found[s] / total * 100, 2)) for s, m in marks)

    def panels(self, *standings: Standing) -> tuple[Panel, ...]:
        return tuple(
            panel(
                r,
                self.run.ended_at,
                self.language,
                IN_FULL if n < self.full else self.rest,
                place=n,
                files=self.found.get(r.row, ()),
            )
            for n, r in enumerate(self.records)
            if standing(r) in standings
        )

    def days(self, events: list[Event]) -> tuple[Day, ...]:
        by_day = groupby(events, key=lambda e: (self.language.date(e.at), self.language.offset(e.at)))
        return tuple(Day(date, offset, tuple(map(self.entry, group))) for (date, offset), group in by_day)

    def entry(self, event: Event) -> Entry:
        return Entry(
            clock=self.language.clock(event.at),
            iso=self.language.local(event.at).isoformat(timespec="milliseconds"),
            after=self.since_start(event.at),
            mark=_MARKS.get(event.kind, ""),
            row=self.name(event.row),
            what=shortened(self.language.say(event.what), PARAGRAPH),
        )

    def since_start(self, at: datetime) -> str:
        if at < self.run.started_at:
            return ""
        return "+" + self.language.duration(at - self.run.started_at)

    def reading(self, reading: Reading) -> ReadingView:
        return ReadingView(
            target=self.name(reading.target),
            request=label(reading.request, LINE),
            at=self.language.clock(reading.taken_at),
            took=self.language.duration(reading.took),
            error=label(reading.error or "", LINE),
        )

    def facts(self) -> Iterator[tuple[str, str]]:
        word, run, environment = self.language.word, self.run, self.run.environment
        yield word("Site"), self.name(environment.site)
        yield word("Environment"), self.name(environment.name)
        yield word("Started"), self.language.moment(run.started_at)
        yield word("Ended"), self.language.moment(run.ended_at)
        yield word("Time zone"), f"{self.name(environment.timezone)} ({self.language.offset(run.started_at)})"
        yield word("Checked from"), self.name(environment.host) or "—"
        yield word("Mode"), self.mode()
        yield word("Policy"), self.policy()
        yield from self.waivers()
        yield word("Run"), self.name(run.id)
        yield word("Schema of the JSON"), str(run.schema)

    def waivers(self) -> Iterator[tuple[str, str]]:
        """Every waiver of the rows that ran, needed or not."""
        for record in self.records:
            shown = panel(record, self.run.ended_at, self.language, self.rest)
            for words in shown.waivers:
                yield self.language.word("Waiver of {row}", row=self.name(record.row)), words

    def policy(self) -> str:
        """Which guards decided, or that none had to."""
        rules = Counter(r.decision.rule for r in self.records if r.decision and r.decision.rule)
        if not rules:
            return self.language.word("no plan had to be decided on")
        words = ", ".join(f"{self.name(rule)} ×{count}" for rule, count in sorted(rules.items()))
        return shortened(self.language.word("decided by {rules}", rules=words), PARAGRAPH)


#: Kinds of events that tell how a row stands.
_MARKS = {
    "CRITICAL": "critical",
    "WARNING": "warning",
    "UNKNOWN": "unknown",
    "fixed": "fixed",
    "not fixed": "critical",
    "not proven": "unknown",
    "failed": "critical",
    "refused": "critical",
}
_TROUBLED = (Standing.CRITICAL, Standing.WARNING, Standing.UNKNOWN, Standing.WAIVED, Standing.FIXED)


def _worst_reading(reading: Reading) -> tuple[bool, float]:
    """Failed ones first, then the slowest."""
    return reading.error is None, -reading.took.total_seconds()


def _when(event: Event) -> datetime:
    return event.at
