"""How the report was made: where, with what, in which mode, by which policy, and what was read for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from reports.clean import label, shortened
from reports.language import Language
from reports.panel import LINE, NAME
from reports.shown import Panel
from runbook.model import Reading, Run

PARAGRAPH = 400


class ReadingView(msgspec.Struct, frozen=True):
    """One answer of a target, or why there was none."""

    target: str
    request: str
    at: str
    took: str
    error: str


def mode(run: Run, language: Language) -> str:
    """Whether the run could change anything."""
    if run.plan_file is not None and run.plan_file.applied:
        return language.word("with an approved plan, and nothing else")
    if run.fixing:
        return language.word("with remedies, where policy allows (--fix)")
    return language.word("reading only: nothing was changed")


def facts(run: Run, panels: Iterable[Panel], language: Language) -> Iterator[tuple[str, str]]:
    """Names and values, every waiver of the rows that ran among them, needed or not."""
    word, environment = language.word, run.environment
    yield word("Site"), label(environment.site, NAME)
    yield word("Environment"), label(environment.name, NAME)
    yield word("Started"), language.moment(run.started_at)
    yield word("Ended"), language.moment(run.ended_at)
    yield word("Time zone"), f"{label(environment.timezone, NAME)} ({language.offset(run.started_at)})"
    yield word("Checked from"), label(environment.host, NAME) or "—"
    yield word("Mode"), mode(run, language)
    yield word("Policy"), _policy(run, language)
    for panel in panels:
        for words in panel.waivers:
            yield word("Waiver of {row}", row=panel.row), words
    yield word("Run"), label(run.id, NAME)
    yield word("Schema of the JSON"), str(run.schema)


def reading(given: Reading, language: Language) -> ReadingView:
    """One reading as a line of a table."""
    return ReadingView(
        target=label(given.target, NAME),
        request=label(given.request, LINE),
        at=language.clock(given.taken_at),
        took=language.duration(given.took),
        error=label(given.error or "", LINE),
    )


def _policy(run: Run, language: Language) -> str:
    """Which guards decided, or that none had to."""
    rules = Counter(record.decision.rule for record in run.records if record.decision and record.decision.rule)
    if not rules:
        return language.word("no plan had to be decided on")
    words = ", ".join(f"{label(rule, NAME)} ×{count}" for rule, count in sorted(rules.items()))
    return shortened(language.word("decided by {rules}", rules=words), PARAGRAPH)
